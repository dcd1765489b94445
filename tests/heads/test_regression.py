"""Numbers of a whole image: what is read, the loss, the range, and metrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from emitted_jobs import build, load_all
from label_jobs import job_of, modules, read
from runs import make, refusal, run, train

NUMBER = {"name": "price", "task": "regression", "range": [2, 6]}


def test_numbers_are_read(tmp_path):
    labels = {"0.png": 2, "1.png": 5.5, "2.png": "3.50", "3.png": "4e0"}
    samples = read(tmp_path, NUMBER, labels, range=[2.0, 6.0])
    assert [s.labels["price"] for s in samples] == [2.0, 5.5, 3.5, 4.0]


@pytest.mark.parametrize(
    "label, metadata, said",
    [
        (7, {"range": [2, 6]}, "0.png: 7 lies outside the range of 2"),
        (float("nan"), {"range": [2, 6]}, "0.png: not a number: '.nan'"),
        ("x", {"range": [2, 6]}, "0.png: not a number: 'x'"),
        (True, {"range": [2, 6]}, "0.png: not a number: 'true'"),
        (3, {"range": [2, 7]}, "the range is [2, 7], the job's is [2.0, 6.0]"),
        (3, {}, "the range is None, the job's is [2.0, 6.0]"),
    ],
)
def test_wrong_labels_are_named(tmp_path, label, metadata, said):
    with pytest.raises(SystemExit) as stop:
        read(tmp_path, NUMBER, {"0.png": label}, **metadata)
    assert said in str(stop.value)


@pytest.mark.parametrize(
    "value, text",
    [(1697912.4, "1,697,912"), (-12345.6, "-12,346"), (9876.54, "9877"), (0.5, "0.5")],
)
def test_large_numbers_are_drawn_in_full(tmp_path, monkeypatch, value, text):
    draw = load_all(build(job_of(NUMBER), tmp_path), "draw").draw
    said = []
    monkeypatch.setattr(draw, "add_line", lambda image, text, color: said.append(text))
    draw.draw_value(np.zeros((8, 8, 3), np.uint8), {"value": value})
    assert said == [text]


def test_log_cosh_is_steady_where_cosh_overflows(tmp_path):
    model = modules(tmp_path, NUMBER).model
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


def test_the_range_bounds_what_is_predicted(tmp_path):
    model = modules(tmp_path, NUMBER).model
    network = model.Regressor().eval()
    torch.nn.init.normal_(network.head.linear.weight, std=50)
    images = torch.randint(0, 256, (8, 3, 64, 96), dtype=torch.uint8)
    values = model.predict(network, images)["price"]["value"]
    assert values.shape == (8,) and values.min() >= 2 and values.max() <= 6


def test_errors_of_numbers(tmp_path):
    evaluate = modules(tmp_path, NUMBER).evaluate
    found = [{"value": 2.0}, {"value": 5.0}]
    metrics = evaluate.regression_metrics([3.0, 5.0], found)
    assert metrics == pytest.approx({"mae": 0.5, "rmse": 0.5**0.5, "r2": 0.5})
    same = evaluate.regression_metrics([4.0, 4.0], found)
    assert same.keys() == {"mae", "rmse"}  # there is no spread to explain
    near = [{"value": 0.1}, {"value": 0.35}]
    metrics = evaluate.regression_metrics([0.1, 0.3], near)
    assert metrics["r2"] == pytest.approx(1 - 0.05**2 / 0.02)  # the same in any unit


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
