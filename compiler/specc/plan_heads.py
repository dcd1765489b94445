"""The heads' part of the plan: one function a task."""

from __future__ import annotations

from dataclasses import dataclass

from specc.cost import Summary
from specc.job import Job, MulticlassClassification, ObjectDetection
from specc.plan_maps import span
from specc.plan_neck import NeckPlan
from specc.plan_source import literal, mapping

CATEGORIES_IN_CODE = 100  # more stand in a file of their own


@dataclass(frozen=True)
class HeadPlan:
    """Where a field is an expression or a type, it is text of the emitted code."""

    name: str
    task: str
    native_task: str  # in a dataset's metadata.yaml
    loss_weight: float
    categories: tuple[str, ...]
    constant: str  # name of the tuple of categories
    categories_in_file: bool
    categories_file: str
    given: str  # its annotation of an image
    levels: str  # 3..7
    model_class: str  # if it is the only head
    output_type: str
    returns: str  # what comes out, in words
    construction: str
    inputs: str  # names of the maps it reads
    loss: str
    loss_prefix: str  # of its terms' names
    decode: str
    parse: str  # its labels in a dataset, of `given`
    place: str  # its labels on a canvas
    stack: str  # function that makes a batch of them
    words: str  # its results in the words of annotations
    label_words: str
    metrics_function: str
    words_example: str
    annotation: str  # example in the native layout
    detects: bool = False
    classifies: bool = False
    strides: tuple[int, ...] = ()
    strides_constant: str = ""


def plan_heads(
    job: Job, summary: Summary, neck: NeckPlan | None
) -> tuple[HeadPlan, ...]:
    several = len(job.heads) > 1
    keyed = several and job.data.format == "native"
    plans = []
    for head in job.heads:
        prefix = f"{code_name(head.name).upper()}_" if several else ""
        read = [level for level in summary.levels if head.name in level.heads]
        common = {
            "name": head.name,
            "loss_prefix": f"{head.name}/loss/",
            "task": head.task,
            "loss_weight": head.loss_weight,
            "categories": head.categories,
            "constant": f"{prefix}CATEGORIES",
            "categories_in_file": len(head.categories) > CATEGORIES_IN_CODE,
            "categories_file": (
                f"{head.name}.categories.json" if several else "categories.json"
            ),
            "given": f"given[{literal(head.name)}]" if keyed else "given",
            "levels": span(tuple(level.level for level in read)),
            "inputs": ", ".join(_map(level) for level in read),
        }
        outputs = f"outputs[{literal(head.name)}]" if several else "outputs"
        width = "CHANNELS" if read[0].neck else str(read[0].backbone)
        plans.append(_TASKS[head.task](head, common, prefix, outputs, width, read))
    return tuple(plans)


def code_name(name: str) -> str:
    """A head's name as part of an identifier."""
    return name.replace("-", "_")


def _map(level) -> str:
    return f"{'p' if level.neck else 'c'}{level.level}"


def _object_detection(
    head: ObjectDetection,
    common: dict,
    prefix: str,
    outputs: str,
    width: str,
    read: list,
) -> HeadPlan:
    constant, strides = common["constant"], f"{prefix}STRIDES"
    label = f"[{literal(head.name)}]"
    thresholds = f"{literal(head.score_threshold)}, {literal(head.iou_threshold)}"
    return HeadPlan(
        **common,
        native_task="object detection",
        model_class="Detector",
        output_type="Predictions",
        returns="`Predictions`",
        construction=f"DetectionHead({width}, {head.layers}, len({constant}), {strides})",
        loss=f"detection_loss({outputs}, targets{label})",
        decode=f"decode_objects({outputs}, {thresholds}, {head.max_detections})",
        parse=f"parse_objects({common['given']}, {constant}, height, width, counts)",
        place=f"moved(sample.labels{label}, transform)",
        stack="stack_objects",
        words=f"objects_in_words(results{label}, row, {constant}, ratio, limits)",
        label_words=f"objects_of(sample.labels{label}, {constant})",
        metrics_function="detection_metrics",
        words_example=f'"{head.name}": [{{category, bbox, score}}, ...]',
        annotation="[{category: NAME, bbox: [left, top, right, bottom]}, ...]",
        detects=True,
        strides=tuple(level.stride for level in read),
        strides_constant=strides,
    )


def _multiclass_classification(
    head: MulticlassClassification,
    common: dict,
    prefix: str,
    outputs: str,
    width: str,
    read: list,
) -> HeadPlan:
    constant, label = common["constant"], f"[{literal(head.name)}]"
    smoothing = literal(head.label_smoothing)
    return HeadPlan(
        **common,
        native_task="multiclass classification",
        model_class="Classifier",
        output_type="Tensor",
        returns="logits (B, categories)",
        construction=f"ClassificationHead({width}, len({constant}))",
        loss=f"classification_loss({outputs}, targets{label}, {smoothing})",
        decode=f"decode_category({outputs})",
        parse=f"parse_category({common['given']}, {constant})",
        place=f"sample.labels{label}",
        stack="stack_categories",
        words=f"category_in_words(results{label}, row, {constant})",
        label_words=mapping([("category", f"{constant}[sample.labels{label}]")]),
        metrics_function="classification_metrics",
        words_example=f'"{head.name}": {{category, score, top5}}',
        annotation="NAME",
        classifies=True,
    )


_TASKS = {
    "object_detection": _object_detection,
    "multiclass_classification": _multiclass_classification,
}
