"""COCO's panoptic segments as maps of categories: from files to targets and metrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from coco_segments import (
    BIG,
    CAR,
    HEAD,
    NAMES,
    ROAD,
    SEGMENTS,
    SKY,
    coco,
    edit,
    ids,
)
from conversion_jobs import head

MAP = head("semantic_segmentation", NAMES, colors=HEAD["colors"], channels=8)
DATA = {"format": "coco", "task": "panoptic_segmentation", "validation": "val.json"}


def categories() -> np.ndarray:
    """Returns the map of `ids`: the crowd of persons, and the last row, are unknown."""
    found = np.full((30, 40), -1)
    found[ids() == 1], found[np.isin(ids(), [2, 300])] = SKY, ROAD
    found[np.isin(ids(), [BIG, 70_000])] = CAR
    return found


@pytest.fixture
def modules(emitted):
    return emitted(MAP, **DATA, augmentation=False)


def map_of(modules, sample) -> np.ndarray:
    return modules.data.read_segments(sample.labels["one"])


def test_segments_become_categories(modules, tmp_path, capsys):
    path = coco(tmp_path, ids(), ids()[::2, ::2])
    first, second = modules.dataset.read_dataset(path)
    np.testing.assert_array_equal(map_of(modules, first), categories())
    assert map_of(modules, first).dtype == np.int16
    np.testing.assert_array_equal(map_of(modules, second), categories()[::2, ::2])
    assert "crowds, of which nothing is learned: 2" in capsys.readouterr().err


def test_they_are_the_targets_of_a_batch(modules, tmp_path):
    """The image fills the canvas, 64 x 96, but for its right: it is 85 wide there."""
    samples = modules.dataset.read_dataset(coco(tmp_path, ids(), ids()))
    views = modules.data.TrainingSet(samples, 0)
    found = modules.data.collate([views[0, 0], views[0, 1]])[1]["one"]["categories"]
    assert found.shape == (2, 64, 96) and torch.equal(found[0], found[1])
    assert (found[0, :, 86:] == -1).all()
    rows, columns = np.arange(64) * 30 // 64, np.arange(85) * 40 // 85
    wanted = torch.from_numpy(categories()[rows][:, columns])
    assert (found[0, :, :85] == wanted).float().mean() > 0.97  # all but at edges


WRONG = {
    "its map is missing: ": (None, {}),
    "another aspect ratio: .* is 30x40, the image 40x30": (ids().T, {}),
    "leads out of": (ids(), {"file_name": "../x.png"}),
    "0 annotations, not one": (ids(), {"image_id": 7}),
}


@pytest.mark.parametrize("said", WRONG)
def test_wrong_segments_are_named_with_file_and_cause(modules, tmp_path, said):
    found, changes = WRONG[said]
    path = coco(tmp_path, ids(), found, **changes)
    with pytest.raises(SystemExit, match=f"\n  1.png: .*{said}"):
        modules.dataset.read_dataset(path)


@pytest.mark.parametrize("gone, number", [(BIG, BIG), (1, 1), (70_000, 70_000)])
def test_an_id_without_a_category_is_named(modules, tmp_path, gone, number):
    """As the map is decoded, which is after it was read."""
    kept = [one for one in SEGMENTS if one["id"] != gone]
    (sample,) = modules.dataset.read_dataset(coco(tmp_path, ids(), segments_info=kept))
    said = f"0-ids.png: `segments_info` has no segment {number}$"
    with pytest.raises(modules.data.ImageError, match=said):
        map_of(modules, sample)


def test_the_first_pixel_without_a_category_is_named(modules, tmp_path):
    found = ids()
    found[3, 5], found[20, 2] = 77, 78
    (sample,) = modules.dataset.read_dataset(coco(tmp_path, found))
    with pytest.raises(modules.data.ImageError, match="has no segment 77$"):
        map_of(modules, sample)


def test_other_categories_than_the_job_s_are_told(modules, tmp_path):
    path = coco(tmp_path, ids())
    edit(path, "categories", lambda c: [c[0] | {"name": "x"}, *c[1:]])
    with pytest.raises(SystemExit, match="only in the dataset: x"):
        modules.dataset.read_dataset(path)


def test_things_need_not_be_told(modules, tmp_path):
    path = coco(tmp_path, ids())
    edit(path, "categories", lambda c: [{"id": x["id"], "name": x["name"]} for x in c])
    (sample,) = modules.dataset.read_dataset(path)
    np.testing.assert_array_equal(map_of(modules, sample), categories())


def test_labels_are_still_those_of_things(emitted, tmp_path):
    one = head("multilabel_classification", ["car", "person"])
    (sample,) = emitted(one, **DATA).dataset.read_dataset(coco(tmp_path, ids()))
    assert sample.labels["one"].tolist() == [1, 0]


def test_a_map_beside_objects_of_the_same_segments(emitted, tmp_path):
    """Names of all categories are compared for the one, of things for the other."""
    boxes = head("object_detection", ["person", "car"]) | {"name": "things"}
    modules = emitted(MAP, boxes, **DATA)
    (sample,) = modules.dataset.read_dataset(coco(tmp_path, ids()))
    np.testing.assert_array_equal(map_of(modules, sample), categories())
    assert sample.labels["things"].labeled().classes.tolist() == [1, 1]
