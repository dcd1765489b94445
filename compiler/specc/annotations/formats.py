"""The formats that are written: COCO, YOLO, tables and LabelMe."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specc.annotations.outlines import Outlines
from specc.annotations.predictions import (
    CATEGORY,
    LABELS,
    NUMBER,
    OBJECTS,
    TEXT,
    Point,
    Predicted,
    Predictions,
    Thing,
)

BETWEEN = "|"  # separates the labels in a cell of a table
PRESENT = 2  # COCO's and YOLO's mark of a keypoint that is visible


@dataclass(frozen=True)
class Batch:
    """Predictions that are written, with the names of their images in the new
    folder."""

    found: Predictions
    files: Sequence[str]
    names: Sequence[str]  # categories or labels, in their order
    outlines: Outlines

    @property
    def pairs(self) -> list[tuple[str, Predicted]]:
        return list(zip(self.files, self.found.images))

    @property
    def points(self) -> list[str]:
        """Names of the keypoints of any object, in their order."""
        things = [thing for image in self.found.images for thing in image.things]
        return list(dict.fromkeys(name for thing in things for name in thing.keypoints))


# ---- COCO ----


def coco(batch: Batch) -> dict[str, str]:
    numbers = {name: number for number, name in enumerate(batch.names, 1)}
    images, annotations = [], []
    for number, (file, image) in enumerate(batch.pairs, 1):
        size = {"width": image.width, "height": image.height}
        images.append({"id": number, "file_name": file} | size)
        for thing in image.things:
            row = {"id": len(annotations) + 1, "image_id": number}
            row["category_id"] = numbers[thing.category]
            annotations.append(row | _coco_object(thing, batch))
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    if batch.points:
        for category in categories:
            category |= {"keypoints": batch.points, "skeleton": []}
    content = {"images": images, "annotations": annotations, "categories": categories}
    return {"annotations.json": json.dumps(content, indent=1)}


def _coco_object(thing: Thing, batch: Batch) -> dict[str, Any]:
    left, top, right, bottom = thing.box
    size = [right - left, bottom - top]
    row = {"bbox": [left, top, *size], "area": size[0] * size[1], "iscrowd": 0}
    if parts := batch.outlines.of(thing):
        flat = [[side for point in part for side in point] for part in parts]
        row |= {"segmentation": flat, "area": sum(map(_area, parts))}
    if thing.keypoints:
        places = [thing.keypoints.get(name) for name in batch.points]
        row["keypoints"] = [x for place in places for x in _coco_point(place)]
        row["num_keypoints"] = sum(place is not None for place in places)
    return row | {"score": thing.score}


def _coco_point(place: Point | None) -> list[float]:
    return [0, 0, 0] if place is None else [*place, PRESENT]


def _area(points: Sequence[Point]) -> float:
    """Returns the area of a polygon."""
    after = [*points[1:], points[0]]
    return abs(sum(x * v - u * y for (x, y), (u, v) in zip(points, after))) / 2


# ---- YOLO ----


def yolo(batch: Batch) -> dict[str, str]:
    import yaml

    numbers = {name: number for number, name in enumerate(batch.names)}
    entry: dict[str, Any] = {"train": "images", "val": "images"}
    entry["names"] = list(batch.names)
    if batch.points:
        entry["kpt_shape"] = [len(batch.points), 3]
        entry["kpt_names"] = {number: batch.points for number in numbers.values()}
    text = yaml.safe_dump(entry, sort_keys=False, allow_unicode=True)
    files = {"data.yaml": text}
    for file, image in batch.pairs:
        lines = [
            " ".join([str(numbers[thing.category]), *map(_short, values)])
            for thing in image.things
            for values in _yolo_lines(thing, image, batch)
        ]
        name = Path(file).with_suffix(".txt").name
        files[f"labels/{name}"] = "".join(f"{line}\n" for line in lines)
    return files


def _yolo_lines(thing: Thing, image: Predicted, batch: Batch) -> list[list[float]]:
    """Returns the numbers of each line of an object, in fractions of the image."""
    if parts := batch.outlines.of(thing):
        # A mask in parts is as many objects: a line holds one outline.
        sides = image.width, image.height
        return [
            [value / side for point in part for value, side in zip(point, sides)]
            for part in parts
        ]
    left, top, right, bottom = thing.box
    x, y = (left + right) / 2 / image.width, (top + bottom) / 2 / image.height
    line = [x, y, (right - left) / image.width, (bottom - top) / image.height]
    for name in batch.points:
        place = thing.keypoints.get(name)
        if place is None:
            line += [0, 0, 0]
        else:
            line += [place[0] / image.width, place[1] / image.height, PRESENT]
    return [line]


def _short(value: float) -> str:
    return f"{value:.8g}"


# ---- Tables ----


def table(batch: Batch) -> dict[str, str]:
    if batch.found.kind == OBJECTS:
        rows = [
            ["filename", "width", "height", "class", *("xmin", "ymin", "xmax", "ymax")]
        ]
        for file, image in batch.pairs:
            size = [file, image.width, image.height]
            boxes = [[thing.category, *thing.box] for thing in image.things]
            rows += [size + box for box in boxes or [[""] * 5]]
    else:
        rows = [["image", batch.found.head]]
        for file, image in batch.pairs:
            labels = batch.found.kind == LABELS
            rows.append([file, BETWEEN.join(image.value) if labels else image.value])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return {"annotations.csv": text.getvalue()}


# ---- LabelMe ----


def labelme(batch: Batch) -> dict[str, str]:
    files = {}
    for file, image in batch.pairs:
        names = {CATEGORY: [image.value], LABELS: image.value or []}
        present = names.get(batch.found.kind, [])
        shapes = []
        for number, thing in enumerate(image.things):
            shapes += _labelme_shapes(thing, number, batch)
        content = {
            "version": "5.4.1",
            "flags": {name: name in present for name in batch.names} if present else {},
            "shapes": shapes,
            "imagePath": file,
            "imageData": None,
            "imageHeight": image.height,
            "imageWidth": image.width,
        }
        files[f"{Path(file).stem}.json"] = json.dumps(content, indent=1)
    return files


def _labelme_shapes(thing: Thing, number: int, batch: Batch) -> list[dict[str, Any]]:
    """Returns the shapes of an object; what belongs together has its number."""
    left, top, right, bottom = thing.box
    parts = [("polygon", part) for part in batch.outlines.of(thing)]
    parts = parts or [("rectangle", [(left, top), (right, bottom)])]
    shapes = [(thing.category, kind, points) for kind, points in parts]
    for name, place in thing.keypoints.items():
        if place is not None:
            shapes.append((name, "point", [place]))
    group = number if len(shapes) > 1 else None
    return [
        {
            "label": label,
            "points": [list(point) for point in points],
            "group_id": group,
            "shape_type": kind,
            "flags": {},
            "description": f"score {thing.score:.3f}",
        }
        for label, kind, points in shapes
    ]


# ---- All of them ----


@dataclass(frozen=True)
class Format:
    """How a format is written, the kinds of predictions that it holds, and the folder
    of its images."""

    write: Callable[[Batch], dict[str, str]]
    kinds: tuple[str, ...]
    images: str


FORMATS = {
    "coco": Format(coco, (OBJECTS,), "images"),
    "yolo": Format(yolo, (OBJECTS,), "images"),
    "csv": Format(table, (OBJECTS, CATEGORY, LABELS, NUMBER, TEXT), ""),
    "labelme": Format(labelme, (OBJECTS, CATEGORY, LABELS), ""),
}
