"""The best and the worst predictions of a head, drawn beside the labels."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from specc.language.schema import head as schema_of
from specc.scores.found import Found, beside
from specc.scores.score import labeled
from specc.words import figure

LARGEST, SMALLEST = 720, 240  # longer side of a drawing, in pixels
AGREEMENT = "agreement of score and label"  # one image has no rank
DRAWN_SCORE = "DRAWN_SCORE"  # constant of draw.py
QUALITY = 85  # quality of the JPEG files in the page


class Judged(NamedTuple):
    """A sample by its number, its own metric, and how sure the model is."""

    number: int
    value: float
    sure: float


class Drawing:
    """The drawings of a folder's draw.py."""

    def __init__(self, folder: Path, found: Found):
        package = found.evaluate.__package__ or ""
        self.draw = beside(folder, package, "draw")
        self.data = beside(folder, package, "data")
        self._usual = getattr(self.draw, DRAWN_SCORE, None)

    def from_score(self, least: float | None) -> None:
        """Draws objects from a score on; None: from the score that draw.py has."""
        if self._usual is not None:
            setattr(self.draw, DRAWN_SCORE, self._usual if least is None else least)

    def both(self, sample: Any, predictions: dict, head: str) -> tuple[str, str]:
        """Returns the label and the prediction of a head as images for a page, drawn
        on the same image and of one size."""
        image = self.data.read_image(sample, sample.height, sample.width)
        labels = self.draw.labels_of(sample)
        drawn = [self._drawn(image, one, head) for one in (labels, predictions)]
        drawn[1] = beyond(*drawn)
        largest = max(max(one.shape[:2]) for one in drawn)
        scale = min(LARGEST / largest, max(1.0, SMALLEST / largest))
        truth, found = (_encoded(one, scale) for one in drawn)
        return truth, found

    def _drawn(self, image: np.ndarray, words: dict, head: str) -> np.ndarray:
        """Returns a drawing in colors; the image itself where nothing is to draw."""
        given = {head: words[head]} if head in words else {}
        with suppress(KeyError):  # a draw.py of one head looks for a key of its own
            image = self.draw.draw(image, given)
        gray = image.ndim == 2 or image.shape[2] == 1
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if gray else image


