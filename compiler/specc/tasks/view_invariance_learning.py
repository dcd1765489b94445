"""Plan of `view_invariance_learning`: what two random views of an image share."""

from __future__ import annotations

from dataclasses import replace

from specc.job import ViewInvarianceLearning
from specc.source import literal, mapping
from specc.tasks.contract import HeadContract
from specc.tasks.maps import SUFFIXES_LINE
from specc.tasks.multiclass_classification import annotated
from specc.tasks.task import BELOW, HeadCode, HeadExpressions, Task


def plan(head: ViewInvarianceLearning, code: HeadCode) -> HeadExpressions:
    key = f"[{literal(head.name)}]"
    view = f'view{key}["representation"]'
    expressions = HeadExpressions(
        construction=f"ViewHead({code.width}, {head.projection_size})",
        loss=f"view_loss({code.outputs})",
        decode=f"decode_views({code.outputs})",
        annotations="read_images(folder)",
        parse="None",
        words=f"representation_in_words({code.results}, row)",
        viewed=f'{code.words} | {{"view": {view}}}',
        label_words="{}",
        draw=f"draw_view(image, {code.words})",
        metrics=f"view_metrics({code.all_found()})",
        words_example=f'"{head.name}": {{representation}}',
        annotation="",
        dataset_constants=(SUFFIXES_LINE,),
    )
    return _labelled(expressions, code) if head.categories else expressions


def _labelled(expressions: HeadExpressions, code: HeadCode) -> HeadExpressions:
    """With categories, which the metric knows and training does not."""
    names, title = code.constant, literal("multiclass classification")
    labelled = f"{code.words} for sample, words in zip(samples, found)"
    found = f"[{labelled} if {code.key} in sample.labels]"
    found = found if code.partial else code.all_found()
    accuracy = f"knn_accuracy({code.all_labels()}, {found})"
    return replace(
        expressions,
        annotations=f'read_annotations(folder, {title}, "categories", {names})',
        parse=f"parse_category({code.given}, {names})",
        place="None",
        label_words=mapping([("category", f"{names}[{code.labels}]")]),
        draw=f"draw_labelled_view(image, {code.words})",
        metrics=f'{{"knn_accuracy": {accuracy}, **{expressions.metrics}}}',
        annotation="NAME",
        dataset_constants=(),
    )


def contract(head: ViewInvarianceLearning) -> HeadContract:
    return HeadContract(found={}, kept=("representation",))


def variant(head: ViewInvarianceLearning) -> Task:
    return LABELLED if head.categories else TASK


TASK = Task(
    title="view invariance learning",
    model_class="Encoder",
    output_type="Views",
    returns="`Views`",
    plan=plan,
    variant=variant,
    classes=("heads/view_invariance_learning",),
    losses=("losses/view_invariance_learning",),
    decoders=("decoders/view_invariance_learning",),
    label="None",
    unlabelled=True,
    readers={"native": ()},
    native_readers=("dataset/read_images",),
    views=True,
    stacking=("data/stack_nothing",),
    stack="stack_nothing",
    in_words=("evaluate/view_words",),
    metrics=("evaluate/view_metrics",),
    drawings=("draw/view",),
    drawing_tools=("draw/bars",),
    drawn=BELOW,
    contract=contract,
)
LABELLED = replace(
    TASK,
    names="categories",
    counted=("category", "categories"),
    label="int",
    unlabelled=False,
    described_as="multiclass classification",
    metadata=("categories: [NAME, ...]",),
    native_readers=(
        "dataset/annotations",
        "dataset/described",
        "dataset/names_of",
        "dataset/entries",
        "dataset/yaml",
    ),
    parsers=("dataset/parse_category",),
    metrics=("evaluate/view_metrics", "evaluate/knn_accuracy"),
    drawings=("draw/labelled_view",),
    drawing_tools=("draw/bars", "draw/add_line", "draw/write"),
    drawn=BELOW,
    annotated=annotated,
)
