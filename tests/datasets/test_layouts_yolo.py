"""Layouts of YOLO, VOC and DOTA as tools write them: init finds them, and what its job
reads is what they hold."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from layouts import save
from layouts_yolo import (
    COUNT,
    NAMES,
    ONE_SET,
    POINTS,
    VOC,
    YOLO,
    corners,
    data_yaml,
    dota,
    pose,
    truth,
    write,
    yolo_poses,
)
from readings import started

from specc.cli import run_cli

CLOSE = {"yolo": 4e-3, "voc": 0}  # pixels: 1e-4 of a side


def read_objects(samples: list) -> dict[str, list]:
    """The objects of each image by stem; spaces of names become dashes again."""
    found = {}
    for sample in samples:
        (label,) = sample.labels.values()
        names = (NAMES[i] for i in label.classes.tolist())
        found[sample.path.stem.replace(" ", "-")] = list(
            zip(names, label.boxes.tolist())
        )
    return found


def assert_same(samples: list, name: str, close: float):
    found, wanted = read_objects(samples), truth(name)
    assert found.keys() == wanted.keys()
    for image, boxes in wanted.items():
        assert [one for one, _ in found[image]] == [one for one, _ in boxes]
        for (_, box), (_, right) in zip(found[image], boxes):
            assert box == pytest.approx(right, abs=close)


@pytest.mark.sample(
    "roboflow",
    "ultralytics",
    "ultralytics_foreign_path",
    "ultralytics_lists",
    "cvat_yolo",
    "darknet",
    "label_studio",
    "labelimg",
    "labels_elsewhere",
    "train_and_test",
    "voc_two_folders",
    "voc_lists",
    "cvat_voc",
    quick=("train_and_test", "voc_lists"),
)
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


# ---- Keypoints ----

LISTED = "[nose, left eye, right eye]"
BY_CATEGORY = [f"kpt_names: {{0: {LISTED}, 1: {LISTED}}}", "flip_idx: [0, 2, 1]"]
NUMBERED = ["point_0", "point_1", "point_2"]


@pytest.mark.sample("numbered", "named by category", quick=("named by category",))
@pytest.mark.parametrize(
    "lines, values, names, pairs",
    [
        (["flip_idx: [0, 2, 1]"], 3, NUMBERED, [["point_1", "point_2"]]),
        (["flip_idx: [0, 1, 2]"], 2, NUMBERED, []),
        ([], 2, NUMBERED, None),
        ([f"kpt_names: {LISTED}"], 3, POINTS, [["left eye", "right eye"]]),
        (BY_CATEGORY, 3, POINTS, [["left eye", "right eye"]]),
    ],
    ids=["numbered", "no pair", "unsaid", "named", "named by category"],
)
def test_keypoints_of_yolo(place, capsys, lines, values, names, pairs):
    yolo_poses(place, *lines, values=values)
    head, reading = started("keypoint_detection")
    assert head["keypoints"] == list(names)
    assert head.get("flip_pairs") == pairs
    said = capsys.readouterr().out
    assert ("numbered in their order" in said) == (names is NUMBERED)
    assert ("mirrored     no image in training, unless" in said) == (pairs is None)
    assert not reading.fatal and not reading.problems
    for name, samples in (("train", reading.training), ("val", reading.validation)):
        assert len(samples) == COUNT[name]
        for number, sample in enumerate(samples):
            (label,) = sample.labels.values()
            right = [place or [np.nan] * 2 for place in pose(name, number).values()]
            assert label.keypoints == pytest.approx(
                np.array([right]), abs=4e-3, nan_ok=True
            )
            low, high = np.nanmin(right, 0), np.nanmax(right, 0)
            assert label.boxes == pytest.approx(np.array([[*low, *high]]), abs=4e-3)
            assert not label.ignored.any()


def test_an_instance_without_keypoints_is_ignored_in_its_box(place):
    yolo_poses(place)
    text = "0 0.5 0.5 0.5 0.4" + " 0 0 0" * 3
    write(place / "labels" / "train" / "train-0.txt", text)
    _, reading = started("keypoint_detection")
    (label,) = reading.training[0].labels.values()
    assert label.ignored.tolist() == [True]
    assert label.boxes == pytest.approx(np.array([[10, 9, 30, 21]]))


@pytest.mark.parametrize(
    "lines, said",
    [
        (["flip_idx: [0, 1]"], "`flip_idx` does not have each of 0 to 2 once"),
        (["flip_idx: [1, 2, 0]"], "`flip_idx` does not lead back"),
        (["flip_idx: [0, 1, x]"], "`flip_idx` does not have each of 0 to 2 once"),
        (["kpt_names: [nose, eye]"], "`kpt_names` does not list 3 names"),
        (["kpt_names: {0: [nose]}"], "`kpt_names` does not list 3 names"),
        (["kpt_names: [nose, nose, eye]"], "`kpt_names` has 'nose' 2 times"),
    ],
)
def test_keypoints_that_data_yaml_tells_wrong(place, capsys, lines, said):
    yolo_poses(place, *lines)
    assert run_cli(["init", "keypoint_detection", "--data", "."]) == 1
    assert f"data.yaml: {said}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "entry, row, said",
    [
        ("kpt_shape: [2, 3]", "", "3 keypoints of cat, by `kpt_shape` 2"),
        ("kpt_names: [a, b, c]", "", "the kpt_names differ from the job's"),
        ("kpt_names: {0: [nose, left eye, right eye]}", "", "0 keypoints of dog"),
        ("", " 0.5", "line 1: 14 numbers, by `kpt_shape` 13"),
        ("", None, "line 1: a visibility that is not 0, 1 or 2"),
    ],
)
def test_keypoints_that_do_not_fit_the_job(emitted, place, entry, row, said):
    yolo_poses(place, f"kpt_names: {LISTED}")
    head = {"name": "points", "task": "keypoint_detection", "keypoints": POINTS}
    reader = emitted(head, format="yolo", validation="data.yaml").dataset
    path, label = place / "data.yaml", place / "labels" / "val" / "val-0.txt"
    if entry:
        key = entry.split(":")[0]
        lines = [x for x in path.read_text().splitlines() if not x.startswith(key)]
        write(path, *lines, entry)
    text = label.read_text()
    label.write_text(text.replace(" 2", " 0.5") if row is None else text.strip() + row)
    with pytest.raises(SystemExit) as stop:
        reader.read_dataset(path)
    assert said in str(stop.value)


# ---- DOTA ----


@pytest.mark.sample("labelTxt")
@pytest.mark.parametrize("inner", ["labelTxt", "labelTxt-v1.5", "annotations"])
def test_dota_is_read_as_corners(place, inner):
    dota(place, inner)
    head, reading = started("quadrilateral_detection")
    job = json.loads((place / "job.json").read_text())
    assert head["categories"] == list(NAMES) and job["data"]["format"] == "dota"
    assert ("layout" in job["data"]) == (inner != "labelTxt")
    assert not reading.fatal and not reading.problems
    for name, samples in (("train", reading.training), ("val", reading.validation)):
        assert {sample.path.stem for sample in samples} == truth(name).keys()
        for sample in samples:
            (label,) = sample.labels.values()
            boxes = truth(name)[sample.path.stem]
            assert [NAMES[i] for i in label.classes] == [one for one, _ in boxes]
            assert label.corners.tolist() == [corners(box) for _, box in boxes]


def test_of_dota_boxes_are_read_and_difficult_ones_ignored(place):
    dota(place, train1=1, train2=2)
    _, reading = started("object_detection")
    assert_same(reading.training, "train", 0)
    assert_same(reading.validation, "val", 0)
    labels = {x.path.stem: x.labels["object_detection"] for x in reading.training}
    assert labels["train-1"].ignored.tolist() == [True]
    assert labels["train-2"].ignored.tolist() == [True, True]
    assert labels["train-3"].ignored.tolist() == [False, False]
    key = "difficult objects, ignored in training and in metrics"
    assert reading.counts[key] == 3


def test_lines_of_dota_may_lack_the_flag_of_difficult_objects(place):
    dota(place, train1=1, train2=2)
    for path in place.glob("train/labelTxt/*[12].txt"):
        path.write_text(re.sub(" [012]$", "", path.read_text(), flags=re.MULTILINE))
    _, reading = started("object_detection")
    assert_same(reading.training, "train", 0)
    labels = {x.path.stem: x.labels["object_detection"] for x in reading.training}
    assert labels["train-1"].ignored.tolist() == [False]


@pytest.mark.slow
def test_corners_of_difficult_objects_are_left_out(place):
    dota(place, train2=1)
    _, reading = started("quadrilateral_detection")
    labels = {
        x.path.stem: x.labels["quadrilateral_detection"] for x in reading.training
    }
    assert len(labels["train-2"].corners) == 0 and len(labels["train-3"].corners) == 2
    assert reading.counts["difficult objects left out"] == 2


@pytest.mark.parametrize(
    "line, said",
    [
        ("1 2 3 4 5 6 7 8", "line 1: not x and y of four corners, a category"),
        ("1 2 3 4 5 6 cat 0", "line 1: not x and y of four corners, a category"),
        ("1 2 3 4 5 6 7 x cat 0", "line 1: not x and y of four corners, a category"),
        ("50 2 60 2 60 9 50 9 cat 0", "outside the 40x30 image"),
        ("1 1 nan 1 9 9 1 9 cat 0", "not corners of an object"),
    ],
)
def test_lines_that_are_not_dota_are_named(emitted, place, line, said):
    dota(place)
    write(place / "val" / "labelTxt" / "val-1.txt", line)
    head = {"name": "cells", "task": "object_detection", "categories": NAMES}
    reader = emitted(head, format="dota", validation="val").dataset
    with pytest.raises(SystemExit, match=said):
        reader.read_dataset(place / "val" / "images")


# ---- What is amiss is told ----


def test_files_of_labels_without_an_image_are_counted(place, capsys):
    YOLO["roboflow"](place)
    write(place / "train" / "labels" / "lone.txt", "0 0.5 0.5 0.1 0.1")
    started("object_detection")
    said = capsys.readouterr().out
    assert "1 file without an image, as train/labels/lone.txt" in said


def test_images_without_an_xml_file_are_left_out_and_counted(place):
    VOC["voc_beside"](place)
    (place / "train" / "train-2.xml").unlink()
    _, reading = started("object_detection")
    assert len(reading.training) == COUNT["train"] - 1
    assert reading.counts["images left out: without an annotation"] == 1


@pytest.mark.slow
def test_a_set_for_validation_that_is_not_there(place, capsys):
    YOLO["roboflow"](place)
    shutil.rmtree(place / "valid")
    _, reading = started("object_detection")
    assert len(reading.training) == COUNT["train"] - 1
    assert "valid/images" in capsys.readouterr().out


def broken(make, *paths: str):
    """A layout, without these files or folders."""

    def made(folder):
        make(folder)
        for path in (found for name in paths for found in folder.glob(name)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return made


def with_names(*names: str):
    def made(folder):
        YOLO["label_studio"](folder)
        write(folder / "classes.txt", *names)

    return made


def of_one_stem(folder):
    """Images of two sets with the same names, of which one set alone has labels."""
    for name, place in (("train", "a"), ("val", "v")):
        for number in range(3):
            save(folder / place / "img" / f"{number}.png", number + 9 * (name == "val"))
    write(folder / "v" / "txt" / "0.txt", "0 0.5 0.5 0.1 0.1")
    data_yaml(folder, "train: a/img", "val: v/img")


@pytest.mark.parametrize(
    "make, said",
    [
        (
            broken(YOLO["roboflow"], "train/images"),
            "`train` leads to no images: ../train",
        ),
        (
            broken(YOLO["roboflow"], "train/labels"),
            "none of 5 images has a label, looked",
        ),
        (
            broken(YOLO["cvat_yolo"], "*/*.jpg"),
            "line 1: 'data/obj_train_data/train-0.jpg'",
        ),
        (broken(YOLO["label_studio"], "classes.txt"), "write them to classes.txt"),
        (broken(VOC["voc_beside"], "train/*.xml"), "train: no image has an XML file"),
        (with_names("cat", "", "dog"), "classes.txt: line 2 has no name"),
        (with_names("cat", "cat"), "`names` has 'cat' 2 times"),
        (of_one_stem, "none of 3 images has a label"),
    ],
    ids=["images", "labels", "list", "names", "xml", "blank", "twice", "one stem"],
)
def test_what_lacks_a_part_is_refused(place, capsys, make, said):
    make(place)
    assert run_cli(["init", "object_detection", "--data", "."]) == 1
    assert said in capsys.readouterr().err


def test_names_of_two_folders_that_differ(place, capsys):
    YOLO["labelimg"](place)
    write(place / "val" / "classes.txt", *reversed(NAMES))
    assert run_cli(["init", "object_detection", "--data", "."]) == 1
    assert "classes.txt: other names than in" in capsys.readouterr().err
