"""Annotations of crowds: told, counted, and refused where there is nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from emitted_jobs import DETECTION, NAMES
from layouts import save
from PIL import Image

from specc.datasets.advice import findings_of
from specc.datasets.data import look
from specc.datasets.survey import Images
from specc.datasets.tell import as_text, as_values

COCO = {"format": "coco", "validation": "val.json", "augmentation": False}
MASKS = {"name": "cells", "task": "instance_segmentation", "categories": NAMES}
POINTS = {"name": "cells", "task": "keypoint_detection", "keypoints": ["head"]}
POINTS |= {"flip_pairs": []}


def coco(folder: Path, *crowds: tuple[int, bool]) -> Path:
    """An image with an annotation for each, one pixel below the last: its category, and
    whether it is a crowd."""
    save(folder / "one.png")
    content = {
        "images": [{"id": 1, "file_name": "one.png"}],
        "categories": [
            {"id": i, "name": name, "keypoints": ["head"]}
            for i, name in enumerate(NAMES)
        ],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": category, "iscrowd": int(crowd)}
            | {"bbox": [4, i, 16, 9], "keypoints": [5, i, 2]}
            | {"segmentation": [[4, i, 20, i, 20, i + 9, 4, i + 9]]}
            for i, (category, crowd) in enumerate(crowds)
        ],
    }
    (folder / "val.json").write_text(json.dumps(content))
    return folder / "val.json"


@pytest.mark.parametrize("head", [DETECTION, MASKS, POINTS], ids=lambda h: h["task"])
def test_a_set_of_crowds_alone_is_refused(emitted, tmp_path, head):
    path = coco(tmp_path, (0, True), (1, True), (1, True))
    with pytest.raises(SystemExit, match="all 3 annotations have `iscrowd` 1") as stop:
        emitted(head, **COCO).dataset.read_dataset(path)
    assert str(path) in str(stop.value) and "write 0" in str(stop.value)


@pytest.mark.parametrize("head", [DETECTION, MASKS, POINTS], ids=lambda h: h["task"])
def test_crowds_are_counted_by_category_where_there_is_no_more(
    emitted, tmp_path, capsys, head
):
    path = coco(tmp_path, (0, False), (0, True), (1, True), (1, True))
    [sample] = emitted(head, **COCO).dataset.read_dataset(path)
    assert sample.labels["cells"].ignored.tolist() == [False, True, True, True]
    assert len(sample.labels["cells"].labeled().boxes) == 1
    lines = capsys.readouterr().err.splitlines()
    assert f"{path}: crowds, ignored in training and in metrics: 3" in lines
    assert f"{path}: crowds, and nothing else, of category {NAMES[1]}: 2" in lines


@pytest.mark.slow
def test_specc_data_counts_crowds_apart(place, capsys):
    """Neither among the objects of a category nor among those of a level."""
    given = (0, False), (0, True), (1, True)
    for part in ("train", "val"):
        (place / part).mkdir()
        coco(place / part, *given)
    looked = look(job_of(), place, Images())
    assert looked.labels["cells"].counts["training"] == {"a": 1}
    [head] = looked.emitted.job.heads
    assert len(looked.objects(head).boxes) == 1
    told = as_text(as_values(looked, findings_of(looked), {}))
    assert "crowds, ignored in training and in metrics: 4" in told  # sum of both sets
    err = capsys.readouterr().err
    assert "cells: in no image to train on, 2 of 3: b, no" in err  # b: crowds alone


def job_of() -> bytes:
    data = {"train": "train/val.json", "validation": "val/val.json", "format": "coco"}
    model = {"neck": {"kind": "fpn", "bottom_level": 3, "top_level": 5}}
    job = {"name": "x", "data": data | {"resolution": [96, 128]}}
    return json.dumps(job | {"model": model | {"heads": [DETECTION]}}).encode()


def test_categories_of_one_name_are_told(emitted, tmp_path, capsys):
    path = coco(tmp_path, (0, False), (1, False), (2, False))
    content = json.loads(path.read_text())
    for item, name in zip(content["categories"], (NAMES[0], NAMES[0], NAMES[1])):
        item["name"] = name
    content["categories"] += [{"id": 9, "name": NAMES[1]}]  # annotates nothing
    path.write_text(json.dumps(content))
    names = {"categories": NAMES[:2]}
    [sample] = emitted(DETECTION | names, **COCO).dataset.read_dataset(path)
    assert sample.labels["cells"].classes.tolist() == [0, 0, 1]
    told = f"{path}: categories called {NAMES[0]!r}, taken for one: 2"
    assert capsys.readouterr().err.splitlines() == [told]


def test_without_crowds_nothing_is_said(emitted, tmp_path, capsys):
    emitted(DETECTION, **COCO).dataset.read_dataset(coco(tmp_path, (0, False)))
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_segments_of_crowds_are_counted_too(emitted, tmp_path, capsys):
    save(tmp_path / "images" / "one.png")
    (tmp_path / "val").mkdir()
    Image.new("RGB", (40, 30), (1, 0, 0)).save(tmp_path / "val" / "one.png")
    segments = [{"id": 1, "category_id": 0, "iscrowd": 1}]
    item = {"image_id": 1, "file_name": "one.png", "segments_info": segments}
    content = {
        "images": [{"id": 1, "file_name": "one.png"}],
        "categories": [{"id": i, "name": n, "isthing": 1} for i, n in enumerate("ab")],
        "annotations": [item],
    }
    path = tmp_path / "val.json"
    path.write_text(json.dumps(content))
    colors = {"colors": [[1, 2, 3], [4, 5, 6]], "things": ["a", "b"]}
    head = {"name": "s", "task": "panoptic_segmentation", "categories": ["a", "b"]}
    dataset = emitted(head | colors, **COCO).dataset
    with pytest.raises(SystemExit, match="all 1 annotations have `iscrowd` 1"):
        dataset.read_dataset(path)
    segments.append({"id": 2, "category_id": 1})
    path.write_text(json.dumps(content))
    dataset.read_dataset(path)
    assert "crowds, and nothing else, of category a: 1" in capsys.readouterr().err
