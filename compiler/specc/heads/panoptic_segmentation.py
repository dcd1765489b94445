"""Panoptic segmentation: a category for every pixel, and an instance for every pixel of
a thing. A CondInst head (see instance_segmentation.py) finds the things, and a map of
the Panoptic FPN decoder tells the kinds of stuff apart, and things from stuff.

Panoptic FPN, "Panoptic Feature Pyramid Networks", https://arxiv.org/abs/1901.02446,
Kirillov et al. 2019
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from specc.heads.contract import PREDICTED, Annotations, HeadContract, colors_of
from specc.heads.instance_segmentation import (
    GRIDS,
    MASKS,
    NO_GRIDS,
    cell_of,
    masks_constant,
    segmenter,
)
from specc.heads.maps import decode_levels
from specc.heads.multilabel_classification import MultilabelClassification
from specc.heads.object_detection import (
    CONSTANTS,
    DETECTOR_OUTPUTS,
    decoder_limits,
    detector_sizes,
    strides_constant,
)
from specc.heads.semantic_segmentation import SemanticSegmentation
from specc.heads.task import Coco, HeadCode, HeadExpressions, Native, Task
from specc.job import Head
from specc.source import Line, constant, literal

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class PanopticSegmentation(Head):
    categories: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]  # colors of the categories in maps
    things: tuple[str, ...]  # categories whose instances are told apart
    bottom_level: int
    top_level: int
    layers: int  # number of 3x3 convolutions in each tower
    channels: int  # channels of the decoder
    mask_weight: float
    stuff_weight: float
    score_threshold: float
    iou_threshold: float
    max_detections: int
    merge: dict[str, list[str]] | None = None  # category -> names in the dataset


# ---- The graph ----


COARSEST = 5  # top level of the map of stuff; higher levels need not halve evenly


def map_levels(levels: list[int]) -> list[int]:
    """Returns the levels, of those of the head, from which the map of stuff is made."""
    return [level for level in levels if level <= max(COARSEST, min(levels))]


def build(
    net: Scope, head: PanopticSegmentation, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: those of the instances, and stuff (1 + kinds of it, height, width) in
    the cells of the lowest level, things first."""
    things = len(head.things)
    found = segmenter(net, "instances.", things, head.layers, levels)
    read = {level: levels[level] for level in map_levels(list(levels))}
    x = decode_levels(net, read, head.channels)
    kinds = 1 + len(head.categories) - things
    here = net.at(min(levels))
    return found | {"stuff": here.conv("stuff", x, kinds, kernel=1, bias=True)}


# ---- Expressions of the emitted code ----


OF_ALL_CATEGORIES = (  # tasks whose heads learn stuff too
    MultilabelClassification,
    PanopticSegmentation,
    SemanticSegmentation,
)
LEAST = constant(
    "LEAST_STUFF", 0.005, "smallest share of an image that is kept as stuff"
)


def plan(head: PanopticSegmentation, code: HeadCode) -> HeadExpressions:
    names, prefix, labels = code.constant, code.prefix, code.labels
    stride, colors = f"{prefix}MASK_STRIDE", f"{prefix}COLORS"
    things, stuff = f"{prefix}THINGS", f"{prefix}STUFF"
    thing = [name in head.things for name in head.categories]
    indices = ", ".join(
        literal([i for i, one in enumerate(thing) if one == kind])
        for kind in (True, False)
    )
    instances = f"InstanceHead({detector_sizes(head, code, things)})"
    decoder = f"{_inputs(code)}, channels={head.channels}, kinds=len({stuff})"
    weights = (
        f"mask_weight={literal(head.mask_weight)}, "
        f"stuff_weight={literal(head.stuff_weight)}"
    )
    path = f"unused_path(drawing.with_suffix({literal(f'.{head.name}.tif')}), taken)"
    maps = f"maps_of_segments({labels}, {things}, sample.height, sample.width)"
    native = code.format == "native"
    pages = f"parse_panoptic(*{code.given}, {things}, height, width)"
    of_coco = (
        f'{code.given}, path.with_suffix(""), {code.numbers}, {things}, (height, width)'
    )
    return HeadExpressions(
        construction=f"PanopticHead({instances}, {decoder})",
        loss=f"panoptic_loss({code.outputs}, {code.targets}, {weights})",
        blank=(
            f"({NO_GRIDS}, np.full((len(range({stride} // 2, HEIGHT, {stride})),"
            f" len(range({stride} // 2, WIDTH, {stride}))), -1, np.int16))"
        ),
        decode=f"decode_panoptic({code.outputs}, {decoder_limits(head)})",
        own=cell_of(code),
        pasted=f"{things}, {stuff}",
        annotations=f"read_panoptic_maps(folder, {code.numbers}, {things})",
        parse=pages if native else f"parse_coco_panoptic({of_coco}, counts)",
        things=things,
        place=f"moved_panoptic({labels}, transform, {things}, {stuff}, {stride})",
        sealed=f"found_segments({code.sealed}, {indices}, *image.shape[:2])",
        words=(
            f"to_panoptic({code.results}, row, {stride}, ratio, limits,"
            f" ({things}, {stuff}))"
        ),
        label_words=maps,
        draw=f"draw_panoptic(image, {code.words}, {names}, {colors})",
        saved=f"save_panoptic({code.words}, {names}, {colors}, {path})",
        evidence=f"count_segments({maps}, {code.words}, len({names}))",
        checks=(
            code.checked(
                f"lambda x: x.classes{'[~x.ignored]' * code.own_areas}", names
            ),
        ),
        metrics=f"panoptic_metrics({code.all_found()}, {things})",
        words_example=f'"{head.name}": {{categories, instances, scores}}, maps of the image',
        annotation="each pixel in the color of its category; the number of its instance",
        constants=(
            _things(things, head),
            _stuff(stuff, things, names),
            strides_constant(code),
            masks_constant(stride, code),
        ),
        dataset_constants=(
            constant(
                colors,
                head.colors,
                "colors of the categories in maps; black is unknown",
            ),
        ),
    )


