"""A text, token by token: a transformer's decoder reads the tokens so far and attends to the
cells of a level.

"Attention Is All You Need", Vaswani et al. 2017, arXiv:1706.03762; greedy decoding as in
"TrOCR", Li et al. 2021, arXiv:2109.10282
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from specc.heads.task import HeadCode, HeadExpressions, Task
from specc.heads.text import (
    SHARED,
    Reading,
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
    """Output: logits (places, tokens + 1), as inference makes them in ``places`` steps;
    the last place is for the end alone."""
    here, places = net.at(head.level), head.max_tokens + 1
    image = cells(here, levels[head.level], head.width)
    before = here.embedding("tokens", len(head.tokens) + 1, places, head.width)
    place = here.embedding("places", places, places, head.width)
    x = here.add("told", before, place)
    return {"logits": decode(here, head, x, image, Reading(places, again=True))}


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
