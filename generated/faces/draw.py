"""Drawings: what was found in an image, a sheet of predictions, the curves of a run."""

import colorsys
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from data import read_image
from dataset import Poses, Sample
from model import KEYPOINTS

TILE, GAP = 400, 8  # side of a tile of the sheet, white gap between tiles; pixels
DRAWN_SCORE = 0.3  # less certain objects are left out of drawings


def draw(image: np.ndarray, predictions: dict) -> np.ndarray:
    """Returns a copy of an RGB image with predictions (see evaluate.py) drawn on it."""
    return draw_poses(image.copy(), predictions["landmarks"], KEYPOINTS)


def draw_poses(image: np.ndarray, poses: list[dict], names: tuple) -> np.ndarray:
    """Draws keypoints as dots, a color for each name, and scores at the highest."""
    radius = max(1, round(max(image.shape) / 160))
    for item in reversed(poses):  # drawn last, the best ones lie on top
        if item.get("score", 1.0) < DRAWN_SCORE:
            continue
        centers = []
        for number, name in enumerate(names):
            if item["keypoints"][name] is not None:
                center = tuple(round(value) for value in item["keypoints"][name])
                color = color_of(number)
                cv2.circle(image, center, radius, color, cv2.FILLED, cv2.LINE_AA)
                centers.append(center)
        if "score" in item and centers:
            x, y = min(centers, key=lambda center: center[1])
            write(image, f"{item['score']:.2f}", (x, y - radius), color_of(0))
    return image


def write(image: np.ndarray, text: str, corner: tuple[int, int], color: tuple):
    """Writes text on a band of `color` above `corner`, inside the image."""
    font, size = cv2.FONT_HERSHEY_SIMPLEX, max(0.4, max(image.shape) / 1200)
    (width, height), descent = cv2.getTextSize(text, font, size, 1)
    x = max(0, min(corner[0], image.shape[1] - width))
    y = max(height + descent, min(corner[1], image.shape[0]))
    cv2.rectangle(image, (x, y - height - descent), (x + width, y), color, cv2.FILLED)
    cv2.putText(image, text, (x, y - descent), font, size, (0, 0, 0), 1, cv2.LINE_AA)


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
    return {"landmarks": poses_of(sample.labels["landmarks"], KEYPOINTS)}


def poses_of(poses: Poses, names: tuple[str, ...]) -> list[dict]:
    return [
        {"keypoints": {n: None if np.isnan(x) else [x, y] for n, (x, y) in pairs}}
        for pairs in (zip(names, instance) for instance in poses.keypoints.tolist())
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
