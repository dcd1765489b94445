"""Labels made of annotations for another task: from files to the targets of a batch."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conversion_jobs import head, reading, targets
from PIL import Image

from specc.build import analyze
from specc.cli import run_cli
from specc.diagnostics import JobError
from specc.heads.conversions import STEPS, sources_of, way
from specc.shapes.masks import BACKGROUND
from specc.shapes.masks import COLORS as SHAPE_COLORS
from specc.shapes.points import KEYPOINTS, QUADRILATERALS
from specc.shapes.scene import BACKGROUNDS, CATEGORIES

KINDS = list(CATEGORIES)
SQUARES = list(QUADRILATERALS)
GROUNDS = list(BACKGROUNDS)
WHOLE = ["background", *KINDS]
COLORS = [BACKGROUND, *SHAPE_COLORS.values()]


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]):
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=0, atol=1e-3)


# ---- Drawn shapes, which have annotations for every task ----

SAME = [  # tasks that the drawn dataset has both: source, its names, head
    ("instance_segmentation", head("object_detection", KINDS)),
    ("panoptic_segmentation", head("object_detection", KINDS)),
    ("panoptic_segmentation", head("instance_segmentation", KINDS, colors=COLORS[1:])),
    ("object_detection", head("multilabel_classification", KINDS)),
    ("instance_segmentation", head("multilabel_classification", KINDS)),
    ("multiclass_classification", head("metric_learning", GROUNDS)),
    ("metric_learning", head("multiclass_classification", GROUNDS)),
]


@pytest.mark.sample(
    "panoptic_segmentation to instance_segmentation",
    "object_detection to multilabel_classification",
    "multiclass_classification to metric_learning",
)
@pytest.mark.parametrize(
    "source, one", SAME, ids=[f"{source} to {one['task']}" for source, one in SAME]
)
def test_converted_targets_are_those_of_the_task_itself(emitted, world, source, one):
    path = world / "shapes" / "val"
    converted, direct = reading(emitted, one, source), reading(emitted, one)
    found, wanted = targets(converted, path), targets(direct, path)
    if source == "panoptic_segmentation":  # categories come first
        found, wanted = map(in_order, (found, wanted))
    assert_equal(found, wanted)


def in_order(of_batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The objects of each image by class and place."""
    keys = (of_batch["boxes"] * torch.tensor([1.0, 1e-3, 1e-3, 1e-3])).sum(2)
    order = (keys - 1e4 * of_batch["classes"]).argsort(1)
    rows = torch.arange(len(order))[:, None]
    return {name: value[rows, order] for name, value in of_batch.items()}


def test_panoptic_maps_become_maps_of_categories(emitted, world):
    path, one = world / "shapes" / "val", head("semantic_segmentation", WHOLE)
    one |= {"colors": COLORS, "channels": 8}
    modules = reading(emitted, one, "panoptic_segmentation")
    samples = modules.dataset.read_dataset(path)
    assert len(samples) == 4
    for sample in samples:
        label = modules.data.read_categories(*sample.labels["one"])
        with Image.open(sample.labels["one"].path) as page:
            pixels = np.asarray(page.convert("RGB"))
        for index, color in enumerate(COLORS):
            np.testing.assert_array_equal(label == index, (pixels == color).all(2))
    assert targets(modules, path)["categories"].max() > 0


@pytest.mark.parametrize("source", ["semantic_segmentation", "panoptic_segmentation"])
def test_maps_become_labels(emitted, world, source):
    path, one = world / "shapes" / "val", head("multilabel_classification", WHOLE)
    found = targets(reading(emitted, one, source), path)["present"]
    seen = head("multilabel_classification", KINDS)
    wanted = targets(reading(emitted, seen), path)["present"]
    assert found[:, 0].tolist() == [1] * 4
    torch.testing.assert_close(found[:, 1:], wanted)


@pytest.mark.slow
def test_keypoints_become_boxes_around_them(emitted, world):
    path = world / "shapes" / "val"
    boxes = reading(emitted, head("object_detection", ["it"]), "keypoint_detection")
    points = head("keypoint_detection", list(KEYPOINTS))
    found = boxes.dataset.read_dataset(path)
    poses = reading(emitted, points).dataset.read_dataset(path)
    assert sum(len(sample.labels["one"].boxes) for sample in found) > 4
    for sample, pose in zip(found, poses):
        sides = [sample.width, sample.height] * 2
        extents = pose.labels["one"].boxes.clip(0, sides)
        np.testing.assert_allclose(sample.labels["one"].boxes, extents, atol=1e-3)
        assert set(sample.labels["one"].classes) <= {0}


def test_quadrilaterals_and_boxes_become_each_other(emitted, world):
    path = world / "shapes" / "val"
    quads = head("quadrilateral_detection", SQUARES)
    direct = targets(reading(emitted, quads), path)
    boxes = head("object_detection", SQUARES)
    found = targets(reading(emitted, boxes, "quadrilateral_detection"), path)
    assert_equal(found, {name: direct[name] for name in found})
    quads = head("quadrilateral_detection", KINDS)
    found = targets(reading(emitted, quads, "object_detection"), path)
    wanted = targets(reading(emitted, head("object_detection", KINDS)), path)
    assert_equal({name: found[name] for name in wanted}, wanted)
    real = found["classes"] >= 0
    left, top, right, bottom = found["boxes"][real].unbind(1)
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    wanted = torch.stack([torch.stack(corner, 1) for corner in corners], 1)
    # Corners stay where they are; a box ends with the canvas.
    torch.testing.assert_close(found["corners"][real], wanted, rtol=0, atol=1.0)


