"""A small dataset of grained tiles, drawn on the spot: some have a scratch or a spot.

As in scene.py a frozen record holds the content of an image, and :func:`draw` turns the
record into pixels. Needs numpy and OpenCV (the extra ``train``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml

SIZES = (64, 112)  # shortest and longest side of an image in pixels, even
NOISE = 5.0  # standard deviation of the sensor noise, in gray values

Point = tuple[int, int]  # (x, y) in pixels


@dataclass(frozen=True)
class Tile:
    """The content of one image: grain, and on an anomalous tile the corners of a
    scratch; a single corner is the center of a spot."""

    height: int
    width: int
    gray: float  # 0..255
    period: float  # period of the grain in pixels
    rotation: float  # rotation of the grain in radians
    defect: tuple[Point, ...]
    thickness: int  # thickness of a scratch, or radius of a spot, in pixels
    noise_seed: int


def sample_tile(rng: np.random.Generator, anomalous: bool) -> Tile:
    """Draws a tile at random; equal generators give equal tiles."""
    height, width = (2 * rng.integers(SIZES[0] // 2, SIZES[1] // 2 + 1, 2)).tolist()
    corners = int(rng.choice([1, 3])) if anomalous else 0
    places = rng.uniform(0.15, 0.85, (corners, 2)) * (width, height)
    return Tile(
        height=height,
        width=width,
        gray=float(rng.uniform(120, 170)),
        period=float(rng.uniform(5, 9)),
        rotation=float(rng.uniform(-0.3, 0.3)),
        defect=tuple((round(x), round(y)) for x, y in places.tolist()),
        thickness=int(rng.integers(3, 6)),
        noise_seed=int(rng.integers(2**32)),
    )


def draw(tile: Tile) -> np.ndarray:
    """Returns the pixels of a tile: (height, width) uint8."""
    y, x = np.mgrid[: tile.height, : tile.width].astype(np.float32)
    across = np.cos(tile.rotation) * x + np.sin(tile.rotation) * y
    image = tile.gray + 15 * np.sin(2 * np.pi / tile.period * across)
    image[mask(tile) > 0] = 0.35 * tile.gray
    rng = np.random.default_rng(tile.noise_seed)
    image = image + NOISE * rng.standard_normal(image.shape, np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def mask(tile: Tile) -> np.ndarray:
    """Returns a mask, 255 where a tile is anomalous: (height, width) uint8."""
    image = np.zeros((tile.height, tile.width), np.uint8)
    if len(tile.defect) == 1:
        cv2.circle(image, tile.defect[0], tile.thickness, 255, cv2.FILLED)
    elif tile.defect:
        cv2.polylines(image, [np.int32(tile.defect)], False, 255, tile.thickness)
    return image


def draw_dataset(
    folder: Path, train: int = 60, validation: int = 30, seed: int = 0
) -> None:
    """Writes a dataset in the native layout to a new folder: `train/` with normal
    images and no annotations, and `val/`, in which every other image is anomalous.

    The task is anomaly detection. Image i of a split depends on the seed and on i
    alone. Half of the masks have half the size of their images.
    """
    for number, (name, count) in enumerate((("train", train), ("val", validation))):
        place = Path(folder) / name
        (place / "images").mkdir(parents=True)
        entry, labels = {"task": "anomaly detection"}, {}
        for index in range(count):
            anomalous = name == "val" and index % 2 == 1
            tile = sample_tile(np.random.default_rng([seed, number, index]), anomalous)
            file = f"tile_{index:05d}.png"
            cv2.imwrite(str(place / "images" / file), draw(tile))
            labels[file] = "anomalous" if anomalous else "normal"
            if anomalous:
                _write_mask(place / "masks" / file, mask(tile), halved=index % 4 == 1)
        if name == "val":
            entry |= {"annotations": "labels.yaml", "masks": "masks"}
            (place / "labels.yaml").write_text(yaml.safe_dump(labels), "utf-8")
        text = yaml.safe_dump(entry, sort_keys=False)
        (place / "metadata.yaml").write_text(text, "utf-8")


def _write_mask(path: Path, image: np.ndarray, halved: bool) -> None:
    path.parent.mkdir(exist_ok=True)
    if halved:
        height, width = image.shape
        image = cv2.resize(
            image, (width // 2, height // 2), interpolation=cv2.INTER_AREA
        )
    cv2.imwrite(str(path), image)
