"""Plan of `scene_text_recognition`: a text, all of its tokens at once."""

from __future__ import annotations

from specc.job import SceneTextRecognition
from specc.tasks.task import HeadCode, HeadExpressions, Task
from specc.tasks.text import SHARED, plan_text, with_text_of


def plan(head: SceneTextRecognition, code: HeadCode) -> HeadExpressions:
    return plan_text(head, code, "TextHead")


def variant(head: SceneTextRecognition) -> Task:
    return with_text_of(TASK, head)


TASK = Task(
    title="scene text recognition",
    model_class="TextReader",
    plan=plan,
    variant=variant,
    classes=(
        "heads/attention",
        "heads/perceptron",
        "heads/image_cells",
        "heads/scene_text_recognition",
    ),
    **SHARED,
)
