"""Finds the `group` that keeps images of one video or part together, by their names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specc.datasets.emitted import load
from specc.datasets.levels import edited, is_legal
from specc.datasets.gate.looked import Looked

Pair = tuple[Path, Path]  # a training image, a validation image

NAMED = (  # the finest first; each finds what names have in common
    r"([^/]+)[.]rf[.]",  # one_jpg.rf.0a1b.jpg: copies of an image by Roboflow
    r"([^/]+?)[_-]?[0-9]+_[A-Za-z]+[.]rf[.]",  # clip-0001_jpg.rf.0a1b.jpg
    r"([^/]+)[_-][0-9]+[.][^./]+$",  # clip_0001.png
    r"([^/]+?)[_-]?[0-9]+[.][^./]+$",  # clip0001.png
    r"([^/]*[0-9])[A-Za-z]+[.][^./]+$",  # 17b.png
    r"([^/]+)[_-][^/_-]+[.][^./]+$",  # part17_dark.png
    r"([^/_-]+)[_-][^/]*$",  # part17_lamp_dark.png
    r"([^/]+)/[^/]+$",  # clip/0001.png
    r"([^/]+)/[^/]+/[^/]+$",  # part17/lamp/dark.png
)
# Numbers that go on from image to image: those without their last digits.
NUMBERED = tuple(rf"([0-9]+)[0-9]{{{n}}}[.][^./]+$" for n in (1, 2, 3, 4))
KEPT = 0.9  # least share of the pairs that a group must keep together
MOST_HELD_OUT = 0.5  # largest share of the images that a group may hold out


@dataclass(frozen=True)
class Grouping:
    """A regular expression, what it finds in each image, and how many pairs it keeps
    together."""

    expression: str
    keys: dict[Path, str]
    kept: int

    def keeps(self, pair: Pair) -> bool:
        return self.keys[pair[0]] == self.keys[pair[1]]


def by_names(
    looked: Looked, samples: list, pairs: list[Pair], expressions=NAMED
) -> Iterator[Grouping]:
    """Yields the expressions that find more than one group, and something in each
    image: those that keep most pairs together first, the finest of them first."""
    paths = {sample.path: _below(sample.path, looked.root) for sample in samples}
    found = []
    for expression in expressions:
        matches = {path: re.search(expression, name) for path, name in paths.items()}
        if not all(matches.values()):
            continue
        keys = {path: match[1] for path, match in matches.items()}
        kept = sum(keys[one] == keys[other] for one, other in pairs)
        groups = len(set(keys.values()))
        if groups > 1 and kept:
            found.append((-kept, -groups, Grouping(expression, keys, kept)))
    yield from (one for _, _, one in sorted(found, key=lambda item: item[:2]))


def helping(looked: Looked, pairs: list[Pair]) -> Grouping | None:
    """Returns the best grouping that the job can have, once its own code has split the
    images by it; None where none helps."""
    if looked.emitted.job.data.validation is not None:
        return None
    for one in by_names(looked, looked.samples, pairs, NAMED + NUMBERED):
        edit = [("/data/group", one.expression)]
        if one.kept < KEPT * len(pairs) or not is_legal(looked.values, edit):
            continue
        if _splits(looked, load(edited(looked.values, edit)).dataset):
            return one
    return None


def _splits(looked: Looked, dataset: Any) -> bool:
    """Returns whether both sides of a split by groups have images, and the training
    side has all categories."""
    samples = looked.samples
    try:
        groups = [dataset.group_of(sample, looked.root) for sample in samples]
        held_out = dataset.hold_out(groups, looked.root)
    except SystemExit:
        return False
    pairs = list(zip(samples, groups))
    training = [sample for sample, group in pairs if group not in held_out]
    count = len(samples) - len(training)
    if not 0 < count <= MOST_HELD_OUT * len(samples):
        return False
    return _categories(training) == _categories(samples)


def _categories(samples: list) -> set[tuple[str, int]]:
    """Returns the categories that occur, by head."""
    found = set()
    for sample in samples:
        for head, label in sample.labels.items():
            classes = [label] if isinstance(label, int) else ()
            classes = getattr(label, "classes", classes)
            found.update((head, int(index)) for index in classes)
    return found


def _below(path: Path, root: Path) -> str:
    """Returns the path that a `group` is searched in."""
    return Path(os.path.relpath(path, root)).as_posix()
