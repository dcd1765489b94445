"""View-invariance learning with VICReg: a representation that two random views of an
image share, by global average pooling, and a projection of the representation for the
loss.

VICReg, https://arxiv.org/abs/2105.04906, Bardes et al. 2021
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from specc.heads.contract import HeadContract
from specc.heads.multiclass_classification import annotated
from specc.heads.task import BELOW, HeadCode, HeadExpressions, Native, Task
from specc.job import Head
from specc.source import constant, literal, mapping

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class ViewInvarianceLearning(Head):
    categories: tuple[str, ...] | None  # used by a metric only
    level: int
    projection_size: int


# ---- The graph ----


def build(
    net: Scope, head: ViewInvarianceLearning, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: representation (channels of the level,), projection (size,)."""
    here, size = net.at(head.level), head.projection_size
    representation = here.global_pool("pool", levels[head.level])
    x = here.linear("projector.0", representation, size)
    x = here.group_norm("projector.1", x, groups=1)  # one group: a layer norm
    x = here.relu("projector.2", x)
    projection = here.linear("projector.3", x, size)
    return {"representation": representation, "projection": projection}


# ---- Expressions of the emitted code ----


def plan(head: ViewInvarianceLearning, code: HeadCode) -> HeadExpressions:
    key = f"[{literal(head.name)}]"
    view = f'view{key}["representation"]'
    expressions = HeadExpressions(
        construction=f"ViewHead({code.width}, size={head.projection_size})",
        loss=f"view_loss({code.outputs})",
        decode=f"decode_views({code.outputs})",
        annotations="read_images(folder)",
        parse="None",
        sealed=mapping(
            [("representation", f'{code.sealed}["representation"].tolist()')]
        ),
        words=f"to_representation({code.results}, row)",
        viewed=f'{code.words} | {{"view": {view}}}',
        label_words="{}",
        draw=f"draw_view(image, {code.words})",
        metrics=f"view_metrics({code.all_found()})",
        words_example=f'"{head.name}": {{representation}}',
        annotation="",
    )
    return _labeled(expressions, code) if head.categories else expressions


def _labeled(expressions: HeadExpressions, code: HeadCode) -> HeadExpressions:
    """Returns expressions that use categories in the metric, not in training."""
    names, title = code.constant, literal("multiclass classification")
    labeled = f"one[{code.key}] for sample, one in zip(samples, found)"
    found = f"[{labeled} if {code.key} in sample.labels]"
    found = found if code.partial else code.all_found()
    accuracy = f"knn_accuracy({code.all_labels()}, {found}, device)"
    return replace(
        expressions,
        annotations=f'read_annotations(folder, {title}, "categories", {code.numbers})',
        parse=f"{code.numbers}[str({code.given}).strip()]",
        place="None",
        label_words=mapping([("category", f"{names}[{code.labels}]")]),
        draw=f"draw_labeled_view(image, {code.words})",
        metrics=f'{{"knn_accuracy": {accuracy}, **{expressions.metrics}}}',
        annotation="NAME",
        dataset_constants=(),
    )


# ---- The contract ----


def contract(head: ViewInvarianceLearning) -> HeadContract:
    return HeadContract(found={}, kept=("representation",))


def variant(head: ViewInvarianceLearning) -> Task:
    return LABELED if head.categories else TASK


# ---- The record ----


WEIGHTS = constant(
    "INVARIANCE_WEIGHT, VARIANCE_WEIGHT",
    (25.0, 25.0),
    "VICReg's; the covariance counts once",
)
TASK = Task(
    title="view invariance learning",
    head=ViewInvarianceLearning,
    model_class="Encoder",
    output_type="Views",
    returns="`Views`",
    plan=plan,
    variant=variant,
    constants={"model.py": (WEIGHTS,)},
    label="None",
    unlabeled=True,
    readers={"native": "", "folders": ""},
    views=True,
    drawn=BELOW,
    contract=contract,
)
LABELED = replace(
    TASK,
    names="categories",
    counted=("category", "categories"),
    label="int",
    one_name=True,
    unlabeled=False,
    described_as="multiclass classification",
    native=Native(metadata=("categories: [NAME, ...]",)),
    drawn=BELOW,
    annotated=annotated,
)
