"""What the tasks share whose labels and results are maps: a value for every pixel."""

from __future__ import annotations

from specc.source import Line, constant, literal
from specc.tasks.task import HeadCode

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
SUFFIXES_LINE = constant("SUFFIXES", SUFFIXES, "of images")

OWN_PIXELS = {
    "resized": "model/own_maps.py.jinja",
    "whole": "model/own_maps.py.jinja",
}
COLORS_IN_CODE = 100  # more stand in a file of their own
PLACING = ("data/read_map", "data/warp")
READERS = (
    "dataset/maps",
    "dataset/listed_images",
    "dataset/entries",
    "dataset/yaml",
)


def stride_constant(code: HeadCode) -> Line:
    note = f"pixels from one cell of its maps to the next, on level {code.levels[0]}"
    return constant(f"{code.prefix}STRIDE", code.strides[0], note)


def colors_file(code: HeadCode, colors: tuple) -> str:
    """The file that holds the colors; "" if they stand in the code."""
    if len(colors) <= COLORS_IN_CODE:
        return ""
    return f"{code.name}.colors.json" if code.prefix else "colors.json"


def colors_constant(code: HeadCode, colors: tuple) -> Line:
    name, file = f"{code.prefix}COLORS", colors_file(code, colors)
    if not file:
        note = "of the categories in maps; black is unknown"
        return constant(name, colors, note)
    path = f"Path(__file__).with_name({literal(file)})"
    text = f'{path}.read_text(encoding="utf-8")'
    return Line(name, f"tuple(map(tuple, json.loads({text})))")


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
