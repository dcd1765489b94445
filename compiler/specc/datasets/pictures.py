"""Pictures of a dataset: a sheet of samples with their labels, and histograms."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from unicodedata import combining, normalize

import cv2
import numpy as np
from matplotlib.figure import Figure

from specc.datasets.emitted import words_of
from specc.datasets.gate.looked import Looked
from specc.datasets.survey import SETS

COLUMNS, ROWS = 4, 4
TILE, GAP, LINE = 360, 8, 20  # side of a tile, white gap, height of a caption; pixels
BARS = 20  # most categories in a histogram
WHITE, INK = 255, (40, 40, 40)


def save_sheet(looked: Looked, path: Path) -> int:
    """Saves samples with their labels, a quarter of them from validation. Returns the
    number of samples that could not be drawn."""
    tiles, failed = [], 0
    wanted = {"training": COLUMNS * (ROWS - 1), "validation": COLUMNS}
    for name in SETS:
        for sample in some(looked, name, wanted[name]):
            try:
                tiles.append(tile(drawn(looked, sample), f"{name}: {sample.path.name}"))
            except Exception:  # a broken file can raise any exception
                failed += 1
    save_tiles(tiles, path)
    return failed


def save_tiles(tiles: list[np.ndarray], path: Path) -> None:
    """Saves RGB tiles in rows of COLUMNS, white where there are none."""
    missing = -len(tiles) % COLUMNS if tiles else COLUMNS
    tiles = tiles + missing * [np.full((TILE + LINE, TILE, 3), WHITE, np.uint8)]
    rows = [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
    image = cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def drawn(looked: Looked, sample: Any) -> np.ndarray:
    """Returns an image in RGB with its labels; small images are enlarged for the
    labels."""
    larger = enlarged(sample)
    words = words_of(looked.emitted, larger)
    image = looked.emitted.data.read_image(sample, larger.height, larger.width)
    return looked.emitted.draw.draw(image, words)


def enlarged(sample: Any) -> Any:
    """Returns a sample several times as large as its file, unless it has masks."""
    factor = math.ceil(TILE / max(sample.height, sample.width))
    labels = sample.labels
    if factor == 1 or any(hasattr(label, "masks") for label in labels.values()):
        return sample
    larger = {head: _enlarged_label(label, factor) for head, label in labels.items()}
    height, width = factor * sample.height, factor * sample.width
    return sample._replace(height=height, width=width, labels=larger)


def _enlarged_label(label: Any, factor: int) -> Any:
    places = {
        key: getattr(label, key) * factor
        for key in ("boxes", "corners", "keypoints")
        if hasattr(label, key)
    }
    return label._replace(**places) if places else label


def some(looked: Looked, name: str, count: int) -> list:
    """Returns samples of a set that decode, drawn by a fixed seed."""
    samples = [
        s for s in getattr(looked.reading, name) if s.path in looked.images.pixels
    ]
    order = np.random.default_rng(0).permutation(len(samples))[:count]
    return [samples[i] for i in sorted(order.tolist())]


def tile(image: np.ndarray, caption: str) -> np.ndarray:
    tile = np.full((TILE + LINE, TILE, 3), WHITE, np.uint8)
    scale = (TILE - GAP) / max(image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    resampling = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(image, (width, height), interpolation=resampling)
    tile[:height, :width] = (
        resized[:, :, :3] if resized.ndim == 3 else resized[..., None]
    )
    text = _drawable(caption)
    place = (2, TILE + LINE - 12)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(tile, text[:48], place, font, 0.42, INK, 1, cv2.LINE_AA)
    return tile


def _drawable(text: str) -> str:
    """Returns text as OpenCV can draw it; before its version 5 in ASCII, without
    accents."""
    if int(cv2.__version__.split(".")[0]) >= 5:
        return normalize("NFC", text).encode("utf-8", "replace").decode()
    plain = (x for x in normalize("NFKD", text) if not combining(x))
    return "".join(plain).encode("ascii", "replace").decode()


def save_histograms(looked: Looked, path: Path) -> None:
    """Saves histograms of sizes, shapes, categories and objects."""
    figure = Figure(figsize=(13, 8), layout="constrained")
    (sizes, shapes), (classes, objects) = figure.subplots(2, 2)
    _plot_sizes(looked, sizes)
    _plot_shapes(looked, shapes)
    _plot_classes(looked, classes)
    _plot_objects(looked, objects)
    figure.savefig(path, dpi=100)


def _plot_sizes(looked: Looked, axes: Any) -> None:
    for name in SETS:
        samples = getattr(looked.reading, name)
        axes.scatter(
            [s.width for s in samples],
            [s.height for s in samples],
            s=12,
            alpha=0.5,
            label=name,
        )
    height, width = looked.emitted.job.data.resolution
    axes.scatter([width], [height], marker="x", color="black", label="input")
    axes.set(title="sizes of images", xlabel="width, pixels", ylabel="height, pixels")
    axes.legend()


def _plot_shapes(looked: Looked, axes: Any) -> None:
    ratios = [[s.width / s.height for s in getattr(looked.reading, n)] for n in SETS]
    axes.hist(ratios, bins=30, label=SETS)
    height, width = looked.emitted.job.data.resolution
    axes.axvline(width / height, color="black", linestyle=":", label="input")
    axes.set(title="aspect ratios", xlabel="width / height", ylabel="images")
    axes.legend()


def _plot_classes(looked: Looked, axes: Any) -> None:
    """Plots the frequency of the first head's categories."""
    labels = looked.labels[looked.emitted.job.heads[0].name]
    total = labels.counts["training"] + labels.counts["validation"]
    names = [name for name, _ in total.most_common(BARS)]
    numbers = [labels.numbers[name] for name in SETS]
    if any(numbers) and labels.unit != "tokens":
        axes.hist(numbers, bins=30, label=SETS)
        axes.set(title="values", ylabel=labels.unit)
    else:
        left = np.zeros(len(names))
        for name in SETS:
            values = np.array([labels.counts[name][key] for key in names], float)
            axes.barh(_plain(names), values, left=left, label=name)
            left += values
        axes.invert_yaxis()
        axes.set(title=f"most frequent of {len(total)}", xlabel=labels.unit)
    axes.legend()


def _plain(names: list[str]) -> list[str]:
    """Returns names as labels of an axis: numbered, as two may look alike, and with `$`
    escaped, which would begin a formula."""
    return [f"{i + 1} {name[:24]}".replace("$", r"\$") for i, name in enumerate(names)]


def _plot_objects(looked: Looked, axes: Any) -> None:
    """Plots longer sides in pixels of the input, with the bounds of the levels."""
    found = [(head, looked.objects(head)) for head in looked.emitted.job.heads]
    found = [(head, objects) for head, objects in found if objects and objects.boxes]
    if not found:
        axes.axis("off")
        return
    for head, objects in found:
        longer = [max(r - l, b - t) for l, t, r, b in objects.boxes]
        bins = np.geomspace(max(0.5, min(longer)), max(longer) + 1, 40)
        axes.hist(longer, bins=bins, alpha=0.6, label=head.name)
    for level in found[0][1].levels[1:]:
        axes.axvline(4 * level.stride, color="black", linestyle=":")
        axes.text(
            4 * level.stride, 0, f" level {level.level}", rotation=90, va="bottom"
        )
    axes.set(xscale="log", title="objects of training", ylabel="objects")
    axes.set_xlabel("longer side, pixels of the input")
    axes.legend()
