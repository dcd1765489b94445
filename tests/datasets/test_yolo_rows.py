"""Lines of YOLO's labels, read by the kind that data.yaml tells, and what it tells wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from emitted_jobs import DETECTION, NAMES
from layouts import save

from specc.cli import run_cli

QUADS = {"name": "quads", "task": "quadrilateral_detection", "categories": NAMES}
MASKS = {"name": "masks", "task": "instance_segmentation", "categories": NAMES}
DATA = {"format": "yolo", "validation": "data.yaml", "augmentation": False}
WIDTH, HEIGHT = 40, 30
# A diamond that begins at the right: its corners in order, and not from the top left.
DIAMOND = [[30, 15], [20, 24], [10, 15], [20, 6]]


def line(category: int, *values: float) -> str:
    return " ".join(map(str, (category, *values)))


def fractions(corners: list) -> list[float]:
    return [side for x, y in corners for side in (x / WIDTH, y / HEIGHT)]


def yolo(folder: Path, *lines: str, **entry) -> Path:
    """A data.yaml with one image, whose labels are these lines."""
    save(folder / "images" / "one.png")
    (folder / "labels").mkdir()
    (folder / "labels" / "one.txt").write_text("\n".join(lines))
    whole = {"train": "images", "val": "images", "names": list(NAMES)} | entry
    (folder / "data.yaml").write_text(yaml.safe_dump(whole))
    return folder / "data.yaml"


BOX = (0.5, 0.5, 0.25, 0.4)  # center, size
WANTED = [15, 9, 25, 21]


@pytest.mark.parametrize("shape", [[2, 3], [3, 3], [2, 2], [1, 2], [24, 3]], ids=str)
def test_of_keypoints_the_box_is_read(emitted, tmp_path, shape):
    points = [0.9, 0.1, 2][: shape[1]] * shape[0]
    path = yolo(tmp_path, line(2, *BOX, *points), kpt_shape=shape)
    [sample] = emitted(DETECTION, **DATA).dataset.read_dataset(path)
    assert sample.labels["cells"].boxes == pytest.approx(np.array([WANTED]))
    assert sample.labels["cells"].classes.tolist() == [2]


@pytest.mark.parametrize("head", [DETECTION, QUADS, MASKS], ids=lambda h: h["task"])
@pytest.mark.parametrize("values", [BOX, (*BOX, 0.1, 0.1, 2), (0.1,) * 8, (0.1,) * 6])
def test_lines_that_kpt_shape_does_not_tell_are_named(emitted, tmp_path, head, values):
    points = [0.5, 0.5, 2, 0.5, 0.5, 2]
    path = yolo(tmp_path, line(0, *BOX, *points), line(0, *values), kpt_shape=[2, 3])
    if head is not DETECTION:
        path.with_name("labels").joinpath("one.txt").write_text(line(0, *values))
    with pytest.raises(SystemExit) as stop:
        emitted(head, **DATA).dataset.read_dataset(path)
    where = "line 2" if head is DETECTION else "line 1"
    assert f"one.txt, {where}: {len(values)} numbers, by `kpt_shape` 10" in str(
        stop.value
    )


def test_keypoints_are_no_masks(emitted, tmp_path):
    points = [0.5, 0.5, 2, 0.5, 0.5, 2]
    path = yolo(tmp_path, line(0, *BOX, *points), kpt_shape=[2, 3])
    for head in (MASKS, QUADS):
        with pytest.raises(SystemExit, match="one.txt, line 1: .*, but a box"):
            emitted(head, **DATA).dataset.read_dataset(path)


def test_keypoints_that_nothing_tells_of_are_named(emitted, tmp_path):
    path = yolo(tmp_path, line(0, *BOX, 0.1, 0.1, 2, 0.9, 0.9, 2))
    for head in (DETECTION, MASKS):
        with pytest.raises(SystemExit, match="line 1: .* `kpt_shape` would tell"):
            emitted(head, **DATA).dataset.read_dataset(path)


@pytest.mark.parametrize(
    "entry, said",
    [
        ({"nc": 80}, "`nc` is 80, of names 3"),
        ({"nc": "4"}, "`nc` is '4', of names 3"),
        ({"kpt_shape": 17}, "`kpt_shape` is not"),
        ({"kpt_shape": [17]}, "`kpt_shape` is not"),
        ({"kpt_shape": [17, 4]}, "`kpt_shape` is not"),
        ({"kpt_shape": [0, 3]}, "`kpt_shape` is not"),
        ({"kpt_shape": ["a", 3]}, "`kpt_shape` is not"),
    ],
)
def test_what_data_yaml_tells_wrong_is_named(emitted, tmp_path, entry, said):
    path = yolo(tmp_path, line(0, *BOX), **entry)
    with pytest.raises(SystemExit) as stop:
        emitted(DETECTION, **DATA).dataset.read_dataset(path)
    assert f"{path}: {said}" in str(stop.value)


def test_nc_that_fits_is_no_matter(emitted, tmp_path):
    path = yolo(tmp_path, line(0, *BOX), nc=3)
    assert len(emitted(DETECTION, **DATA).dataset.read_dataset(path)) == 1


def test_four_corners_keep_their_order(emitted, tmp_path):
    path = yolo(tmp_path, line(1, *fractions(DIAMOND)))
    [sample] = emitted(QUADS, **DATA).dataset.read_dataset(path)
    label = sample.labels["quads"]
    assert label.corners == pytest.approx(np.array([DIAMOND]))
    assert label.boxes.tolist() == [pytest.approx([10, 6, 30, 24])]
    assert label.classes.tolist() == [1]


def test_for_boxes_their_hull_is_taken_and_told(emitted, tmp_path, capsys):
    path = yolo(tmp_path, line(1, *fractions(DIAMOND)))
    [sample] = emitted(DETECTION, **DATA).dataset.read_dataset(path)
    assert sample.labels["cells"].boxes.tolist() == [pytest.approx([10, 6, 30, 24])]
    said = capsys.readouterr().err
    assert "polygons, taken for the boxes around them: 1" in said


@pytest.mark.parametrize("count", [4, 6, 7, 10])
def test_what_has_not_four_corners_is_no_quadrilateral(emitted, tmp_path, count):
    lines = line(1, *fractions(DIAMOND)), line(0, *[0.1, 0.3, 0.4] * 3, 0.2)
    lines = lines[0], " ".join(lines[1].split()[: count + 1])
    with pytest.raises(
        SystemExit, match=f"one.txt, line 2: {count} numbers, not x and"
    ):
        emitted(QUADS, **DATA).dataset.read_dataset(yolo(tmp_path, *lines))


def test_init_takes_four_corners_for_quadrilaterals(place, capsys):
    yolo(place, line(1, *fractions(DIAMOND)))
    assert run_cli(["init", "quadrilateral_detection", "--data", "."]) == 0
    job = json.loads((place / "job.json").read_text())
    assert job["data"]["format"] == "yolo" and "task" not in job["data"]
    assert "become" not in capsys.readouterr().out


def test_init_takes_keypoints_for_their_boxes_alone(place):
    points = [0.5, 0.5, 2, 0.5, 0.5, 2]
    yolo(place, line(1, *BOX, *points), kpt_shape=[2, 3])
    assert run_cli(["init", "object_detection", "--data", "."]) == 0
    assert (
        run_cli(["init", "instance_segmentation", "--data", ".", "-o", "b.json"]) == 1
    )
