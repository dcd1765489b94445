"""Plan of `multiclass_classification`: one category an image."""

from __future__ import annotations

from dataclasses import replace

from specc.job import Head, MetricLearning, MulticlassClassification
from specc.source import literal, mapping
from specc.tasks.contract import FEW, MANY, Annotations, HeadContract
from specc.tasks.task import BELOW, HeadCode, HeadExpressions, Task


def plan(head: MulticlassClassification, code: HeadCode) -> HeadExpressions:
    names, smoothing = code.constant, literal(head.label_smoothing)
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
        parse=f"parse_category({code.given}, {names})",
        words=f"category_in_words({code.results}, row, {names})",
        label_words=mapping([("category", f"{names}[{code.labels}]")]),
        draw=f"draw_category(image, {code.words}, {names})",
        metrics=metrics,
        table=f"save_confusion({path}, {pair})",
        words_example=f'"{head.name}": {{category, score, top5}}',
        annotation="NAME",
    )


def variant(head: MulticlassClassification) -> Task:
    return ORDINAL if head.ordered else TASK


def contract(head: MulticlassClassification) -> HeadContract:
    count = len(head.categories)
    # With more categories than images a model may well be always wrong.
    tells = 1 < count < MANY
    return HeadContract(
        found={"probabilities": (count,), "category": ()},
        images=MANY if tells else FEW,
        tells=tells,
    )


def annotated(head: Head, names: str) -> Annotations:
    """Two images of an identity in turn: of one alone there is nothing to retrieve."""
    turn = "number // 2" if isinstance(head, MetricLearning) else "number"
    return Annotations(
        label=f"some_category({turn}, {names})", sections=("contract/some_category",)
    )


TASK = Task(
    title="multiclass classification",
    model_class="Classifier",
    output_type="Tensor",
    returns="logits (B, categories)",
    plan=plan,
    variant=variant,
    names="categories",
    counted=("category", "categories"),
    classes=("heads/classification",),
    losses=("losses/multiclass_classification",),
    mean_loss=True,
    decoders=("decoders/multiclass_classification",),
    label="int",
    metadata=("categories: [NAME, ...]",),
    readers={"native": (), "folders": (), "csv": ()},
    parsers=("dataset/parse_category",),
    meaning=("categories",),
    stacking=("data/stack_categories",),
    stack="stack_categories",
    in_words=("evaluate/category_words",),
    metrics=("evaluate/category_metrics", "evaluate/confusion"),
    drawings=("draw/category",),
    drawing_tools=("draw/add_line", "draw/caption", "draw/write", "draw/color_of"),
    drawn=BELOW,
    contract=contract,
    annotated=annotated,
)
ORDINAL = replace(
    TASK,
    losses=("losses/ordinal_classification",),
    metadata=(*TASK.metadata, "ordered: true"),
    metrics=(*TASK.metrics, "evaluate/rank_error"),
)
