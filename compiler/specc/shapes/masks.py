"""Masks of a scene of shapes: a file of pages for each image, a page for each shape."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from specc.shapes.scene import Scene

COLORS = {
    "circle": (220, 20, 60),
    "square": (0, 130, 180),
    "triangle": (250, 170, 30),
    "star": (107, 142, 35),
}
BACKGROUND = (70, 70, 70)
METADATA = [
    {
        "task": "instance segmentation",
        "categories": list(COLORS),
        "colors": {name: list(color) for name, color in COLORS.items()},
        "annotations": "masks",
    },
    {
        "task": "panoptic segmentation",
        "categories": ["background", *COLORS],
        "things": list(COLORS),
        "colors": {
            name: list(color)
            for name, color in {"background": BACKGROUND, **COLORS}.items()
        },
        "annotations": "panoptic",
    },
]


def pages(scene: Scene, owners: np.ndarray) -> list[np.ndarray]:
    """Returns a page for each visible shape: its visible pixels in the color of its
    category on black, (height, width, 3) uint8, red first. ``owners`` is the index of
    the shape at each pixel. Without visible shapes there is a single black page."""
    made = []
    for index, shape in enumerate(scene.shapes):
        seen = owners == index
        if seen.any():
            made.append(seen[..., None] * np.uint8(COLORS[shape.category]))
    return made or [np.zeros((*owners.shape, 3), np.uint8)]


def panoptic_pages(scene: Scene, owners: np.ndarray) -> list[np.ndarray]:
    """Returns the color of each pixel's category, (height, width, 3), and the number of
    each pixel's shape, (height, width), 0 where there is none; both uint8."""
    colors = [COLORS[shape.category] for shape in scene.shapes]
    table = np.array([*colors, BACKGROUND], np.uint8)
    return [table[owners], (owners + 1).astype(np.uint8)]


def write_pages(path: Path, pages: list[np.ndarray]) -> None:
    path.parent.mkdir(exist_ok=True)
    first, *others = map(Image.fromarray, pages)
    first.save(path, save_all=True, append_images=others, compression="tiff_deflate")
