"""The depth of every pixel: a decoder of several levels, then one number in the cells of
the lowest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specc.heads.map_decoder import decode_levels

if TYPE_CHECKING:
    from specc.job import DepthEstimation
    from specc.scope import Node, Scope


def build(
    net: Scope, head: DepthEstimation, levels: dict[int, Node]
) -> dict[str, Node]:
    """Output: depth (1, height, width) of the lowest level."""
    x = decode_levels(net, levels, head.channels)
    here = net.at(min(levels))
    x = here.conv("share", x, 1, kernel=1, bias=True)
    return {"depth": here.activation("sigmoid", x, "sigmoid")}
