"""The objects of an image, of the annotations that belong to one object."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from faster_coco_eval.core import mask as coco_mask

APART = ("cvat",)  # formats whose groups hold several objects
OUTLINED = ("polygon", "mask")
UNNAMED = "object"  # category of annotations without a label


@dataclass
class Instance:
    """An object: what is known of it, in pixels of the image."""

    label: str
    crowd: bool = False
    box: list[float] | None = None  # left, top, right, bottom
    corners: list[float] | None = None  # corners of a rotated box: x, y, ...
    outlines: list[dict] = field(default_factory=list)  # polygons and masks
    points: list[float] | None = None  # keypoints: x, y, ...
    visibility: list[int] | None = None

    @property
    def hull(self) -> list[float] | None:
        """Its box, or the extent of its outlines."""
        if self.box is not None:
            return self.box
        if self.corners is not None:
            return _extent(self.corners)
        extents = [x for x in map(_outline_extent, self.outlines) if x is not None]
        if not extents:
            return None
        low, high = np.min(extents, 0), np.max(extents, 0)
        return [*low[:2].tolist(), *high[2:].tolist()]

    def mask(self, height: int, width: int) -> np.ndarray:
        """Returns the union of its outlines, (height, width) bool."""
        mask = np.zeros((height, width), np.uint8)
        polygons = [x["points"] for x in self.outlines if x["type"] == "polygon"]
        if polygons:
            runs = coco_mask.frPyObjects(polygons, height, width)
            mask |= coco_mask.decode(coco_mask.merge(runs))
        for outline in self.outlines:
            if outline["type"] == "mask":
                mask |= decoded(outline["mask"], *outline["size"], height, width)
        return mask > 0


def instances_of(record: dict, labels: list[str], form: str) -> list[Instance]:
    """Returns the objects of a record; a group of annotations with one label is one
    object, but for formats that group objects."""
    found: dict[Any, Instance] = {}
    for number, given in enumerate(record["annotations"]):
        if given["type"] not in ("bbox", "rotated_bbox", "points", *OUTLINED):
            continue
        group = given["group"] if form not in APART else 0
        key = (group, given["label"]) if group else number
        label = UNNAMED if given["label"] is None else labels[given["label"]]
        one = found.setdefault(key, Instance(label))
        one.crowd |= given["crowd"]
        if given["type"] == "bbox":
            one.box = given["box"]
        elif given["type"] == "rotated_bbox":
            one.corners = given["points"]
        elif given["type"] == "points":
            one.points, one.visibility = given["points"], given["visibility"]
        else:
            one.outlines.append(given)
    return list(found.values())


def decoded(
    runs: list[int], rows: int, columns: int, height: int, width: int
) -> np.ndarray:
    """Returns a mask of runs, (rows, columns), as one of the image's height and
    width, uint8: 1 inside."""
    ends = np.cumsum(runs)
    flat = np.zeros(rows * columns, np.uint8)
    for start, end in zip(ends[0::2], ends[1::2]):
        flat[start:end] = 1
    mask = flat.reshape(rows, columns)
    if (rows, columns) == (height, width):
        return mask
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


def left_out(record: dict) -> Counter:
    """Counts the annotations that the native layout has no counterpart for."""
    known = ("bbox", "rotated_bbox", "points", "label", "caption", *OUTLINED)
    known += ("depth_annotation",)
    return Counter(x["type"] for x in record["annotations"] if x["type"] not in known)


def _outline_extent(outline: dict) -> list[float] | None:
    if outline["type"] == "polygon":
        return _extent(outline["points"])
    rows, columns = outline["size"]
    mask = decoded(outline["mask"], rows, columns, rows, columns)
    if not mask.any():
        return None
    y, x = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    return [float(x[0]), float(y[0]), float(x[-1] + 1), float(y[-1] + 1)]


def _extent(corners: list[float]) -> list[float]:
    x, y = corners[0::2], corners[1::2]
    return [min(x), min(y), max(x), max(y)]
