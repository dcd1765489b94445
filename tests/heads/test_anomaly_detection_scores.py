"""Scores of anomalies to the digit: the calibrated threshold, and what reaches it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from emitted_jobs import build, load_all
from test_anomaly_detection import HEAD, MODULES, job_of


@pytest.fixture(scope="module")
def emitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    return load_all(build(job_of(HEAD, backbone={"top_level": 3}), folder), *MODULES)


def test_features_of_nothing_stay_nothing(emitted):
    """There is no bias before a norm, whose own shift is 0 at first."""
    block = emitted.model.defect_block(8, 16).eval()
    assert not block(torch.zeros(1, 8, 3, 5)).any()
    assert block(torch.randn(1, 8, 3, 5)).any()


def calibrated(emitted, monkeypatch, scores: list[float]) -> tuple[float, float]:
    """The alarm and the spread that follow from these scores of normal images."""
    inspection = emitted.dataset.Inspection
    kinds = [False] * len(scores) + [True] * 3
    samples = [
        SimpleNamespace(labels={"flaws": inspection(kind, None)}) for kind in kinds
    ]

    def predict_samples(model, normal, *_) -> list[float]:
        assert normal == samples[: len(scores)]
        return scores

    monkeypatch.setattr(emitted.evaluate, "predict_samples", predict_samples)
    model = emitted.model.AnomalyDetector()
    emitted.evaluate.calibrate(model, samples, torch.device("cpu"))
    return model.head.calibration.alarm.item(), model.head.calibration.spread.item()


@pytest.mark.parametrize("count, alarms", [(60, 3), (59, 2), (5, 1)])
def test_the_alarm_lies_between_its_share_of_images_and_the_others(
    emitted, monkeypatch, count, alarms
):
    """A twentieth of the normal images, but at least one, gives a false alarm."""
    logits = np.random.default_rng(0).normal(-3, 2, count)
    scores = (1 / (1 + np.exp(-logits))).tolist()
    *others, highest = np.split(np.sort(logits), [count - alarms])
    alarm, spread = calibrated(emitted, monkeypatch, scores)
    assert alarm == pytest.approx((others[0][-1] + highest[0]) / 2, rel=1e-5)
    middle = np.sort(logits)[(count - 1) // 2]
    assert spread == pytest.approx(alarm - middle, rel=1e-5)


@pytest.mark.parametrize("score, logit", [(0.5, 0.0), (1.0, 16.118), (0.0, -16.118)])
def test_normal_images_that_are_all_alike_are_a_tenth_apart(
    emitted, monkeypatch, score, logit
):
    """The spread is never nothing, and a certain score has a finite logit."""
    found = calibrated(emitted, monkeypatch, [score] * 9)
    assert found == pytest.approx((logit, 0.1), rel=1e-4)


@pytest.mark.parametrize(
    "logit, label", [(0.0, "anomalous"), (-0.01, "normal"), (0.5, "anomalous")]
)
def test_an_image_is_anomalous_from_a_score_of_a_half_on(emitted, logit, label):
    logits = torch.tensor([9.0, logit]).view(2, 1, 1, 1).expand(-1, -1, 4, 6)
    sample = SimpleNamespace(height=20, width=30)
    found = emitted.evaluate.to_anomalies({"logits": logits}, 1, 8, sample, (32, 48))
    score = 1 / (1 + np.exp(-logit))
    assert (found["label"], found["score"]) == (label, pytest.approx(score))
    assert found["map"] == pytest.approx(np.full((20, 30), score))
