"""Plan of `regression`: a number an image."""

from __future__ import annotations

from specc.job import Regression
from specc.source import constant, literal, mapping
from specc.tasks.contract import Annotations, HeadContract
from specc.tasks.task import BELOW, HeadCode, HeadExpressions, Task


def plan(head: Regression, code: HeadCode) -> HeadExpressions:
    limits, given = f"{code.prefix}RANGE", code.given
    if code.format == "csv":
        given = f"as_number({given})"
    return HeadExpressions(
        construction=f"RegressionHead({code.width}, {limits})",
        loss=f"regression_loss({code.outputs}, {code.targets}, {limits})",
        blank="0.0",
        decode=f"decode_value({code.outputs})",
        parse=f"parse_number({given}, {limits})",
        words=f"value_in_words({code.results}, row)",
        label_words=mapping([("value", code.labels)]),
        draw=f"draw_value(image, {code.words})",
        metrics=f"regression_metrics({code.all_labels()}, {code.all_found()})",
        words_example=f'"{head.name}": {{value}}',
        annotation="NUMBER",
        annotations=f"read_numbers(folder, {limits})",
        constants=(constant(limits, head.range, "lowest and highest value"),),
    )


def contract(head: Regression) -> HeadContract:
    return HeadContract(found={"value": ()})


def annotated(head: Regression, names: str) -> Annotations:
    limits = literal(head.range)
    return Annotations(
        label=f"some_number(number, {limits})",
        sections=("contract/some_number",),
        entry={"range": f"[*{limits}]"},
    )


TASK = Task(
    title="regression",
    model_class="Regressor",
    output_type="Tensor",
    returns="values (B, 1)",
    plan=plan,
    classes=("heads/regression",),
    losses=("losses/regression",),
    mean_loss=True,
    decoders=("decoders/regression",),
    label="float",
    metadata=("range: [LOWEST, HIGHEST]",),
    readers={"native": (), "csv": ("dataset/as_number",)},
    native_readers=("dataset/read_numbers", "dataset/entries", "dataset/yaml"),
    parsers=("dataset/parse_number",),
    meaning=("range",),
    stacking=("data/stack_numbers",),
    stack="stack_numbers",
    in_words=("evaluate/value_words",),
    metrics=("evaluate/value_metrics",),
    drawings=("draw/value",),
    drawing_tools=("draw/add_line", "draw/write"),
    drawn=BELOW,
    contract=contract,
    annotated=annotated,
)
