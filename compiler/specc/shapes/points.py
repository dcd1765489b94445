"""Keypoints and quadrilaterals of a drawn scene (see scene.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from specc.shapes.scene import Scene, Shape

KEYPOINTS = ("center", "top", "right", "bottom", "left")
FLIP_PAIRS = (("right", "left"),)
QUADRILATERALS = ("square",)
METADATA = [
    {
        "task": "keypoint detection",
        "keypoints": list(KEYPOINTS),
        "flip_pairs": [list(pair) for pair in FLIP_PAIRS],
        "annotations": "keypoints.yaml",
    },
    {
        "task": "quadrilateral detection",
        "categories": list(QUADRILATERALS),
        "annotations": "quadrilaterals.yaml",
    },
]


def keypoints(scene: Scene, outlines: list[np.ndarray]) -> list[dict]:
    """Returns the center and the four outermost points of each shape, x and y in
    pixels.

    A keypoint outside the image or behind another shape is null; a shape without any is
    left out. ``outlines`` are the corners of each shape.
    """
    found = []
    for index, (shape, outline) in enumerate(zip(scene.shapes, outlines)):
        places = dict(zip(KEYPOINTS, _places(shape, outline)))
        instance = {
            name: (
                [round(value, 2) for value in place]
                if _is_seen(place, scene, outlines[index + 1 :])
                else None
            )
            for name, place in places.items()
        }
        if any(instance.values()):
            found.append(instance)
    return found


def _places(shape: Shape, outline: np.ndarray) -> list[tuple[float, float]]:
    x, y = outline.T
    farthest = outline[[y.argmin(), x.argmax(), y.argmax(), x.argmin()]]
    return [shape.center, *map(tuple, farthest.tolist())]


def _is_seen(
    place: tuple[float, float], scene: Scene, in_front: list[np.ndarray]
) -> bool:
    x, y = place
    inside = 0 <= x <= scene.width and 0 <= y <= scene.height
    return inside and not any(
        cv2.pointPolygonTest(outline.astype(np.float32), place, False) >= 0
        for outline in in_front
    )


def quadrilaterals(
    scene: Scene, outlines: list[np.ndarray], seen: set[int]
) -> list[dict]:
    """Returns the corners of each visible square, clockwise from the top left one.

    Corners may lie outside the image. ``seen`` are the indices of shapes
    that others do not hide.
    """
    found = []
    for index, (shape, outline) in enumerate(zip(scene.shapes, outlines)):
        if shape.category in QUADRILATERALS and index in seen:
            corners = np.roll(outline, -int(outline.sum(1).argmin()), 0).round(2)
            item = {"category": shape.category, "quadrilateral": corners.tolist()}
            found.append(item)
    return found