def beyond(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Returns the drawing of a prediction without the image on its left, where this
    image is the label: a reconstruction has the scale of what it reconstructs."""
    height, width = truth.shape[:2]
    wider = found.shape[1] > width
    if wider and np.array_equal(found[:height, :width], truth):
        return found[:, width:]
    return found


def pictured(
    found: Found, head: dict[str, Any], drawing: Drawing, root: Path, count: int
) -> dict[str, Any]:
    """Returns pictures by title, worst first; each has a file, a caption, and both
    drawings. Where no metric tells images apart, the first ones."""
    name, known = head["name"], labeled(found, head["name"])
    if not known or not count:
        return {}
    if groups := _neighbors(found, name, known, count):
        return _neighboring(found, groups, drawing, name, root)
    metric, lower, judged = _judged(found, head, known)
    if not judged:
        chosen = {"predictions": [Judged(x, math.nan, 0) for x in known[:count]]}
    else:
        chosen = chosen_of(metric, lower, judged, count)
    return {
        title: _drawings(found, ones, drawing, name, metric, root)
        for title, ones in chosen.items()
    }


def chosen_of(
    metric: str, lower: bool, judged: list[Judged], count: int
) -> dict[str, list[Judged]]:
    """Returns the worst and the best samples by title, none of them twice; one list
    where all are alike. `lower` is better."""
    # Of equal ones, the surest are the most telling, right or wrong.
    sign = 1 if lower else -1
    worst = sorted(judged, key=lambda x: (-sign * x.value, -x.sure))
    best = sorted(judged, key=lambda x: (sign * x.value, -x.sure))
    if len({one.value for one in judged}) == 1:
        return {f"all alike by {metric}": worst[:count]}
    few = min(count, max(1, len(judged) // 2))
    rest = [one for one in best if one not in worst[:few]]
    return {f"worst by {metric}": worst[:few], f"best by {metric}": rest[:few]}


def _drawings(
    found: Found,
    chosen: Sequence[Judged],
    drawing: Drawing,
    head: str,
    metric: str,
    root: Path,
) -> list[dict]:
    rows = []
    for one in chosen:
        sample = found.samples[one.number]
        (predictions,) = found.predict([sample])
        truth, drawn = drawing.both(sample, predictions, head)
        value = "" if math.isnan(one.value) else f"{metric} {figure(one.value)}"
        file = _file(sample, root)
        row = {"file": file, "value": value, "truth": truth, "found": drawn}
        rows.append(row | {"sides": ["label", "prediction"]})
    return rows


def _judged(
    found: Found, head: dict[str, Any], known: list[int]
) -> tuple[str, bool, list[Judged]]:
    """Returns the first metric of a head that tells images apart, each judged alone,
    whether it is an error, and the samples of which it is known."""
    name, schema = head["name"], schema_of(head["task"])
    measures = _agreements if _is_inspected(found, name, known) else _metrics
    values = {number: measures(found, name, number) for number in known}
    chosen, judged = "", []
    for metric in (*schema["x-metrics"], AGREEMENT):
        own = {x: y[metric] for x, y in values.items() if metric in y}
        if own and (not judged or len({*own.values()}) > 1):
            chosen = metric
            judged = [
                Judged(number, value, _sureness(found.evidence[number].get(name)))
                for number, value in own.items()
            ]
            if len({*own.values()}) > 1:
                break
    return chosen, chosen in schema.get("x-lower-is-better", ()), judged


def _metrics(found: Found, head: str, number: int) -> dict[str, float]:
    """Returns the metrics of one image alone, without the name of the head."""
    try:
        metrics = found.score([found.samples[number]], [found.evidence[number]])
    except (ValueError, IndexError, ZeroDivisionError):
        return {}  # a metric of several images, such as a rank among them
    prefix = f"{head}/"
    values = {
        name.removeprefix(prefix): float(value)
        for name, value in metrics.items()
        if name.startswith(prefix)
    }
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _is_inspected(found: Found, head: str, known: list[int]) -> bool:
    """Whether labels say normal or anomalous: the metrics rank several images."""
    return hasattr(found.samples[known[0]].labels[head], "anomalous")


def _agreements(found: Found, head: str, number: int) -> dict[str, float]:
    anomalous = float(found.samples[number].labels[head].anomalous)
    return {AGREEMENT: 1 - abs(anomalous - found.evidence[number][head]["score"])}


def _sureness(prediction: Any) -> float:
    """Returns the mean score of a prediction; 0 without scores."""
    ones = prediction if isinstance(prediction, list) else [prediction]
    scores = [one["score"] for one in ones if isinstance(one, dict) and "score" in one]
    return float(np.mean(scores)) if scores else 0.0


# ---- Nearest neighbors ----


def _neighbors(
    found: Found, head: str, known: list[int], count: int
) -> list[tuple[str, list[tuple[int, int, float]]]]:
    """Returns by title (image, nearest other, cosine) of a head that gives vectors:
    those whose nearest is another identity and most alike, and those found best."""
    evidence = [found.evidence[number].get(head) for number in known]
    if not isinstance(evidence[0], dict) or "embedding" not in evidence[0]:
        return []
    vectors = np.array([one["embedding"] for one in evidence], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
    names = np.array([str(found.samples[number].labels[head]) for number in known])
    triples, right = [], []
    for row, vector in enumerate(vectors):
        alike = vectors @ vector
        alike[row] = -np.inf
        near = int(alike.argmax())
        triples.append((known[row], known[near], float(alike[near])))
        right.append(names[row] == names[near])
    order = sorted(range(len(triples)), key=lambda row: -triples[row][2])
    wrong = [triples[row] for row in order if not right[row]][:count]
    good = [triples[row] for row in order if right[row]][:count]
    return [("nearest to another identity", wrong), ("nearest to its own", good)]


def _neighboring(
    found: Found, groups: list, drawing: Drawing, head: str, root: Path
) -> dict[str, list[dict]]:
    """Returns pictures of images (as the label) and their nearest others (beside)."""
    rows: dict[str, list[dict]] = {}
    for title, triples in groups:
        for number, near, cosine in triples:
            sample, other = found.samples[number], found.samples[near]
            pair = [drawing.draw.labels_of(x) for x in (sample, other)]
            truth, _ = drawing.both(sample, pair[0], head)
            nearest, _ = drawing.both(other, pair[1], head)
            names = f"{_file(sample, root)}, nearest: {_file(other, root)}"
            value = f"cosine {cosine:.3f}"
            row = {"file": names, "value": value, "truth": truth, "found": nearest}
            row["sides"] = ["image", "nearest"]
            rows.setdefault(title, []).append(row)
    return rows


# ---- Images of the page ----


def _file(sample: Any, root: Path) -> str:
    path = os.path.relpath(sample.path, root)
    return str(sample.path) if path.startswith("..") else path


def _encoded(image: np.ndarray, scale: float) -> str:
    """Returns an RGB image as a data URI."""
    if scale != 1:
        size = [
            max(1, round(side * scale)) for side in (image.shape[1], image.shape[0])
        ]
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
        image = cv2.resize(image, size, interpolation=how)
    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    code = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)[1]
    return f"data:image/jpeg;base64,{base64.b64encode(code).decode('ascii')}"
