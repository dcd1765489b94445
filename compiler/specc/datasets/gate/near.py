"""Finds nearly equal images of two sets, by perceptual hashes of thumbnails."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

BANDS = 16  # bytes of a hash; hashes with fewer bits that differ have one in common
ALIKE = 0.93  # least correlation of nearly equal images
CORRELATED = 16  # side of what is correlated: pixels of moving things hardly count
BLOCK = 4096  # thumbnails whose means are taken together
MOST = 100_000  # most images that are compared; beyond, some of each set


def can_search() -> bool:
    """Returns whether the library of perceptual hashes is installed."""
    return find_spec("imagehash") is not None


def nearest(training: list, validation: list) -> dict[int, int]:
    """Returns for each validation thumbnail with a nearly equal training thumbnail its
    place, and that of the most alike: {validation: training}.

    Hashes are compared where one of their bytes is equal, so that the time grows little
    faster than the number of images.
    """
    import numpy as np

    if not training or not validation:
        return {}
    hashes = np.stack([hash_of(small) for small in training])
    units = _units(training)
    order = np.argsort(hashes, axis=0, kind="stable")
    values = np.arange(257)
    starts = [
        np.searchsorted(hashes[order[:, band], band], values) for band in range(BANDS)
    ]
    found = {}
    for place, small in enumerate(validation):
        own = hash_of(small)
        places = [
            order[starts[band][value] : starts[band][value + 1], band]
            for band, value in enumerate(own.tolist())
        ]
        places = np.unique(np.concatenate(places))
        differing = np.unpackbits(hashes[places] ^ own, axis=1).sum(1)
        places = places[differing < BANDS]
        if not len(places):
            continue
        correlations = units[places] @ _units([small])[0]
        if correlations.max() >= ALIKE:
            found[place] = int(places[correlations.argmax()])
    return found


def hash_of(small: Any) -> Any:
    """Returns whether brightness rises from each place of a thumbnail to the next, along
    rows and columns, (BANDS,) uint8. Compression, size and light hardly change it."""
    import numpy as np
    from imagehash import dhash, dhash_vertical
    from PIL import Image

    image = Image.fromarray(small)
    return np.packbits([dhash(image).hash, dhash_vertical(image).hash])


def _units(thumbnails: list) -> Any:
    """Returns rows of length 1, whose products are correlations, (N, CORRELATED^2); of
    flat images rows of 0."""
    import numpy as np

    rows = np.empty((len(thumbnails), CORRELATED**2), np.float32)
    for first in range(0, len(rows), BLOCK):
        stack = np.stack(thumbnails[first : first + BLOCK])
        parts = stack.shape[1] // CORRELATED
        grid = stack.reshape(-1, CORRELATED, parts, CORRELATED, parts)
        rows[first : first + BLOCK] = grid.mean((2, 4)).reshape(len(stack), -1)
    rows -= rows.mean(1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.maximum(lengths, CORRELATED)
    rows[lengths[:, 0] < CORRELATED] = 0  # a standard deviation below 1 shows nothing
    return rows
