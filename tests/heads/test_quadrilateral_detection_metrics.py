"""Metrics of quadrilaterals over several images and categories, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from emitted_jobs import make_reader
from point_jobs import evaluation

NAMES = ("page", "sign", "plate")
HEAD = {"task": "quadrilateral_detection", "categories": NAMES}
SHEET = np.float64([[0, 200], [100, 200], [100, 260], [0, 260]])


@pytest.fixture(scope="module")
def metrics(tmp_path_factory):
    """The evaluate.py of a job."""
    folder = tmp_path_factory.mktemp("metrics")
    return evaluation(make_reader(folder, (HEAD,), {"validation": "val"}))


def scored(metrics, *images: tuple[list, list]) -> dict[str, float]:
    """Returns the metrics of images: corners and names of what is labeled, and with
    scores of what is found."""
    evidence = []
    for labeled, found in images:
        corners = np.array([corners for corners, _ in labeled]).reshape(-1, 4, 2)
        classes = np.array([NAMES.index(name) for _, name in labeled], int)
        truth = metrics.Quadrilaterals(corners, np.zeros((len(classes), 4)), classes)
        words = [
            {"quadrilateral": corners.tolist(), "category": name, "score": score}
            for corners, name, score in found
        ]
        evidence.append(metrics.quadrilateral_evidence(truth, words, NAMES))
    return metrics.quadrilateral_metrics(evidence)


def test_metrics_are_means_over_the_categories_that_occur(metrics):
    """A page is found after a wrong one: half of what is found is right. One of two
    signs is found, up to an IoU of 0.7 at five thresholds of ten, which is a recall that
    51 of 101 places reach. No plate is labeled."""
    narrow = SHEET * [0.72, 1]  # two of four corners are off by 28 of 100
    found = scored(
        metrics,
        ([(SHEET, "page"), (SHEET + 300, "sign")], [(SHEET, "page", 0.9)]),
        (
            [(SHEET, "sign")],
            [(SHEET, "page", 0.95), (narrow, "sign", 0.8), (SHEET, "plate", 0.7)],
        ),
    )
    assert found == pytest.approx(
        {
            "ap": (0.5 + 51 / 101 / 2) / 2,
            "ap50": (0.5 + 51 / 101) / 2,
            "ap75": 0.5 / 2,
            "corner_error": (0 + 1 + 0.14) / 3,
        }
    )


def test_predictions_for_all_images_are_ranked_together(metrics):
    """One that is wrong in an image comes before two that are right in others."""
    right, wrong = (SHEET, "page", 0.8), (SHEET + 300, "page", 0.9)
    page = [(SHEET, "page")]
    found = scored(metrics, (page, [right]), (page, [right]), (page, [wrong]))
    # Precision is 2/3 up to a recall of 2/3, which 67 of 101 places have.
    assert found["ap"] == pytest.approx(2 / 3 * 67 / 101)
    assert found["corner_error"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("share", [0.48, 0.52, 0.57, 0.72, 0.77, 0.82, 0.93, 0.97])
def test_each_threshold_of_overlap_counts_alike(metrics, share):
    """From 0.5 to 0.95, of which 0.5 and 0.75 are told on their own."""
    part = SHEET * [share, 1]
    found = scored(metrics, ([(SHEET, "page")], [(part, "page", 0.9)]))
    reached = [percent / 100 <= share for percent in range(50, 100, 5)]
    assert found["ap"] == pytest.approx(sum(reached) / 10)
    assert (found["ap50"], found["ap75"]) == (reached[0], reached[5])
