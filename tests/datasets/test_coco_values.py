"""Values of COCO files as tools write them: flags and numbers as text, names twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from coco_segments import HEAD as STREET
from coco_segments import coco as street
from coco_segments import edit, ids
from emitted_jobs import DETECTION
from test_crowds import COCO, MASKS, POINTS, coco

from specc.cli import run_cli

HEADS = pytest.mark.parametrize(
    "head", [DETECTION, MASKS, POINTS], ids=lambda h: h["task"]
)


def changed(path: Path, key: str, place: int = -1, **values: object) -> Path:
    """The file, once the last item under a key, or that at a place, has these values."""
    content = json.loads(path.read_text())
    content[key][place].update(values)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.sample("object_detection", rest="slow")
@HEADS
def test_a_flag_is_a_number(emitted, tmp_path, head):
    dataset = emitted(head, **COCO).dataset
    path = changed(coco(tmp_path, (0, False), (0, False)), "annotations", iscrowd="0")
    with pytest.raises(SystemExit) as end:
        dataset.read_dataset(path)
    assert str(end.value) == f"{path}: `iscrowd` of annotation 1 is not 0 or 1: '0'"


@pytest.mark.parametrize("value", [None, False, 0.0])
def test_what_stands_for_0_is_0(emitted, tmp_path, value):
    dataset = emitted(DETECTION, **COCO).dataset
    path = changed(coco(tmp_path, (0, False)), "annotations", iscrowd=value)
    (sample,) = dataset.read_dataset(path)
    assert sample.labels["cells"].ignored.tolist() == [False]


@HEADS
def test_an_area_that_is_no_number_is_named(emitted, tmp_path, head):
    dataset = emitted(head, **COCO).dataset
    path = changed(coco(tmp_path, (0, False)), "annotations", area="large")
    with pytest.raises(SystemExit) as end:
        dataset.read_dataset(path)
    said = str(end.value)
    assert said.startswith(f"{path}: ") and "'large'" in said
    assert "in {'id': 0, " in said or "annotation 0: " in said


@pytest.mark.parametrize(
    "segmentation, said",
    [
        ([4, 4, 20, 4, 20, 13], "not x and y in turns: 4.0"),
        ([[4, 4, 20, 4, 20]], "not x and y in turns: [ 4.  4. 20.  4. 20.]"),
        ([[4, 4, 20, 4]], "a polygon of 2 points: [ 4.  4. 20.  4.]"),
        ([["x"] * 6], "not x and y in turns: ['x', 'x', "),
    ],
)
def test_polygons_that_are_none_are_named(emitted, tmp_path, segmentation, said):
    dataset = emitted(MASKS, **COCO).dataset
    changes = {"segmentation": segmentation}
    path = changed(coco(tmp_path, (0, False)), "annotations", **changes)
    with pytest.raises(SystemExit) as end:
        dataset.read_dataset(path)
    assert f"one.png: annotation 0: {said}" in str(end.value)


@pytest.mark.parametrize("seen", ["0", None, 0.0])
def test_a_keypoint_that_is_not_labeled_is_absent_as_text_too(emitted, tmp_path, seen):
    dataset = emitted(POINTS, **COCO).dataset
    path = coco(tmp_path, (0, False), (0, False))
    (sample,) = dataset.read_dataset(
        changed(path, "annotations", keypoints=["5", "6", seen])
    )
    assert sample.labels["cells"].present().tolist() == [[True], [False]]


def test_a_name_of_a_keypoint_stands_there_once(emitted, tmp_path):
    """Or the last of its places would be taken."""
    dataset = emitted(POINTS, **COCO).dataset
    path = changed(coco(tmp_path, (0, False)), "categories", 0, keypoints=["head"] * 2)
    changed(path, "annotations", keypoints=[5, 5, 2, 9, 9, 2])
    with pytest.raises(SystemExit, match="annotation 0: 6 numbers in `keypoints`"):
        dataset.read_dataset(path)


def test_things_are_flags_too(emitted, tmp_path):
    dataset = emitted(STREET, **COCO).dataset
    path = street(tmp_path, ids())
    (one,) = dataset.read_dataset(path)
    edit(path, "categories", lambda c: [x | {"isthing": str(x["isthing"])} for x in c])
    (other,) = dataset.read_dataset(path)
    assert other.labels["street"].masks == one.labels["street"].masks


# ---- By init ----


@pytest.mark.parametrize(
    "task, key, values, said",
    [
        (
            DETECTION,
            "categories",
            {"name": " "},
            "`categories` has a name without text",
        ),
        (
            POINTS,
            "categories",
            {"keypoints": ["a", "a "]},
            "`keypoints` has 'a' 2 times",
        ),
    ],
)
def test_names_that_are_none_are_named(place, capsys, task, key, values, said):
    changed(coco(place, (2, False)), key, **values).rename("train.json")
    assert run_cli(["init", task["task"], "--data", "."]) == 1
    assert f"train.json: {said}" in capsys.readouterr().err


def test_results_are_no_annotations(place, capsys):
    items = json.loads(coco(place, (0, False)).read_text())["annotations"]
    (place / "val.json").write_text(json.dumps(items))
    assert run_cli(["init", "object_detection", "--data", "."]) == 1
    assert "val.json: a list of results, without images" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda c: c.pop("categories"), "has no `categories`, as a COCO file has"),
        (lambda c: c.pop("annotations"), "has no `annotations`, as a COCO file has"),
        (lambda c: c["annotations"].clear(), "0 annotations, none with a `bbox` or"),
    ],
)
def test_files_that_are_nearly_of_coco_are_shown(place, capsys, change, said):
    path = coco(place, (0, False))
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    assert run_cli(["init", "object_detection", "--data", "."]) == 1
    assert f"val.json: {said}" in capsys.readouterr().err
