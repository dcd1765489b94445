"""Writes one small dataset in several of datumaro's formats, and prints what datumaro
itself reads of each; runs in a Python that has datumaro."""

import json
import sys
from pathlib import Path

import numpy as np
from datumaro.components.annotation import (
    AnnotationType,
    Bbox,
    Caption,
    Label,
    LabelCategories,
    Mask,
    Points,
    PointsCategories,
    Polygon,
)
from datumaro.components.dataset import Dataset
from datumaro.components.dataset_base import DatasetItem
from datumaro.components.media import Image

NAMES = ("background", "cat", "dog")
POINTS = ("left_ear", "right_ear", "tail")
FORMATS = {  # format -> annotations, and the name it is read by if that differs
    "cvat": ("boxes", "outlines"),
    "label_me": ("boxes", "outlines"),
    "coco": ("boxes", "outlines"),
    "datumaro": ("boxes", "outlines"),
    "voc": ("boxes",),
    "yolo": ("boxes",),
    "wider_face": ("boxes",),
    "imagenet_txt": ("label",),
    "icdar_word_recognition": ("text",),
    "camvid": ("maps",),
    "coco_person_keypoints": ("points",),
    "kitti_segmentation": ("instances",),
}


def annotations(number: int, kinds: tuple[str, ...]) -> list:
    label, x = 1 + number % 2, number + 3.0
    found = []
    if "boxes" in kinds:
        found += [Bbox(x, 5, 20, 10, label=label, id=1, group=0)]
    if "outlines" in kinds:
        corners = [x, 25, x + 30, 25, x + 30, 40, x, 42]
        found += [Polygon(corners, label=3 - label, id=2, group=0)]
    if "label" in kinds:
        found += [Label(label)]
    if "text" in kinds:
        found += [Caption(f"word {number}")]
    if "points" in kinds:
        points = [x, 5, x + 9, 6, x + 5, 20]
        found += [Points(points, [2, 1, 0], label=1, id=3, group=3)]
        found += [Bbox(x, 5, 12, 20, label=1, id=3, group=3)]
    if "maps" in kinds or "instances" in kinds:
        inside = np.zeros((48, 64), bool)
        inside[8:20, int(x) : int(x) + 15] = True
        found += [Mask(inside, label=label, id=1, group=1)]
        found += [Mask(~inside, label=0, id=2, group=2)] * ("maps" in kinds)
    return found


def write(folder: Path, form: str, kinds: tuple[str, ...]) -> None:
    random = np.random.default_rng(0)
    items = [
        DatasetItem(
            id=f"image_{number}",
            subset="train" if number < 5 else "val",
            media=Image.from_numpy(random.integers(0, 255, (48, 64, 3), np.uint8)),
            annotations=annotations(number, kinds),
        )
        for number in range(8)
    ]
    categories = {AnnotationType.label: LabelCategories.from_iterable(NAMES)}
    if "points" in kinds:
        points = PointsCategories.from_iterable([(1, POINTS, {(0, 2), (1, 2)})])
        categories[AnnotationType.points] = points
    dataset = Dataset.from_iterable(items, categories=categories)
    dataset.export(str(folder), form, save_media=True)


def read(folder: Path, form: str) -> dict:
    """Returns set and image -> boxes, labels, texts, points and areas of masks."""
    dataset = Dataset.import_from(str(folder), format=form)
    names = (
        [x.name for x in dataset.categories()[AnnotationType.label].items]
        if (AnnotationType.label in dataset.categories())
        else []
    )
    found = {}
    for item in dataset:
        rows = []
        for one in item.annotations:
            label = getattr(one, "label", None)
            row = {
                "type": one.type.name,
                "name": None if label is None else names[label],
            }
            if row["type"] in ("bbox", "polygon"):
                left, top, width, height = map(float, one.get_bbox())
                row["box"] = [left, top, left + width, top + height]
            if row["type"] == "mask":
                row["area"] = int(np.asarray(one.image).astype(bool).sum())
            if row["type"] == "points":
                row["points"] = [float(x) for x in one.points]
                row["seen"] = [int(getattr(x, "value", x)) for x in one.visibility]
            if row["type"] == "caption":
                row["text"] = one.caption
            rows.append(row)
        found[f"{item.subset}/{item.id}"] = rows
    return found


if __name__ == "__main__":
    home, said = Path(sys.argv[1]), {}
    for form, kinds in FORMATS.items():
        write(home / form, form, kinds)
        said[form] = read(home / form, form)
    (home / "read.json").write_text(json.dumps(said))
