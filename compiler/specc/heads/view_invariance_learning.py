"""A representation an image, by global average pooling, and its projection for the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.job import ViewInvarianceLearning
    from specc.scope import Node, Scope


def build(
    net: Scope, head: ViewInvarianceLearning, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: representation (channels of the level,), projection (size,)."""
    here, size = net.at(head.level), head.projection_size
    representation = here.global_pool("pool", levels[head.level])
    x = here.linear("projector.0", representation, size)
    x = here.group_norm("projector.1", x, groups=1)  # a layer norm
    x = here.relu("projector.2", x)
    projection = here.linear("projector.3", x, size)
    return {"representation": representation, "projection": projection}
