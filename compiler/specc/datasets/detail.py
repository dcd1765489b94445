"""The pixels that the objects of a dataset need, by their sizes."""

from __future__ import annotations

import json
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from specc.datasets.emitted import load, read
from specc.datasets.levels import objects_of
from specc.diagnostics import JobError

READ = 5000  # most images of a set whose objects are read
FINE = 80  # pixels of the input that the shorter side of an object needs
SMALL = 0.05  # share of the objects that may have fewer
WORTH = 0.75  # largest factor by which sides are shortened at all


def shortening(job: dict[str, Any], images: int) -> float:
    """Returns the factor by which the sides of a job's input may be shortened, as its
    objects are large; 1 where they are not, where its head has no boxes, or where the
    dataset cannot be read."""
    sides = _shorter_sides(job) if images <= READ else []
    if not sides:
        return 1.0
    factor = FINE / max(sides[int(SMALL * len(sides))], 1e-6)
    return factor if factor <= WORTH else 1.0


def _shorter_sides(job: dict[str, Any]) -> list[float]:
    """Returns the shorter sides of the objects of the training set in pixels of the
    input, the shortest first. The job's paths are those of this process."""
    try:
        emitted = load(json.dumps(job).encode())
    except JobError:  # the job is checked once more, or a package is not installed
        return []
    with redirect_stderr(StringIO()):  # `specc data` tells what the reader says
        reading = read(emitted, Path())
    (head,), resolution = emitted.job.heads, emitted.job.data.resolution
    found = objects_of(reading.training, head, emitted.summary, resolution)
    return found.shorter if found else []
