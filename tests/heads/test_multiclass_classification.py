"""Categories that are ranks: the loss, the metric, and what a job may ask for."""

from __future__ import annotations

import json
import math

import pytest
import torch
from emitted_jobs import compile_raw
from label_jobs import job_of, modules

from specc.diagnostics import JobError

RANKS = {
    "name": "size",
    "task": "multiclass_classification",
    "categories": ["a", "b", "no"],
    "ordered": True,
}


def test_a_near_rank_costs_less_than_a_far_one(tmp_path):
    model = modules(tmp_path, RANKS).model
    lowest = {"category": torch.tensor([0])}
    costs = [
        float(model.ordinal_loss(6 * torch.eye(3)[i : i + 1], lowest, 0.0)["class"])
        for i in range(3)
    ]
    assert costs[0] < costs[1] < costs[2]
    # Of the middle one the target is 1 : e : 1, by the distance of each rank to it.
    logits, weights = torch.tensor([[0.5, 2.0, -1.0]]), torch.tensor([1, math.e, 1])
    expected = -(weights / weights.sum() * logits.log_softmax(1)).sum()
    found = model.ordinal_loss(logits, {"category": torch.tensor([1])}, 0.0)["class"]
    assert found.item() == pytest.approx(expected.item())


def test_the_rank_error_counts_ranks(tmp_path):
    evaluate = modules(tmp_path, RANKS).evaluate
    found = [{"category": "no"}, {"category": "b"}]
    assert evaluate.rank_error([0, 1], found, ("a", "b", "no")) == 1.0


def test_ranks_have_a_metric_of_their_own():
    best = {"best": "size/rank_error"}
    compiled = compile_raw(json.dumps(job_of(RANKS, **best)).encode())
    assert "if not score >= best:" in compiled.files["train.py"]
    with pytest.raises(JobError) as error:
        plain = RANKS | {"ordered": False}
        compile_raw(json.dumps(job_of(plain, **best)).encode())
    assert error.value.diagnostics[0].code == "E303"


def test_ranks_are_not_smoothed_unless_asked():
    def smoothing(head: dict) -> float:
        return (
            compile_raw(json.dumps(job_of(head)).encode()).job.heads[0].label_smoothing
        )

    assert smoothing(RANKS) == 0.0
    assert smoothing(RANKS | {"label_smoothing": 0.2}) == 0.2
    assert smoothing(RANKS | {"ordered": False}) == 0.1
