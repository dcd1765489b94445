"""Plan of `anomaly_detection`: how unlike normal images an image is, and where."""

from __future__ import annotations

from specc.job import AnomalyDetection
from specc.source import constant, literal
from specc.tasks.contract import PREDICTED, Annotations, HeadContract
from specc.tasks.maps import (
    OWN_PIXELS,
    SUFFIXES_LINE,
    enlarged,
    saved_path,
    stride_constant,
)
from specc.tasks.task import HeadCode, HeadExpressions, Task

MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
MODES_LINE = constant("MASK_MODES", MODES, "Pillow's, of masks")
BINS_LINE = constant("SCORE_BINS", 2000, "of the metrics of pixels")
DEFECT_LINES = (
    constant("CLEAN_SHARE", 0.3, "of the training images, which get no drawn defect"),
    constant("DEFECT_SIZES", (0.002, 0.05), "of an image, before some is left out"),
)


def plan(head: AnomalyDetection, code: HeadCode) -> HeadExpressions:
    stride = f"{code.prefix}STRIDE"
    alarms = f"{code.prefix}FALSE_ALARMS"
    note = "the share of normal images that may have a score of 0.5"
    module = f"model.heads[{literal(head.name)}]" if code.prefix else "model.head"
    return HeadExpressions(
        construction=f"AnomalyHead({code.widths}, {head.channels})",
        loss=f"anomaly_loss({code.outputs}, {code.targets})",
        blank="np.zeros((HEIGHT, WIDTH), bool)",
        decode=f"decode_anomalies({code.outputs})",
        own=f"scores_of({enlarged(code, 'logits')})",
        annotations="read_inspections(folder, training)",
        parse=f"parse_inspection({code.given}, height, width)",
        place="draw_defect(canvas, rng)",
        words=f"anomalies_in_words({code.results}, row, {stride}, sample, seen)",
        label_words=f"inspection_in_words(sample, {code.labels})",
        draw=f"draw_anomalies(image, {code.words})",
        saved=f"save_anomalies({code.words}, {saved_path(code)})",
        evidence=f"anomaly_evidence(sample, {code.labels}, {code.words})",
        metrics=f"anomaly_metrics({code.all_labels()}, {code.all_found()})",
        words_example=f'"{head.name}": {{label, score, map (height, width)}}, 0..1',
        annotation="normal or anomalous",
        calibrated=f"({module}.calibration, {literal(head.name)}, {alarms})",
        constants=(stride_constant(code),),
        dataset_constants=(MODES_LINE, SUFFIXES_LINE),
        evaluate_constants=(constant(alarms, head.false_alarms, note), BINS_LINE),
    )


def contract(head: AnomalyDetection) -> HeadContract:
    return HeadContract(found={"score": (), "map": PREDICTED})


def annotated(head: AnomalyDetection, names: str) -> Annotations:
    folder = literal(f"{head.name}-masks")
    return Annotations(
        label=f"some_inspection(folder / {folder}, number, height, width)",
        sections=("contract/some_inspection", "contract/save_map"),
        entry={"masks": folder},
    )


TASK = Task(
    title="anomaly detection",
    model_class="AnomalyDetector",
    output_type="Anomalies",
    returns="`Anomalies`",
    plan=plan,
    classes=("heads/anomaly_detection",),
    operations=("model/enlarge",),
    losses=("losses/anomaly_detection", "losses/shared_total"),
    decoders=("decoders/anomaly_detection",),
    own_pixels=OWN_PIXELS,
    own_note='but "score" (B,) and "map" (B, h, w), both 0..1, stand for the logits',
    label="Inspection",
    label_types=("dataset/inspection",),
    folder_note="A mask has the stem of its image; it may be smaller.",
    metadata=("masks: masks/  # white where an image is anomalous; or none",),
    readers={"native": ()},
    native_readers=(
        "dataset/inspections",
        "dataset/read_images",
        "dataset/listed_images",
        "dataset/entries",
        "dataset/yaml",
    ),
    parsers=("dataset/parse_inspection", "dataset/parse_map"),
    on_normal_images=True,
    training_note="A set to train on needs neither annotations nor masks.",
    placing=(
        "data/draw_defect",
        "data/read_mask",
        "data/read_map",
        "data/resized_map",
    ),
    data_constants=DEFECT_LINES,
    stacking=("data/stack_defects",),
    stack="stack_defects",
    in_words=("evaluate/anomaly_words",),
    metrics=("evaluate/calibrate", "evaluate/anomaly_metrics"),
    drawings=("draw/anomalies",),
    drawing_tools=("draw/write",),
    label_words=("draw/inspection_words",),
    contract=contract,
    annotated=annotated,
)
