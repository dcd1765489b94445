"""Every pixel: instances of things, and beside them a map that tells the kinds of stuff
apart, and things from stuff.

"Panoptic Feature Pyramid Networks", Kirillov et al. 2019, arXiv:1901.02446
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from specc.heads.instance_segmentation import segmenter
from specc.heads.map_decoder import decode_levels

if TYPE_CHECKING:
    from specc.job import PanopticSegmentation
    from specc.scope import Node, Scope

COARSEST = 5  # level that the map of stuff reads; above it images need not halve evenly


def map_levels(levels: list[int]) -> list[int]:
    """Those of the head's levels that the map of stuff is made of."""
    return [level for level in levels if level <= max(COARSEST, min(levels))]


def build(
    net: Scope, head: PanopticSegmentation, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: those of the instances, and stuff (1 + kinds of it, height, width) in the
    cells of the lowest level, things first."""
    things = len(head.things)
    found = segmenter(net, "instances.", things, head.layers, levels)
    read = {level: levels[level] for level in map_levels(list(levels))}
    x = decode_levels(net, read, head.channels)
    kinds = 1 + len(head.categories) - things
    here = net.at(min(levels))
    return found | {"stuff": here.conv("stuff", x, kinds, kernel=1, bias=True)}