def _inputs(code: HeadCode) -> str:
    """Returns the expression of the widths of the maps that the decoder reads."""
    count = len(map_levels(list(code.levels)))
    return f"({code.width},) * {count}" if count > 1 else f"({code.width},)"


def _things(name: str, head: PanopticSegmentation) -> Line:
    """Returns the constant with the indices of things: a range if they are consecutive,
    else a tuple."""
    own = [i for i, category in enumerate(head.categories) if category in head.things]
    note = "indices of categories whose instances are told apart"
    if not own or own[-1] - own[0] + 1 > len(own):
        return constant(name, own, note)
    first = f"{own[0]}, " if own[0] else ""
    return Line(name, f"range({first}{own[-1] + 1})", f"  # {note}")


def _stuff(name: str, things: str, names: str) -> Line:
    return Line(name, f"tuple(i for i in range(len({names})) if i not in {things})")


# ---- The contract ----


def contract(head: PanopticSegmentation) -> HeadContract:
    return HeadContract(
        found={"categories": PREDICTED, "instances": PREDICTED},
        outputs={
            **{name: f"instances.{at}" for name, at in DETECTOR_OUTPUTS.items()},
            "kernels": "instances.kernels",
            "features": "instances.features",
        },
        tells=len(head.things) < len(head.categories),
    )


def annotated(head: Head, names: str) -> Annotations:
    """Returns how annotations are made; for heads that learn objects, all categories
    are things."""
    colors, folder = colors_of(head, names), literal(f"{head.name}-maps")
    segments = f"some_segments(number, len({names}), height, width)"
    objects = not isinstance(head, OF_ALL_CATEGORIES)
    things = f"[*{names}]" if objects else f"[{names}[0]]"
    if isinstance(head, PanopticSegmentation):
        indices = f"{names.removesuffix('CATEGORIES')}THINGS"
        things = f"[{names}[i] for i in {indices}]"
    return Annotations(
        label=f"save_segments(folder / {folder}, number, {segments}, {colors})",
        coco="contract/coco_panoptic",
        listed=segments,
        things=things,
        whole=not objects,
        entry={"colors": f"dict(zip({names}, {colors}))", "annotations": folder},
    )


# ---- The record ----


TASK = Task(
    title="panoptic segmentation",
    head=PanopticSegmentation,
    model_class="Segmenter",
    output_type="PanopticPredictions",
    returns="`PanopticPredictions`",
    plan=plan,
    names="categories",
    counted=("category", "categories"),
    annotations="segments",
    rank=4,
    constants={
        "model.py": (*CONSTANTS, *MASKS, LEAST),
        "runtime.py": (LEAST,),
        "data.py": GRIDS,
    },
    points_wanted=True,
    own_pixels={
        "resized": "model/instances_resized.py.jinja",
        "whole": "model/instances_whole.py.jinja",
    },
    pasted="model/panoptic_pasted.py.jinja",
    own_note='"categories" and "instances" are (B, h, w), as `merge_segments` has them',
    label="Instances",
    joined="same_segments(ONE, OTHER)",
    in_folder=True,
    native=Native(
        metadata=(
            "categories: [NAME, ...]",
            "things: [NAME, ...]",
            "colors: {NAME: [red, green, blue], ...}",
        ),
        map_suffix="tif",
        folder_note="Categories and instances are two pages of a file.",
    ),
    framed="instances_in_image(LABEL, frame, counts)",
    readers={"native": "", "coco": "segments_from_coco"},
    coco=Coco(
        fields=("file_name", "segments_info"),
        kinds=(
            '((item.get("id"), x["category_id"], x.get("iscrowd"))'
            ' for item in content["annotations"] for x in item["segments_info"])'
        ),
        compared="dataset/compare_coco_panoptic.py.jinja",
        docstring="dataset/coco_panoptic_docstring.jinja",
        images="panoptic_image_folder",
    ),
    meaning=("categories",),
    moves=True,
    transforms=("boxes",),
    ignores=("coco",),
    stack="stack_panoptic",
    coordinates="inside",
    requirements=("faster-coco-eval",),
    on_device=True,
    contract=contract,
    annotated=annotated,
)
