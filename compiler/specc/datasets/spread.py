"""Samples of what is too much to look at."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Returns at most so many of the items, in their order: one from a random place of
    each of `most` equal stretches, the same ones every time. At equal steps all could
    be of one kind, where two kinds take turns, as left and right images of a camera."""
    count = len(items)
    if count <= most:
        return list(items)
    draw = random.Random(0)
    ends = [i * count // most for i in range(most + 1)]
    return [items[draw.randrange(low, high)] for low, high in zip(ends, ends[1:])]
