"""Classification: one category for each image; global average pooling, a linear
layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from specc.heads.contract import FEW, MANY, Annotations, HeadContract
from specc.heads.task import BELOW, HeadCode, HeadExpressions, Native, Task
from specc.job import Head
from specc.source import literal, mapping

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class MulticlassClassification(Head):
    categories: tuple[str, ...]
    ordered: bool  # whether categories are ranks, from low to high
    level: int
    label_smoothing: float
    merge: dict[str, list[str]] | None = None  # category -> names in the dataset


# ---- The graph ----


def build(
    net: Scope, head: MulticlassClassification, levels: dict[int, Node]
) -> dict[str, Node]:
    """Output: logits (categories,)."""
    here = net.at(head.level)
    x = here.global_pool("pool", levels[head.level])
    return {"logits": here.linear("linear", x, len(head.categories))}


# ---- Expressions of the emitted code ----


def plan(head: MulticlassClassification, code: HeadCode) -> HeadExpressions:
    names, smoothing = code.constant, f"smoothing={literal(head.label_smoothing)}"
    loss = "ordinal_loss" if head.ordered else "classification_loss"
    pair = f"{code.all_labels()}, {code.all_found()}, {names}"
    metrics = f"classification_metrics({pair})"
    if head.ordered:
        metrics += f' | {{"rank_error": rank_error({pair})}}'
    path = f"args.confusion / {literal(head.name + '.csv')}"
    return HeadExpressions(
        construction=f"ClassificationHead({code.width}, len({names}))",
        loss=f"{loss}({code.outputs}, {code.targets}, {smoothing})",
        blank="0",
        decode=f"decode_category({code.outputs})",
        parse=code.category,
        sealed=f"found_category({code.sealed}, {code.sealed_names('categories')})",
        words=f"to_category({code.results}, row, {names})",
        label_words=mapping([("category", f"{names}[{code.labels}]")]),
        draw=f"draw_category(image, {code.words}, {names})",
        checks=(code.checked("lambda x: [x]", names, TASK.fewest),),
        metrics=metrics,
        table=f"save_confusion({path}, {pair})",
        words_example=f'"{head.name}": {{category, score, top5}}',
        annotation="NAME",
        indexed=names,
    )


def variant(head: MulticlassClassification) -> Task:
    return ORDINAL if head.ordered else TASK


# ---- The contract ----


def contract(head: MulticlassClassification) -> HeadContract:
    count = len(head.categories)
    # With more categories than images an untrained model may always be wrong.
    tells = count < MANY
    return HeadContract(
        found={"probabilities": (count,), "category": ()},
        images=MANY if tells else FEW,
        tells=tells,
    )


def annotated(head: Head, names: str) -> Annotations:
    """Returns how annotations are made. Two images in turn have one category: heads
    that read categories as identities retrieve one image by the other."""
    turn = "number // 2" if hasattr(head, "identities") else "number"
    return Annotations(label=f"some_category({turn}, {names})")


# ---- The record ----


TASK = Task(
    title="multiclass classification",
    head=MulticlassClassification,
    model_class="Classifier",
    output_type="Tensor",
    returns="logits (B, categories)",
    plan=plan,
    variant=variant,
    names="categories",
    counted=("category", "categories"),
    fewest=2,
    annotations="categories",
    label="int",
    one_name=True,
    native=Native(metadata=("categories: [NAME, ...]",)),
    readers={"native": "", "folders": "", "csv": ""},
    meaning=("categories",),
    stack="stack_categories",
    drawn=BELOW,
    contract=contract,
    annotated=annotated,
)
ORDINAL = replace(TASK, native=Native((*TASK.native.metadata, "ordered: true")))
