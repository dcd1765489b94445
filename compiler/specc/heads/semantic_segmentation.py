"""Semantic segmentation: a category for every pixel. A Panoptic FPN decoder of several
levels (see maps.py), then a score for each category in the cells of the lowest level.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from specc.heads.contract import PREDICTED, Annotations, HeadContract, colors_of
from specc.heads.maps import (
    OWN_PIXELS,
    colors_constant,
    colors_file,
    decode_levels,
    enlarged,
    in_words,
    saved_path,
    stride_constant,
)
from specc.heads.task import HeadCode, HeadExpressions, Native, Task
from specc.job import Head
from specc.source import Line, constant, literal

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class SemanticSegmentation(Head):
    categories: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]  # colors of the categories, in order
    bottom_level: int
    top_level: int
    channels: int  # channels of the decoder
    merge: dict[str, list[str]] | None = None  # category -> names in the dataset
    values: tuple[int, ...] | None = None  # their values in maps; None: their colors
    ignored: tuple[int | tuple[int, int, int], ...] | None = (
        None  # values of unknown pixels
    )


# ---- The graph ----


def build(
    net: Scope, head: SemanticSegmentation, levels: dict[int, Node]
) -> dict[str, Node]:
    """Output: logits (categories, height, width) of the lowest level."""
    x = decode_levels(net, levels, head.channels)
    here = net.at(min(levels))
    return {"logits": here.conv("logits", x, len(head.categories), kernel=1, bias=True)}


# ---- Expressions of the emitted code ----


MODES = ("RGB", "RGBA", "P", "L", "1")
BAND = constant("BAND", 2**18, "about this many logits of a map are enlarged at once")
MODES_LINE = constant("COLOR_MODES", MODES, "Pillow modes of maps that have colors")
VALUE_MODES = ("1", "L", "P", "I;16")
VALUES_LINE = constant("VALUE_MODES", VALUE_MODES, "Pillow modes of maps of values")


def plan(head: SemanticSegmentation, code: HeadCode) -> HeadExpressions:
    names, colors = code.constant, f"{code.prefix}COLORS"
    file, (read, parse, lines) = colors_file(code, head.colors), _reading(head, code)
    truth = read.replace("LABEL", code.labels)
    saved = f"save_categories({code.words}, {colors}, {saved_path(code)})"
    if head.values is not None:
        saved = f"save_values({code.words}, {code.prefix}VALUES, {saved_path(code)})"
    return HeadExpressions(
        construction=(
            f"SegmentationHead({code.widths}, channels={head.channels}, "
            f"categories=len({names}))"
        ),
        loss=f"segmentation_loss({code.outputs}, {code.targets})",
        blank="np.full((HEIGHT, WIDTH), -1, np.int16)",
        decode=f'{{"logits": {code.outputs}}}',
        own=f'{{"categories": {enlarged(code, "logits")}.argmax(1)}}',
        annotations=(
            f"read_colored_maps(folder, {literal(TASK.title)}, {code.numbers})"
        ),
        parse=parse,
        place=f"warp({truth}, sample, transform, -1)",
        sealed=f'{code.sealed}["categories"].astype(np.int16)',
        words=in_words(code, "to_category_map"),
        label_words=f"resized_map({truth}, sample.height, sample.width)",
        draw=f"draw_categories(image, {code.words}, {colors})",
        saved=saved,
        evidence=f"count_pixels({truth}, {code.words}, len({names}))",
        map_check=code.checked_maps(_function(read), TASK.fewest),
        metrics=f"segmentation_metrics({code.all_found()}, {names})",
        words_example=f'"{head.name}": (height, width), indices of categories',
        annotation=_annotation(head, code),
        constants=(stride_constant(code),),
        files=((file, head.colors),) if file else (),
        dataset_constants=(
            colors_constant(code, head.colors, head.values is not None),
            *lines,
        ),
    )


def _reading(head: SemanticSegmentation, code: HeadCode) -> tuple[str, str, tuple]:
    """Returns the expressions that read a LABEL's map and that parse its file, and
    constants of dataset.py."""
    p, checked = code.prefix, f"parse_map({code.given}, height, width, COLOR_MODES)"
    if code.format == "maps" and head.values is not None:
        lines = (
            constant(f"{p}VALUES", head.values, "values of the categories in maps"),
            constant(f"{p}IGNORED", head.ignored or (), "values of unknown pixels"),
            VALUES_LINE,
        )
        checked = checked.replace("COLOR_MODES", "VALUE_MODES")
        return f"read_values(LABEL, {p}VALUES, {p}IGNORED)", checked, lines
    if code.format == "maps":
        unknown = "".join(f", ({color}, -1)" for color in head.ignored or ())
        places = f"(*zip({p}COLORS, range(len({p}COLORS)))"
        lines = (Line(f"{p}PLACES", f"{places}{unknown or ','})"), MODES_LINE)
        parse = f"ColoredMap({checked}, {p}PLACES)"
        return "read_categories(*LABEL)", parse, lines
    if code.format == "native":
        checked = checked.replace(code.given, f"{code.given}[0]", 1)
        parse = f"ColoredMap({checked}, {code.given}[1])"
        return "read_categories(*LABEL)", parse, (MODES_LINE,)
    return "read_segments(LABEL)", "", (MODES_LINE,)  # COCO's panoptic segments


def _annotation(head: SemanticSegmentation, code: HeadCode) -> str:
    if code.format == "maps" and head.values is not None:
        return "the gray or index of each pixel is the value of its category"
    black = ", black where unknown" * (code.format != "maps")
    return f"each pixel in the color of its category{black}"


def _function(read: str) -> str:
    """Returns the function of a label that an expression of LABEL stands for."""
    name, _, arguments = read.partition("(")
    if arguments == "LABEL)":
        return name
    return f"lambda x: {read.replace('LABEL', 'x')}"


# ---- The contract ----


def contract(head: SemanticSegmentation) -> HeadContract:
    return HeadContract(found={"categories": PREDICTED})


def annotated(head: Head, names: str) -> Annotations:
    colors, folder = colors_of(head, names), literal(f"{head.name}-maps")
    place = f"folder / {folder}, number, height, width"
    return Annotations(
        label=f"some_class_map({place}, {colors})",
        mapped=f"save_some_map(place, number, height, width, told_by({literal(head.name)}))",
        entry={"colors": f"dict(zip({names}, {colors}))", "annotations": folder},
    )


def variant(head: SemanticSegmentation) -> Task:
    if head.values is not None:
        return OF_VALUES
    return OF_SEGMENTS if head.data and head.data.format == "coco" else TASK


# ---- The record ----


TASK = Task(
    title="semantic segmentation",
    head=SemanticSegmentation,
    model_class="Segmenter",
    output_type="Tensor",
    returns="logits (B, categories, h, w)",
    plan=plan,
    variant=variant,
    names="categories",
    counted=("category", "categories"),
    fewest=2,
    annotations="maps of categories",
    own_pixels=OWN_PIXELS,
    own_note='but "categories", indices (B, h, w), stand for the logits',
    label="ColoredMap",
    native=Native(
        metadata=(
            "categories: [NAME, ...]",
            "colors: {NAME: [red, green, blue], ...}",
        )
    ),
    in_folder=True,
    framed="segments_in_image(LABEL, frame)",
    readers={"native": "", "maps": ""},
    meaning=("categories",),
    moves=True,
    stack="stack_class_maps",
    constants={"evaluate.py": (BAND,)},
    on_device=True,
    contract=contract,
    annotated=annotated,
)
OF_SEGMENTS = replace(TASK, label="SegmentMap")
OF_VALUES = replace(TASK, label="Path")
