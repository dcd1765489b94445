"""Depth estimation: a Panoptic FPN decoder of several levels (see maps.py), then one
number for each cell of the lowest level, trained with the scale-invariant log loss
(SILog, https://arxiv.org/abs/1406.2283, Eigen et al. 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from specc.heads.contract import PREDICTED, Annotations, HeadContract
from specc.heads.maps import (
    OWN_PIXELS,
    decode_levels,
    enlarged,
    in_words,
    saved_path,
    stride_constant,
)
from specc.heads.task import HeadCode, HeadExpressions, Native, Task
from specc.job import Head, source_of
from specc.source import constant, literal

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class DepthEstimation(Head):
    range: tuple[float, float]  # nearest and farthest depth
    bottom_level: int
    top_level: int
    channels: int  # channels of the decoder
    unit: float | None = None  # depth of one step of a map's values; None: a code


# ---- The graph ----


def build(
    net: Scope, head: DepthEstimation, levels: dict[int, Node]
) -> dict[str, Node]:
    """Output: depth (1, height, width) of the lowest level."""
    x = decode_levels(net, levels, head.channels)
    here = net.at(min(levels))
    x = here.conv("share", x, 1, kernel=1, bias=True)
    return {"depth": here.activation("sigmoid", x, "sigmoid")}


# ---- Expressions of the emitted code ----


MODES = ("L", "I;16", "I;16B", "I")
MODES_LINE = constant("DEPTH_MODES", MODES, "Pillow modes of gray, 8 or 16 bits")
VALUES_LINE = constant("DEPTH_MODES", (*MODES, "F"), "Pillow modes of depths")
CODES = "gray, 8 or 16 bits: 0 unknown, 1 the farthest, 255 or 65535 nearest"
FLOATS = "depths; 0 and what is no finite number is unknown"


def plan(head: DepthEstimation, code: HeadCode) -> HeadExpressions:
    ends = f"{code.prefix}NEAREST, {code.prefix}FARTHEST"
    least = f"{code.prefix}FARTHEST / 1000"
    read, parse, lines = _reading(head, code, ends)
    truth, told = read.replace("LABEL", code.labels), ends
    if code.format == "maps":
        told = f"lambda x: {read.replace('LABEL', 'x')}, {ends}"
    return HeadExpressions(
        construction=(
            f"DepthHead({code.widths}, channels={head.channels}, "
            f"nearest={code.prefix}NEAREST, farthest={code.prefix}FARTHEST)"
        ),
        loss=f"depth_loss({code.outputs}, {code.targets}, {least})",
        blank="np.full((HEIGHT, WIDTH), -1, np.float32)",
        decode=f'{{"depth": {code.outputs}}}',
        own=f'{{"depth": {enlarged(code, "depth")}.squeeze(1)}}',
        annotations=(
            f'maps_of(folder, *entry_with_range(folder, "depth estimation", [{ends}]))'
        ),
        parse=parse,
        place=f"warp({truth}, sample, transform, -1)",
        sealed=f'{code.sealed}["depth"]',
        words=in_words(code, "to_depth"),
        label_words=f"resized_map({truth}, sample.height, sample.width)",
        draw=f"draw_depth(image, {code.words}, {ends})",
        saved=f"save_depth({code.words}, {ends}, {saved_path(code)})",
        evidence=f"depth_errors({truth}, {code.words}, {least})",
        told=f"depth_in_numbers({code.all_labels('training')}, {told})",
        map_check=code.checked_maps(
            f"lambda x: {read.replace('LABEL', 'x')}", TASK.fewest
        ),
        metrics=f"depth_metrics({code.all_found()})",
        words_example=f'"{head.name}": (height, width), in the unit of the range',
        annotation=FLOATS if code.format == "maps" else CODES,
        constants=(
            constant(ends, head.range, "nearest and farthest depth"),
            stride_constant(code),
        ),
        dataset_constants=lines,
    )


def _reading(
    head: DepthEstimation, code: HeadCode, ends: str
) -> tuple[str, str, tuple]:
    """Returns the expressions that read a LABEL's map and that parse its file, and
    constants of dataset.py."""
    if code.format != "maps":
        parse = f"parse_map({code.given}, height, width, DEPTH_MODES)"
        return f"read_depth(LABEL, {ends})", parse, (MODES_LINE,)
    unit = f"{code.prefix}UNIT"
    note = "depth of one step of a map's values"
    line = constant(unit, 1.0 if head.unit is None else head.unit, note)
    layout = source_of(code.job, head).layout
    if layout and (layout.label_ending or "").lower().endswith(".npy"):
        parse = f"parse_array({code.given}, height, width)"
        return f"read_depth_array(LABEL, {unit})", parse, (line,)
    parse = f"parse_map({code.given}, height, width, DEPTH_MODES)"
    return f"read_depth_image(LABEL, {unit})", parse, (line, VALUES_LINE)


# ---- The contract ----


def contract(head: DepthEstimation) -> HeadContract:
    return HeadContract(found={"depth": PREDICTED})


def annotated(head: DepthEstimation, names: str) -> Annotations:
    folder = literal(f"{head.name}-maps")
    limits = f"[{names}NEAREST, {names}FARTHEST]"
    return Annotations(
        label=f"some_depth_map(folder / {folder}, number, height, width)",
        mapped="save_some_depth(place, number, height, width)",
        entry={"range": limits, "annotations": folder},
    )


# ---- The record ----


SCALED = constant(
    "SCALE_INVARIANCE", 0.5, "1: a factor over a whole image is no error; 0: it is"
)
TASK = Task(
    title="depth estimation",
    head=DepthEstimation,
    model_class="DepthEstimator",
    output_type="Tensor",
    returns="depth (B, 1, h, w)",
    plan=plan,
    own_pixels=OWN_PIXELS,
    constants={"model.py": (SCALED,)},
    own_note='but "depth" is (B, h, w)',
    label="Path",
    native=Native(metadata=("range: [nearest, farthest]",)),
    in_folder=True,
    readers={"native": "", "maps": ""},
    meaning=("range",),
    moves=True,
    stack="stack_depth",
    on_device=True,
    contract=contract,
    annotated=annotated,
)
