"""The number of rows of a batch of objects is one of few, so that few losses are
compiled."""

from __future__ import annotations

import numpy as np
import pytest
from emitted_jobs import load_all, make

NAMES = {"categories": ["a", "b"]}
BOXES = {"name": "boxes", "task": "object_detection", **NAMES}
PAGES = {"name": "pages", "task": "quadrilateral_detection", **NAMES}
MASKS = {"name": "masks", "task": "instance_segmentation", **NAMES, "layers": 1}
POSES = {"name": "poses", "task": "keypoint_detection", "keypoints": ["x", "y"]}
# head -> the function that stacks its labels, their type, the shapes of a row of it
STACKS = {
    "boxes": (BOXES, "stack_objects", "Objects", ((4,), ())),
    "pages": (PAGES, "stack_quadrilaterals", "Quadrilaterals", ((4, 2), (4,), ())),
    "masks": (MASKS, "stack_grids", "Grids", ((4,), (), (4,), (28, 28))),
    "poses": (POSES, "stack_poses", "Poses", ((2, 2), (4,))),
}

COUNTS = ((2, 0, 3), (0, 0), (1,))  # rows of the images of a batch


@pytest.mark.parametrize("name", STACKS)
def test_rows_are_a_power_of_two_from_16_on(name, tmp_path):
    head, stack, kind, shapes = STACKS[name]
    data = load_all(make(tmp_path, [head]), "data").data

    def labels(count: int):
        columns = [np.zeros((count, *shape), np.float32) for shape in shapes]
        return getattr(data, kind)(*columns)

    for count, rows in ((0, 16), (1, 16), (16, 16), (17, 32), (32, 32), (33, 64)):
        stacked = getattr(data, stack)([labels(count), labels(min(count, 3))])
        assert stacked["boxes"].shape == (2, rows, 4), count
        assert (stacked["classes"] >= 0).sum(1).tolist() == [count, min(count, 3)]


@pytest.mark.parametrize("counts", COUNTS, ids=str)
@pytest.mark.parametrize("name", STACKS)
def test_the_rows_of_an_image_come_first_and_empty_ones_follow(name, counts, tmp_path):
    """All of an empty row is 0, but for its class, which is -1. Poses, whose labels do
    not say it, are of class 0, and all of their keypoints are present here."""
    head, stack, kind, shapes = STACKS[name]
    data = load_all(make(tmp_path, [head]), "data").data
    rng, batch = np.random.default_rng(0), []
    for count in counts:
        columns = [rng.integers(1, 9, (count, *shape)) for shape in shapes]
        batch.append(getattr(data, kind)(*map(np.float32, columns)))
    for field, rows in getattr(data, stack)(batch).items():
        assert rows.shape[:2] == (len(counts), 16)
        for row, labels in zip(rows.numpy(), batch, strict=True):
            count = len(labels.boxes)
            wanted = labels._asdict().get(field, field == "present")
            assert (row[:count] == wanted).all(), field
            assert (row[count:] == (-1 if field == "classes" else 0)).all(), field


def test_keypoints_that_are_absent_are_zero_and_told(tmp_path):
    data = load_all(make(tmp_path, [POSES]), "data").data
    keypoints = np.float32([[[np.nan, np.nan], [3, 4]], [[5, 6], [np.nan, np.nan]]])
    stacked = data.stack_poses([data.Poses(keypoints, np.ones((2, 4), np.float32))])
    assert stacked["present"][0, :2].tolist() == [[False, True], [True, False]]
    assert stacked["keypoints"][0, :2].tolist() == [[[0, 0], [3, 4]], [[5, 6], [0, 0]]]
