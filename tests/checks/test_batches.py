"""Too few images at once: E209 and E315 tell what cannot be trained, and of nothing else."""

from __future__ import annotations

import json

import pytest
import torch
from emitted_jobs import load

from specc.build import analyze
from specc.diagnostics import JobError
from specc.emit.render import render
from specc.plan.page import plan

pytestmark = pytest.mark.usefixtures("one_thread")

KIND = {"name": "kind", "task": "multiclass_classification", "categories": ["a", "b"]}
CELLS = {"name": "cells", "task": "object_detection", "categories": ["a", "b"]}
CELLS |= {"bottom_level": 3, "top_level": 5, "max_detections": 1}
VIEWS = {"name": "views", "task": "view_invariance_learning", "level": 4}
BIFPN = {"kind": "bifpn", "bottom_level": 3, "top_level": 5, "channels": 24}


def job_of(head: dict, side: int, backbone: dict, neck=None, **trainer) -> dict:
    model = {"backbone": {"name": "resnet18"} | backbone, "heads": [head]}
    return {
        "name": "tested",
        "data": {"train": "train", "resolution": [side, side]},
        "model": model | ({"neck": neck} if neck else {}),
        "trainer": {"batch_size": 1} | trainer,
    }


def errors(job: dict) -> list[str]:
    try:
        findings = analyze(json.dumps(job).encode())[2]
    except JobError as error:  # values that contradict each other end it
        findings = error.diagnostics
    return [finding.code for finding in findings if finding.is_error]


@pytest.mark.sample(
    "head0-32-backbone0-None-1",
    "head1-64-backbone1-None-1",
    "head3-32-backbone3-None-1",
    "head4-32-backbone4-neck4-1",
    "head5-64-backbone5-neck5-2",
    quick=("head3-32-backbone3-None-1",),
)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    "head, side, backbone, neck",
    [
        (KIND | {"level": 5}, 32, {}, None),
        (KIND | {"level": 5}, 64, {}, None),
        (KIND | {"level": 5}, 32, {"name": "mobilenetv3_small"}, None),
        (KIND | {"level": 5}, 32, {"name": "efficientnet_b0"}, None),
        (CELLS, 32, {"top_level": 4}, BIFPN),
        (CELLS, 64, {"top_level": 4}, BIFPN),
    ],
)
def test_what_check_refuses_cannot_be_trained(
    tmp_path, head, side, backbone, neck, batch
):
    job = job_of(head, side, backbone, neck, batch_size=batch)
    told = errors(job)
    of_job, graph, _ = analyze(json.dumps(job).encode())
    page = plan(of_job, graph)
    (tmp_path / "model.py").write_text(render(page)["model.py"], "utf-8")
    model = getattr(load(tmp_path / "model.py"), page.model_class)().train()
    images = torch.zeros(batch, 3, side, side, dtype=torch.uint8)
    try:
        model(images)
        assert told == []
    except ValueError as error:
        assert "more than 1 value per channel" in str(error)
        assert told == ["E209"]


@pytest.mark.slow
def test_shares_of_a_step_count(tmp_path):
    slurm = {"nodes": 2, "gpus_per_node": 2, "hours": 1}
    options = {"batch_size": 8, "accumulation": 2, "slurm": slurm}
    job = job_of(KIND | {"level": 5}, 32, {}, **options)
    assert errors(job) == ["E209"]
    job["trainer"]["batch_size"] = 16
    assert errors(job) == []
    job["trainer"] |= {"batch_size": 8, "initialization": {"kind": "imagenet"}}
    assert errors(job) == ["E209"]
    job["model"]["backbone"]["frozen_levels"] = 5  # keeps the statistics that it has
    assert errors(job) == []


def test_views_are_compared_over_processes_but_not_over_windows():
    """The emitted loss gathers the images of all processes; each view is an image to batch
    norm."""
    job = job_of(VIEWS, 32, {"top_level": 4})
    assert errors(job) == ["E315"]
    slurm = {"nodes": 1, "gpus_per_node": 4, "hours": 1}
    job["trainer"] |= {"batch_size": 4, "slurm": slurm}
    assert errors(job) == []
    job["trainer"] |= {"batch_size": 8, "accumulation": 2}
    assert errors(job) == []
    job["trainer"] |= {"batch_size": 4, "accumulation": 4, "slurm": None}
    assert errors(job) == ["E315"]
