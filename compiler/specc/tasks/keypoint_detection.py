"""Plan of `keypoint_detection`: named keypoints of instances."""

from __future__ import annotations

from dataclasses import replace

from specc.job import Head, KeypointDetection
from specc.source import Line, constant, literal
from specc.tasks.contract import Annotations, HeadContract
from specc.tasks.object_detection import (
    CONSTANTS,
    DETECTOR,
    DETECTOR_OUTPUTS,
    DRAWN,
    strides_constant,
)
from specc.tasks.task import HeadCode, HeadExpressions, Task

SIGMA = 0.05  # of every keypoint, unless the job says otherwise
SIMILARITIES = Line(
    "SIMILARITIES", "np.linspace(0.5, 0.95, 10)", "  # thresholds, as COCO has them"
)
COCO_NAMES = (
    '{item["id"]: [str(name) for name in item.get("keypoints", ())]'
    ' for item in content["categories"]}'
)


def plan(head: KeypointDetection, code: HeadCode) -> HeadExpressions:
    names, prefix = code.constant, code.prefix
    weights = f"{literal(head.keypoint_weight)}, {literal(head.presence_weight)}"
    thresholds = f"{literal(head.score_threshold)}, {literal(head.iou_threshold)}"
    data, paired = code.job.data, head.flip_pairs is not None
    mirrors = data.augmentation is not None and data.augmentation.mirrors
    compares = paired and code.format == "native"
    pairs = f", {names}, {prefix}FLIP_PAIRS"
    mirrored = pairs if mirrors else ""
    return HeadExpressions(
        construction=(
            f"KeypointHead({code.width}, {head.layers}, len({names}), {prefix}STRIDES)"
        ),
        loss=f"keypoint_loss({code.outputs}, {code.targets}, {weights})",
        blank=(
            f"Poses(np.zeros((0, len({names}), 2), np.float32), np.zeros((0, 4), np.float32))"
        ),
        decode=f"decode_keypoints({code.outputs}, {thresholds}, {head.max_detections})",
        parse=f"parse_poses({code.given}, {names}, height, width, counts)",
        place=f"moved_poses({code.labels}, transform{mirrored})",
        words=f"poses_in_words({code.results}, row, {names}, ratio, limits)",
        label_words=f"poses_of({code.labels}, {names})",
        draw=f"draw_poses(image, {code.words}, {names})",
        evidence=f"pose_evidence({code.labels}, {code.words}, {names}, {prefix}SIGMAS)",
        metrics=f"keypoint_metrics({code.all_found()})",
        words_example=f'"{head.name}": [{{score, keypoints, presence}}, ...]',
        annotation="[{NAME: [x, y], NAME: null, ...}, ...]",
        annotations=f"read_poses(folder{pairs})" if compares else "",
        constants=(strides_constant(code),),
        dataset_constants=(_flip_pairs(head, prefix),) if mirrors or compares else (),
        evaluate_constants=(_sigmas(head, prefix),),
    )


def _flip_pairs(head: KeypointDetection, prefix: str) -> Line:
    note = "keypoints that change places in a mirrored image"
    return constant(f"{prefix}FLIP_PAIRS", head.flip_pairs, note)


def _sigmas(head: KeypointDetection, prefix: str) -> Line:
    note = "how far annotators scatter, in roots of the extent's area"
    return constant(f"{prefix}SIGMAS", head.sigmas or SIGMA, note)


def contract(head: KeypointDetection) -> HeadContract:
    most, count = head.max_detections, len(head.keypoints)
    return HeadContract(
        found={
            "keypoints": (most, count, 2),
            "presence": (most, count),
            "boxes": (most, 4),
            "scores": (most,),
            "count": (),
        },
        outputs=DETECTOR_OUTPUTS,
        tells=False,  # what an untrained head says of places is nowhere near
    )


def annotated(head: Head, names: str) -> Annotations:
    """Other heads name the one category of what has the keypoints, and any will do."""
    own, category = isinstance(head, KeypointDetection), f"{names}[0]"
    names = names if own else literal(("head", "foot"))
    return Annotations(
        label=f"some_poses({names}, height, width)",
        sections=("contract/some_poses",),
        coco="contract/coco_poses",
        names=names,
        category=literal("any") if own else category,
        whole=own,
        entry={"keypoints": f"[*{names}]"},
    )


def variant(head: KeypointDetection) -> Task:
    """Where the head has flip pairs, a dataset's are compared with them."""
    if head.flip_pairs is None:
        return TASK
    return replace(
        TASK, native_readers=("dataset/read_poses", *TASK.native_readers[1:])
    )


TASK = Task(
    title="keypoint detection",
    model_class="KeypointDetector",
    output_type="KeypointPredictions",
    returns="`KeypointPredictions`",
    plan=plan,
    variant=variant,
    contract=contract,
    annotated=annotated,
    names="keypoints",
    counted=("keypoint", "keypoints"),
    classes=(*DETECTOR, "heads/keypoint_detection", "heads/points"),
    operations=("model/boxes",),
    losses=(
        "losses/assign",
        "losses/keypoint_detection",
        "losses/points",
        "losses/object_terms",
        "losses/shared_total",
    ),
    decoders=(
        "decoders/keypoint_detection",
        "decoders/object_detection",
        "decoders/suppress",
    ),
    constants=CONSTANTS,
    shared=("points", "strides"),
    cells_wanted=True,
    own_pixels={
        "resized": "model/keypoints_resized.py.jinja",
        "whole": "model/keypoints_whole.py.jinja",
    },
    label="Poses",
    label_types=("dataset/poses",),
    metadata=("keypoints: [NAME, ...]",),
    readers={"native": (), "coco": ("dataset/from_coco_poses",)},
    coco_what="keypoints",
    coco_item="pose_from_coco",
    coco_names=COCO_NAMES,
    coco_found="set().union(*names.values())",
    parsers=("dataset/parse_poses",),
    empty_note="`[]` is one without instances",
    meaning=("keypoints",),
    moves=True,
    transforms=("points",),
    placing=("data/moved_poses",),
    stacking=("data/stack_poses",),
    stack="stack_poses",
    coordinates=True,
    in_words=("evaluate/keypoint_words",),
    metrics=("evaluate/average_precision", "evaluate/keypoint_metrics"),
    evaluate_constants=(SIMILARITIES,),
    drawings=("draw/poses",),
    drawing_tools=("draw/write", "draw/color_of"),
    label_words=("draw/pose_labels",),
    draw_constants=(DRAWN,),
)
