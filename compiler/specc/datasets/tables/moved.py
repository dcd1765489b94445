"""Finds the images of a table whose paths begin with folders of another machine, or
with what a tool's server puts before them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from specc.datasets.tables.index import Index
from specc.datasets.ways import Way

LEAST = 0.5  # share of the names, more of which have to lead to images
BEHIND = (None, "decoded")  # forms of paths behind a prefix
PARTS = ("last_part", "decoded_last_part")


class Hits(NamedTuple):
    """The images that cells name."""

    place: Path  # folder from which they name them
    suffix: str  # suffix that the names lack
    count: int  # number of cells that name one
    way: Way = Way()
    twin: Path | None = None  # another folder from which they name as many


def moved(
    cells: Sequence[str], some: Sequence[str], index: Index, order: Callable
) -> Hits | None:
    """Returns where the images lie that cells name, and the way to them, by some of the
    cells; None unless more than LEAST of these lead to one.

    Of several prefixes that lead as far, the shortest is taken: other tables of the
    dataset have it, too. `order` sorts folders and suffixes.
    """
    best, most = None, LEAST * len(some)
    for form in BEHIND:
        votes = Counter(at for cell in some for at in {*_behind(cell, form, index)})
        for at, count in sorted(
            votes.items(), key=lambda x: (len(x[0][0]), order(x[0][1:]))
        ):
            if count > most:
                prefix, *place = at
                best, most = Hits(*place, count, Way(prefix, form)), count
    for form in PARTS:
        way = Way(None, form)
        if len({way.plain(cell) for cell in cells}) < len({*cells}):
            continue  # two images would become one
        votes = Counter(at for cell in some for at in {*index.places(way.plain(cell))})
        for at, count in sorted(votes.items(), key=lambda x: order(x[0])):
            if count > most:
                best, most = Hits(*at, count, way), count
    return best


def _behind(cell: str, form: str | None, index: Index) -> Iterator[tuple]:
    """Yields each prefix behind which a cell names an image, its folder, and the suffix
    that the cell lacks."""
    text = Way(None, form).plain(cell)
    if form and text == cell:
        return
    for sign in re.finditer(r"[/\\=]", text):
        rest = text[sign.end() :]
        if rest[:1] not in ("/", "\\", ""):
            yield from ((text[: sign.end()], *at) for at in index.places(rest))
