"""Masks as outlines, which labeling tools edit."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from specc.annotations.predictions import Point, Thing
from specc.datasets.files import opened
from specc.diagnostics import fail

MOST_OPEN = 4  # files of masks that are kept, decoded


def outlines(thing: Thing, folder: Path) -> list[list[Point]]:
    """Returns the outlines of an object in pixels: the corners of a quadrilateral, or
    those of each part of its mask, whose holes are filled; none of a box alone.

    Raises JobError E451.
    """
    if thing.corners:
        return [list(thing.corners)]
    if thing.mask is None:
        return []
    name, page = thing.mask
    path = folder / Path(name).name  # a name from a file leads to no other folder
    pages = _pages(path)
    if not 1 <= page <= len(pages):
        fail("E451", f"`{path}` has no page {page}", help="run predict.py again")
    return _traced(pages[page - 1])


@lru_cache(maxsize=MOST_OPEN)
def _pages(path: Path) -> list:
    """Returns the masks of a file, a page each. Raises JobError E451."""
    import numpy as np
    from PIL import ImageSequence

    try:
        with opened(path) as image:
            pages = [np.asarray(page) for page in ImageSequence.Iterator(image)]
        return [page.reshape(*page.shape[:2], -1).any(2) for page in pages]
    except Exception as error:  # a broken file can raise any exception
        reason = getattr(error, "strerror", None) or "it is no image of masks"
        help = "keep the files that predict.py wrote beside predictions.json"
        fail("E451", f"`{path}` cannot be read: {reason}".lower(), help=help)


def _traced(mask) -> list[list[Point]]:
    """Returns the outer outlines of a mask, along the edges of its pixels: drawn with
    corners between pixels, they fill the same pixels."""
    import cv2
    import numpy as np

    # At twice the size an outline through centers of pixels runs along their edges.
    large = np.kron(np.uint8(mask), np.ones((2, 2), np.uint8))
    found, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [
        [((x + 0.5) / 2, (y + 0.5) / 2) for x, y in one[:, 0].tolist()]
        for one in found
        if len(one) > 2
    ]
