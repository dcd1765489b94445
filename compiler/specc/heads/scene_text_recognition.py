"""Scene text recognition: all tokens of a text at once. A learned query for each place
in the text attends to the cells of a level.

ABINet, "Read Like Humans: Autonomous, Bidirectional and Iterative Language Modeling for
Scene Text Recognition", https://arxiv.org/abs/2103.06495, Fang et al. 2021
PARSeq (its non-autoregressive decoding), https://arxiv.org/abs/2207.06966, Bautista and
Atienza 2022
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from specc.heads.task import HeadCode, HeadExpressions, Task
from specc.heads.text import (
    SHARED,
    TextRecognition,
    cells,
    decode,
    plan_text,
)

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class SceneTextRecognition(TextRecognition):
    pass


# ---- The graph ----


def build(
    net: Scope, head: SceneTextRecognition, levels: dict[int, Node]
) -> dict[str, Node]:
    """Output: logits (places, tokens + 1); the last place only holds the end of the
    text."""
    here, places = net.at(head.level), head.max_tokens + 1
    image = cells(here, levels[head.level], head.width)
    x = here.embedding("places", places, places, head.width)
    return {"logits": decode(here, head, x, image, by_token=False)}


# ---- Expressions of the emitted code ----


def plan(head: SceneTextRecognition, code: HeadCode) -> HeadExpressions:
    return plan_text(head, code, "TextHead")


# ---- The record ----


TASK = Task(
    title="scene text recognition",
    head=SceneTextRecognition,
    model_class="TextReader",
    plan=plan,
    **SHARED,
)
