"""One class an image: global average pooling, then a linear layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.job import MulticlassClassification
    from specc.scope import Node, Scope


def build(
    net: Scope, head: MulticlassClassification, levels: dict[int, Node]
) -> dict[str, Node]:
    """Output: logits (categories,)."""
    here = net.at(head.level)
    x = here.global_pool("pool", levels[head.level])
    return {"logits": here.linear("linear", x, len(head.categories))}
