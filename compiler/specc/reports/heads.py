"""The facts of a head that are no single number: categories, confusions, curves.

A head is known by the form of its predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from specc.scores.found import Found
from specc.scores.score import judged_objects, labeled, tabulated

MOST_CURVES = 12  # most curves in one chart
MOST_POINTS = 200  # most points of a curve
LIKELY = 0.5  # probability from which on a label counts where the job names none

Curve = list[tuple[float, float]]  # (recall, precision)


def facts_of(found: Found, head: dict[str, Any], min_score: float | None) -> dict:
    """Returns rows by category, a confusion matrix or None, and curves of precision
    over recall, as plain values."""
    name, names = head["name"], found.heads[head["name"]]
    facts = {
        "categories": {},
        "confusion": None,
        "curves": {},
        "note": "",
        "colors": {},
    }
    facts["min_score"] = None
    known = labeled(found, name)
    if not known:
        return facts
    evidence = [found.evidence[number].get(name) for number in known]
    labels = [found.samples[number].labels[name] for number in known]
    if table := tabulated(found, name, names, min_score):
        return facts | _of_objects(found, head, names, table)
    if not isinstance(evidence[0], dict):
        return facts | {"categories": _of_maps(found, name), "colors": _colors(head)}
    if "top5" in evidence[0]:
        return facts | of_classes(labels, [one["category"] for one in evidence], names)
    if "scores" in evidence[0]:
        least = head.get("score_threshold") or LIKELY
        return facts | of_labels(labels, [one["scores"] for one in evidence], least)
    if hasattr(labels[0], "anomalous"):
        truth = [one.anomalous for one in labels]
        return facts | of_anomalies(truth, evidence)
    return facts


# ---- Each kind ----


def _of_objects(found: Found, head: dict, names: tuple, table: dict) -> dict:
    """Returns the facts of a head that finds objects, or that divides images."""
    if "confusions" not in table:
        return {"categories": table["categories"], "colors": _colors(head)}
    names, matches, _ = judged_objects(found, head["name"], names)
    order = np.argsort(-matches.objects, kind="stable")[:MOST_CURVES]
    curves = {names[number]: thinned(matches.curve(number)) for number in order}
    confusion = {
        "names": list(names),
        "columns": [*names, "missed"],
        "rows": [*names, "in vain"],
        "counts": table["confusions"],
    }
    why = "the best F1" if table["chosen"] else "as asked"
    note = "No prediction finds an object, by an overlap of 0.5."
    if not table["chosen"] or any(row["f1"] for row in table["categories"].values()):
        note = (
            "Precision, recall, F1, confusions and drawings are those of predictions "
            f"from a score of {table['min_score']:.3f} on ({why}), by an overlap of "
            "0.5."
        )
    return {
        "categories": table["categories"],
        "confusion": confusion if len(names) > 1 else None,
        "curves": curves,
        "min_score": table["min_score"] or None,
        "note": note,
    }


def _of_maps(found: Found, name: str) -> dict:
    """Returns the IoU of each category of a map, which the metrics have."""
    prefix = f"{name}/iou/"
    metrics = found.score(found.samples, found.evidence)
    return {
        key.removeprefix(prefix): {"iou": value}
        for key, value in metrics.items()
        if key.startswith(prefix)
    }


def _colors(head: dict[str, Any]) -> dict[str, list[int]]:
    """Returns the colors that drawings of a map give its categories."""
    return dict(zip(head.get("categories") or (), head.get("colors") or ()))


def of_classes(
    labels: Sequence[int], found: Sequence[str], names: Sequence[str]
) -> dict:
    """Returns the facts of a head that gives each image a category."""
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (np.array(labels), [names.index(one) for one in found]), 1)
    rows = {}
    for number, name in enumerate(names):
        right = counts[number, number]
        rows[name] = shares(right, counts[:, number].sum(), counts[number].sum())
    confusion = {"names": list(names), "columns": list(names), "rows": list(names)}
    return {
        "categories": rows,
        "confusion": confusion | {"counts": counts.tolist()},
    }


def of_labels(
    labels: Sequence[np.ndarray], scores: Sequence[dict[str, float]], least: float
) -> dict:
    """Returns the facts of a head that gives each image any number of labels."""
    rows, curves = {}, {}
    for number, name in enumerate(scores[0]):
        truth = np.array([bool(one[number]) for one in labels])
        values = np.array([one[name] for one in scores])
        rows[name] = shares(
            (truth & (values >= least)).sum(), (values >= least).sum(), truth.sum()
        )
        curves[name] = thinned(curve_of(truth, values))
    often = sorted(rows, key=lambda name: -rows[name]["labeled"])[:MOST_CURVES]
    return {
        "categories": rows,
        "curves": {name: curves[name] for name in often},
        "note": f"Labels count from a probability of {least:g} on.",
    }


def of_anomalies(truth: Sequence[bool], evidence: Sequence[dict]) -> dict:
    """Returns the facts of a head that tells normal images from anomalous ones."""
    names = ("normal", "anomalous")
    labels = [int(anomalous) for anomalous in truth]
    facts = of_classes(labels, [one["label"] for one in evidence], names)
    scores = np.array([one["score"] for one in evidence])
    curve = curve_of(np.array(truth, bool), scores)
    return facts | {"curves": {"anomalous": thinned(curve)} if curve else {}}


# ---- Counts ----


def shares(right: int, found: int, labeled: int) -> dict[str, Any]:
    """Returns precision, recall and F1; None of what does not occur."""
    return {
        "labeled": int(labeled),
        "found": int(found),
        "precision": float(right / found) if found else None,
        "recall": float(right / labeled) if labeled else None,
        "f1": float(2 * right / (found + labeled)) if found + labeled else None,
    }


def curve_of(truth: np.ndarray, scores: np.ndarray) -> Curve:
    """Returns recall and precision for each score from which on an image is positive;
    none without a positive image."""
    if not truth.any():
        return []
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(truth[order])
    # Equal scores are taken or left together.
    last = np.append(scores[order][:-1] != scores[order][1:], True)
    pairs = np.stack([right / truth.sum(), right / (np.arange(len(right)) + 1)], 1)
    return [tuple(pair) for pair in pairs[last].tolist()]


def thinned(curve: Curve) -> Curve:
    """Returns a curve of at most MOST_POINTS, its ends among them."""
    if len(curve) <= MOST_POINTS:
        return curve
    places = np.linspace(0, len(curve) - 1, MOST_POINTS).round().astype(int)
    return [curve[place] for place in places]
