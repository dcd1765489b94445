"""Quadrilateral detection: four corners with a category. A detector finds the enclosing
boxes; its box tower also gives the position of each corner in the box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from specc.heads.contract import Annotations, HeadContract
from specc.heads.keypoint_detection import SIMILARITIES
from specc.heads.object_detection import (
    CONSTANTS,
    DETECTOR_OUTPUTS,
    DRAWN,
    box_tower,
    decoder_limits,
    detector,
    detector_sizes,
    strides_constant,
)
from specc.heads.task import HeadCode, HeadExpressions, Native, Task
from specc.job import Head
from specc.source import literal

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class QuadrilateralDetection(Head):
    categories: tuple[str, ...]
    bottom_level: int
    top_level: int
    layers: int  # number of 3x3 convolutions in each tower
    corner_weight: float
    score_threshold: float
    iou_threshold: float
    max_detections: int
    merge: dict[str, list[str]] | None = None  # category -> names in the dataset


# ---- The graph ----


CORNERS, AXES = 4, 2


def build(
    net: Scope, head: QuadrilateralDetection, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: those of `detector`, and corners (cells, 4, 2)."""
    prefix, categories = "detector.", len(head.categories)
    towers = {
        level: box_tower(net.at(level), prefix, x, head.layers)
        for level, x in levels.items()
    }
    outputs = detector(net, prefix, categories, head.layers, levels, towers)
    corners = []
    for level, x in towers.items():
        here = net.at(level)
        y = here.conv("corners", x, CORNERS * AXES, kernel=3, bias=True)
        corners.append(here.flatten("corner_cells", y, split=(CORNERS, AXES)))
    return outputs | {"corners": net.at(max(levels)).concat("all_corners", corners)}


# ---- Expressions of the emitted code ----


def plan(head: QuadrilateralDetection, code: HeadCode) -> HeadExpressions:
    names, weight = code.constant, f"corner_weight={literal(head.corner_weight)}"
    return HeadExpressions(
        construction=f"QuadrilateralHead({detector_sizes(head, code, names)})",
        loss=f"quadrilateral_loss({code.outputs}, {code.targets}, {weight})",
        blank=(
            "Quadrilaterals(np.zeros((0, 4, 2), np.float32), np.zeros((0, 4), np.float32),"
            " np.zeros(0, np.int64))"
        ),
        decode=f"decode_quadrilaterals({code.outputs}, {decoder_limits(head)})",
        parse=f"parse_quadrilaterals({code.given}, {code.numbers}, height, width, counts)",
        place=f"moved_quadrilaterals({code.labels}, transform)",
        sealed=f"found_quadrilaterals({code.sealed}, {code.sealed_names('categories')})",
        words=f"to_quadrilaterals({code.results}, row, {names}, ratio)",
        label_words=f"quadrilaterals_of({code.labels}, {names})",
        draw=f"draw_quadrilaterals(image, {code.words}, {names})",
        evidence=f"quadrilateral_evidence({code.labels}, {code.words}, {names})",
        checks=(code.checked(code.boxed_classes, names),),
        metrics=f"quadrilateral_metrics({code.all_found()})",
        words_example=f'"{head.name}": [{{category, quadrilateral, score}}, ...]',
        annotation="[{category: NAME, quadrilateral: [[x, y], ... four]}, ...]",
        constants=(strides_constant(code),),
    )


# ---- The contract ----


def contract(head: QuadrilateralDetection) -> HeadContract:
    most = head.max_detections
    return HeadContract(
        found={
            "quadrilaterals": (most, 4, 2),
            "boxes": (most, 4),
            "scores": (most,),
            "classes": (most,),
            "count": (),
        },
        outputs=DETECTOR_OUTPUTS,
        tells=False,  # untrained corners are all in the middle: no polygon has an area
    )


def annotated(head: Head, names: str) -> Annotations:
    return Annotations(
        label=f"some_quadrilaterals(number, {names}, height, width)",
        corners='item["quadrilateral"]',
    )


# ---- The record ----


TASK = Task(
    title="quadrilateral detection",
    head=QuadrilateralDetection,
    model_class="QuadrilateralDetector",
    output_type="QuadrilateralPredictions",
    returns="`QuadrilateralPredictions`",
    plan=plan,
    contract=contract,
    annotated=annotated,
    names="categories",
    counted=("category", "categories"),
    annotations="quadrilaterals",
    constants={
        "model.py": CONSTANTS,
        "evaluate.py": (SIMILARITIES,),
        "draw.py": (DRAWN,),
    },
    points_wanted=True,
    shares_box_tower=True,
    own_pixels={
        "resized": "model/quadrilaterals_resized.py.jinja",
        "whole": "model/boxes_whole.py.jinja",
    },
    label="Quadrilaterals",
    joined="joined([ONE, OTHER], counts)",
    native=Native(
        metadata=("categories: [NAME, ...]",), empty_note="`[]` is one without objects"
    ),
    framed="quadrilaterals_in_image(LABEL, frame)",
    readers={
        "native": "",
        "yolo": "corners_in(lines, height, width)",
        "dota": "corners_in_dota(annotation, counts)",
    },
    meaning=("categories",),
    moves=True,
    transforms=("points",),
    stack="stack_quadrilaterals",
    coordinates="anywhere",
)
