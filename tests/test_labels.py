"""Heads that say one thing of a whole image: labels, ranks, numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from emitted_jobs import build, load_all, load_data
from runs import make, refusal, run, train
from small_data import native

from specc.build import compile_job
from specc.diagnostics import JobError

LABELS = {
    "name": "tags",
    "task": "multilabel_classification",
    "labels": ["a", "b", "no"],
}
NUMBER = {"name": "price", "task": "regression", "range": [2, 6]}
RANKS = {
    "name": "size",
    "task": "multiclass_classification",
    "categories": ["a", "b", "no"],
    "ordered": True,
}


def job_of(*heads: dict, **trainer) -> dict:
    return {
        "name": "tested",
        "data": {"train": "train", "validation": "train", "resolution": [64, 96]},
        "model": {"heads": heads},
        "trainer": {"batch_size": 2} | trainer,
    }


@pytest.fixture
def emitted(tmp_path):
    """The modules of a folder that holds the code of these heads."""
    names = ("model", "dataset", "data", "evaluate")
    return lambda *heads: load_all(build(job_of(*heads), tmp_path), *names)


# ---- Readers ----


def read(folder, head: dict, given: object, **metadata):
    """What the reader of a job with this head makes of these labels."""
    task = head["task"].replace("_", " ")
    code = folder / "code"
    code.mkdir()
    modules = load_data(build(job_of(head), code))
    native(folder / "train", given, task=task, **metadata)
    return modules.dataset.read_dataset(folder / "train")


def test_labels_are_read(tmp_path):
    labels = {"0.png": ["no", "a"], "1.png": [], "2.png": None}
    samples = read(tmp_path, LABELS, labels, labels=["b", "no", "a"])
    assert [s.labels["tags"].tolist() for s in samples] == [[1, 0, 1], [0, 0, 0]]


def test_numbers_are_read(tmp_path):
    samples = read(tmp_path, NUMBER, {"0.png": 2, "1.png": 5.5}, range=[2.0, 6.0])
    assert [s.labels["price"] for s in samples] == [2.0, 5.5]


@pytest.mark.parametrize(
    "head, label, metadata, said",
    [
        (LABELS, "a", {"labels": ["a", "b", "no"]}, "0.png: not a list of labels: 'a'"),
        (LABELS, ["x"], {"labels": ["a", "b", "no"]}, "0.png: not a label of the job"),
        (LABELS, ["a"], {"labels": ["a", "b"]}, "only in the job: no"),
        (LABELS, ["a"], {"labels": "a"}, "`labels` is not a list of names"),
        (NUMBER, 7, {"range": [2, 6]}, "0.png: 7 lies outside the range of 2"),
        (NUMBER, float("nan"), {"range": [2, 6]}, "0.png: nan lies outside the range"),
        (NUMBER, "3", {"range": [2, 6]}, "0.png: not a number: '3'"),
        (NUMBER, True, {"range": [2, 6]}, "0.png: not a number: True"),
        (NUMBER, 3, {"range": [2, 7]}, "the range is [2, 7], the job's is [2.0, 6.0]"),
        (NUMBER, 3, {}, "the range is None, the job's is [2.0, 6.0]"),
    ],
)
def test_wrong_labels_are_named(tmp_path, head, label, metadata, said):
    with pytest.raises(SystemExit) as stop:
        read(tmp_path, head, {"0.png": label}, **metadata)
    assert said in str(stop.value)


# ---- Losses ----


def test_log_cosh_is_steady_where_cosh_overflows(emitted):
    model = emitted(NUMBER).model
    targets = {"value": torch.tensor([[2.0], [6.0], [3.0]])}
    limits = (2.0, 6.0)

    def loss(*values: float) -> float:
        given = torch.tensor(values)[:, None]
        return float(model.regression_loss(given, targets, limits)["value"])

    assert loss(2, 6, 3) == pytest.approx(0, abs=1e-6)
    errors = 10 * np.array([0.4, 0.2, 0.1]) / 4
    expected = np.log(np.cosh(errors)).mean()
    assert loss(2.4, 5.8, 3.1) == pytest.approx(expected, rel=1e-4)
    assert np.isfinite(loss(1e6, -1e6, 0))


def test_a_near_rank_costs_less_than_a_far_one(emitted):
    model = emitted(RANKS).model
    lowest = {"category": torch.tensor([0])}
    costs = [
        float(model.ordinal_loss(6 * torch.eye(3)[i : i + 1], lowest, 0.0)["class"])
        for i in range(3)
    ]
    assert costs[0] < costs[1] < costs[2]


def test_the_range_bounds_what_is_predicted(emitted):
    model = emitted(NUMBER).model
    network = model.Regressor().eval()
    torch.nn.init.normal_(network.head.linear.weight, std=50)
    images = torch.randint(0, 256, (8, 3, 64, 96), dtype=torch.uint8)
    values = model.predict(network, images)["price"]["value"]
    assert values.shape == (8,) and values.min() >= 2 and values.max() <= 6


# ---- Metrics ----


def test_average_precision_is_that_of_the_definition(emitted):
    evaluate = emitted(LABELS).evaluate
    wanted, scores = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.4, 0.1])
    assert evaluate.ranking_precision(wanted, scores) == pytest.approx((1 + 2 / 3) / 2)
    tied = np.full(4, 0.5)  # any order of them is as good: their share is the precision
    assert evaluate.ranking_precision(wanted, tied) == pytest.approx(0.5)


def test_labels_that_never_occur_do_not_count(emitted):
    evaluate = emitted(LABELS).evaluate
    truth = [np.float32([1, 0, 0]), np.float32([0, 0, 0])]
    scores = [{"a": 0.9, "b": 0.2, "no": 0.1}, {"a": 0.1, "b": 0.3, "no": 0.1}]
    found = [
        {"labels": ["a"], "scores": scores[0]},
        {"labels": [], "scores": scores[1]},
    ]
    metrics = evaluate.multilabel_metrics(truth, found, ("a", "b", "no"))
    assert metrics["mean_average_precision"] == 1.0
    assert metrics["macro_f1"] == metrics["micro_f1"] == 1.0
    assert "average_precision/b" not in metrics
    nothing = evaluate.multilabel_metrics(truth[1:], found[1:], ("a", "b", "no"))
    assert nothing["mean_average_precision"] == nothing["macro_f1"] == 0.0


def test_errors_of_numbers(emitted):
    evaluate = emitted(NUMBER).evaluate
    found = [{"value": 2.0}, {"value": 5.0}]
    metrics = evaluate.regression_metrics([3.0, 5.0], found)
    assert metrics == pytest.approx({"mae": 0.5, "rmse": 0.5**0.5, "r2": 0.5})
    assert evaluate.regression_metrics([4.0, 4.0], found)["r2"] == 0.0


def test_the_rank_error_counts_ranks(emitted):
    evaluate = emitted(RANKS).evaluate
    found = [{"category": "no"}, {"category": "b"}]
    assert evaluate.rank_error([0, 1], found, ("a", "b", "no")) == 1.0


# ---- Jobs ----


def test_ranks_have_a_metric_of_their_own():
    best = {"best": "size/rank_error"}
    compiled = compile_job(json.dumps(job_of(RANKS, **best)).encode())
    assert "if metrics[BEST] < best:" in compiled.files["train.py"]
    with pytest.raises(JobError) as error:
        plain = RANKS | {"ordered": False}
        compile_job(json.dumps(job_of(plain, **best)).encode())
    assert error.value.diagnostics[0].code == "E303"


def test_ranks_are_not_smoothed_unless_asked():
    def smoothing(head: dict) -> float:
        return (
            compile_job(json.dumps(job_of(head)).encode()).job.heads[0].label_smoothing
        )

    assert smoothing(RANKS) == 0.0
    assert smoothing(RANKS | {"label_smoothing": 0.2}) == 0.2
    assert smoothing(RANKS | {"ordered": False}) == 0.1


@pytest.mark.slow
def test_several_of_them_learn_together(world):
    heads = (
        {"name": "tags", "task": "multilabel_classification"}
        | {"labels": ["circle", "square", "triangle", "star"]},
        {"name": "covered", "task": "regression", "range": [0, 1]},
    )
    job = make(world / "whole-image", *heads, max_iterations=20, validations=2)
    train(job, world / "runs/whole-image")
    images = sorted((world / "shapes/val/images").iterdir())
    output = world / "runs/whole-image-drawn"
    weights = ("--weights", world / "runs/whole-image/best.pt")
    run(job, "predict.py", *weights, "--output", output, *images)
    report = json.loads((output / "predictions.json").read_text())
    for words in report.values():
        assert 0 <= words["covered"]["value"] <= 1
        assert set(words["tags"]["scores"]) == set(heads[0]["labels"])


@pytest.mark.slow
def test_weights_of_another_range_are_refused(world):
    small = {"max_iterations": 2, "validations": 1}
    one = {"name": "covered", "task": "regression", "range": [0, 1]}
    trained = make(world / "range-one", one, **small)
    train(trained, world / "runs/range-one")
    other = make(world / "range-two", one | {"range": [0, 2]}, **small)
    weights = ("--weights", world / "runs/range-one/best.pt")
    said = refusal(run(other, "evaluate.py", *weights, "--data", world, code=1))
    assert "of another job" in said
