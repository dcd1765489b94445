"""Heads that find masks, of small jobs."""

from __future__ import annotations

from emitted_jobs import NAMES

from specc import shapes, shapes_masks

COLORS = ((255, 0, 0), (0, 255, 0), (9, 9, 250))
HEAD = {
    "name": "cells",
    "task": "instance_segmentation",
    "categories": NAMES,
    "colors": COLORS,
    "layers": 1,
}
SHAPES = HEAD | {  # of the demo's dataset
    "name": "shapes",
    "categories": list(shapes.CATEGORIES),
    "colors": list(shapes_masks.COLORS.values()),
}
PANOPTIC = {  # of the demo's dataset
    "name": "scene",
    "task": "panoptic_segmentation",
    "categories": ["background", *shapes.CATEGORIES],
    "things": list(shapes.CATEGORIES),
    "colors": [shapes_masks.BACKGROUND, *shapes_masks.COLORS.values()],
    "layers": 1,
    "channels": 32,
}
