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
