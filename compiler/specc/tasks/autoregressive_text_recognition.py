"""Plan of `autoregressive_text_recognition`: a text, token by token."""

from __future__ import annotations

from specc.job import AutoregressiveTextRecognition
from specc.tasks.task import HeadCode, HeadExpressions, Task
from specc.tasks.text import SHARED, plan_text, with_text_of


def plan(head: AutoregressiveTextRecognition, code: HeadCode) -> HeadExpressions:
    return plan_text(head, code, "TextDecoder")


def variant(head: AutoregressiveTextRecognition) -> Task:
    return with_text_of(TASK, head)


TASK = Task(
    title="autoregressive text recognition",
    model_class="TextReader",
    plan=plan,
    variant=variant,
    classes=(
        "heads/attention",
        "heads/causal_attention",
        "heads/perceptron",
        "heads/image_cells",
        "heads/autoregressive_text_recognition",
    ),
    told=True,
    **SHARED,
)
