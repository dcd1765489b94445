"""Metrics of semantic segmentation, from counts of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from map_data import COLORS, STREET, make


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return make(tmp_path_factory.mktemp("street"), STREET)


def measured(job, truth, found, names=tuple(COLORS)) -> dict:
    arrays = np.array(truth, np.int16), np.array(found, np.int16)
    counts = job.evaluate.count_pixels(*arrays, len(names))
    return job.evaluate.segmentation_metrics([counts], names)


def test_a_perfect_prediction(job):
    metrics = measured(job, [[0, 1], [2, -1]], [[0, 1], [2, 2]])
    assert metrics["mean_iou"] == metrics["pixel_accuracy"] == 1.0


def test_intersections_over_unions(job):
    metrics = measured(job, [[0, 0, 1, 1]], [[0, 1, 1, 2]])
    assert metrics["iou/road"] == 1 / 2 and metrics["iou/sky"] == 1 / 3
    assert metrics["iou/car"] == 0  # found where it is not: it counts
    assert metrics["mean_iou"] == pytest.approx((1 / 2 + 1 / 3) / 3)
    assert metrics["pixel_accuracy"] == 0.5


def test_a_category_that_never_occurs_is_left_out(job):
    metrics = measured(job, [[0, 0, 1, 1]], [[0, 1, 1, 1]])
    assert metrics["mean_iou"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert "iou/car" not in metrics


def test_images_without_labels_have_no_metrics(job):
    assert measured(job, [[-1, -1]], [[0, 1]]) == {}


def test_a_smaller_map_judges_the_whole_image(job):
    metrics = measured(job, [[0, 1]], [[0, 0, 1, 1], [0, 0, 1, 0]])
    assert metrics["pixel_accuracy"] == 7 / 8


def test_evidence_is_small_and_adds_up(job):
    """Counts of images, whichever process has them, give the metrics of all."""
    rng = np.random.default_rng(0)
    pairs = [rng.integers(0, 3, (2, 9, 9)).astype(np.int16) for _ in range(4)]
    counts = [job.evaluate.count_pixels(*pair, 3) for pair in pairs]
    assert counts[0].shape == (3, 3)
    apart = job.evaluate.segmentation_metrics(counts, tuple(COLORS))
    whole = np.concatenate(pairs, 1)
    assert apart == measured(job, whole[0], whole[1])
