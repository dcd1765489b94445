"""Multilabel classification: any labels of each image; global average pooling, a linear
layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from specc.heads.contract import MANY, Annotations, HeadContract
from specc.heads.task import BELOW, HeadCode, HeadExpressions, Native, Task
from specc.job import Head
from specc.source import literal

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class MultilabelClassification(Head):
    labels: tuple[str, ...]
    level: int
    score_threshold: float
    merge: dict[str, list[str]] | None = None  # label -> names in the dataset


# ---- The graph ----


def build(
    net: Scope, head: MultilabelClassification, levels: dict[int, Node]
) -> dict[str, Node]:
    """Output: logits (labels,)."""
    here = net.at(head.level)
    x = here.global_pool("pool", levels[head.level])
    return {"logits": here.linear("linear", x, len(head.labels))}


# ---- Expressions of the emitted code ----


def plan(head: MultilabelClassification, code: HeadCode) -> HeadExpressions:
    names, least = code.constant, f"min_score={literal(head.score_threshold)}"
    return HeadExpressions(
        construction=f"ClassificationHead({code.width}, len({names}))",
        loss=f"multilabel_loss({code.outputs}, {code.targets})",
        blank=f"np.zeros(len({names}), np.float32)",
        decode=f"decode_labels({code.outputs})",
        parse=f"parse_labels({code.given}, {code.numbers}, counts)",
        sealed=f"found_labels({code.sealed}, {code.sealed_names('labels')}, {least})",
        words=f"to_labels({code.results}, row, {names}, {least})",
        label_words=f"present_labels({code.labels}, {names})",
        draw=f"draw_labels(image, {code.words})",
        checks=(
            code.checked("np.flatnonzero", names),
            f"check_constant(samples, use, {code.key}, {names})",
        ),
        metrics=f"multilabel_metrics({code.all_labels()}, {code.all_found()}, {names})",
        words_example=f'"{head.name}": {{labels, scores}}',
        annotation="[NAME, ...]",
    )


# ---- The contract ----


def contract(head: MultilabelClassification) -> HeadContract:
    return HeadContract(
        found={"probabilities": (len(head.labels),)},
        images=MANY,
        tells=len(head.labels) > 1,
    )


def annotated(head: MultilabelClassification, names: str) -> Annotations:
    return Annotations(label=f"some_labels(number, {names})")


# ---- The record ----


TASK = Task(
    title="multilabel classification",
    head=MultilabelClassification,
    model_class="Classifier",
    output_type="Tensor",
    returns="logits (B, labels)",
    plan=plan,
    names="labels",
    counted=("label", "labels"),
    annotations="labels",
    label="np.ndarray",
    joined="np.maximum(ONE, OTHER)",
    native=Native(
        metadata=("labels: [NAME, ...]",), empty_note="`[]` is one without labels"
    ),
    readers={"native": "", "csv": ""},
    meaning=("labels",),
    stack="stack_labels",
    drawn=BELOW,
    contract=contract,
    annotated=annotated,
)
