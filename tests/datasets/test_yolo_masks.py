"""YOLO's polygons as masks of instances."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from instance_jobs import HEAD
from small_data import yolo


@pytest.fixture
def reader(emitted) -> ModuleType:
    return emitted(HEAD, format="yolo", validation="data.yaml").dataset


def test_polygons_become_masks(reader, tmp_path, capsys):
    square = "2 0.25 0.2 0.75 0.2 0.75 0.6 0.25 0.6"
    triangle = "0 0 0 1 0 0 1"
    one, two = reader.read_dataset(yolo(tmp_path, square, "", triangle))
    labels = one.labels["cells"]
    assert labels.classes.tolist() == [2, 0]
    assert labels.boxes.tolist()[0] == [10, 6, 30, 18]
    first, second = (reader.coco_mask.decode(mask) for mask in labels.masks)
    expected = np.zeros((30, 40), np.uint8)
    expected[6:18, 10:30] = 1
    np.testing.assert_array_equal(first, expected)
    assert second[2, 2] and not second[28, 38]
    assert second.sum() == pytest.approx(30 * 40 / 2, rel=0.05)
    assert len(two.labels["cells"].masks) == 0
    assert "images without a file of labels: 1" in capsys.readouterr().err


def test_polygons_are_cut_off_at_the_edges(reader, tmp_path, capsys):
    beyond = "1 -0.5 -0.5 1.5 -0.5 1.5 1.5 -0.5 1.5"
    outside = "1 1.1 1.1 1.2 1.1 1.2 1.2"
    one, _ = reader.read_dataset(yolo(tmp_path, beyond, outside))
    assert one.labels["cells"].boxes.tolist() == [[0, 0, 40, 30]]
    assert "masks without area left out: 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line, said",
    [
        ("0 0.5 0.5 0.5 0.2", "4 numbers, not x and y of three corners or more, but a"),
        ("0 0.5 0.5", "2 numbers, not x and y of three corners"),
        ("0", "0 numbers, not x and y of three corners"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "7 numbers, not x and y of three corners"),
        ("0 nan 0.1 0.2 0.2 0.3 0.3", "not finite"),
        ("0 inf 0.1 0.2 0.2 0.3 0.3", "not finite"),
        ("3 0.1 0.1 0.2 0.2 0.3 0.3", "category 3 of 3"),
        ("x 0.1 0.1 0.2 0.2 0.3 0.3", "not numbers"),
    ],
)
def test_wrong_lines_are_named_with_file_and_line(reader, tmp_path, line, said):
    good = "1 0.1 0.1 0.2 0.2 0.3 0.4"
    with pytest.raises(SystemExit) as caught:
        reader.read_dataset(yolo(tmp_path, good, line))
    first, problem = str(caught.value).splitlines()
    assert first.endswith("data.yaml: problems: 1")
    assert problem.startswith(f"  one.png: one.txt, line 2: {said}")
