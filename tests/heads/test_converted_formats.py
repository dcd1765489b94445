"""Labels made of annotations for another task, in other formats than the native one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import coco_segments
import numpy as np
import pytest
import torch
import yaml
from conversion_jobs import coco, head, reading, save_pictures, targets
from emitted_jobs import NAMES

REAL = os.environ.get("SPECC_TEST_DATA")


def test_labels_from_boxes_of_coco(emitted, tmp_path):
    one = head("multilabel_classification", list(NAMES))
    modules = reading(emitted, one, "object_detection", format="coco")
    item = {"category_id": 2, "bbox": [1, 2, 3, 4]}
    path = coco(tmp_path, [item, item, item | {"category_id": 0}])
    assert targets(modules, path)["present"].tolist() == [[1, 0, 1], [0, 0, 0]]


def test_boxes_from_polygons_of_coco(emitted, tmp_path):
    one = head("object_detection", list(NAMES))
    modules = reading(emitted, one, "instance_segmentation", format="coco")
    polygon = [[4, 6, 20, 6, 20, 18, 4, 18]]
    path = coco(tmp_path, [{"id": 1, "category_id": 1, "segmentation": polygon}])
    first, second = modules.dataset.read_dataset(path)
    assert first.labels["one"].boxes.tolist() == [[4, 6, 20, 18]]
    assert first.labels["one"].classes.tolist() == [1]
    assert len(second.labels["one"].boxes) == 0


def test_boxes_from_keypoints_of_coco(emitted, tmp_path):
    one = head("object_detection", ["a"])
    modules = reading(emitted, one, "keypoint_detection", format="coco")
    item = {"category_id": 0, "keypoints": [4, 6, 2, 20, 9, 1, 0, 0, 0]}
    path = coco(tmp_path, [item], keypoints=["x", "y", "z"])
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"categories": content["categories"][:1]}))
    first, _ = modules.dataset.read_dataset(path)
    assert first.labels["one"].boxes.tolist() == [[4, 6, 20, 9]]
    path.write_text(json.dumps(content))
    with pytest.raises(SystemExit, match="only in the dataset: b, no"):
        modules.dataset.read_dataset(path)


def test_corners_and_labels_from_keypoints_of_coco(emitted, tmp_path):
    """These cannot ignore an object, so that they read keypoints alone."""
    item = {"category_id": 0, "keypoints": [4, 6, 2, 20, 9, 1, 0, 0, 0]}
    path = coco(tmp_path, [item], keypoints=["x", "y", "z"])
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"categories": content["categories"][:1]}))

    def label_of(one: dict):
        modules = reading(emitted, one, "keypoint_detection", format="coco")
        return modules.dataset.read_dataset(path)[0].labels["one"]

    found = label_of(head("quadrilateral_detection", ["a"]))
    assert found.corners.tolist() == [[[4, 6], [20, 6], [20, 9], [4, 9]]]
    one = {"name": "one", "task": "multilabel_classification", "labels": ["a"]}
    assert label_of(one).tolist() == [1]


def test_persons_without_keypoints_are_ignored_boxes(emitted, tmp_path):
    """Others, crowds too, lie around their keypoints; areas are those of the file."""
    one = head("object_detection", list(NAMES[:1]))
    modules = reading(emitted, one, "keypoint_detection", format="coco")
    item = {"category_id": 0, "bbox": [2, 4, 30, 20], "area": 77}
    points = {"keypoints": [4, 6, 2, 20, 9, 1, 0, 0, 0]}
    none = {"keypoints": [0] * 9}
    crowd = {"iscrowd": 1}
    given = [points, points | crowd, none, none | crowd | {"bbox": [2, 4, 30, 21]}]
    path = coco(tmp_path, [item | of_one for of_one in given], keypoints=[*"xyz"])
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"categories": content["categories"][:1]}))
    found = modules.dataset.read_dataset(path)[0].labels["one"]
    assert found.ignored.tolist() == [False, True, True, True]
    around, given = [4, 6, 20, 9], [[2, 4, 32, 24], [2, 4, 32, 25]]
    assert found.boxes.tolist() == [around, around, *given]
    assert found.areas.tolist() == [77] * 4


@pytest.mark.parametrize(
    "task", ["multilabel_classification", "quadrilateral_detection"]
)
def test_other_heads_leave_crowds_out_beside_those_that_ignore_them(
    emitted, tmp_path, task
):
    other = head(task, list(NAMES)) | {"data": None}
    data = {"train": "other.json", "format": "coco", "task": "object_detection"}
    boxes = head("object_detection", list(NAMES)) | {"name": "cells"}
    modules = emitted(boxes, other | {"data": data}, format="coco", validation="val")
    item = {"category_id": 0, "bbox": [2, 4, 30, 20]}
    path = coco(tmp_path, [item, item | {"category_id": 2, "iscrowd": 1}])
    label = modules.dataset.dataset_of_one(path)[0].labels["one"]
    if task.startswith("multi"):
        assert label.tolist() == [1, 0, 0]
    else:
        assert label.classes.tolist() == [0] and len(label.corners) == 1
    cells = modules.dataset.dataset_of_cells(path)[0].labels["cells"]
    assert cells.classes.tolist() == [0, 2]


def test_boxes_from_panoptic_segments_of_coco(emitted, tmp_path):
    one = head("object_detection", ["person", "car"])
    data = {"format": "coco", "validation": "val.json"}
    dataset = reading(emitted, one, "panoptic_segmentation", **data).dataset
    path = coco_segments.coco(tmp_path, coco_segments.ids())
    [sample] = dataset.read_dataset(path)
    found = sample.labels["one"]
    assert found.classes.tolist() == [1, 1, 0]
    assert found.ignored.tolist() == [False, False, True]  # the person is a crowd
    found = found.labeled()
    assert sorted(found.boxes.tolist()) == [[2, 10, 10, 20], [12, 10, 20, 20]]
    other = head("object_detection", ["person", "road"])
    dataset = reading(emitted, other, "panoptic_segmentation", **data).dataset
    with pytest.raises(SystemExit, match="the things differ(.|\n)*job: road"):
        dataset.read_dataset(path)


def yolo(folder: Path, *lines: str) -> Path:
    save_pictures(folder / "images" / "val", "0.png", "1.png")
    (folder / "labels" / "val").mkdir(parents=True)
    (folder / "labels" / "val" / "0.txt").write_text("\n".join(lines))
    entry = {"train": "images/val", "val": "images/val", "names": list(NAMES)}
    (folder / "data.yaml").write_text(yaml.safe_dump(entry))
    return folder / "data.yaml"


def test_labels_from_boxes_and_polygons_of_yolo(emitted, tmp_path):
    path = yolo(tmp_path, "2 0.5 0.5 0.2 0.2", "0 0.1 0.1 0.4 0.1 0.4 0.4")
    one = head("multilabel_classification", list(NAMES))
    modules = reading(emitted, one, "object_detection", format="yolo")
    assert targets(modules, path)["present"].tolist() == [[1, 0, 1], [0, 0, 0]]


def test_boxes_from_polygons_of_yolo(emitted, tmp_path):
    path = yolo(tmp_path, "1 0.25 0.2 0.75 0.2 0.75 0.6 0.25 0.6")
    one = head("object_detection", list(NAMES))
    modules = reading(emitted, one, "instance_segmentation", format="yolo")
    first, _ = modules.dataset.read_dataset(path)
    assert first.labels["one"].boxes.tolist() == [[10, 6, 30, 18]]


def test_labels_from_boxes_of_voc(emitted, tmp_path):
    save_pictures(tmp_path / "JPEGImages", "0.png", "1.png")
    box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    (tmp_path / "Annotations").mkdir()
    for name, objects in (("0", f"<object><name>b</name>{box}</object>"), ("1", "")):
        text = f"<annotation>{objects}</annotation>"
        (tmp_path / "Annotations" / f"{name}.xml").write_text(text)
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    path = tmp_path / "ImageSets" / "Main" / "val.txt"
    path.write_text("0\n1\n")
    one = head("multilabel_classification", list(NAMES))
    modules = reading(emitted, one, "object_detection", format="voc")
    assert targets(modules, path)["present"].tolist() == [[0, 1, 0], [0, 0, 0]]


def test_labels_from_folders_and_columns(emitted, tmp_path):
    one = head("multilabel_classification", list(NAMES))
    for name in NAMES:
        save_pictures(tmp_path / "folders" / name, "0.png")
    modules = reading(emitted, one, "multiclass_classification", format="folders")
    found = targets(modules, tmp_path / "folders")["present"]
    assert torch.equal(found, torch.eye(3))
    lines = ["image,one", *(f"folders/{name}/0.png,{name}" for name in NAMES)]
    (tmp_path / "val.csv").write_text("\n".join(lines))
    modules = reading(emitted, one, "multiclass_classification", format="csv")
    assert torch.equal(targets(modules, tmp_path / "val.csv")["present"], torch.eye(3))


@pytest.mark.skipif(not REAL, reason="SPECC_TEST_DATA names no folder of images")
def test_labels_from_the_boxes_of_real_images(emitted):
    path = Path(REAL) / "coco128_yolo" / "data.yaml"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    names = yaml.safe_load(path.read_text())["names"]
    names = list(names.values()) if isinstance(names, dict) else names
    one = head("multilabel_classification", names)
    modules = reading(emitted, one, "object_detection", format="yolo")
    samples = modules.dataset.read_dataset(path)
    assert len(samples) > 20
    for sample in samples:
        lines = modules.dataset.labels_path(sample.path)
        lines = lines.read_text().splitlines() if lines.exists() else []
        wanted = {int(line.split()[0]) for line in lines if line.strip()}
        assert set(np.flatnonzero(sample.labels["one"]).tolist()) == wanted
