"""`specc data --lock` and `--check`, and the sheet of `--augmented`."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import cv2
import layouts
import numpy as np
import pytest
import yaml
from small_data import box, picture
from test_gate import JOB, dataset

from specc.cli import run_cli
from specc.datasets import pictures
from specc.datasets.data import _starting_jobs, look
from specc.datasets.gate import augmentation
from specc.datasets.gate import lock as locks
from specc.datasets.gate.looked import Looked
from specc.datasets.survey import Images


@pytest.fixture
def no_pictures(monkeypatch):
    for name in ("save_sheet", "save_histograms"):
        monkeypatch.setattr(pictures, name, lambda *_: None)


def gate(capsys, *flags: str) -> tuple[dict, int]:
    Path("job.json").write_text(json.dumps(JOB))
    code = run_cli(["data", "job.json", "--format", "json", *flags])
    caught = capsys.readouterr()
    return (json.loads(caught.out)["lock"] if caught.out else caught.err), code


def annotate(place: Path, change: dict) -> None:
    path = place / "set" / "train" / "labels.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))


@pytest.mark.slow
def test_a_lock_tells_of_a_dataset_and_nothing_has_changed(place, capsys, no_pictures):
    dataset(place)
    told, code = gate(capsys, "--lock")
    assert (code, told) == (0, {"file": "data.lock.json", "says": "written"})
    lock = json.loads(Path("data.lock.json").read_text())
    assert lock["sets"]["training"]["images"] == 3
    counts = lock["heads"]["object_detection"]["counts"]
    assert counts["validation"] == {"a": 1, "b": 1, "no": 1}
    assert "set/val/images/2.png" in lock["files"]["validation"]
    assert str(place) not in json.dumps(lock)
    told, code = gate(capsys, "--check")
    assert (code, told["current"], told["changes"]) == (0, True, [])
    # Elsewhere, the same dataset is the same.
    (place / "set").rename(place / "other")
    (place / "below").mkdir()
    (place / "other").rename(place / "below" / "set")
    assert gate(capsys, "--check", "--data", "below")[1] == 0


@pytest.mark.slow
def test_the_test_set_is_part_of_a_lock(place, capsys, no_pictures, monkeypatch):
    """One that a lock does not know yet is new, and one that cannot be read is told."""
    dataset(place)
    shutil.copytree(place / "set" / "val", place / "set" / "test")
    for i in range(4):
        path = place / "set" / "test" / "images" / f"{i}.png"
        cv2.imwrite(str(path), picture(30, 40, 50 + i))
    gate(capsys, "--lock")
    monkeypatch.setitem(JOB, "data", JOB["data"] | {"test": "set/test"})
    told, code = gate(capsys, "--check")
    assert code == 1 and "test: 0 images are now 3" in told["changes"]
    gate(capsys, "--lock")
    lock = json.loads(Path("data.lock.json").read_text())
    assert lock["heads"]["object_detection"]["counts"]["test"] == {
        "a": 1,
        "b": 1,
        "no": 1,
    }
    assert [Path(x).parts[1] for x in lock["files"]["test"]] == ["test"] * 3
    assert gate(capsys, "--check")[1] == 0
    path = place / "set" / "test" / "labels.yaml"
    given = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(given | {"0.png": [box(4, 4, 9, 9, category="b")]}))
    told, code = gate(capsys, "--check")
    changed = "test: 1 changed, or their labels: set/test/images/0.png"
    counts = "object_detection, test, objects of each: a 1 -> 0, b 1 -> 2"
    assert (code, told["changes"]) == (1, [changed, counts])
    path.write_text("[")
    for flag, what in (("--check", "compared"), ("--lock", "written")):
        told, code = gate(capsys, flag)
        assert code == 1
        assert told["says"] == f"not {what}: the test set cannot be read"


@pytest.mark.sample("added-expected0", rest="slow")
@pytest.mark.parametrize(
    "what, expected",
    [
        ("added", ["training: 3 images are now 4", "training: 1 added: ", "a 1 -> 2"]),
        ("removed", ["training: 3 images are now 2", "training: 1 removed: "]),
        ("pixels", ["training: 1 changed, or their labels: set/train/images/1.png"]),
        ("moved", ["training: 1 changed, or their labels: set/train/images/0.png"]),
        ("category", ["of each: a 1 -> 0, b 1 -> 2", "1 changed, or their labels"]),
        ("size", ["training: height 30 .. 30 .. 30 is now 30 .. 30 .. 60"]),
    ],
)
def test_what_has_changed_is_said(place, capsys, no_pictures, what, expected):
    dataset(place)
    gate(capsys, "--lock")
    one = place / "set" / "train" / "images" / "1.png"
    if what == "added":
        annotate(place, {"3.png": [box(4, 4, 24, 20)]})
    elif what == "removed":
        annotate(place, {"2.png": None})
    elif what == "pixels":
        cv2.imwrite(str(one), picture(30, 40, 77))
    elif what == "size":
        cv2.imwrite(str(one), picture(60, 80, 77))
    else:
        moved = (
            box(5, 4, 24, 20) if what == "moved" else box(4, 4, 24, 20, category="b")
        )
        annotate(place, {"0.png": [moved]})
    told, code = gate(capsys, "--check")
    said = "\n".join(told["changes"])
    assert code == 1 and not told["current"]
    assert [part for part in expected if part not in said] == [], said


@pytest.mark.slow
def test_a_lock_is_refused_where_it_cannot_serve(place, capsys, no_pictures):
    dataset(place)
    assert "E428" in gate(capsys, "--check")[0]
    Path("other.json").write_text("{}")
    said, code = gate(capsys, "--lock", "other.json")
    assert code == 1 and "E423" in said and Path("other.json").read_text() == "{}"
    said, code = gate(capsys, "--check", "--lock", "other.json")
    assert code == 1 and "E428" in said
    assert run_cli(["data", "set", "--lock"]) == 1
    assert "belong to a job" in capsys.readouterr().err
    (place / "set" / "val" / "images" / "0.png").write_bytes(b"")
    told, code = gate(capsys, "--lock")
    assert (code, told["says"]) == (1, "not written: mend the errors first")
    assert not Path("data.lock.json").exists()


def test_names_of_files_that_are_no_text(place, capsys, no_pictures):
    layouts.as_folders(place / "set")
    source = place / "set" / "train" / "a" / "0.png"
    os.rename(source, os.fsencode(source.parent) + b"/\xff\xfe.png")
    assert run_cli(["init", "multiclass_classification", "--data", "set"]) == 0
    assert run_cli(["data", "job.json", "--lock"]) == 0
    assert "data.lock.json: written" in capsys.readouterr().out
    assert run_cli(["data", "job.json", "--check"]) == 0
    assert "data.lock.json: as it was" in capsys.readouterr().out


def test_of_many_images_a_lock_has_counts_alone(
    place, capsys, no_pictures, monkeypatch
):
    monkeypatch.setattr(locks, "LISTED", 5)
    dataset(place)
    gate(capsys, "--lock")
    assert json.loads(Path("data.lock.json").read_text())["files"] is None
    annotate(place, {"0.png": [box(5, 4, 24, 20)]})
    told, code = gate(capsys, "--check")
    assert code == 1
    assert told["changes"] == ["images or labels have changed, and no count of them"]


def test_what_augmentation_makes_is_drawn(place, capsys, monkeypatch):
    monkeypatch.setattr(pictures, "save_histograms", lambda *_: None)
    dataset(place)
    Path("job.json").write_text(json.dumps(JOB))
    assert run_cli(["data", "job.json", "--augmented", "--format", "json"]) == 0
    path = json.loads(capsys.readouterr().out)["pictures"]["augmented"]
    sheet = cv2.imread(path)
    side = pictures.TILE
    assert sheet.shape[1] == 4 * side
    tiles = [sheet[: side - 20, i * side : i * side + side] for i in range(4)]
    for one, other in zip(tiles, tiles[1:]):  # the image, then three views
        assert np.abs(one.astype(int) - other).mean() > 3


def shapes(world, task: str, **data) -> Looked:
    """Returns the drawn dataset, read by a job for a task."""
    (_, content), *_ = _starting_jobs(world / "shapes", task, None)
    job = json.loads(content)
    content = json.dumps(job | {"data": job["data"] | data}).encode()
    return look(content, Path(), Images())


@pytest.mark.sample(
    "depth_estimation",
    "keypoint_detection",
    "metric_learning",
    quick=("keypoint_detection",),
)
@pytest.mark.parametrize(
    "task",
    [
        "instance_segmentation",
        "semantic_segmentation",
        "depth_estimation",
        "keypoint_detection",
        "quadrilateral_detection",
        "metric_learning",
        "view_invariance_learning",
        "autoencoding",
    ],
)
def test_views_are_drawn_with_the_labels_of_each_task(world, place, task):
    augmentation.save_augmented(shapes(world, task), Path("views.png"))
    assert cv2.imread("views.png").std() > 20


@pytest.mark.slow
def test_views_have_their_labels_where_the_image_has_them(world):
    """Without augmentation a view is the image, in the size of the input."""
    looked = shapes(world, "panoptic_segmentation", augmentation=False)
    (head,) = looked.emitted.job.heads
    sample = looked.reading.training[0]
    canvas, labels, _ = looked.emitted.data.TrainingSet([sample], 0)[0, 0]
    height, width = canvas.shape[:2]
    words = augmentation.words_of_view(looked, sample, labels, (height, width))
    height, width = looked.emitted.model.fit(sample.height, sample.width)
    expected = looked.emitted.draw.labels_of(sample)[head.name]
    for key in ("categories", "instances"):
        seen, resampling = words[head.name][key], cv2.INTER_NEAREST_EXACT
        given = cv2.resize(expected[key], (width, height), interpolation=resampling)
        if key == "instances":  # their numbers are of no account
            seen, given = seen > 0, given > 0
        assert np.mean(seen[:height, :width] == given) > 0.98
        things = given > 0
        assert np.mean(seen[:height, :width][things] == given[things]) > 0.8


@pytest.mark.parametrize("text", ['{"lock": 1}', "[" * 100_000, "[1]"])
def test_a_file_that_is_no_lock_is_refused(place, capsys, no_pictures, text):
    dataset(place)
    Path("data.lock.json").write_text(text)
    told, code = gate(capsys, "--check")
    assert code == 1 and "E428" in told and "is no lock" in told
