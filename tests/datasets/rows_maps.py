"""Rows of maps beside images: masks, depth, numbers of instances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from rows import CLASSES, DEPTH, HEIGHT, MASKS, SEMANTIC, WIDTH, images, row, write

COUNT = range(1, 7)


def save(path: Path, pixels: np.ndarray, colors: list | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, pixels)
        return
    image = Image.fromarray(pixels)
    if colors:
        image.putpalette(colors)
    image.save(path)


def stripes(*values: int, kind: type = np.uint8) -> np.ndarray:
    """A map with a stripe of each value."""
    return np.repeat(np.array([values], kind), HEIGHT, 0).repeat(
        WIDTH // len(values), 1
    )


def beside(folder: Path, pixels, name: str = "masks/{}.png", **more) -> None:
    images(folder / "images", *(f"{i}.jpg" for i in COUNT))
    for i in COUNT:
        save(folder / name.format(i), pixels, **more)


@row("m01", SEMANTIC, {"1.jpg": [-1, 0, 1, 2]}, count=6)
def index_masks(folder):
    beside(folder, stripes(0, 1, 2, 255))


@row("m02", SEMANTIC, {"1.jpg": [0, 1]}, count=6, categories=["sky", "tree"])
def black_is_a_category(folder):
    beside(folder, stripes(0, 1))
    write(folder / "classes.txt", "sky\ntree\n")


@row("m04", SEMANTIC, {"1.jpg": [-1, 0, 1, 2]}, count=6)
def palette_of_voc(folder):
    colors = [0, 0, 0, 128, 0, 0, 0, 128, 0] + [0] * 756 + [224, 224, 192]
    beside(folder, stripes(0, 1, 2, 255), colors=colors)


@row("m06", SEMANTIC, {"1.jpg": [0, 1]}, count=6)
def binary_masks(folder):
    beside(folder, stripes(0, 255, 0, 0))


@row("m08", SEMANTIC, refused="x ")
def masks_as_jpeg(folder):
    beside(folder, stripes(0, 1, 2, 90), "masks/{}.jpg")


@row("m10", SEMANTIC, {"1.jpg": [0, 1]}, count=6)
def gray_masks_of_native_colors(folder):
    beside(folder, stripes(1, 2))
    text = "task: semantic segmentation\ncategories: [cat, dog]\nannotations: masks\n"
    write(folder / "metadata.yaml", text + "colors: {cat: [1, 1, 1], dog: [2, 2, 2]}\n")


@row("d01", DEPTH, {"1.jpg": [1, 5]}, count=6)
def millimeters(folder):
    beside(folder, stripes(1000, 5000, kind=np.uint16), "depth/{}.png")


@row("d02", DEPTH, {"1.jpg": [-1, 1.5, 5]}, count=6)
def arrays(folder):
    pixels = np.repeat(np.float32([[0, 1.5, 5, 5]]), HEIGHT, 0).repeat(16, 1)
    beside(folder, pixels, "depth/{}.npy")


@row("d03", DEPTH, {"1.jpg": [1.5, 5]}, count=6)
def float_tiff(folder):
    pixels = np.repeat(np.float32([[1.5, 1.5, 5, 5]]), HEIGHT, 0).repeat(16, 1)
    beside(folder, pixels, "depth/{}.tiff")


@row("h05", MASKS, {"1.jpg": [("object", 768), ("object", 768)]}, count=6)
def numbers_of_instances(folder):
    beside(folder, stripes(0, 1, 2, 0, kind=np.uint16))


@row("a01", "anomaly_detection", count=10)
def mvtec(folder):
    images(folder / "train" / "good", *(f"{i}.png" for i in COUNT))
    images(folder / "test" / "good", "0.png", "1.png")
    images(folder / "test" / "crack", "0.png", "1.png")
    for i in range(2):
        path = folder / "ground_truth" / "crack" / f"{i}_mask.png"
        save(path, stripes(0, 255, 0, 0))


@row("h02", refused="specc import")
def labelme(folder):
    images(folder, *(f"{i}.jpg" for i in COUNT))
    shape = {"label": "cat", "points": [[8, 8], [24, 24]], "shape_type": "rectangle"}
    for i in COUNT:
        size = {"imageHeight": HEIGHT, "imageWidth": WIDTH, "imagePath": f"{i}.jpg"}
        content = {"version": "5.0.1", "flags": {}, "shapes": [shape]}
        write(folder / f"{i}.json", content | size)


@row("i16", CLASSES, {"cat/1.png": "cat"}, count=12, told="12")
def twelve_bits(folder):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        for i in COUNT:
            pixels = rng.integers(0, 4096, (HEIGHT, WIDTH)).astype(np.uint16)
            save(folder / name / f"{i}.png", pixels)
