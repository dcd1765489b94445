"""Findings about images that are in both sets, or nearly: metrics of them are too
good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from specc.datasets.gate import near
from specc.datasets.gate.findings import Finding
from specc.datasets.gate.grouping import Grouping, Pair, by_names, helping
from specc.datasets.gate.looked import Looked
from specc.datasets.survey import SETS, doubled

GROUPS = 5  # most groups that a message names


def leaks_of(looked: Looked) -> Iterator[Finding]:
    groups = doubled(looked.reading, looked.images)
    equal, nearly, notes = groups["between"], *_near(looked)
    pairs = _pairs_of(looked, equal) + nearly
    group = helping(looked, pairs) if pairs else None
    yield from _equal(looked, equal, group)
    yield from _nearly(looked, nearly, group)
    if groups["within"]:
        more = sum(len(group) - 1 for group in groups["within"])
        message = f"{more} of the training images are repeated (equal pixels)"
        files = tuple(" = ".join(group) for group in groups["within"])
        yield Finding("D301", "doubled", message, "keep one of each", more, files=files)
    yield from notes


def _near(looked: Looked) -> tuple[list[Pair], list[Finding]]:
    """Returns the nearly equal images of both sets whose pixels differ, and notes on
    what was not compared."""
    pixels = looked.images.pixels
    sets = [
        list({s.path: s for s in getattr(looked.reading, name) if s.path in pixels})
        for name in SETS
    ]
    if not all(sets):
        return [], []
    if not near.can_search():
        message = "nearly equal images in both sets were not looked for: no ImageHash"
        help = "pip install 'specc[data]'"
        return [], [Finding("D305", "unsearched", message, help)]
    known = {pixels[path] for path in sets[0]}
    sets[1] = [path for path in sets[1] if pixels[path] not in known]
    step, notes = -(-sum(map(len, sets)) // near.MOST), []
    if step > 1:
        sets = [paths[::step] for paths in sets]
        message = f"nearly equal images were looked for in one of {step} images"
        help = "images with equal pixels are found in all of them"
        notes.append(Finding("D305", "unsearched", message, help))
    training, validation = ([looked.images.small[p] for p in paths] for paths in sets)
    found = near.nearest(training, validation)
    return [(sets[0][found[i]], sets[1][i]) for i in sorted(found)], notes


def _pairs_of(looked: Looked, groups: list[list[str]]) -> list[Pair]:
    """Returns each equal validation image with an equal training image."""
    training = {str(sample.path) for sample in looked.reading.training}
    validation = {str(sample.path) for sample in looked.reading.validation}
    pairs = []
    for group in groups:
        first = next(path for path in group if path in training)
        pairs += [(Path(first), Path(x)) for x in group if x in validation]
    return pairs


def _equal(
    looked: Looked, groups: list[list[str]], group: Grouping | None
) -> Iterator[Finding]:
    if not groups:
        return
    count = len(groups)
    are = "images are" if count > 1 else "image is"
    message = f"{count} {are} both in training and validation (equal pixels)"
    files = tuple(" = ".join(paths) for paths in groups)
    kept = group is not None and all(map(group.keeps, _pairs_of(looked, groups)))
    yield _finding("D201", "leak", message, files, count, group if kept else None)


def _nearly(
    looked: Looked, pairs: list[Pair], group: Grouping | None
) -> Iterator[Finding]:
    """Yields a finding for pairs whose names have something in common, and one for the
    others."""
    if not pairs:
        return
    alike = group or next(by_names(looked, pairs), None)
    together = {pair: None for pair in pairs if alike and alike.keeps(pair)}
    total = len(looked.reading.validation)
    if together:
        names = list(dict.fromkeys(alike.keys[pair[1]] for pair in together))
        more = f" and {len(names) - GROUPS} more" if len(names) > GROUPS else ""
        message = (
            f"{len(together)} of {total} validation images are of one video, part or"
            f" person with training images, by names and looks: {', '.join(names[:GROUPS])}"
            f"{more}"
        )
        yield _finding(
            "D203", "frames", message, _shown(together), len(together), group
        )
    others = [pair for pair in pairs if pair not in together]
    if others:
        message = (
            f"{len(others)} of {total} validation images nearly equal training images"
        )
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
        help = f"keep them together: {len(set(group.keys.values()))} groups by names"
        edits = (("/data/group", group.expression),)
        return Finding(code, kind, message, help, count, edits, files)
    help = "take them out of one of the sets: metrics of seen images are too good"
    if kind == "frames":
        help = "move all images of a video, a part or a person into one set"
    return Finding(code, kind, message, help, count, files=files)
