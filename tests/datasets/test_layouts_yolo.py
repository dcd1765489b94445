"""Layouts of YOLO, VOC and DOTA as tools write them: init finds them, and what its job
reads is what they hold."""

from __future__ import annotations

import json

import pytest
from layouts_yolo import NAMES, ONE_SET, VOC, YOLO, truth
from readings import started

CLOSE = {"yolo": 4e-3, "voc": 0}  # pixels: 1e-4 of a side


def read_objects(samples: list) -> dict[str, list]:
    """The objects of each image by stem; spaces of names become dashes again."""
    found = {}
    for sample in samples:
        (label,) = sample.labels.values()
        names = (NAMES[i] for i in label.classes.tolist())
        found[sample.path.stem.replace(" ", "-")] = list(zip(names, label.boxes.tolist()))
    return found


def assert_same(samples: list, name: str, close: float):
    found, wanted = read_objects(samples), truth(name)
    assert found.keys() == wanted.keys()
    for image, boxes in wanted.items():
        assert [one for one, _ in found[image]] == [one for one, _ in boxes]
        for (_, box), (_, right) in zip(found[image], boxes):
            assert box == pytest.approx(right, abs=close)


@pytest.mark.parametrize("make", (YOLO | VOC).values(), ids=lambda make: make.__name__)
def test_a_layout_is_read_as_it_is(place, make):
    make(place)
    head, reading = started("object_detection")
    assert head["categories"] == list(NAMES)
    assert not reading.fatal and not reading.problems
    job = json.loads((place / "job.json").read_text())
    close = CLOSE[job["data"]["format"]]
    if make.__name__ in ONE_SET:
        assert "validation" not in job["data"]
        assert_same(reading.training + reading.validation, "train", close)
    else:
        assert_same(reading.training, "train", close)
        assert_same(reading.validation, "val", close)
