"""Matches predictions with objects: precision, recall, F1 and confusions by
category."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

ENOUGH = 0.5  # IoU from which on a prediction finds an object


@dataclass(frozen=True)
class Matches:
    """Predictions of all images, the best first, and the objects that they found."""

    scores: np.ndarray  # (M,)
    found: np.ndarray  # (M,) their categories
    actual: np.ndarray  # (M,) those of the objects that they found, -1 for none
    objects: np.ndarray  # (categories,) how many there are

    def above(self, score: float) -> Matches:
        kept = self.scores >= score
        return Matches(
            self.scores[kept], self.found[kept], self.actual[kept], self.objects
        )

    def best_score(self) -> float:
        """From which score on the F1 of all objects is best."""
        right = np.cumsum(self.found == self.actual)
        f1 = 2 * right / (np.arange(len(right)) + 1 + self.objects.sum())
        # Equal scores are taken or left together.
        f1[:-1][self.scores[:-1] == self.scores[1:]] = 0
        return float(self.scores[f1.argmax()]) if f1.any() else 0.0

    def curve(self, category: int) -> list[tuple[float, float]]:
        """Returns recall and precision of a category for each score from which on its
        predictions count; none where it has no objects."""
        own = self.found == category
        right = np.cumsum(self.actual[own] == category)
        if not self.objects[category] or not own.any():
            return []
        # Equal scores are taken or left together.
        scores = self.scores[own]
        last = np.append(scores[:-1] != scores[1:], True)
        precision = right / (np.arange(len(right)) + 1)
        pairs = np.stack([right / self.objects[category], precision], 1)[last]
        return [tuple(pair) for pair in pairs.tolist()]

    def confusions(self) -> np.ndarray:
        """Returns the confusion matrix: how often each category, a row, was found as
        each. The last row is what was found in vain, the last column what was
        missed."""
        count = len(self.objects)
        table = np.zeros((count + 1, count + 1), int)
        np.add.at(table, (self.actual, self.found), 1)
        table[:-1, -1] = self.objects - table[:-1].sum(1)
        return table


def match(
    truth: Sequence[Any],
    found: Sequence[list[dict]],
    names: Sequence[str],
    overlaps: Callable[[list[dict], Any], np.ndarray],
) -> Matches:
    """Predictions, the best first, take the free object of their category that they
    overlap most, by ENOUGH: as COCO has it. What is left on both sides is then compared
    whatever its category. Ignored objects make what finds them count neither way."""
    rows, objects = [], np.zeros(len(names), int)
    for label, words in zip(truth, found):
        words = sorted(words, key=lambda item: -item["score"])
        kinds = np.array([names.index(item["category"]) for item in words], int)
        overlap = overlaps(words, label)  # (D, G)
        ignored = getattr(label, "ignored", np.zeros(len(label.classes), bool))
        actual = _taken(overlap, kinds, label.classes, ignored)
        counted = actual > -2
        scores = np.array([item["score"] for item in words])
        rows.append(np.stack([scores, kinds, actual], 1)[counted])
        objects += np.bincount(label.classes[~ignored], minlength=len(names))
    rows = np.concatenate(rows) if rows else np.zeros((0, 3))
    rows = rows[np.argsort(-rows[:, 0], kind="stable")]
    return Matches(rows[:, 0], rows[:, 1].astype(int), rows[:, 2].astype(int), objects)


def _taken(
    overlap: np.ndarray, kinds: np.ndarray, classes: np.ndarray, ignored: np.ndarray
) -> np.ndarray:
    """Returns the category of the object that each prediction takes: (D,), -1 for none,
    -2 for one that is ignored."""
    actual = np.full(len(kinds), -1)
    same = kinds[:, None] == classes
    free = np.where(ignored, 0.0, overlap)
    for allowed in (same, np.ones_like(same)):
        for number in np.flatnonzero(actual == -1):
            row = free[number] * allowed[number]
            if row.max(initial=0) >= ENOUGH:
                actual[number] = classes[row.argmax()]
                free[:, row.argmax()] = 0
    hidden = (overlap * (same & ignored)).max(1, initial=0) >= ENOUGH
    return np.where((actual == -1) & hidden, -2, actual)


def match_poses(evidence: Sequence[Any]) -> Matches:
    """Returns the matches of evaluate.py, by a similarity of keypoints of 0.5 or
    more; of a single category."""
    matches = [of_image.matches for of_image in evidence]
    scores = np.concatenate([one.scores for one in matches])
    hits = np.concatenate([one.hits[0] for one in matches])
    passed = [getattr(one, "passed", np.zeros_like(one.hits))[0] for one in matches]
    order = np.argsort(-scores, kind="stable")
    order = order[~np.concatenate(passed)[order]]
    objects = np.array([sum(one.objects for one in matches)])
    return Matches(
        scores[order], np.zeros(len(order), int), hits[order].astype(int) - 1, objects
    )


# ---- Overlaps, and AP, of each kind of objects ----


def overlaps_of(evaluate: ModuleType, label: Any) -> Callable:
    """IoU (D, G) of predictions and labels, by what the labels hold."""
    if hasattr(label, "masks"):
        return _mask_overlaps
    if hasattr(label, "corners"):
        return lambda words, objects: _polygon_overlaps(evaluate, words, objects)
    return _box_overlaps


def _box_overlaps(words: list[dict], objects: Any) -> np.ndarray:
    boxes = np.array([item["bbox"] for item in words], float).reshape(-1, 1, 4)
    low = np.maximum(boxes[..., :2], objects.boxes[:, :2])
    high = np.minimum(boxes[..., 2:], objects.boxes[:, 2:])
    shared = (high - low).clip(0).prod(2)
    areas = [(x[..., 2:] - x[..., :2]).prod(-1) for x in (boxes, objects.boxes)]
    return shared / np.maximum(areas[0] + areas[1] - shared, 1e-9)


def _mask_overlaps(words: list[dict], objects: Any) -> np.ndarray:
    from faster_coco_eval.core import mask

    if not words or not objects.masks:
        return np.zeros((len(words), len(objects.masks)))
    crowds = [0] * len(objects.masks)
    return mask.iou([item["mask"] for item in words], list(objects.masks), crowds)


def _polygon_overlaps(
    evaluate: ModuleType, words: list[dict], objects: Any
) -> np.ndarray:
    overlap = np.zeros((len(words), len(objects.corners)))
    for row, item in enumerate(words):
        for column, corners in enumerate(objects.corners):
            polygon = np.array(item["quadrilateral"])
            overlap[row, column] = evaluate.polygon_iou(polygon, corners)
    return overlap


def precisions(
    evaluate: ModuleType, truth: Sequence, found: Sequence, names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """The metrics of each category alone, as the folder's evaluate.py has them."""
    metrics = {}
    for number, name in enumerate(names):
        of_truth = [_of_kind(label, number) for label in truth]
        of_found = [[x for x in words if x["category"] == name] for words in found]
        metrics[name] = _metrics(evaluate, of_truth, of_found, tuple(names))
    return metrics


def _of_kind(label: Any, number: int) -> Any:
    """The objects of one category; of a named tuple with a row for each object."""
    own = np.flatnonzero(label.classes == number)
    return type(label)(
        *(
            tuple(value[i] for i in own) if isinstance(value, tuple) else value[own]
            for value in label
        )
    )


def _metrics(evaluate: ModuleType, truth: list, found: list, names: tuple) -> dict:
    if not truth:
        return {}
    if hasattr(truth[0], "masks"):
        return evaluate.instance_metrics(truth, found, names)
    if hasattr(truth[0], "corners"):
        pairs = zip(truth, found)
        evidence = [evaluate.quadrilateral_evidence(*pair, names) for pair in pairs]
        return evaluate.quadrilateral_metrics(evidence)
    return evaluate.detection_metrics(truth, found, names)
