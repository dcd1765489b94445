"""Masks as outlines, which labeling tools edit."""

from __future__ import annotations

from pathlib import Path

from specc.annotations.predictions import Point, Thing
from specc.datasets.files import opened
from specc.diagnostics import fail


class Outlines:
    """The outlines of objects whose masks stand in files of a folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._name, self._pages = "", []  # the file that was read last

    def of(self, thing: Thing) -> list[list[Point]]:
        """Returns outlines in pixels: the corners of a quadrilateral, or those of each
        part of a mask, whose holes are filled; none of a box alone.

        Raises JobError E451.
        """
        if thing.corners:
            return [list(thing.corners)]
        if thing.mask is None:
            return []
        name, page = thing.mask
        path = self.folder / Path(name).name  # a name leads to no other folder
        if name != self._name:
            self._name, self._pages = name, _read(path)
        if not 1 <= page <= len(self._pages):
            fail("E451", f"`{path}` has no page {page}", help="run predict.py again")
        return _traced(self._pages[page - 1])


def _read(path: Path) -> list:
    """Returns the masks of a file, a page each. Raises JobError E451."""
    import numpy as np
    from PIL import ImageSequence

    try:
        with opened(path) as image:
            pages = [np.array(page) for page in ImageSequence.Iterator(image)]
        return [page.reshape(*page.shape[:2], -1).any(2) for page in pages]
    except Exception as error:  # a broken file can raise any exception
        reason = getattr(error, "strerror", None) or "it is no image of masks"
        help = "keep the files that predict.py wrote beside predictions.json"
        fail("E451", f"`{path}` cannot be read: {reason.lower()}", help=help)


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
