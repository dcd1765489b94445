"""Autoregressive text recognition: a transformer decoder reads the tokens so far,
attends to the cells of a level, and gives the next token.

Transformer, https://arxiv.org/abs/1706.03762, Vaswani et al. 2017; greedy decoding as
in TrOCR, https://arxiv.org/abs/2109.10282, Li et al. 2021
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
class AutoregressiveTextRecognition(TextRecognition):
    pass


# ---- The graph ----


def build(
    net: Scope, head: AutoregressiveTextRecognition, levels: dict[int, Node]
) -> dict[str, Node]:
    """Output: logits (places, tokens + 1), as inference makes them, one by one;
    the last place only holds the end of the text."""
    here, places = net.at(head.level), head.max_tokens + 1
    image = cells(here, levels[head.level], head.width)
    before = here.embedding("tokens", len(head.tokens) + 1, places, head.width)
    place = here.embedding("places", places, places, head.width)
    x = here.add("told", before, place)
    return {"logits": decode(here, head, x, image, by_token=True)}


# ---- Expressions of the emitted code ----


def plan(head: AutoregressiveTextRecognition, code: HeadCode) -> HeadExpressions:
    return plan_text(head, code, "TextDecoder")


# ---- The record ----


TASK = Task(
    title="autoregressive text recognition",
    head=AutoregressiveTextRecognition,
    model_class="TextReader",
    plan=plan,
    told=True,
    **SHARED,
)
