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
    saved_path,
    stride_constant,
)
from specc.heads.task import HeadCode, HeadExpressions, Native, Task
from specc.job import Head
from specc.source import constant, literal

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


def plan(head: SemanticSegmentation, code: HeadCode) -> HeadExpressions:
    names, colors = code.constant, f"{code.prefix}COLORS"
    native = code.format == "native"  # other maps come from COCO's panoptic segments
    truth = f"read_categories(*{code.labels})"
    truth = truth if native else f"read_segments({code.labels})"
    read = "lambda x: read_categories(*x)" if native else "read_segments"
    file = colors_file(code, head.colors)
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
        parse=(
            f"ColoredMap(parse_map({code.given}[0], height, width, COLOR_MODES),"
            f" {code.given}[1])"
        ),
        place=f"warp({truth}, sample, transform, -1)",
        words=(
            f"to_category_map({code.results}, row, {code.prefix}STRIDE, sample, seen)"
        ),
        label_words=f"resized_map({truth}, sample.height, sample.width)",
        draw=f"draw_categories(image, {code.words}, {colors})",
        saved=f"save_categories({code.words}, {colors}, {saved_path(code)})",
        evidence=f"count_pixels({truth}, {code.words}, len({names}))",
        map_check=code.checked_maps(read, TASK.fewest),
        metrics=f"segmentation_metrics({code.all_found()}, {names})",
        words_example=f'"{head.name}": (height, width), indices of categories',
        annotation="each pixel in the color of its category, black where unknown",
        constants=(stride_constant(code),),
        files=((file, head.colors),) if file else (),
        dataset_constants=(
            colors_constant(code, head.colors),
            MODES_LINE,
        ),
    )


# ---- The contract ----


def contract(head: SemanticSegmentation) -> HeadContract:
    return HeadContract(found={"categories": PREDICTED})


def annotated(head: Head, names: str) -> Annotations:
    colors, folder = colors_of(head, names), literal(f"{head.name}-maps")
    place = f"folder / {folder}, number, height, width"
    return Annotations(
        label=f"some_class_map({place}, {colors})",
        entry={"colors": f"dict(zip({names}, {colors}))", "annotations": folder},
    )


def variant(head: SemanticSegmentation) -> Task:
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
    readers={"native": ""},
    meaning=("categories",),
    moves=True,
    stack="stack_class_maps",
    constants={"evaluate.py": (BAND,)},
    on_device=True,
    contract=contract,
    annotated=annotated,
)
OF_SEGMENTS = replace(TASK, label="SegmentMap")
