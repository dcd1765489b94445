"""Regression: a number for each image; global average pooling, a linear layer, and a
sigmoid scaled to the range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from specc.heads.contract import Annotations, HeadContract
from specc.heads.task import BELOW, HeadCode, HeadExpressions, Native, Task
from specc.job import Head
from specc.source import constant, literal, mapping

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class Regression(Head):
    range: tuple[float, float]  # lowest and highest value
    level: int


# ---- The graph ----


def build(net: Scope, head: Regression, levels: dict[int, Node]) -> dict[str, Node]:
    """Output: value (1,)."""
    here = net.at(head.level)
    x = here.global_pool("pool", levels[head.level])
    return {"value": here.linear("linear", x, 1)}


# ---- Expressions of the emitted code ----


def plan(head: Regression, code: HeadCode) -> HeadExpressions:
    limits = f"{code.prefix}RANGE"
    return HeadExpressions(
        construction=f"RegressionHead({code.width}, {limits})",
        loss=f"regression_loss({code.outputs}, {code.targets}, {limits})",
        blank="0.0",
        decode=f"decode_value({code.outputs})",
        parse=f"parse_number({code.given}, {limits})",
        sealed=mapping([("value", f'float({code.sealed}["value"])')]),
        words=f"to_value({code.results}, row)",
        label_words=mapping([("value", code.labels)]),
        draw=f"draw_value(image, {code.words})",
        checks=(code.checked("lambda x: [x]", fewest=TASK.fewest),),
        metrics=f"regression_metrics({code.all_labels()}, {code.all_found()})",
        words_example=f'"{head.name}": {{value}}',
        annotation="NUMBER",
        annotations=f"read_numbers(folder, {limits})",
        constants=(constant(limits, head.range, "lowest and highest value"),),
    )


# ---- The contract ----


def contract(head: Regression) -> HeadContract:
    return HeadContract(found={"value": ()})


def annotated(head: Regression, names: str) -> Annotations:
    limits = literal(head.range)
    return Annotations(
        label=f"some_number(number, {limits})",
        entry={"range": f"[*{limits}]"},
    )


# ---- The record ----


TASK = Task(
    title="regression",
    head=Regression,
    model_class="Regressor",
    output_type="Tensor",
    returns="values (B, 1)",
    plan=plan,
    fewest=2,
    label="float",
    native=Native(metadata=("range: [LOWEST, HIGHEST]",)),
    readers={"native": "", "csv": ""},
    meaning=("range",),
    stack="stack_numbers",
    drawn=BELOW,
    contract=contract,
    annotated=annotated,
)
