"""A number an image: global average pooling, a linear layer, a sigmoid over the range."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.job import Regression
    from specc.scope import Node, Scope


def build(net: Scope, head: Regression, levels: dict[int, Node]) -> dict[str, Node]:
    """Output: value (1,)."""
    here = net.at(head.level)
    x = here.global_pool("pool", levels[head.level])
    return {"value": here.linear("linear", x, 1)}
