"""Plan of `multilabel_classification`: any labels an image."""

from __future__ import annotations

from specc.job import MultilabelClassification
from specc.source import literal
from specc.tasks.contract import MANY, Annotations, HeadContract
from specc.tasks.task import BELOW, HeadCode, HeadExpressions, Task


def plan(head: MultilabelClassification, code: HeadCode) -> HeadExpressions:
    names, least = code.constant, literal(head.score_threshold)
    return HeadExpressions(
        construction=f"ClassificationHead({code.width}, len({names}))",
        loss=f"multilabel_loss({code.outputs}, {code.targets})",
        blank=f"np.zeros(len({names}), np.float32)",
        decode=f"decode_labels({code.outputs})",
        parse=f"parse_labels({code.given}, {names})",
        words=f"labels_in_words({code.results}, row, {names}, {least})",
        label_words=f"present_labels({code.labels}, {names})",
        draw=f"draw_labels(image, {code.words})",
        metrics=f"multilabel_metrics({code.all_labels()}, {code.all_found()}, {names})",
        words_example=f'"{head.name}": {{labels, scores}}',
        annotation="[NAME, ...]",
    )


def contract(head: MultilabelClassification) -> HeadContract:
    return HeadContract(
        found={"probabilities": (len(head.labels),)},
        images=MANY,
        tells=len(head.labels) > 1,
    )


def annotated(head: MultilabelClassification, names: str) -> Annotations:
    return Annotations(
        label=f"some_labels(number, {names})", sections=("contract/some_labels",)
    )


TASK = Task(
    title="multilabel classification",
    model_class="Classifier",
    output_type="Tensor",
    returns="logits (B, labels)",
    plan=plan,
    names="labels",
    counted=("label", "labels"),
    classes=("heads/classification",),
    losses=("losses/multilabel_classification",),
    mean_loss=True,
    decoders=("decoders/multilabel_classification",),
    label="np.ndarray",
    metadata=("labels: [NAME, ...]",),
    readers={"native": ()},
    parsers=("dataset/parse_labels",),
    empty_note="`[]` is one without labels",
    meaning=("labels",),
    stacking=("data/stack_labels",),
    stack="stack_labels",
    in_words=("evaluate/label_words",),
    metrics=("evaluate/label_metrics",),
    drawings=("draw/labels",),
    drawing_tools=("draw/add_line", "draw/write"),
    drawn=BELOW,
    label_words=("draw/present_labels",),
    contract=contract,
    annotated=annotated,
)
