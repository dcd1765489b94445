"""What the tasks share whose labels and results are maps: a value for every pixel."""

from __future__ import annotations

from specc.plan_source import Line, constant, literal
from specc.tasks.task import HeadCode

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
SUFFIXES_LINE = constant("SUFFIXES", SUFFIXES, "of images")

OWN_PIXELS = {
    "resized": "model/own_maps.py.jinja",
    "whole": "model/own_maps.py.jinja",
}
PLACING = ("data/read_map", "data/warp")
READERS = ("dataset/maps", "dataset/entries", "dataset/yaml")


def stride_constant(code: HeadCode) -> Line:
    note = f"pixels from one cell of its maps to the next, on level {code.levels[0]}"
    return constant(f"{code.prefix}STRIDE", code.strides[0], note)


def enlarged(code: HeadCode, maps: str) -> str:
    """An expression of model.py: maps of `decode` at the size of the images."""
    seen = "scaled" if code.job.backbone.resize_input else "(height, width)"
    stride = f"{code.prefix}STRIDE"
    return (
        f"enlarge({code.results}[{literal(maps)}], {stride}, {seen}, (height, width))"
    )


def saved_path(code: HeadCode) -> str:
    """An expression of predict.py: the file of a map, beside the drawing."""
    return f"free(drawing.with_suffix({literal(f'.{code.name}.png')}), taken)"
