"""Quadrilaterals: a detector of their hulls, and a tower that tells of each corner where
in the hull it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specc.heads.object_detection import detector, tower

if TYPE_CHECKING:
    from specc.job import QuadrilateralDetection
    from specc.scope import Node, Scope

CORNERS, AXES = 4, 2


def build(
    net: Scope, head: QuadrilateralDetection, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: those of the detector, and corners (cells, 4, 2)."""
    outputs = detector(net, "detector.", len(head.categories), head.layers, levels)
    corners = []
    for level, x in levels.items():
        here = net.at(level)
        y = tower(here, "tower", x, head.layers)
        y = here.conv("corners", y, CORNERS * AXES, kernel=3, bias=True)
        corners.append(here.flatten("corner_cells", y, split=(CORNERS, AXES)))
    return outputs | {"corners": net.at(max(levels)).concat("all_corners", corners)}
