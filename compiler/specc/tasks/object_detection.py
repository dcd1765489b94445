"""Plan of `object_detection`: boxes with categories."""

from __future__ import annotations

from specc.heads.object_detection import BINS
from specc.job import Head, ObjectDetection
from specc.source import constant, literal, span
from specc.tasks.contract import Annotations, HeadContract
from specc.tasks.task import HeadCode, HeadExpressions, Task

_BINS = "a side of a box lies 0..15 strides from the center of its cell"
_CANDIDATES = "best scores of an image that enter non-maximum suppression"
CONSTANTS = (
    constant("BINS", BINS, _BINS),
    constant("CELLS_PER_OBJECT", 10, "at most, the best aligned ones, learn it"),
    constant("CANDIDATES", 400, _CANDIDATES),
    constant("ROUNDS", 16, "of it; even, so that what is still undecided stays"),
)
DRAWN = constant("DRAWN_SCORE", 0.3, "less certain objects are left out of drawings")


def strides_constant(code: HeadCode):
    """The strides of the levels that a head reads, which it gives its towers."""
    note = f"level{'s' * (len(code.levels) > 1)} {span(code.levels)}"
    return constant(f"{code.prefix}STRIDES", code.strides, note)


def plan(head: ObjectDetection, code: HeadCode) -> HeadExpressions:
    names, strides = code.constant, f"{code.prefix}STRIDES"
    thresholds = f"{literal(head.score_threshold)}, {literal(head.iou_threshold)}"
    return HeadExpressions(
        construction=f"DetectionHead({code.width}, {head.layers}, len({names}), {strides})",
        loss=f"detection_loss({code.outputs}, {code.targets})",
        blank="Objects(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))",
        decode=f"decode_objects({code.outputs}, {thresholds}, {head.max_detections})",
        parse=f"parse_objects({code.given}, {names}, height, width, counts)",
        place=f"moved({code.labels}, transform)",
        words=f"objects_in_words({code.results}, row, {names}, ratio, limits)",
        label_words=f"objects_of({code.labels}, {names})",
        draw=f"draw_objects(image, {code.words}, {names})",
        metrics=f"detection_metrics({code.all_labels()}, {code.all_found()}, {names})",
        words_example=f'"{head.name}": [{{category, bbox, score}}, ...]',
        annotation="[{category: NAME, bbox: [left, top, right, bottom]}, ...]",
        constants=(strides_constant(code),),
    )


def contract(head: ObjectDetection) -> HeadContract:
    most = head.max_detections
    return HeadContract(
        found={
            "boxes": (most, 4),
            "scores": (most,),
            "classes": (most,),
            "count": (),
        },
        cells={"cells": (most,)},
    )


def annotated(head: Head, names: str) -> Annotations:
    return Annotations(
        label=f"some_objects(number, {names}, height, width)",
        sections=("contract/some_objects",),
    )


# Of heads that compose the detector: where its outputs are
DETECTOR_OUTPUTS = {"logits": "objects.logits", "bins": "objects.bins"}
DETECTOR = ("heads/predictions", "heads/detection", "heads/tower", "heads/cells")
OWN_PIXELS = {
    "resized": "model/boxes_resized.py.jinja",
    "whole": "model/boxes_whole.py.jinja",
}

TASK = Task(
    title="object detection",
    model_class="Detector",
    output_type="Predictions",
    returns="`Predictions`",
    plan=plan,
    names="categories",
    counted=("category", "categories"),
    classes=DETECTOR,
    operations=("model/boxes",),
    losses=(
        "losses/assign",
        "losses/object_detection",
        "losses/object_terms",
        "losses/shared_total",
    ),
    decoders=("decoders/object_detection", "decoders/suppress"),
    constants=CONSTANTS,
    shared=("points", "strides"),
    own_pixels=OWN_PIXELS,
    label="Objects",
    label_types=("dataset/objects",),
    metadata=("categories: [NAME, ...]",),
    readers={
        "native": (),
        "coco": ("dataset/from_coco_objects",),
        "voc": ("dataset/from_voc_objects",),
        "yolo": ("dataset/from_yolo_objects", "dataset/yolo_lines"),
    },
    parsers=("dataset/parse_objects",),
    empty_note="`[]` is one without objects",
    meaning=("categories",),
    moves=True,
    transforms=("boxes",),
    placing=("data/moved",),
    stacking=("data/stack_objects",),
    stack="stack_objects",
    coordinates=True,
    in_words=("evaluate/object_words",),
    metrics=("evaluate/object_metrics", "evaluate/coco_metrics"),
    drawings=("draw/objects",),
    drawing_tools=("draw/caption", "draw/write", "draw/color_of"),
    label_words=("draw/object_labels",),
    draw_constants=(DRAWN,),
    requirements=("faster-coco-eval",),
    contract=contract,
    annotated=annotated,
)
