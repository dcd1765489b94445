"""The contract that `specc build --tests` emits: it holds, of every task."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from contracts import JOB, contract, emit
from emitted_jobs import GENERATED
from runs import SCENE

from specc.build import analyze
from specc.diagnostics import Diagnostic, JobError
from specc.heads import TASKS
from specc.plan.extras import Extras
from specc.plan.page import plan

EXAMPLES = sorted(path.parent.name for path in GENERATED.glob("*/job.json"))
LOOP = {  # each option changes what a checkpoint holds, or what a copy must change
    "max_iterations": None,
    "max_hours": 0.5,
    "accumulation": 2,
    "ema": 0.9,
    "early_stopping": 1,
    "compile": True,
    "precision": "fp16",
    "initialization": {"kind": "checkpoint", "weights": "elsewhere.pt"},
}
SPLIT = {"train": "flowers", "format": "folders", "resolution": [64, 64]}
SETS = {"train": "/elsewhere/a", "validation": "../b", "resolution": [64, 64]}
FACES = {"task": "metric_learning", "identities": list("abcde"), "embedding_size": 16}
CACHED = {"channels": 4, "cache": "/elsewhere/cache"}
FINDS = {
    "neck": {"kind": "fpn", "bottom_level": 3, "top_level": 4, "channels": 32},
    "heads": [{"task": "object_detection", "categories": ["a<b", "c&d", "no"]}],
}
MASKS = FINDS | {"heads": [FINDS["heads"][0] | {"task": "instance_segmentation"}]}
SEGMENTS = FINDS | {
    "heads": [
        FINDS["heads"][0]
        | {"task": "panoptic_segmentation", "things": ["no", "c&d"]}
        | {"colors": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}
    ]
}
MEASURES = {
    "heads": [
        {"name": "price", "task": "regression", "range": [-2.5, 1e6]},
        SCENE | {"ordered": True},
    ]
}


# ---- It holds ----


def hold(folder: Path, *arguments: str, passed=8) -> None:
    code, said = contract(folder, *arguments)
    assert code == 0 and f"{passed} passed" in said, said


@pytest.mark.slow
def test_a_contract_holds(tmp_path):
    """The tests of the model pass; those of scripts are soak, as test_resume.py and others
    test the same for `make test`."""
    hold(emit(JOB, tmp_path / "job"), "-k", "shapes", passed=4)


@pytest.mark.soak
def test_a_whole_contract_holds(tmp_path):
    hold(emit(JOB, tmp_path / "job"))


@pytest.mark.soak
def test_a_committed_contract_holds(tmp_path):
    """In a copy without anything beside it."""
    folder = tmp_path / "cells"
    given = GENERATED / "blood-cells"
    shutil.copytree(given, folder, ignore=shutil.ignore_patterns("runs"))
    hold(folder)


@pytest.mark.soak
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_contracts_of_the_examples_hold(name, tmp_path):
    job = json.loads((GENERATED / name / "job.json").read_bytes())
    hold(emit(job, tmp_path / name))


@pytest.mark.soak
@pytest.mark.parametrize(
    "changes",
    [
        {"trainer": LOOP},
        {"data": SPLIT},
        {"data": SPLIT | {"group": "([^/_]+)_[0-9]+[.]"}},
        {"data": SPLIT | {"format": "native"}, "model": {"heads": [FACES]}},
        {"data": SETS | CACHED},
        {"data": SETS | {"format": "voc"}, "model": FINDS},
        {"data": SETS | {"format": "yolo", "validation": None}, "model": FINDS},
        {"data": SETS | {"format": "coco"}, "model": MASKS},
        {"data": SETS | {"format": "yolo"}, "model": MASKS},
        {"data": SETS | {"format": "coco"}, "model": SEGMENTS},
        {"data": SETS | {"format": "csv", "cache": "cache"}, "model": MEASURES},
    ],
    ids=[
        *("loop", "no validation set", "groups", "identities held out"),
        *("cache of bands", "voc", "yolo"),
        *("masks of coco", "masks of yolo", "segments of coco", "csv"),
    ],
)
def test_other_contracts_hold(changes, tmp_path):
    hold(emit(JOB | changes, tmp_path / "job"))


# ---- What is emitted ----


def test_every_task_has_a_contract():
    assert all(task.contract for task in TASKS.values())


def smallest(job: dict) -> tuple:
    found, graph, findings = analyze(json.dumps(job).encode())
    assert not [finding for finding in findings if finding.is_error]
    return plan(found, graph, Extras(tests=True)).contract.shape


def findings_of(job: dict) -> list[Diagnostic]:
    try:
        return analyze(json.dumps(job).encode())[2]
    except JobError as error:
        return error.diagnostics


@pytest.mark.parametrize(
    "model, side",
    [
        ({"backbone": {"top_level": 2}}, 32),
        ({"backbone": {"top_level": 7}, "neck": {"kind": "none"}}, 128),
        ({"backbone": {"name": "efficientnetv2_s", "top_level": 5}}, 32),
        ({"neck": {"kind": "fpn", "bottom_level": 3, "top_level": 6}}, 64),
        ({"neck": {"kind": "bifpn", "bottom_level": 3, "top_level": 7}}, 128),
    ],
)
def test_the_smallest_images_have_a_cell_of_every_level(model, side):
    """With a side half as long the job is refused."""
    parts = (model.get("neck", {}), model.get("backbone", {}))
    level = next(part["top_level"] for part in parts if "top_level" in part)
    heads = [SCENE | {"level": level}]
    job = JOB | {"model": model | {"heads": heads}}
    job["data"] = JOB["data"] | {"resolution": [256, 384]}
    assert smallest(job) == (2, 3, side, side)
    for resolution, wrong in (([side, side], False), ([side // 2, side], True)):
        job["data"] = JOB["data"] | {"resolution": resolution}
        codes = {finding.code for finding in findings_of(job)}
        assert bool({"E123", "E207", "E208"} & codes) == wrong
