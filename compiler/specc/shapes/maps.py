"""Maps of a scene of shapes: the category and the depth of every pixel, as images.

``covered`` is the fraction of every pixel inside each shape of the scene, in its order:
an array (height, width) for each, 0..1.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from specc.shapes.scene import Scene

COLORS = {  # color of each category in maps; edges of shapes are black, no category
    "background": (70, 70, 70),
    "circle": (220, 20, 60),
    "square": (0, 130, 180),
    "triangle": (250, 170, 30),
    "star": (107, 142, 35),
}
DEPTH = (0.5, 4.0)  # meters: nearest, farthest
REACH = 60  # pixels: radius of a shape at half a meter

METADATA = [
    {
        "task": "semantic segmentation",
        "categories": list(COLORS),
        "colors": {name: list(color) for name, color in COLORS.items()},
        "annotations": "categories",
    },
    {"task": "depth estimation", "range": list(DEPTH), "annotations": "depths"},
]


def write(folder: Path, stem: str, scene: Scene, covered: list[np.ndarray]) -> None:
    """Writes the maps of a scene."""
    categories = cv2.cvtColor(category_map(scene, covered), cv2.COLOR_RGB2BGR)
    for name, image in (
        ("categories", categories),
        ("depths", depth_map(scene, covered)),
    ):
        path = folder / name / f"{stem}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def category_map(scene: Scene, covered: list[np.ndarray]) -> np.ndarray:
    """Returns the color of each pixel's category: (height, width, 3) uint8, red
    first."""
    image = np.full((scene.height, scene.width, 3), COLORS["background"], np.uint8)
    for shape, inside in zip(scene.shapes, covered):
        image[inside > 0] = 0
        image[inside > 0.999] = COLORS[shape.category]
    return image


def depth_map(scene: Scene, covered: list[np.ndarray]) -> np.ndarray:
    """Returns the depth of each pixel at half the size, (height / 2, width / 2) uint16:
    0 is unknown (edges), 1 the farthest (the background), 65535 the nearest.

    The larger a shape looks, the nearer it is.
    """
    nearest, farthest = DEPTH
    height, width = scene.height // 2, scene.width // 2
    image = np.ones((height, width), np.uint16)
    for shape, inside in zip(scene.shapes, covered):
        inside = cv2.resize(inside, (width, height), interpolation=cv2.INTER_AREA)
        depth = min(farthest, nearest * REACH / shape.radius)
        share = (farthest - depth) / (farthest - nearest)
        image[inside > 0] = 0
        image[inside > 0.999] = 1 + round(65534 * share)
    return image
