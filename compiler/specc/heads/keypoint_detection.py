"""Keypoint detection: a detector of one category whose boxes enclose the keypoints of
an instance, and a tower that gives the position in the box and the presence of each
keypoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from specc.heads.contract import Annotations, HeadContract
from specc.heads.object_detection import (
    CONSTANTS,
    DETECTOR_OUTPUTS,
    DRAWN,
    decoder_limits,
    detector,
    strides_constant,
    tower,
)
from specc.heads.task import Coco, HeadCode, HeadExpressions, Native, Task
from specc.job import Head
from specc.source import Line, constant, literal

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class KeypointDetection(Head):
    keypoints: tuple[str, ...]
    flip_pairs: tuple[tuple[str, str], ...] | None  # None: images are not mirrored
    sigmas: tuple[float, ...] | None
    bottom_level: int
    top_level: int
    layers: int  # number of 3x3 convolutions in each tower
    keypoint_weight: float
    presence_weight: float
    score_threshold: float
    iou_threshold: float
    max_detections: int


# ---- The graph ----


VALUES = 3  # numbers for each keypoint: x, y, presence


def build(
    net: Scope, head: KeypointDetection, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: the detector's, of one category, and keypoints (cells, K, 3)."""
    outputs = detector(net, "detector.", 1, head.layers, levels)
    count, points = len(head.keypoints), []
    for level, x in levels.items():
        here = net.at(level)
        y = tower(here, "tower", x, head.layers)
        y = here.conv("points", y, VALUES * count, kernel=3, bias=True)
        points.append(here.flatten("point_cells", y, split=(count, VALUES)))
    return outputs | {"keypoints": net.at(max(levels)).concat("keypoints", points)}


# ---- Expressions of the emitted code ----


SIGMA = 0.05  # COCO's sigma of a keypoint, unless the job gives one
SIMILARITIES = Line(
    "SIMILARITIES", "np.linspace(0.5, 0.95, 10)", "  # COCO's OKS thresholds"
)
COCO_NAMES = (
    '{item["id"]: [str(name).strip() for name in item.get("keypoints", ())]'
    ' for item in content["categories"]}'
)


def plan(head: KeypointDetection, code: HeadCode) -> HeadExpressions:
    names, prefix = code.constant, code.prefix
    weights = (
        f"keypoint_weight={literal(head.keypoint_weight)}, "
        f"presence_weight={literal(head.presence_weight)}"
    )
    data, paired = code.job.data, head.flip_pairs is not None
    mirrors = data.augmentation is not None and data.augmentation.mirrors
    compares = paired and code.format == "native"
    pairs = f", {names}, {prefix}FLIP_PAIRS"
    mirrored = pairs if mirrors else ""
    listed = code.format in ("coco", "yolo")
    parse = "parse_coco_poses" if listed else "parse_poses"
    return HeadExpressions(
        construction=(
            f"KeypointHead({code.width}, layers={head.layers}, "
            f"keypoints=len({names}), strides={prefix}STRIDES)"
        ),
        loss=f"keypoint_loss({code.outputs}, {code.targets}, {weights})",
        blank=_blank(names, code),
        decode=f"decode_keypoints({code.outputs}, {decoder_limits(head)})",
        parse=f"{parse}({code.given}, {names}, height, width, counts)",
        place=f"moved_poses({code.labels}, transform{mirrored})",
        sealed=f"found_poses({code.sealed}, {code.sealed_names('keypoints')})",
        words=f"to_poses({code.results}, row, {names}, ratio, limits)",
        label_words=f"poses_of({code.labels}{'.labeled()' * code.own_areas}, {names})",
        draw=f"draw_poses(image, {code.words}, {names})",
        evidence=f"pose_evidence({code.labels}, {code.words}, {names}, {prefix}SIGMAS)",
        checks=(
            code.checked(
                f"lambda x: (x{'.labeled()' * code.own_areas}.keypoints > 1)"
                ".any(2).nonzero()[1]",
                names,
            ),
        ),
        metrics=f"keypoint_metrics({code.all_found()})",
        words_example=f'"{head.name}": [{{score, keypoints, presence}}, ...]',
        annotation="[{NAME: [x, y], NAME: null, ...}, ...]",
        annotations=(
            f"read_poses(folder{pairs})"
            if compares
            else f"read_keypoints(folder, {names})"
        ),
        constants=(strides_constant(code),),
        dataset_constants=(_flip_pairs(head, prefix),) if mirrors or compares else (),
        evaluate_constants=(_sigmas(head, prefix),),
    )


def _blank(names: str, code: HeadCode) -> str:
    """Returns the placeholder of the target of an image without a label."""
    none = f"np.zeros((0, len({names}), 2), np.float32), np.zeros((0, 4), np.float32)"
    return f"Poses({none}{', np.zeros(0), np.zeros(0, bool)' * code.own_areas})"


def _flip_pairs(head: KeypointDetection, prefix: str) -> Line:
    note = "keypoints that change places in a mirrored image"
    return constant(f"{prefix}FLIP_PAIRS", head.flip_pairs, note)


def _sigmas(head: KeypointDetection, prefix: str) -> Line:
    note = "scatter of annotators, relative to the root of the box's area"
    return constant(f"{prefix}SIGMAS", head.sigmas or SIGMA, note)


# ---- The contract ----


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
        tells=False,  # keypoints of an untrained head are all wrong
    )


def annotated(head: Head, names: str) -> Annotations:
    """Returns how annotations are made. Their single category may have any name: heads
    of other tasks use it."""
    own, category = isinstance(head, KeypointDetection), f"{names}[0]"
    names = names if own else literal(("head", "foot"))
    return Annotations(
        label=f"some_poses({names}, height, width)",
        coco="contract/coco_poses",
        names=names,
        category=literal("any") if own else category,
        whole=own,
        entry={"keypoints": f"[*{names}]"},
    )


# ---- The record ----


TASK = Task(
    title="keypoint detection",
    head=KeypointDetection,
    model_class="KeypointDetector",
    output_type="KeypointPredictions",
    returns="`KeypointPredictions`",
    plan=plan,
    contract=contract,
    annotated=annotated,
    names="keypoints",
    counted=("keypoint", "keypoints"),
    annotations="keypoints",
    rank=2,
    constants={
        "model.py": CONSTANTS,
        "evaluate.py": (SIMILARITIES,),
        "draw.py": (DRAWN,),
    },
    points_wanted=True,
    own_pixels={
        "resized": "model/keypoints_resized.py.jinja",
        "whole": "model/keypoints_whole.py.jinja",
    },
    label="Poses",
    joined="joined([ONE, OTHER], counts)",
    native=Native(
        metadata=("keypoints: [NAME, ...]",), empty_note="`[]` is one without instances"
    ),
    framed="poses_in_image(LABEL, frame)",
    readers={
        "native": "",
        "coco": "pose_from_coco",
        "yolo": "poses_in(lines, points, values, height, width)",
    },
    coco=Coco(
        what="keypoints",
        names=COCO_NAMES,
        found="set().union(*names.values())",
        fields=("category_id",),
    ),
    meaning=("keypoints",),
    moves=True,
    transforms=("points",),
    ignores=("coco", "yolo"),
    stack="stack_poses",
    coordinates="inside",
)
