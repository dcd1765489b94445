"""Anomaly detection: a map of logits from several levels, which the head does not
train, and scores from the logits, calibrated on normal images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from specc.heads.contract import PREDICTED, Annotations, HeadContract
from specc.heads.maps import (
    OWN_PIXELS,
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
class AnomalyDetection(Head):
    bottom_level: int
    top_level: int
    channels: int
    false_alarms: float  # fraction of normal images with a score of 0.5 or more
    normal: str | None = None  # folder of normal images in others; None: GOOD


# ---- The graph ----


AROUND = 2  # number of convolutions that see the surroundings of a cell


def build(
    net: Scope, head: AnomalyDetection, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: logits and calibrated, (1, height, width) of the lowest level."""
    maps = []
    for index, (level, x) in enumerate(sorted(levels.items())):
        here, name = net.at(level), f"laterals.{index}"
        x = here.batch_norm(f"{name}.0", x, affine=False)
        maps.append(_block(here, f"{name}.1", x, head.channels))
    x = maps.pop()
    for finer in reversed(maps):
        here = net.at(finer.level)
        x = here.add("add", finer, here.upsample("upsample", x))
    here = net.at(min(levels))
    for index in range(AROUND):
        x = _block(here, f"around.{index}", x, head.channels)
    logits = here.conv("logits", x, 1, kernel=1, bias=True)
    return {"logits": logits, "calibrated": here.calibrate("calibration", logits)}


def _block(net: Scope, name: str, x: Node, channels: int) -> Node:
    x = net.conv(f"{name}.0", x, channels, kernel=3)
    return net.relu(f"{name}.2", net.batch_norm(f"{name}.1", x))


# ---- Expressions of the emitted code ----


MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
MODES_LINE = constant("MASK_MODES", MODES, "Pillow modes of masks")
GOOD = "good"  # folder of normal images, as MVTec names it
BINS_LINE = constant("SCORE_BINS", 2000, "bins of scores for the metrics of pixels")
DEFECT_LINES = (
    constant("CLEAN_SHARE", 0.3, "share of training images that get no drawn defect"),
    constant(
        "DEFECT_SIZES", (0.002, 0.05), "areas of drawn defects, as shares of the image"
    ),
)


def plan(head: AnomalyDetection, code: HeadCode) -> HeadExpressions:
    alarms = f"{code.prefix}FALSE_ALARMS"
    note = "share of normal images that may have a score of 0.5"
    module = f"model.heads[{literal(head.name)}]" if code.prefix else "model.head"
    return HeadExpressions(
        construction=f"AnomalyHead({code.widths}, channels={head.channels})",
        loss=f"anomaly_loss({code.outputs}, {code.targets})",
        blank="np.zeros((HEIGHT, WIDTH), bool)",
        decode=f"decode_anomalies({code.outputs})",
        own=f"scores_of({enlarged(code, 'logits')})",
        annotations="read_inspections(folder, training)",
        parse=f"parse_inspection({code.given}, height, width)",
        place="draw_defect(canvas, rng)",
        sealed=f"found_anomalies({code.sealed})",
        words=in_words(code, "to_anomalies"),
        label_words=f"inspection_of(sample, {code.labels})",
        draw=f"draw_anomalies(image, {code.words})",
        saved=f"save_anomalies({code.words}, {saved_path(code)})",
        evidence=f"anomaly_evidence(sample, {code.labels}, {code.words})",
        metrics=f"anomaly_metrics({code.all_labels()}, {code.all_found()})",
        words_example=f'"{head.name}": {{label, score, map (height, width)}}, 0..1',
        annotation=(
            "white where the image is anomalous"
            if code.format == "maps"
            else "normal or anomalous"
        ),
        calibrated=(f"{module}.calibration", alarms),
        constants=(stride_constant(code),),
        dataset_constants=(*_folder(head, code), MODES_LINE),
        evaluate_constants=(constant(alarms, head.false_alarms, note), BINS_LINE),
    )


def _folder(head: AnomalyDetection, code: HeadCode) -> tuple[Line, ...]:
    """Returns the constant with the folder of normal images, where folders tell."""
    if code.format != "maps":
        return ()
    return (constant("NORMAL", head.normal or GOOD, "folder of the normal images"),)


# ---- The contract ----


def contract(head: AnomalyDetection) -> HeadContract:
    return HeadContract(found={"score": (), "map": PREDICTED})


def annotated(head: AnomalyDetection, names: str) -> Annotations:
    folder = literal(f"{head.name}-masks")
    return Annotations(
        label=f"some_inspection(folder / {folder}, number, height, width)",
        mapped="save_some_mask(place, number, height, width)",
        entry={"masks": folder},
    )


# ---- The record ----


TASK = Task(
    title="anomaly detection",
    head=AnomalyDetection,
    model_class="AnomalyDetector",
    output_type="Anomalies",
    returns="`Anomalies`",
    plan=plan,
    own_pixels=OWN_PIXELS,
    own_note='but "score" (B,) and "map" (B, h, w), both 0..1, stand for the logits',
    label="Inspection",
    native=Native(
        folder_note="A mask has the stem of its image; it may be smaller.",
        metadata=("masks: masks/  # white where an image is anomalous; or none",),
    ),
    readers={"native": "", "maps": ""},
    on_normal_images=True,
    training_note="A set to train on needs neither annotations nor masks.",
    constants={"data.py": DEFECT_LINES},
    stack="stack_defects",
    on_device=True,
    contract=contract,
    annotated=annotated,
)
