"""Keypoints and poses at the borders of a view: some are left, others are not."""

from __future__ import annotations

import numpy as np
import pytest
from emitted_jobs import load_data, make_reader

NAMES = ("left", "right", "top")
HEAD = {
    "name": "pose",
    "task": "keypoint_detection",
    "keypoints": NAMES,
    "flip_pairs": [["left", "right"]],
}


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """The dataset.py and data.py of a job that reads native annotations."""
    folder = tmp_path_factory.mktemp("modules")
    return load_data(make_reader(folder, (HEAD,), {"validation": "val"}))


def test_what_lies_on_the_border_is_seen(modules, emitted):
    """And a pose stays of which more than a quarter is seen: 1 of 3, and not 1 of 4."""
    ends = [[0, 0], [96, 64], [0, 64], [96, 0]]
    beyond = [[-0.5, 9], [96.5, 9], [9, -0.5], [9, 64.5]]
    one_of_four = [[0, 0], *beyond[:3]]
    one_of_three = [[96, 64], [np.nan, np.nan], *beyond[2:]]
    points = np.float32([ends, beyond, one_of_four, one_of_three])
    told = emitted(HEAD, format="coco", validation="val")
    own = {"crowds": np.zeros(4, bool), "areas": np.ones(4)}  # values that COCO tells
    for (dataset, data), further in (
        ((modules.dataset, modules.data), {}),
        ((told.dataset, told.data), own),
    ):
        poses = dataset.Poses(points, dataset.extents(points, 64, 96), **further)
        unmoved = data.Transform(np.float32([1, 1]), np.float32([0, 0]))
        moved = data.moved_poses(poses, unmoved, NAMES, dataset.FLIP_PAIRS)
        assert moved.present().tolist() == [[True] * 4, [True] + [False] * 3]
        assert moved.keypoints[0].tolist() == ends
        assert moved.boxes[0].tolist() == [0, 0, 96, 64]


def test_what_is_ignored_stays_while_any_of_its_box_is_seen(emitted):
    """It has no keypoints, and a box of its own, which is cut off at the borders."""
    found = emitted(HEAD, format="coco", validation="val")
    boxes = [[-9, 5, 0.5, 9], [-9, 5, 0, 9], [90, 60, 99, 70], [5, -9, 9, 0]]
    nowhere = np.full((4, 3, 2), np.nan, np.float32)
    poses = found.dataset.Poses(
        nowhere, np.float32(boxes), crowds=np.ones(4, bool), areas=np.ones(4)
    )
    unmoved = found.data.Transform(np.float32([1, 1]), np.float32([0, 0]))
    moved = found.data.moved_poses(poses, unmoved, NAMES, found.dataset.FLIP_PAIRS)
    assert moved.boxes.tolist() == [[0, 5, 0.5, 9], [90, 60, 96, 64]]
