"""`specc init` where a dataset has no annotations for a task, but some that become them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import layouts
import pytest
import yaml
from coco_segments import HEAD, coco, ids
from test_init import CLASSES, DETECTION, assert_is_right, head_of, init

from specc.shapes.points import QUADRILATERALS
from specc.shapes.scene import BACKGROUNDS, CATEGORIES

LABELS = "multilabel_classification"
SEGMENTS = "panoptic_segmentation"
BOTH = {"labels": ["a", "b"]}


def as_segments(folder: Path) -> Path:
    coco(folder, ids(), ids(), ids()[::2, ::2], ids())
    return folder


def as_masks(folder: Path) -> Path:
    return layouts.as_yolo(folder, "{} .1 .1 .6 .1 .6 .7")


def without_boxes(folder: Path) -> Path:
    """Polygons alone, in COCO's format."""
    layouts.as_coco(folder)
    for name in layouts.SETS:
        path = folder / f"{name}.json"
        content = json.loads(path.read_text())
        for item in content["annotations"]:
            del item["bbox"]
        path.write_text(json.dumps(content))
    return folder


def as_poses(folder: Path, *categories: str) -> Path:
    """Keypoints alone, in COCO's format."""
    without_boxes(folder)
    kinds = [
        {"id": i, "name": name, "keypoints": ["l", "r"]}
        for i, name in zip((1, 7), categories or ("person",))
    ]
    for name in layouts.SETS:
        path = folder / f"{name}.json"
        content = json.loads(path.read_text()) | {"categories": kinds}
        for item in content["annotations"]:
            item |= {"segmentation": [], "keypoints": [3, 4, 2, 20, 12, 2]}
            item["category_id"] = 1
        path.write_text(json.dumps(content))
    return folder


@pytest.mark.sample(
    "as_coco-multilabel_classification-object_detection-options2-boxes become labels",
    rest="slow",
)
@pytest.mark.parametrize(
    "make, task, source, options, said",
    [
        (layouts.as_voc, LABELS, DETECTION, BOTH, "boxes become labels"),
        (layouts.as_yolo, LABELS, DETECTION, BOTH, "boxes become labels"),
        (layouts.as_coco, LABELS, DETECTION, BOTH, "boxes become labels"),
        (layouts.as_folders, LABELS, CLASSES, BOTH, "categories become labels"),
        (
            layouts.as_csv,
            LABELS,
            CLASSES,
            {"name": "kind"} | BOTH,
            "categories become labels",
        ),
        (
            as_masks,
            "quadrilateral_detection",
            DETECTION,
            {"categories": ["a", "b"]},
            "boxes become quadrilaterals",
        ),
        (
            without_boxes,
            LABELS,
            "instance_segmentation",
            BOTH,
            "masks become boxes, boxes become labels",
        ),
        (
            as_poses,
            DETECTION,
            "keypoint_detection",
            {"categories": ["person"]},
            "keypoints become boxes",
        ),
        (
            as_segments,
            "semantic_segmentation",
            SEGMENTS,
            {"categories": list(HEAD["categories"])},
            "segments become maps of categories",
        ),
        (
            as_segments,
            LABELS,
            SEGMENTS,
            {"labels": list(HEAD["things"])},
            "segments become masks, masks become boxes, boxes become labels",
        ),
    ],
)
def test_a_conversion_is_proposed(place, capsys, make, task, source, options, said):
    """The job builds, and its code reads the dataset, or training would refuse it."""
    make(place / "set")
    labels = ["--labels", "kind"] if "name" in options else []
    job, code = init(task, "--data", "set", *labels)
    assert code == 0
    assert job["data"]["task"] == source
    assert f"  annotations  {said}, by `task` in `data`\n" in capsys.readouterr().out
    head = dict(head_of(job))
    colors = head.pop("colors", None)
    assert (colors is not None) == (task == "semantic_segmentation")
    head.pop("level", None)  # small images may be judged by another level
    assert head == {"task": task} | options
    assert_is_right(job)
    assert_is_read(job)


def assert_is_read(job: dict) -> None:
    from specc.datasets.data import look
    from specc.datasets.survey import Images

    reading = look(json.dumps(job).encode(), Path(), Images()).reading
    assert not reading.fatal and not reading.problems
    assert reading.training and reading.validation


def only(world: Path, place: Path, task: str) -> Path:
    """The drawn shapes with annotations for one task."""
    shutil.copytree(world / "shapes", place / "set")
    for name in layouts.SETS:
        path = place / "set" / name / "metadata.yaml"
        entries = yaml.safe_load(path.read_text())
        kept = [one for one in entries if one["task"].replace("_", " ") == task]
        assert kept
        path.write_text(yaml.safe_dump(kept))
    return place / "set"


@pytest.mark.slow
@pytest.mark.parametrize(
    "source, task, names",
    [
        ("panoptic segmentation", DETECTION, list(CATEGORIES)),
        ("panoptic segmentation", "instance_segmentation", list(CATEGORIES)),
        ("keypoint detection", DETECTION, ["instance"]),
        pytest.param(
            "panoptic segmentation",
            "semantic_segmentation",
            ["background", *CATEGORIES],
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "quadrilateral detection",
            DETECTION,
            list(QUADRILATERALS),
            marks=pytest.mark.soak,
        ),
    ],
)
def test_native_annotations_become_others(world, place, source, task, names):
    only(world, place, source)
    job, code = init(task, "--data", "set")
    assert code == 0
    assert job["data"]["task"] == source.replace(" ", "_")
    assert head_of(job)["categories"] == names
    assert_is_right(job)
    assert_is_read(job)


@pytest.mark.parametrize("task", [LABELS, DETECTION, "semantic_segmentation"])
def test_the_task_s_own_annotations_win(world, place, capsys, task):
    job, code = init(task, "--data", world / "shapes")
    assert code == 0 and "task" not in job["data"]
    assert "become" not in capsys.readouterr().out


def test_labels_choose_among_annotations_that_could_be_converted(world, place):
    job, code = init(LABELS, "--data", world / "shapes", "--labels", "backgrounds.yaml")
    assert code == 0 and job["data"]["task"] == CLASSES
    assert head_of(job)["labels"] == list(BACKGROUNDS)


def test_several_that_could_be_converted_are_named(world, place, capsys):
    folder = only(world, place, "multiclass classification")  # two of them
    job, code = init(LABELS, "--data", folder)
    said = capsys.readouterr().err
    assert code == 1 and job == {}
    assert "error[E422]" in said and "that can become one for multilabel_class" in said
    assert "--labels backgrounds.yaml or --labels counts.yaml" in said


def test_keypoints_of_several_categories_do_not_become_boxes(place, capsys):
    as_poses(place / "set", "person", "dog")
    assert init(DETECTION, "--data", "set") == ({}, 1)
    said = capsys.readouterr().err
    assert "error[E421]" in said and "keypoint_detection (coco: " in said


def test_what_cannot_become_it_is_told(place, capsys):
    layouts.as_voc(place / "set")
    assert init("depth_estimation", "--data", "set") == ({}, 1)
    assert init("instance_segmentation", "--data", "set") == ({}, 1)
    assert "error[E421]" in capsys.readouterr().err


def test_a_lone_file_of_a_validation_set_is_split(place):
    """It is all there is to train on, and would otherwise be measured on itself."""
    as_segments(place / "set")
    layouts.as_csv(place / "table")
    (place / "table" / "train.csv").unlink()
    for task, *where in ((SEGMENTS, "set"), (CLASSES, "table", "--labels", "kind")):
        job, code = init(task, "--data", *where, "--force")
        assert code == 0 and "validation" not in job["data"]
