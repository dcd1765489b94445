"""Heads that find masks, of small jobs."""

from __future__ import annotations

from emitted_jobs import NAMES

from specc.shapes.masks import BACKGROUND
from specc.shapes.masks import COLORS as SHAPE_COLORS
from specc.shapes.scene import CATEGORIES

COLORS = ((255, 0, 0), (0, 255, 0), (9, 9, 250))
HEAD = {
    "name": "cells",
    "task": "instance_segmentation",
    "categories": NAMES,
    "colors": COLORS,
    "layers": 1,
}
SHAPES = HEAD | {  # for the demo's dataset
    "name": "shapes",
    "categories": list(CATEGORIES),
    "colors": list(SHAPE_COLORS.values()),
}
PANOPTIC = {  # for the demo's dataset
    "name": "scene",
    "task": "panoptic_segmentation",
    "categories": ["background", *CATEGORIES],
    "things": list(CATEGORIES),
    "colors": [BACKGROUND, *SHAPE_COLORS.values()],
    "layers": 1,
    "channels": 32,
}
