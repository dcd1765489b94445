"""`specc data`: what it finds in a dataset, and what it advises."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import layouts
import numpy as np
import pytest
import torch
import yaml
from emitted_jobs import load, make
from PIL import Image
from small_data import box, native, picture

from specc.build import analyze
from specc.cli import run_cli
from specc.datasets import pictures, survey
from specc.datasets.levels import objects_of, owner
from specc.datasets.survey import Images
from specc.graph.cost import summarize

DETECTION = "object_detection"


def inspect(capsys, *arguments: object) -> tuple[dict, int]:
    """Returns the findings as JSON, and the exit code."""
    code = run_cli(["data", "--format", "json", *map(str, arguments)])
    caught = capsys.readouterr()
    return (json.loads(caught.out) if caught.out else {"error": caught.err}), code


def findings(told: dict) -> dict[str, dict]:
    return {finding["finding"]: finding for finding in told["findings"]}


def write_job(data: dict, head: dict, **model) -> Path:
    job = {"name": "looked-at", "data": data, "model": {"heads": [head]} | model}
    path = Path("job.json")
    path.write_text(json.dumps(job))
    return path


def detector(sets=("set/train", "set/val"), resolution=(128, 160), **head) -> Path:
    data = dict(zip(("train", "validation"), sets)) | {"resolution": resolution}
    return write_job(data, {"task": DETECTION, "categories": ["a", "b", "no"]} | head)


def image(path: Path, height: int, width: int, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(height, width, seed)).save(path)


def dataset(folder: Path, boxes: list, height=120, width=160, count=3) -> None:
    """Two sets of large images, each with the same boxes."""
    for number, name in enumerate(layouts.SETS):
        labels = {f"{i}.png": boxes for i in range(count)}
        native(folder / name, labels)
        for i in range(4):
            path = folder / name / "images" / f"{i}.png"
            image(path, height, width, 10 * number + i)


@pytest.fixture(autouse=True)
def no_histograms(request, monkeypatch):
    """Matplotlib draws longer than all else takes: one test has the histograms drawn."""

    def save(looked, path):
        cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))

    if request.node.originalname != "test_a_dataset_without_a_job":
        monkeypatch.setattr(pictures, "save_histograms", save)


# ---- What is there ----


@pytest.mark.slow
def test_counts_sizes_and_classes(place, capsys):
    dataset(place / "set", [box(8, 8, 60, 50), box(70, 20, 120, 90, category="b")])
    image(place / "set" / "val" / "images" / "2.png", 100, 50, 99)
    labels = {f"{i}.png": [box(2, 2, 40, 40, category="no")] for i in range(3)}
    (place / "set" / "val" / "labels.yaml").write_text(yaml.safe_dump(labels))
    told, code = inspect(capsys, detector())
    assert code == 0
    assert told["sets"]["training"] == {
        "images": 3,
        "height": [120, 120, 120],
        "width": [160, 160, 160],
        "aspect": [1.333, 1.333, 1.333],
    }
    assert told["sets"]["validation"]["height"] == [100, 120, 120]
    (head,) = told["heads"]
    assert head["counts"] == {"training": {"a": 3, "b": 3}, "validation": {"no": 3}}
    assert findings(told)["absent"]["files"] == ["no"]


@pytest.mark.slow
@pytest.mark.sample(
    "as_coco-instance_segmentation-objects",
    "as_folders-multiclass_classification-images",
)
@pytest.mark.parametrize(
    "lay_out, task, unit",
    [
        (layouts.as_native, DETECTION, "objects"),
        (layouts.as_coco, "instance_segmentation", "objects"),
        (layouts.as_voc, DETECTION, "objects"),
        (layouts.as_yolo, DETECTION, "objects"),
        (layouts.as_folders, "multiclass_classification", "images"),
    ],
)
def test_a_dataset_without_a_job(place, capsys, lay_out, task, unit):
    lay_out(place / "set")
    told, code = inspect(capsys, "set", "-o", "looked")
    assert (code, told["heads"][0]["task"], told["heads"][0]["unit"]) == (0, task, unit)
    assert told["name"] == "set" and sum(
        told["heads"][0]["counts"]["training"].values()
    )
    for path in told["pictures"].values():
        assert Path(path).parent == Path("looked") and cv2.imread(path) is not None


@pytest.mark.slow
def test_columns_are_looked_at_one_by_one(place, capsys):
    layouts.as_csv(place / "set")
    told, code = inspect(capsys, "set")
    assert code == 0
    assert [one["heads"][0]["name"] for one in told] == ["kind", "price"]
    assert told[1]["heads"][0]["numbers"]["training"] == [1.5, 4.5, 6.5]
    assert len({path for one in told for path in one["pictures"].values()}) == 4
    told, _ = inspect(capsys, "set", "--labels", "price", "--task", "regression")
    assert told["heads"][0]["task"] == "regression"


@pytest.mark.slow
@pytest.mark.sample(
    "depth_estimation-None", "keypoint_detection-None", "multilabel_classification-None"
)
@pytest.mark.parametrize(
    "task, labels",
    [
        ("semantic_segmentation", None),
        ("depth_estimation", None),
        ("panoptic_segmentation", None),
        ("keypoint_detection", None),
        ("quadrilateral_detection", None),
        ("multilabel_classification", None),
        ("autoencoding", None),
    ],
)
def test_the_labels_of_a_task(world, place, capsys, task, labels):
    told, code = inspect(capsys, world / "shapes", "--task", task)
    assert code == 0
    assert told["sets"]["training"]["images"] == 16
    sheet = cv2.imread(told["pictures"]["sheet"])
    assert sheet.shape[1] == 1440 and sheet.std() > 30
    (head,) = told["heads"]
    numbers = head["counts"]["training"] or head["numbers"]["training"]
    assert bool(numbers) == (task != "autoencoding")


@pytest.mark.slow
def test_the_text_names_everything(place, capsys):
    dataset(place / "set", [box(8, 8, 10, 10), box(20, 20, 150, 110)])
    assert run_cli(["data", str(detector())]) == 0
    said = capsys.readouterr().out
    assert "training         3     120    160           1.333" in said
    assert re.search(r"level +stride +owns +has a center in\n3 +8 +3 +3\n", said)
    assert "a quarter to an eighth of its longer side" in said
    assert "= edit: set /model/heads/0/bottom_level to 2" in said
    assert f"sheet: {Path('specc-data', 'looked-at', 'sheet.png')}" in said


# ---- What is wrong ----


@pytest.mark.slow
def test_equal_images_in_both_sets(place, capsys):
    dataset(place / "set", [box(8, 8, 60, 50)])
    images = place / "set" / "train" / "images"
    pixels = cv2.imread(str(images / "0.png"))
    other = place / "set" / "val" / "images" / "1.png"
    cv2.imwrite(str(other), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    assert other.read_bytes() != (images / "0.png").read_bytes()
    (images / "2.png").write_bytes((images / "1.png").read_bytes())
    told, code = inspect(capsys, detector())
    found = findings(told)
    assert code == 0
    assert found["leak"]["files"] == ["set/train/images/0.png = set/val/images/1.png"]
    assert "equal pixels" in found["leak"]["message"]
    assert found["doubled"]["files"] == [
        "set/train/images/1.png = set/train/images/2.png"
    ]


@pytest.mark.slow
def test_broken_images_and_annotations_are_all_named(place, capsys):
    dataset(place / "set", [box(8, 8, 60, 50)])
    train = place / "set" / "train"
    labels = {
        "0.png": [box(8, 8, 60, 50)],
        "1.png": [box(60, 8, 8, 50)],
        "2.png": [],
        "3.jpg": [],
        "missing.png": [],
        "../../etc/passwd": [],
        "/etc/passwd": [],
    }
    (train / "labels.yaml").write_text(yaml.safe_dump(labels))
    (train / "images" / "2.png").write_bytes(b"")
    whole = cv2.imencode(".jpg", picture(120, 160))[1].tobytes()
    (train / "images" / "3.jpg").write_bytes(whole[: len(whole) // 2])
    told, code = inspect(capsys, detector())
    found = findings(told)
    assert code == 1
    assert (found["wrong"]["code"], found["wrong"]["severity"]) == ("D103", "error")
    wrong = "\n".join(found["wrong"]["files"])
    for part in (
        "1.png: ",
        "missing.png: no such",
        "leads out",
        "/etc/passwd",
    ):
        assert part in wrong
    assert len(found["wrong"]["files"]) == found["wrong"]["count"] == 4
    # Training does without a few broken images of its own.
    assert found["left out"]["severity"] == "warning"
    first, second = found["left out"]["files"]
    assert ": 2.png: " in first and "3.jpg: " in second
    assert told["sets"]["training"]["images"] == 2


def test_where_nothing_can_be_read_the_problems_alone_are_told(place, capsys):
    dataset(place / "set", [box(9, 9, 4, 4)])
    told, code = inspect(capsys, detector())
    assert code == 1 and told["sets"]["training"]["images"] == 0
    errors = [x["finding"] for x in told["findings"] if x["severity"] == "error"]
    assert errors == ["wrong"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "file, content, said",
    [
        ("labels.yaml", "[", "cannot be read"),
        ("labels.yaml", "a: &a [*a]", "values, the limit is"),
        (
            "metadata.yaml",
            "{task: regression}",
            "no entry with `task: object detection`",
        ),
        ("metadata.yaml", "\x00", "cannot be read"),
        (
            "metadata.yaml",
            "{task: object detection, categories: [a, x], annotations: labels.yaml}",
            "only in the dataset: x",
        ),
        (
            "metadata.yaml",
            "{task: object detection, categories: [a, b, 'no'], annotations: ../../x}",
            "leads out of",
        ),
    ],
)
def test_a_dataset_of_a_stranger(place, capsys, file, content, said):
    dataset(place / "set", [box(8, 8, 60, 50)])
    (place / "set" / "train" / file).write_text(content)
    told, code = inspect(capsys, detector())
    assert code == 1
    assert said in json.dumps(told["findings"])


def test_yaml_bombs_and_image_bombs(place, capsys):
    dataset(place / "set", [box(8, 8, 60, 50)])
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{key}: &{key} [{', '.join(['*' + before] * 9)}]\n"
        for before, key in zip("abcdefgh", "bcdefghi")
    )
    (place / "set" / "val" / "labels.yaml").write_text(bomb)
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60000).to_bytes(4, "big") * 2
    (place / "set" / "train" / "images" / "1.png").write_bytes(header + bytes(13))
    told, code = inspect(capsys, detector())
    assert code == 1
    assert "values, the limit is" in json.dumps(told["findings"])


def test_a_missing_dataset(place, capsys):
    told, code = inspect(capsys, detector(sets=("nowhere", "else")))
    assert code == 1 and "nowhere" in findings(told)["unread"]["message"]
    assert told["sets"]["training"] == {"images": 0} and told["pictures"] == {}
    told, code = inspect(capsys, "nowhere")
    assert code == 1 and "E421" in told["error"]


def test_a_wrong_job_is_told_as_by_check(place, capsys):
    path = detector(resolution=(100, 100))
    told, code = inspect(capsys, path)
    assert code == 1
    assert "error[E207]" in told["error"] and "--> job.json:1:" in told["error"]
    path.write_text("{")
    told, code = inspect(capsys, path)
    assert code == 1 and "error[E102]" in told["error"]


# ---- What the graph says ----


def apply(path: Path, finding: dict) -> dict:
    job = json.loads(path.read_text())
    for edit in finding["edits"]:
        *parts, last = edit["path"].strip("/").split("/")
        place = job
        for part in parts:
            place = (
                place[int(part)]
                if isinstance(place, list)
                else place.setdefault(part, {})
            )
        place[last] = edit["value"]
    assert not any(one.is_error for one in analyze(json.dumps(job).encode())[2])
    path.write_text(json.dumps(job))
    return job


@pytest.mark.slow
def test_every_edit_is_legal_and_mends_what_it_is_for(place, capsys):
    """Small objects, too many of them, levels that own none, and much padding."""
    boxes = [box(3 * i, 4, 3 * i + 5, 9) for i in range(90)]
    dataset(place / "set", boxes, height=80, width=320)
    path = detector(resolution=(256, 256), max_detections=50)
    told, code = inspect(capsys, path)
    found = findings(told)
    assert code == 0
    assert {"padding", "small", "idle", "crowded"} <= set(found)
    assert told["padding"] == pytest.approx(0.75, abs=0.01)
    assert "75% of the input is padding" in found["padding"]["message"]
    assert found["crowded"]["edits"][0]["value"] == 180
    apply(path, found["padding"])
    found = findings(inspect(capsys, path)[0])
    assert "padding" not in found
    for kind in ("small", "idle", "crowded"):
        apply(path, found[kind])
    told, _ = inspect(capsys, path)
    assert not {"padding", "idle", "crowded"} & set(findings(told))
    assert "small" not in findings(told)


def test_the_neck_of_a_job_is_edited_too(place, capsys):
    dataset(place / "set", [box(8, 8, 40, 40)])
    data = {"train": "set/train", "validation": "set/val", "resolution": [128, 160]}
    head = {"task": DETECTION, "categories": ["a", "b", "no"]}
    neck = {"kind": "fpn", "bottom_level": 3, "top_level": 7}
    path = write_job(data, head, neck=neck)
    told, _ = inspect(capsys, path)
    paths = [edit["path"] for edit in findings(told)["idle"]["edits"]]
    assert paths == ["/model/heads/0/top_level", "/model/neck/top_level"]
    job = apply(path, findings(told)["idle"])
    assert job["model"]["neck"]["top_level"] == 5


@pytest.mark.parametrize(
    "longest, said", [(40, "level 3 owns"), (120, "levels 3..4 own")]
)
def test_the_levels_that_own_objects_are_told(place, capsys, longest, said):
    dataset(place / "set", [box(8, 8, 40, 40), box(4, 4, longest, 44)])
    assert run_cli(["data", str(detector())]) == 0
    assert f"\n  {said} nearly all of them\n" in capsys.readouterr().out


def test_no_stage_of_the_backbone_is_left_out_with_idle_levels(place, capsys):
    """Level 3 alone would be of a ResNet without its last two stages."""
    dataset(place / "set", [box(8, 8, 40, 40)])
    path = detector()
    before = analyze(path.read_bytes())[0]
    apply(path, findings(inspect(capsys, path)[0])["idle"])
    job, _, told = analyze(path.read_bytes())
    assert (job.heads[0].top_level, job.neck.top_level, told) == (3, 5, [])
    assert job.backbone.top_level == before.backbone.top_level == 5


@pytest.mark.slow
def test_objects_that_no_box_reaches_are_told(place, capsys):
    """Level 3 gives boxes of 30 x 8 = 240 pixels: `check` tells it by the resolution, `data`
    where there are larger objects. Neither is told once the edits are made, and no level
    that `check` asks for is said to be idle."""
    dataset(place / "set", [box(10, 10, 490, 60), box(5, 70, 235, 90)], 512, 512)
    neck = {"kind": "fpn", "bottom_level": 3, "top_level": 3}
    data = {"train": "set/train", "validation": "set/val", "resolution": [512, 512]}
    head = {"task": DETECTION, "categories": ["a", "b", "no"], "top_level": 3}
    backbone = {"name": "resnet18", "top_level": 3}
    path = write_job(data, head, neck=neck, backbone=backbone)
    (warning,) = analyze(path.read_bytes())[2]
    assert warning.code == "W205"
    found = findings(inspect(capsys, path)[0])["large"]
    assert found["message"].startswith("3 of 6 objects are longer than 240 pixels")
    apply(path, found)
    assert not analyze(path.read_bytes())[2]
    # 30 x 32 pixels are the first to reach 512.
    assert json.loads(path.read_text())["model"]["neck"]["top_level"] == 5
    assert "large" not in findings(inspect(capsys, path)[0])
    # Small objects alone: `data` has nothing to tell, and lets the level be.
    dataset(place / "set", [box(10, 10, 40, 60)], 512, 512)
    assert not {"large", "idle"} & set(findings(inspect(capsys, path)[0]))


@pytest.mark.parametrize(
    "longer, level", [(1, 3), (63, 3), (64, 4), (127, 4), (128, 5), (1e4, 7)]
)
def test_an_object_belongs_to_a_level_by_its_longer_side(longer, level):
    assert owner([0, 0, longer, 1], [3, 4, 5, 6, 7]) == level
    assert owner([0, 0, 1, longer], [3, 4, 5, 6, 7]) == level


@pytest.mark.slow
def test_centers_are_those_of_the_emitted_assignment(place):
    """The cells with their center in a box are those of the model."""
    head = {"name": "cells", "task": DETECTION, "categories": ["a"]}
    folder = make(place, [head])
    images = torch.zeros(1, 3, 96, 160, dtype=torch.uint8)
    points = load(folder / "model.py").Detector().eval()(images).points.numpy()
    job, graph, _ = analyze((folder / "resolved.json").read_bytes())
    summary = summarize(job, graph)
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 96, (200, 2, 2))
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1).astype(np.float32)
    label = type("Label", (), {"boxes": boxes, "classes": np.zeros(200, int)})()
    sample = type(
        "Sample", (), {"height": 96, "width": 160, "labels": {"cells": label}}
    )
    found = objects_of([sample], job.heads[0], summary, (96, 160))
    inside = (
        (points[None] > boxes[:, None, :2]) & (points[None] < boxes[:, None, 2:])
    ).all(2)
    assert found.unreached == (~inside.any(1)).sum()
    cells = [level.cells for level in summary.levels if "cells" in level.heads]
    for level, own in zip(found.levels, np.split(inside, np.cumsum(cells)[:-1], 1)):
        assert level.reached == own.any(1).sum()


def test_images_are_decoded_once_for_all_jobs(place, monkeypatch):
    layouts.as_native(place / "set")
    images = Images()
    images.pixels[Path("x")] = "known"

    class Sample:
        path, height, width = Path("x"), 1, 1

    survey.decode(None, [Sample], images)  # would fail if it decoded
    assert images.pixels == {Path("x"): "known"} and not images.broken
