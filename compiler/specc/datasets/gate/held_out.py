"""Findings about validation sets that are too small to choose the best weights by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from specc.datasets.gate.findings import Finding
from specc.datasets.gate.looked import Looked
from specc.words import number_of

FEW = 50  # validation images: below, the standard error of a share exceeds 7 points
FEW_NAMED = 20  # objects or images of a category: below, it exceeds 11 points


def held_out_of(looked: Looked) -> Iterator[Finding]:
    if not looked.reading.validation:
        return
    for head in looked.emitted.job.heads:
        yield from _images(looked, head)
        yield from _categories(looked, head)


def standard_error(count: int) -> float:
    """Returns the largest standard error of a share measured on so many, in points."""
    return 100 * 0.5 / math.sqrt(count)


def _images(looked: Looked, head: Any) -> Iterator[Finding]:
    count = sum(head.name in sample.labels for sample in looked.reading.validation)
    if not 0 < count < FEW:
        return
    images = number_of(count, "validation image")
    message = (
        f"{head.name}: {images}, too few to choose by: the"
        f" standard error of a share of them is up to {standard_error(count):.0f} points"
    )
    yield Finding("D204", "few", message, _more(looked), count)


def _categories(looked: Looked, head: Any) -> Iterator[Finding]:
    labels = looked.labels[head.name]
    names = getattr(head, "categories", None) or getattr(head, "labels", None) or ()
    shown = labels.images if labels.unit == "pixels" else labels.counts
    counts = {name: shown["validation"][name] for name in names}
    few = {name: count for name, count in counts.items() if count < FEW_NAMED}
    if not few or labels.unit not in ("objects", "images", "pixels"):
        return
    unit = "images" if labels.unit == "pixels" else labels.unit
    have = "has" if len(few) == 1 else "have"
    message = (
        f"{head.name}: {len(few)} of {len(names)} categories {have} fewer than"
        f" {FEW_NAMED} {unit} in validation: the standard error of a share of them"
        f" exceeds {standard_error(FEW_NAMED):.0f} points"
    )
    files = tuple(f"{name}: {count}" for name, count in sorted(few.items()))
    yield Finding(
        "D205", "few of a category", message, _more(looked), len(few), files=files
    )


def _more(looked: Looked) -> str:
    if looked.emitted.job.data.validation is None:
        return "hold more out by /data/validation_fraction, or add images"
    return "add images to the validation set"
