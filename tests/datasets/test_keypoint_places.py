"""Keypoints outside their image, and too few of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from layouts import save

NAMES = ["head", "foot"]
POINTS = {"name": "poses", "task": "keypoint_detection", "keypoints": NAMES}
POINTS |= {"flip_pairs": []}
PERSON = {"name": "poses", "task": "object_detection", "categories": ["person"]}
MOVED = "keypoints a little outside their image, moved to its edge"
ABSENT = "keypoints outside their image, taken to be absent"


def native(folder: Path, *instances: dict, width: int = 40) -> Path:
    """A dataset of one image, `width` x 30."""
    save(folder / "images" / "one.png", width=width)
    entry = {"task": "keypoint detection", "keypoints": NAMES, "annotations": "a.yaml"}
    (folder / "metadata.yaml").write_text(yaml.safe_dump(entry))
    (folder / "a.yaml").write_text(yaml.safe_dump({"one.png": list(instances)}))
    return folder


def coco(folder: Path, *instances: list) -> Path:
    """The same as a file of COCO's."""
    save(folder / "one.png")
    content = {
        "images": [{"id": 1, "file_name": "one.png"}],
        "categories": [{"id": 1, "name": "person", "keypoints": NAMES}],
        "annotations": [
            {"id": 50 + i, "image_id": 1, "category_id": 1, "keypoints": values}
            for i, values in enumerate(instances)
        ],
    }
    (folder / "val.json").write_text(json.dumps(content))
    return folder / "val.json"


@pytest.mark.parametrize(
    "place, wanted, told",
    [
        ([40, 30], [40, 30], None),
        ([40.4, 20], [40, 20], None),  # numbers are rounded
        ([40.6, 20], [40, 20], MOVED),
        ([41, -1], [40, 0], MOVED),
        ([20, 31], [20, 30], MOVED),
        ([41.1, 20], None, ABSENT),
        ([20, -1.1], None, ABSENT),
        ([-200, 400], None, ABSENT),
    ],
)
def test_one_rule_for_keypoints_outside(emitted, tmp_path, capsys, place, wanted, told):
    in_coco = [10, 12, 2, *place, 2]
    readings = [
        (coco(tmp_path / "c", in_coco), {"format": "coco"}),
        (native(tmp_path / "n", {"head": [10, 12], "foot": place}), {}),
    ]
    for path, data in readings:
        modules = emitted(POINTS, validation="val", **data)
        [sample] = modules.dataset.read_dataset(path)
        [keypoints] = sample.labels["poses"].keypoints
        expected = [[10, 12], wanted or [np.nan, np.nan]]
        np.testing.assert_array_equal(keypoints, np.float32(expected))
        said = capsys.readouterr().err
        assert said == (f"{path}: {told}: 1\n" if told else "")


def test_in_a_large_image_half_a_percent_is_a_little(emitted, tmp_path, capsys):
    given = {"head": [-4, 5], "foot": [805, 5]}
    path = native(tmp_path, given, width=800)
    [sample] = emitted(POINTS, validation="val").dataset.read_dataset(path)
    [[head, foot]] = sample.labels["poses"].keypoints
    assert head.tolist() == [0, 5] and np.isnan(foot).all()
    said = capsys.readouterr().err
    assert f"{MOVED}: 1" in said and f"{ABSENT}: 1" in said


def test_boxes_of_keypoints_follow_the_same_rule(emitted, tmp_path, capsys):
    given = {"head": [10, 12], "foot": [20, 31]}, {"head": [10, 12], "foot": [90, 20]}
    modules = emitted(PERSON, task="keypoint_detection", validation="val")
    [sample] = modules.dataset.read_dataset(native(tmp_path, *given))
    boxes = sample.labels["poses"].boxes.tolist()
    least = 40 / 32 / 2  # half the side of the box of a single keypoint
    assert boxes[0] == [10, 12, 20, 30]
    assert boxes[1] == pytest.approx([10 - least, 12 - least, 10 + least, 12 + least])
    said = capsys.readouterr().err
    assert f"{MOVED}: 1" in said and f"{ABSENT}: 1" in said


@pytest.mark.parametrize("values", [[5, 6, 2], [5, 6, 2, 7, 8], [5, 6, 2] * 3])
def test_too_few_or_too_many_keypoints_are_refused(emitted, tmp_path, values):
    path = coco(tmp_path, [5, 6, 2, 7, 8, 2], values)
    with pytest.raises(SystemExit) as stop:
        emitted(POINTS, format="coco", validation="val").dataset.read_dataset(path)
    what = f"annotation 51: {len(values)} numbers in `keypoints`, not 3 for each of 2"
    assert what in str(stop.value) and str(path) in str(stop.value)


def test_no_keypoints_at_all_are_none_that_is_labeled(emitted, tmp_path, capsys):
    path = coco(tmp_path, [5, 6, 2, 7, 8, 2], [])
    dataset = emitted(POINTS, format="coco", validation="val").dataset
    [sample] = dataset.read_dataset(path)
    assert len(sample.labels["poses"].boxes) == 1
    assert "instances without any keypoint left out: 1" in capsys.readouterr().err
