"""The fit of a level graph to a dataset: padding, and the objects of each level."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from statistics import median
from typing import Any

from specc.build import analyze
from specc.diagnostics import JobError
from specc.graph.cost import Summary

RULE = "an object is counted at the level whose cells are a quarter to an eighth of its longer side"
FREE = "training may give it other levels: it takes the cells in an object's box that fit it best"
STRIDES = 4  # an object's longer side has this many cells at its level, or up to twice


@dataclass(frozen=True)
class Owned:
    """A level of a head: how many objects the level owns by the rule, and how many of
    all objects contain a center of its cells."""

    level: int
    stride: int
    owned: int
    reached: int


@dataclass(frozen=True)
class Objects:
    """Counts of the objects of a training set, measured in pixels of the input."""

    boxes: tuple[tuple[float, float, float, float], ...]
    levels: tuple[Owned, ...]
    narrow: int  # objects with a shorter side below a cell of the lowest level
    unreached: int  # objects that contain no center of a cell
    most: int  # most objects in an image

    @property
    def shorter(self) -> list[float]:
        return sorted(min(r - l, b - t) for l, t, r, b in self.boxes)

    @property
    def longer(self) -> list[float]:
        return sorted(max(r - l, b - t) for l, t, r, b in self.boxes)


def scale_of(sample: Any, resolution: tuple[int, int]) -> float:
    """Returns the factor from pixels of the image to pixels of the input: see `fit` in
    model.py."""
    return min(resolution[0] / sample.height, resolution[1] / sample.width)


def padding(samples: list, resolution: tuple[int, int]) -> float:
    """Returns the share of the inputs that is padding of letterboxes."""
    area = resolution[0] * resolution[1]
    filled = [
        scale_of(sample, resolution) ** 2 * sample.height * sample.width / area
        for sample in samples
    ]
    return max(0.0, 1 - sum(filled) / len(filled)) if filled else 0.0


def objects_of(
    samples: list, head: Any, summary: Summary, resolution: tuple[int, int]
) -> Objects | None:
    """Returns the objects that a head learns; None for heads without boxes, or that
    read one level."""
    read = [level for level in summary.levels if head.name in level.heads]
    labels = [sample.labels.get(head.name) for sample in samples]
    labels = [x.labeled() if hasattr(x, "labeled") else x for x in labels]
    if not hasattr(head, "bottom_level") or not any(
        hasattr(x, "boxes") for x in labels
    ):
        return None
    boxes, most = [], 0
    for sample, label in zip(samples, labels):
        if hasattr(label, "boxes"):
            boxes += (label.boxes * scale_of(sample, resolution)).tolist()
            most = max(most, len(label.boxes))
    owners = [owner(box, [level.level for level in read]) for box in boxes]
    reached = [[_has_center(box, level.stride) for level in read] for box in boxes]
    levels = tuple(
        Owned(level.level, level.stride, owners.count(level.level), sum(column))
        for level, column in zip(read, zip(*reached) if reached else [()] * len(read))
    )
    shorter = [min(right - left, bottom - top) for left, top, right, bottom in boxes]
    narrow = sum(side < read[0].stride for side in shorter)
    unreached = sum(not any(row) for row in reached)
    return Objects(tuple(map(tuple, boxes)), levels, narrow, unreached, most)


def owner(box: list[float], levels: list[int]) -> int:
    """Returns the level of an object, by the object's longer side."""
    longer = max(box[2] - box[0], box[3] - box[1], 1e-6)
    wanted = math.floor(math.log2(longer / STRIDES))
    return min(max(wanted, levels[0]), levels[-1])


def _has_center(box: list[float], stride: int) -> bool:
    """Returns whether a box contains the center of a cell: only such cells may learn
    the object (see `assign` in the emitted model.py)."""
    return all(
        math.ceil(high / stride - 0.5) - math.floor(low / stride - 0.5) > 1
        for low, high in ((box[0], box[2]), (box[1], box[3]))
    )


def fitting(samples: list, resolution: tuple[int, int], divisor: int) -> list[int]:
    """Returns a resolution of about the same area that has the shape of most images."""
    aspect = median(sample.width / sample.height for sample in samples)
    area = resolution[0] * resolution[1]
    height = math.sqrt(area / min(max(aspect, 1 / 8), 8))
    step = max(divisor, 32)
    return [max(step, round(side / step) * step) for side in (height, area / height)]


def enlarged(resolution: tuple[int, int], factor: float, divisor: int) -> list[int]:
    """Returns a resolution with sides `factor` times as long."""
    step = max(divisor, 32)
    return [math.ceil(side * factor / step) * step for side in resolution]


def edited(values: dict, edits: list[tuple[str, Any]]) -> bytes:
    """Returns a job with these edits: pointers and values."""
    changed = json.loads(json.dumps(values))
    for pointer, value in edits:
        *parts, last = pointer.strip("/").split("/")
        place = changed
        for part in parts:
            place = (
                place[int(part)]
                if isinstance(place, list)
                else place.setdefault(part, {})
            )
        place[last] = value
    return json.dumps(changed).encode()


def is_legal(values: dict, edits: list[tuple[str, Any]]) -> bool:
    """Returns whether a job stays right with these edits."""
    try:
        return not any(f.is_error for f in analyze(edited(values, edits))[2])
    except JobError:
        return False
