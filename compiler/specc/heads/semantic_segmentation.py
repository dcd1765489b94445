"""A category for every pixel: a decoder of several levels, then a score for each category
in the cells of the lowest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specc.heads.map_decoder import decode_levels

if TYPE_CHECKING:
    from specc.job import SemanticSegmentation
    from specc.scope import Node, Scope


def build(
    net: Scope, head: SemanticSegmentation, levels: dict[int, Node]
) -> dict[str, Node]:
    """Output: logits (categories, height, width) of the lowest level."""
    x = decode_levels(net, levels, head.channels)
    here = net.at(min(levels))
    return {"logits": here.conv("logits", x, len(head.categories), kernel=1, bias=True)}