def test_one_category_becomes_one_label(emitted, world):
    path, one = world / "shapes" / "val", head("multilabel_classification", GROUNDS)
    wanted = targets(reading(emitted, head("multiclass_classification", GROUNDS)), path)
    for source in ("multiclass_classification", "metric_learning"):
        found = targets(reading(emitted, one, source), path)["present"]
        assert found.sum(1).tolist() == [1] * 4
        assert torch.equal(found.argmax(1), wanted["category"])


# ---- What is wrong in the annotations ----


def test_wrong_annotations_are_told_as_they_stand(emitted, tmp_path):
    one = head("object_detection", ["it"])
    parse = reading(emitted, one, "keypoint_detection").dataset.boxes_of_keypoints
    assert parse([{"a": None}], ("it",), 30, 40, Counter()) == []
    [single] = parse([{"a": [10, 12], "b": None}], ("it",), 32, 64, Counter())
    assert single["bbox"] == [9, 11, 11, 13]  # a 32nd of the longer side
    for wrong in ({}, [1], [{"a": 3}], [{"a": [1, 2, 3]}], [{"a": ["x", 1]}]):
        with pytest.raises(ValueError, match="not (a list|keypoints)"):
            parse(wrong, ("it",), 30, 40, Counter())


def test_maps_of_unknown_colors_are_told(emitted, tmp_path):
    one = head("multilabel_classification", ["sky"])
    dataset = reading(emitted, one, "semantic_segmentation").dataset
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[3:, 4:] = 9, 200, 1
    Image.fromarray(pixels).save(tmp_path / "map.png")
    path = tmp_path / "map.png"
    colors = ((9, 200, 1), 0), ((1, 2, 3), -1)
    assert dataset.labels_of_map(path, colors, 1, 30, 40).tolist() == [1]
    colors = ((9, 200, 1), -1), ((1, 2, 3), 0)
    assert dataset.labels_of_map(path, colors, 1, 30, 40).tolist() == [0]
    with pytest.raises(ValueError, match=r"has the color \[9, 200, 1\]"):
        dataset.labels_of_map(path, (((9, 200, 2), 0),), 1, 30, 40)
    (tmp_path / "broken.png").write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match="not an image"):
        dataset.labels_of_map(tmp_path / "broken.png", (), 1, 30, 40)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"colors": [1, 2]}, "no .red, green, blue. for a"),
        ({"colors": {"a": [1, 2, 3]}}, "no .red, green, blue. for b"),
        ({"categories": ["a", "c"]}, "only in the job: b"),
    ],
)
def test_names_and_colors_are_those_of_the_dataset(emitted, tmp_path, changes, said):
    one = head("multilabel_classification", ["a", "b"])
    dataset = reading(emitted, one, "semantic_segmentation").dataset
    (tmp_path / "images").mkdir()
    (tmp_path / "maps").mkdir()
    entry = {"task": "semantic segmentation", "categories": ["a", "b"]}
    entry |= {"annotations": "maps", "colors": {"a": [1, 2, 3], "b": [4, 5, 6]}}
    (tmp_path / "metadata.yaml").write_text(yaml.safe_dump(entry | changes))
    with pytest.raises(SystemExit, match=said):
        dataset.read_dataset(tmp_path)


# ---- Ways from task to task ----


def test_every_conversion_of_the_table_is_possible():
    for source, target in STEPS:
        assert way(source, target) == (source, target)
    assert way("panoptic_segmentation", "object_detection") == (
        "panoptic_segmentation",
        "instance_segmentation",
        "object_detection",
    )
    assert way("object_detection", "instance_segmentation") == ()
    labels = "panoptic_segmentation", "multilabel_classification"
    assert len(way(*labels)) == 3 and len(way(*labels, "coco")) == 4
    assert sources_of("depth_estimation") == []


@pytest.mark.parametrize(
    "source, one, format, said",
    [
        ("regression", head("object_detection", ["a"]), "native", "E381"),
        ("object_detection", head("instance_segmentation", ["a"]), "native", "E381"),
        ("keypoint_detection", head("object_detection", ["a", "b"]), "native", "E382"),
        (
            "object_detection",
            head("multilabel_classification", ["a"]),
            "folders",
            "E307",
        ),
    ],
)
def test_impossible_conversions_are_refused(source, one, format, said):
    data = {"train": "train", "task": source, "format": format}
    job = {"version": 1, "name": "a", "data": data, "model": {"heads": [one]}}
    with pytest.raises(JobError) as caught:
        analyze(json.dumps(job).encode())
    [finding] = caught.value.diagnostics
    assert finding.code == said
    if said == "E381" and sources_of(one["task"]):
        assert all(name in finding.help for name in sources_of(one["task"]))


@pytest.mark.slow
def test_the_build_says_what_is_converted(place, capsys):
    data = {"train": "train", "task": "instance_segmentation"}
    heads = [head("multilabel_classification", ["a"])]
    job = {"version": 1, "name": "a", "data": data, "model": {"heads": heads}}
    Path("job.json").write_text(json.dumps(job))
    for _ in range(2):  # then from what the first build remembers
        assert run_cli(["build", "-o", "out", "job.json"]) == 0
        line = "one: instance segmentation -> object detection -> multilabel"
        assert f"converts   {line} classification" in capsys.readouterr().out
    emitted = Path("out/dataset.py").read_text()
    assert "labels_of_objects(\n" in emitted and "boxes_of_instances(" in emitted
    assert "boxes_of_keypoints" not in emitted
