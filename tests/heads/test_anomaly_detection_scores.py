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


def calibrated(
    emitted, monkeypatch, scores: list[float], rank=0, world=1
) -> tuple[float, float]:
    """The alarm and the spread that follow from these scores of normal images, in one
    of `world` processes."""
    inspection = emitted.dataset.Inspection
    kinds = [False] * len(scores) + [True] * 3
    samples = [
        SimpleNamespace(labels={"flaws": inspection(kind, None)}) for kind in kinds
    ]

    def predict_samples(model, normal, *_) -> list[float]:
        assert normal == samples[rank : len(scores) : world]
        calibration = model.head.calibration  # changes no score yet
        assert (calibration.alarm.item(), calibration.spread.item()) == (0, 1)
        return scores[rank::world]

    monkeypatch.setattr(emitted.evaluate, "predict_samples", predict_samples)
    model = emitted.model.AnomalyDetector()
    model.head.calibration.alarm.fill_(3)  # from before
    model.head.calibration.spread.fill_(3)
    emitted.evaluate.calibrate(model, samples, torch.device("cpu"), 0, rank, world)
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


def test_two_processes_calibrate_by_the_scores_of_both(emitted, monkeypatch):
    """The second predicts every other image; statistics of norms come from the first."""
    scores = np.random.default_rng(1).uniform(0.01, 0.3, 41).tolist()
    alone, sent = calibrated(emitted, monkeypatch, scores), []

    def broadcast(buffer: torch.Tensor, source: int) -> None:
        assert isinstance(buffer, torch.Tensor) and source == 0
        sent.append(buffer)

    def all_gather_object(shares: list, own: list[float]) -> None:
        assert shares == [None, None] and own == scores[1::2]
        shares[:] = scores[::2], own

    group = SimpleNamespace(broadcast=broadcast, all_gather_object=all_gather_object)
    monkeypatch.setattr(emitted.evaluate, "dist", group)
    assert calibrated(emitted, monkeypatch, scores, rank=1, world=2) == alone
    assert len(sent) == len([*emitted.model.AnomalyDetector().buffers()])


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


def test_pixels_are_counted_in_bins_of_their_logits(emitted):
    """Equal parts of -16.2 to 16.2. Scores are at least 1e-7 from 0, and from 1 by what
    float32 has for that."""
    scores = np.float32([[0, 0.001, 0.3, 0.4, 0.95, 0.99, 0.999, 1]])
    sample = SimpleNamespace(height=1, width=scores.size)
    words = {"label": "normal", "score": 0.4, "map": scores}
    inspection = emitted.dataset.Inspection(False, None)
    evidence = emitted.evaluate.anomaly_evidence(sample, inspection, words)
    shares = scores.astype(float).clip(1e-7, 1 - 2**-23)
    logits, bins = np.log(shares / (1 - shares)), emitted.evaluate.SCORE_BINS
    wanted, _ = np.histogram(logits, bins, (-16.2, 16.2))
    nothing = [0.0] * bins
    assert evidence["pixels"].tolist() == [wanted.tolist(), nothing, nothing]


@pytest.mark.parametrize(
    "above, pro", [(3, 0), (2, 0.1 * (1 / 2 + 9 / 16) / 2 / 0.3), (4, 0)]
)
def test_regions_count_as_they_are_found_up_to_three_tenths(emitted, above, pro):
    """The highest scores have so many of ten normal pixels, the next ones half of a region,
    then come its other half and the other normal pixels. A half that is found once exactly
    three tenths are false is of no use."""
    pixels = np.zeros((3, emitted.evaluate.SCORE_BINS))
    pixels[0, -1], pixels[0, -3] = above, 10 - above
    pixels[1, -3:-1], pixels[2, -3:-1] = 4, 0.5
    found = [{"label": "normal", "score": 0.5, "pixels": pixels}]
    truth = [emitted.dataset.Inspection(True, None)]
    assert emitted.evaluate.anomaly_metrics(truth, found)["pro"] == pytest.approx(pro)
