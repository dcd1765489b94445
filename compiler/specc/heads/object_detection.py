"""Object detection: boxes with categories from an anchor-free one-stage detector
(FCOS). Two towers of convolutions have weights that all levels share; each cell gets a
score for each category, and a distribution over the distance to each side of the box.

FCOS, https://arxiv.org/abs/1904.01355, Tian et al. 2019
DFL, distribution focal loss, https://arxiv.org/abs/2006.04388, Li et al. 2020
TAL, task-aligned assignment (TOOD), https://arxiv.org/abs/2108.07755, Feng et al. 2021
GIoU, generalized IoU, https://arxiv.org/abs/1902.09630, Rezatofighi et al. 2019
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING

from specc.heads.contract import Annotations, HeadContract
from specc.heads.task import Coco, HeadCode, HeadExpressions, Native, Task
from specc.job import Head
from specc.source import constant, literal, span

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class ObjectDetection(Head):
    categories: tuple[str, ...]
    bottom_level: int
    top_level: int
    layers: int  # number of 3x3 convolutions in each tower
    score_threshold: float
    iou_threshold: float
    max_detections: int
    merge: dict[str, list[str]] | None = None  # category -> names in the dataset


# ---- The graph ----


SIDES = 4  # sides of a box: left, top, right, bottom
BINS = 16  # bins of the distribution over a distance
REACH = 2 * (BINS - 1)  # strides of a level, the longest side of a box


def build(
    net: Scope, head: ObjectDetection, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: those of `detector`."""
    return detector(net, "", len(head.categories), head.layers, levels)


def detector(
    net: Scope,
    prefix: str,
    categories: int,
    layers: int,
    levels: dict[int, Node],
    box_towers: dict[int, Node] | None = None,
) -> dict[str, Node]:
    """Outputs: logits (cells, categories), bins (cells, 4, 16); finest level first.

    ``prefix`` is put before the names of modules; it ends with a point in heads that
    contain a detector. ``box_towers`` are given by a head that reads them too.
    """
    logits, bins = [], []
    for level, x in levels.items():
        here = net.at(level)
        y = tower(here, f"{prefix}class_tower", x, layers)
        y = here.conv(f"{prefix}class_logits", y, categories, kernel=3, bias=True)
        logits.append(here.flatten("class_cells", y))
        y = (box_towers or {}).get(level) or box_tower(here, prefix, x, layers)
        y = here.conv(f"{prefix}box_bins", y, SIDES * BINS, kernel=3, bias=True)
        bins.append(here.flatten("box_cells", y, split=(SIDES, BINS)))
    whole = net.at(max(levels))
    return {
        "logits": whole.concat("logits", logits),
        "bins": whole.concat("bins", bins),
    }


def box_tower(net: Scope, prefix: str, x: Node, layers: int) -> Node:
    """Adds the tower of a level from which the boxes are predicted."""
    return tower(net, f"{prefix}box_tower", x, layers)


