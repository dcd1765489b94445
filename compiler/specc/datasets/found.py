"""The record of a dataset that was found, for one task."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TRAIN = ("train", "training", "trainval")
VALIDATION = ("val", "valid", "validation", "dev")
TEST = ("test", "testing")


@dataclass(frozen=True)
class Found:
    """A dataset as a job names it.

    ``options`` are the options of a head of ``task``: its categories and so on.
    ``labels`` tells the dataset from others of the same task in the same place: a file
    of annotations, a column. ``longest`` is the length of the longest text, in tokens.
    ``way`` leads from the task of its annotations to ``task``, where they are
    converted. ``unused`` says what looks like a set for validation or test and is none.
    ``layout`` has the options of a job's `layout`. ``notes`` has lines on what a user
    should know of the training set. ``beside`` says which files stand
    beside those that are read, and why they are not.
    """

    format: str
    task: str
    train: Path
    validation: Path | None
    options: dict[str, Any]
    images: tuple[Path, ...]  # images of the training set
    labels: str = ""
    longest: int = 0
    category: str = ""  # category of all instances, where only keypoints have names
    way: tuple[str, ...] = ()
    unused: str = ""
    test: Path | None = None
    layout: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        labels = f", --labels {self.labels}" if self.labels else ""
        return f"{self.task} ({self.format}: {self.train}{labels})"


def pair(names: list[str]) -> tuple[str | None, str | None, str | None]:
    """Returns the names of the training set, the validation set and the test set.

    A name is one of the words, or has it as a part: `instances_train2017`. If several
    are for validation, the first in the order of VALIDATION is taken. Where there is no
    other, the test set is the validation set.
    """
    train, validation, test = (
        _first(names, words) for words in (TRAIN, VALIDATION, TEST)
    )
    return (train, validation, test) if validation else (train, test, None)


def unread(names: list[str], *read: str | None) -> str:
    """Returns text on names of sets besides those that are read; "" without such."""
    words = {*TRAIN, *VALIDATION, *TEST}
    rest = [name for name in sorted(names) if name not in read]
    rest = [x for x in rest if words & {*re.split(r"[^a-z]+", x.lower())}]
    return f"also named as a set, and not read: {', '.join(rest)}" if rest else ""


def _first(names: list[str], words: tuple[str, ...]) -> str | None:
    for word in words:
        for name in sorted(names, key=lambda name: (len(name), name)):
            if word in re.split(r"[^a-z]+", name.lower()):
                return name
    return None


def left_and_right(names: list[str]) -> list[list[str]] | None:
    """Returns the pairs of keypoints that change places in a mirror image, by `left`
    and `right` (or `l` and `r`) in their names; None if one of these lacks a partner,
    or no keypoint has such a name.
    """
    partners = {"left": "right", "l": "r"}
    pairs, sided = [], 0
    for name in names:
        words = re.split(r"([^a-zA-Z]+|(?<=[a-z])(?=[A-Z]))", name)
        sides = [i for i, word in enumerate(words) if word and word.lower() in SIDES]
        sided += bool(sides)
        for i in sides:
            other = partners.get(words[i].lower())
            if other is None:
                continue
            mirrored = "".join([*words[:i], _like(words[i], other), *words[i + 1 :]])
            if mirrored in names:
                pairs.append([name, mirrored])
    return pairs if pairs and 2 * len(pairs) == sided else None


SIDES = ("left", "right", "l", "r")


def _like(word: str, other: str) -> str:
    """Returns the other word in the case of the first."""
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other
