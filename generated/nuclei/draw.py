"""Drawings: what was found in an image, a sheet of predictions, the curves of a run."""

import colorsys
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import AppendingTiffWriter
from faster_coco_eval.core import mask as coco_mask
from matplotlib.figure import Figure

from data import read_image
from dataset import Instances, Sample
from model import CATEGORIES

TILE, GAP = 400, 8  # side of a tile of the sheet, white gap between tiles; pixels
DRAWN_SCORE = 0.3  # less certain objects are left out of drawings


def draw(image: np.ndarray, predictions: dict) -> np.ndarray:
    """Returns a copy of an RGB image with predictions (see evaluate.py) drawn on it."""
    return draw_instances(image.copy(), predictions["nuclei"])


def draw_instances(image: np.ndarray, instances: list[dict]) -> np.ndarray:
    """Draws instances in colors of their own."""
    thickness = max(1, round(max(image.shape) / 640))
    for number, item in reversed(list(enumerate(instances))):  # the best ones on top
        if item.get("score", 1.0) >= DRAWN_SCORE:
            mask, color = coco_mask.decode(item["mask"]), color_of(number)
            tinted = 0.6 * image[mask > 0] + 0.4 * np.float32(color)
            image[mask > 0] = tinted.astype(np.uint8)
            contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(image, contours, -1, color, thickness)
    return image


def save_masks(
    instances: list[dict], names: tuple[str, ...], colors: tuple, path: Path
) -> list[dict]:
    """Saves masks as datasets have them; returns instances with their file and page."""
    saved = []
    if not instances:
        return saved
    with AppendingTiffWriter(path, True) as file:  # page by page, to spare memory
        for number, item in enumerate(instances, 1):
            color = colors[names.index(item["category"])]
            page = coco_mask.decode(item["mask"])[:, :, None] * np.uint8(color)
            Image.fromarray(page).save(file, "TIFF", compression="tiff_deflate")
            file.newFrame()
            saved.append(item | {"mask": path.name, "page": number})
    return saved


def color_of(index: int) -> tuple[int, int, int]:
    """Returns a color; hues of consecutive indices differ by the golden ratio."""
    red, green, blue = colorsys.hsv_to_rgb(index * 0.618 % 1, 0.65, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


# ---- The sheet: labels beside predictions ----


def sheet(samples: Sequence[Sample], found: list[dict]) -> np.ndarray:
    """Draws RGB tiles in rows of two images: labels on the left, predictions beside."""
    tiles = []
    for sample, predictions in zip(samples, found):
        image = read_image(sample, sample.height, sample.width)
        tiles += [tile(draw(image, labels_of(sample))), tile(draw(image, predictions))]
    while len(tiles) % 4:
        tiles.append(np.full_like(tiles[0], 255))
    rows = [np.hstack(tiles[i : i + 4]) for i in range(0, len(tiles), 4)]
    return np.vstack(rows)


def labels_of(sample: Sample) -> dict:
    """Returns the labels of a sample in the form of predictions."""
    return {"nuclei": labeled_instances(sample.labels["nuclei"], CATEGORIES)}


def labeled_instances(instances: Instances, names: tuple[str, ...]) -> list[dict]:
    return [
        {"category": names[category], "bbox": box.tolist(), "mask": mask}
        for box, category, mask in zip(*instances)
    ]


def tile(image: np.ndarray) -> np.ndarray:
    """Fits an image into a white square of TILE pixels."""
    scale = (TILE - GAP) / max(image.shape)
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    square = np.full((TILE, TILE, 3), 255, np.uint8)
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    square[:height, :width] = resized
    return square


def save_image(path: Path, image: np.ndarray):
    encoded = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    write_whole(path, encoded)


def write_whole(path: Path, content: bytes):
    """Writes a file, all or nothing; raises an OSError that names it."""
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None


# ---- The curves of a run ----


def save_curves(metrics: Path, path: Path):
    """Plots metrics.jsonl: the loss and its terms, the learning rate, the metrics."""
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    figure = Figure(figsize=(15, 4), layout="constrained")
    losses, rates, scores = figure.subplots(1, 3)
    plot(losses, rows, "train", lambda name: "loss" in name)
    plot(rates, rows, "train", lambda name: name == "learning_rate")
    plot(scores, rows, "validation", lambda name: name.count("/") == 1)
    losses.set_yscale("log")
    figure.savefig(path, dpi=100)


def plot(axes, rows: list[dict], split: str, selects: Callable[[str], bool]):
    rows = [row for row in rows if row["split"] == split]
    iterations = [row["iteration"] for row in rows]
    for name in filter(selects, dict.fromkeys(name for row in rows for name in row)):
        axes.plot(iterations, [row.get(name) for row in rows], marker=".", label=name)
    axes.set_title(split)
    axes.set_xlabel("iteration")
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(fontsize="small")