def tower(net: Scope, name: str, x: Node, layers: int) -> Node:
    """Adds convolutions that keep the width, each with a group norm and a ReLU."""
    channels = net.channels(x)
    for index in range(0, 3 * layers, 3):
        x = net.conv(f"{name}.{index}", x, channels, kernel=3)
        x = net.group_norm(f"{name}.{index + 1}", x, groups=gcd(32, channels // 2))
        x = net.relu(f"{name}.{index + 2}", x)
    return x


# ---- Expressions of the emitted code ----


_BINS = "a side of a box lies 0..15 strides from the center of its cell"
_CANDIDATES = "boxes of an image that enter NMS, at least, and are compared at once"
_PAIRS = "objects times points that are assigned at once, about 300 MB"
_WEIGHTS = "PP-YOLOE's, https://arxiv.org/abs/2203.16250"
CONSTANTS = (
    constant("BINS", BINS, _BINS),
    constant("BOX_WEIGHT, BINS_WEIGHT", (2.5, 0.5), _WEIGHTS),
    constant(
        "POINTS_PER_OBJECT", 10, "most points that learn an object: the top k of TAL"
    ),
    constant("PAIRS", 2**23, _PAIRS),
    constant("CANDIDATES", 400, _CANDIDATES),
    constant("NMS_ROUNDS", 64, "links of a chain; even: a box that is undecided stays"),
)
DRAWN = constant("DRAWN_SCORE", 0.3, "less certain objects are left out of drawings")


def strides_constant(code: HeadCode):
    """Returns the constant with the strides of the levels that a head reads."""
    note = f"level{'s' * (len(code.levels) > 1)} {span(code.levels)}"
    return constant(f"{code.prefix}STRIDES", code.strides, note)


def detector_sizes(head: Head, code: HeadCode, names: str) -> str:
    """Returns the arguments of a detector of the categories in the constant `names`."""
    return (
        f"{code.width}, layers={head.layers}, categories=len({names}), "
        f"strides={code.prefix}STRIDES"
    )


def decoder_limits(head: Head) -> str:
    """Returns the arguments by which `decode_objects` leaves boxes out."""
    return (
        f"min_score={literal(head.score_threshold)}, "
        f"max_iou={literal(head.iou_threshold)}, limit={head.max_detections}"
    )


def plan(head: ObjectDetection, code: HeadCode) -> HeadExpressions:
    names = code.constant
    parse = f"parse_objects({code.given}"
    if code.format == "coco":
        parse = f"parse_coco_objects({code.given}, names"
    return HeadExpressions(
        construction=f"DetectionHead({detector_sizes(head, code, names)})",
        loss=f"detection_loss({code.outputs}, {code.targets})",
        blank=_blank(code),
        decode=f"decode_objects({code.outputs}, {decoder_limits(head)})",
        parse=f"{parse}, {code.numbers}, height, width, counts)",
        place=f"moved({code.labels}, transform)",
        sealed=f"found_objects({code.sealed}, {code.sealed_names('categories')})",
        words=f"to_objects({code.results}, row, {names}, ratio, limits)",
        label_words=f"objects_of({code.labeled}, {names})",
        draw=f"draw_objects(image, {code.words}, {names})",
        checks=(code.checked(code.boxed_classes, names),),
        metrics=f"detection_metrics({code.all_labels()}, {code.all_found()}, {names})",
        words_example=f'"{head.name}": [{{category, bbox, score}}, ...]',
        annotation="[{category: NAME, bbox: [left, top, right, bottom]}, ...]",
        constants=(strides_constant(code),),
    )


def _blank(code: HeadCode) -> str:
    """Returns the placeholder of the target of an image without a label."""
    further = ", np.zeros(0)" * code.own_areas + ", np.zeros(0, bool)" * code.ignores
    return f"Objects(np.zeros((0, 4), np.float32), np.zeros(0, np.int64){further})"


# ---- The contract ----


# Attributes of the detector's outputs in heads that contain a detector.
DETECTOR_OUTPUTS = {"logits": "objects.logits", "bins": "objects.bins"}


def contract(head: ObjectDetection) -> HeadContract:
    most = head.max_detections
    return HeadContract(
        found={
            "boxes": (most, 4),
            "scores": (most,),
            "classes": (most,),
            "count": (),
        },
        points={"points": (most,)},
    )


def annotated(head: Head, names: str) -> Annotations:
    return Annotations(label=f"some_objects(number, {names}, height, width)")


# ---- The record ----


OWN_PIXELS = {
    "resized": "model/boxes_resized.py.jinja",
    "whole": "model/boxes_whole.py.jinja",
}


TASK = Task(
    title="object detection",
    head=ObjectDetection,
    model_class="Detector",
    output_type="Predictions",
    returns="`Predictions`",
    plan=plan,
    names="categories",
    counted=("category", "categories"),
    annotations="boxes",
    rank=1,
    constants={"model.py": CONSTANTS, "draw.py": (DRAWN,)},
    own_pixels=OWN_PIXELS,
    label="Objects",
    joined="joined([ONE, OTHER], counts)",
    native=Native(
        metadata=("categories: [NAME, ...]",), empty_note="`[]` is one without objects"
    ),
    framed="objects_in_image(LABEL, frame)",
    coco=Coco(
        hook="compact",
        grouped="dataset/coco_tuples.py.jinja",
        given='objects.pop(image["id"], [])',  # each is freed
    ),
    readers={
        "native": "",
        "coco": "",
        "voc": "objects_in_xml",
        "yolo": "objects_in(lines, height, width, counts)",
        "dota": "objects_in_dota(annotation, height, width, counts)",
        "csv": "",
    },
    meaning=("categories",),
    moves=True,
    transforms=("boxes",),
    ignores=("coco", "voc", "dota", "csv"),
    stack="stack_objects",
    coordinates="inside",
    requirements=("faster-coco-eval",),
    contract=contract,
    annotated=annotated,
)
