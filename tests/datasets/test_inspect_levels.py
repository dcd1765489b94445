"""`specc data`: what the level graph says of a dataset, and the edits that follow."""

from __future__ import annotations

import json
from pathlib import Path

import layouts
import numpy as np
import pytest
import torch
from emitted_jobs import load, make
from small_data import box
from test_inspect import (
    DETECTION,
    dataset,
    detector,
    findings,
    inspect,
    no_pictures,
    write_job,
)

from specc.build import analyze
from specc.cli import run_cli
from specc.datasets import pictures, survey
from specc.datasets.levels import objects_of, owner
from specc.datasets.survey import Images
from specc.graph.cost import summarize


@pytest.fixture(autouse=True)
def no_histograms(monkeypatch):
    monkeypatch.setattr(pictures, "save_histograms", no_pictures)


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
