"""Plan of `quadrilateral_detection`: four corners with a category."""

from __future__ import annotations

from specc.job import Head, QuadrilateralDetection
from specc.source import literal
from specc.tasks.contract import Annotations, HeadContract
from specc.tasks.keypoint_detection import SIMILARITIES
from specc.tasks.object_detection import (
    CONSTANTS,
    DETECTOR,
    DETECTOR_OUTPUTS,
    DRAWN,
    strides_constant,
)
from specc.tasks.task import HeadCode, HeadExpressions, Task


def plan(head: QuadrilateralDetection, code: HeadCode) -> HeadExpressions:
    names, strides = code.constant, f"{code.prefix}STRIDES"
    thresholds = f"{literal(head.score_threshold)}, {literal(head.iou_threshold)}"
    made = f"{code.width}, {head.layers}, len({names}), {strides}"
    weight, limit = literal(head.corner_weight), head.max_detections
    return HeadExpressions(
        construction=f"QuadrilateralHead({made})",
        loss=f"quadrilateral_loss({code.outputs}, {code.targets}, {weight})",
        blank=(
            "Quadrilaterals(np.zeros((0, 4, 2), np.float32), np.zeros((0, 4), np.float32),"
            " np.zeros(0, np.int64))"
        ),
        decode=f"decode_quadrilaterals({code.outputs}, {thresholds}, {limit})",
        parse=f"parse_quadrilaterals({code.given}, {names}, height, width)",
        place=f"moved_quadrilaterals({code.labels}, transform)",
        words=f"quadrilaterals_in_words({code.results}, row, {names}, ratio)",
        label_words=f"quadrilaterals_of({code.labels}, {names})",
        draw=f"draw_quadrilaterals(image, {code.words}, {names})",
        evidence=f"quadrilateral_evidence({code.labels}, {code.words}, {names})",
        metrics=f"quadrilateral_metrics({code.all_found()})",
        words_example=f'"{head.name}": [{{category, quadrilateral, score}}, ...]',
        annotation="[{category: NAME, quadrilateral: [[x, y], ... four]}, ...]",
        constants=(strides_constant(code),),
    )


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
        tells=False,  # corners begin in the middle: at first no polygon has an area
    )


def annotated(head: Head, names: str) -> Annotations:
    return Annotations(
        label=f"some_quadrilaterals(number, {names}, height, width)",
        sections=("contract/some_quadrilaterals",),
    )


TASK = Task(
    title="quadrilateral detection",
    model_class="QuadrilateralDetector",
    output_type="QuadrilateralPredictions",
    returns="`QuadrilateralPredictions`",
    plan=plan,
    contract=contract,
    annotated=annotated,
    names="categories",
    counted=("category", "categories"),
    classes=(*DETECTOR, "heads/quadrilateral_detection", "heads/points"),
    operations=("model/boxes",),
    losses=(
        "losses/assign",
        "losses/quadrilateral_detection",
        "losses/points",
        "losses/object_terms",
        "losses/shared_total",
    ),
    decoders=(
        "decoders/quadrilateral_detection",
        "decoders/object_detection",
        "decoders/suppress",
    ),
    constants=CONSTANTS,
    shared=("points", "strides"),
    cells_wanted=True,
    own_pixels={
        "resized": "model/quadrilaterals_resized.py.jinja",
        "whole": "model/boxes_whole.py.jinja",
    },
    label="Quadrilaterals",
    label_types=("dataset/quadrilaterals",),
    metadata=("categories: [NAME, ...]",),
    readers={"native": ()},
    parsers=("dataset/parse_quadrilaterals",),
    empty_note="`[]` is one without objects",
    meaning=("categories",),
    moves=True,
    transforms=("points",),
    placing=("data/moved_quadrilaterals",),
    stacking=("data/stack_quadrilaterals",),
    stack="stack_quadrilaterals",
    coordinates=True,
    bounded=False,
    in_words=("evaluate/quadrilateral_words",),
    metrics=(
        "evaluate/average_precision",
        "evaluate/quadrilateral_metrics",
        "evaluate/polygon_iou",
    ),
    evaluate_constants=(SIMILARITIES,),
    drawings=("draw/quadrilaterals",),
    drawing_tools=("draw/caption", "draw/write", "draw/color_of"),
    label_words=("draw/quadrilateral_labels",),
    draw_constants=(DRAWN,),
)
