"""Shared by heads whose labels and results are maps, with a value for every pixel.

The decoder makes one map of several levels, from the coarsest down: each level is
convolved and added to the upsampled sum of the coarser ones.

Panoptic FPN, "Panoptic Feature Pyramid Networks", https://arxiv.org/abs/1901.02446,
Kirillov et al. 2019
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

from specc.heads.task import HeadCode
from specc.source import Line, constant, literal

if TYPE_CHECKING:
    from specc.scope import Node, Scope


OWN_PIXELS = {
    "resized": "model/own_maps.py.jinja",
    "whole": "model/own_maps.py.jinja",
}
COLORS_IN_CODE = 100  # most colors in the code; more are written to a JSON file


def stride_constant(code: HeadCode) -> Line:
    note = f"pixels between neighboring cells of maps, on level {code.levels[0]}"
    return constant(f"{code.prefix}STRIDE", code.strides[0], note)


def colors_file(code: HeadCode, colors: tuple) -> str:
    """Returns the name of the file with the colors; "" if the code holds them."""
    if len(colors) <= COLORS_IN_CODE:
        return ""
    return f"{code.name}.colors.json" if code.prefix else "colors.json"


def colors_constant(code: HeadCode, colors: tuple, drawn: bool = False) -> Line:
    """Returns the constant with the colors of maps, or, if `drawn`, of drawings
    alone."""
    name, file = f"{code.prefix}COLORS", colors_file(code, colors)
    if not file:
        note = "colors of the categories in maps"
        note += "; black is unknown" * (code.format != "maps")
        note = "colors of the categories in drawings" if drawn else note
        return constant(name, colors, note)
    path = f"Path(__file__).with_name({literal(file)})"
    text = f'{path}.read_text(encoding="utf-8")'
    return Line(name, f"tuple(map(tuple, json.loads({text})))")


def enlarged(code: HeadCode, maps: str) -> str:
    """Returns the expression, in model.py, of `decode`'s maps at the size of the
    images."""
    stride = f"{code.prefix}STRIDE" + ", scaled" * code.job.backbone.resize_input
    return f"enlarge({code.results}[{literal(maps)}], {stride}, (height, width))"


def in_words(code: HeadCode, function: str) -> str:
    """Returns the call, in evaluate.py, that makes an image's map of the results."""
    seen = ", seen" * code.job.backbone.resize_input
    return f"{function}({code.results}, row, {code.prefix}STRIDE, sample{seen})"


def saved_path(code: HeadCode) -> str:
    """Returns the expression, in predict.py, of a map's file beside the drawing."""
    return f"unused_path(drawing.with_suffix({literal(f'.{code.name}.png')}), taken)"


# ---- The decoder of several levels ----


def decode_levels(net: Scope, levels: dict[int, Node], channels: int) -> Node:
    """Adds the decoder; returns a map of ``channels`` in the cells of the lowest
    level."""
    blocks = [
        _block(net.at(level), f"decoder.blocks.{index}", x, channels)
        for index, (level, x) in enumerate(sorted(levels.items()))
    ]
    x = blocks.pop()
    for finer in reversed(blocks):
        here = net.at(finer.level)
        x = here.add("decoder.add", finer, here.upsample("decoder.upsample", x))
    return x


def _block(net: Scope, name: str, x: Node, channels: int) -> Node:
    x = net.conv(f"{name}.0", x, channels, kernel=3)
    x = net.group_norm(f"{name}.1", x, groups=gcd(32, channels // 2))
    return net.relu(f"{name}.2", x)
