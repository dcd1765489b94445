"""Findings about images that are in two of the sets, or nearly: metrics of them are too
good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from specc.datasets.files import spread
from specc.datasets.gate import near
from specc.datasets.gate.findings import Finding
from specc.datasets.gate.grouping import Grouping, Pair, by_names, helping
from specc.datasets.gate.looked import Looked
from specc.datasets.survey import SETS, equal
from specc.resources import install
from specc.words import number_of

PAIRS = (SETS, ("training", "test"), ("validation", "test"))
GROUPS = 5  # most groups that a message names


def leaks_of(looked: Looked) -> Iterator[Finding]:
    reading, known = looked.reading, set()
    for names in PAIRS:
        groups = equal(reading, looked.images, *names)
        nearly, notes = _near(looked, *names)
        pairs = _pairs_of(looked, groups, *names) + nearly
        group = helping(looked, pairs) if pairs and names == SETS else None
        yield from _equal(looked, groups, group, *names)
        yield from _nearly(looked, nearly, group, *names)
        yield from notes
        known.update(*groups)
    if not near.can_search() and reading.validation + reading.test:
        message = "nearly equal images in both sets were not looked for: no ImageHash"
        yield Finding("D305", "unsearched", message, install("data"))
    if reading.untested:
        message = "images of the test set were not looked for in the other sets"
        help = "mend it, or the job: evaluate.py --test would end"
        told = (" ".join(reading.untested.split()),)
        yield Finding("D305", "unsearched", message, help, files=told)
    within = equal(reading, looked.images, "training")
    if within := [group for group in within if known.isdisjoint(group)]:
        more = sum(len(group) - 1 for group in within)
        are = "is" if more == 1 else "are"
        message = f"{more} of the training images {are} repeated (equal pixels)"
        files = tuple(" = ".join(group) for group in within)
        yield Finding("D301", "doubled", message, "keep one of each", more, files=files)


def _near(looked: Looked, *names: str) -> tuple[list[Pair], list[Finding]]:
    """Returns the nearly equal images of two sets whose pixels differ, and notes on
    what was not compared."""
    pixels = looked.images.pixels
    sets = [
        list({s.path: s for s in getattr(looked.reading, name) if s.path in pixels})
        for name in names
    ]
    if not all(sets) or not near.can_search():
        return [], []
    known = {pixels[path] for path in sets[0]}
    sets[1] = [path for path in sets[1] if pixels[path] not in known]
    step, notes = -(-sum(map(len, sets)) // near.MOST), []
    if step > 1:
        sets = [spread(paths, -(-len(paths) // step)) for paths in sets]
        where = f"looked for in one of {step} images of {' and '.join(names)}"
        message = f"nearly equal images were {where}"
        help = "images with equal pixels are found in all of them"
        notes.append(Finding("D305", "unsearched", message, help))
    first, second = ([looked.images.small[p] for p in paths] for paths in sets)
    found = near.nearest(first, second)
    return [(sets[0][found[i]], sets[1][i]) for i in sorted(found)], notes


def _pairs_of(
    looked: Looked, groups: list[list[str]], one: str, other: str
) -> list[Pair]:
    """Returns each image of the second set with an equal one of the first."""
    first, second = (
        {str(sample.path) for sample in getattr(looked.reading, name)}
        for name in (one, other)
    )
    pairs = []
    for group in groups:
        path = next(path for path in group if path in first)
        pairs += [(Path(path), Path(x)) for x in group if x in second]
    return pairs


def _equal(
    looked: Looked,
    groups: list[list[str]],
    group: Grouping | None,
    one: str,
    other: str,
) -> Iterator[Finding]:
    if not groups:
        return
    count = len(groups)
    are = "images are" if count > 1 else "image is"
    message = f"{count} {are} both in {one} and {other} (equal pixels)"
    files = tuple(" = ".join(paths) for paths in groups)
    pairs = _pairs_of(looked, groups, one, other)
    kept = group is not None and all(map(group.keeps, pairs))
    yield _finding("D201", "leak", message, files, count, group if kept else None)


def _nearly(
    looked: Looked, pairs: list[Pair], group: Grouping | None, one: str, other: str
) -> Iterator[Finding]:
    """Yields a finding for pairs whose names have something in common, and one for the
    others."""
    if not pairs:
        return
    samples = getattr(looked.reading, one) + getattr(looked.reading, other)
    alike = group or next(by_names(looked, samples, pairs), None)
    together = {pair: None for pair in pairs if alike and alike.keeps(pair)}
    total = len(getattr(looked.reading, other))
    if together:
        names = list(dict.fromkeys(alike.keys[pair[1]] for pair in together))
        more = f" and {len(names) - GROUPS} more" if len(names) > GROUPS else ""
        are = "is" if len(together) == 1 else "are"
        message = (
            f"{len(together)} of {total} {other} images {are} of one video, part or"
            f" person with {one} images, by names and looks: {', '.join(names[:GROUPS])}"
            f"{more}"
        )
        yield _finding(
            "D203", "frames", message, _shown(together), len(together), group
        )
    others = [pair for pair in pairs if pair not in together]
    if others:
        equal = "equals" if len(others) == 1 else "equal"
        message = f"{len(others)} of {total} {other} images nearly {equal} {one} images"
        yield _finding("D202", "near", message, _shown(others), len(others), None)


def _shown(pairs: list[Pair]) -> tuple[str, ...]:
    return tuple(f"{one} ~ {other}" for one, other in pairs)


def _finding(
    code: str,
    kind: str,
    message: str,
    files: tuple[str, ...],
    count: int,
    group: Grouping | None,
) -> Finding:
    """Returns a finding that proposes a group, or else what can be done without."""
    if group is not None:
        groups = number_of(len(set(group.keys.values())), "group")
        help = f"keep them together: {groups} by names"
        edits = (("/data/group", group.expression),)
        return Finding(code, kind, message, help, count, edits, files)
    help = "take them out of one of the sets: metrics of seen images are too good"
    if kind == "frames":
        help = "move all images of a video, a part or a person into one set"
    return Finding(code, kind, message, help, count, files=files)
