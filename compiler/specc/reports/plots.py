"""Predictions beside labels: numbers of images, depths of pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from specc.datasets.files import spread
from specc.reports.pictures import Drawing
from specc.scores.found import Found
from specc.scores.score import labeled

MOST_DOTS = 1000  # most images of a plot
MOST_MAPS = 50  # most images whose depths are compared; each is predicted again
MOST_PIXELS = 20_000  # most pixels of one of them
BINS = 40  # bins of depths, true and predicted


def plot_of(found: Found, head: dict[str, Any], drawing: Drawing) -> dict[str, Any]:
    """Returns points (label, prediction) of a head that predicts a number, or counts by
    bins of true and predicted depth of one that predicts depths; else nothing."""
    name = head["name"]
    known = labeled(found, head["name"])
    if head["task"] == "regression":
        return {"points": points_of(found, name, spread(known, MOST_DOTS))}
    if head["task"] == "depth_estimation":
        return density_of(depths_of(found, name, spread(known, MOST_MAPS), drawing))
    return {}


def points_of(found: Found, head: str, known: list[int]) -> list[tuple[float, float]]:
    """Returns the label and the prediction of each of these samples."""
    labels = [found.samples[number].labels[head] for number in known]
    values = [found.evidence[number][head]["value"] for number in known]
    return [(float(label), float(value)) for label, value in zip(labels, values)]


def depths_of(
    found: Found, head: str, known: list[int], drawing: Drawing
) -> np.ndarray:
    """Returns true and predicted depths (N, 2) of some pixels of these samples."""
    pairs = [np.zeros((0, 2))]
    for number in known:
        sample = found.samples[number]
        truth = np.asarray(drawing.draw.labels_of(sample)[head], float)
        (predictions,) = found.predict([sample])
        values = np.asarray(predictions[head], float)
        places = spread(np.flatnonzero(np.isfinite(truth) & (truth > 0)), MOST_PIXELS)
        if truth.shape == values.shape:
            pairs.append(np.stack([truth.flat[places], values.flat[places]], 1))
    return np.concatenate(pairs)


def density_of(pairs: np.ndarray) -> dict[str, Any]:
    """Returns the ends of equal bins, which are those of both depths, and for each bin
    of true depth the share of its pixels in each bin of predicted depth."""
    pairs = pairs[np.isfinite(pairs).all(1)]
    if not len(pairs) or np.ptp(pairs) == 0:
        return {}
    ends = np.linspace(pairs.min(), pairs.max(), BINS + 1)
    counts, _, _ = np.histogram2d(*pairs.T, bins=(ends, ends))
    shares = counts / counts.sum(1, keepdims=True).clip(min=1)
    return {"ends": ends.tolist(), "shares": shares.round(3).tolist()}
