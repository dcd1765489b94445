"""Quadrilaterals: a detector of their hulls, whose box tower tells of each corner too
where in the hull it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specc.heads.object_detection import box_tower, detector

if TYPE_CHECKING:
    from specc.job import QuadrilateralDetection
    from specc.scope import Node, Scope

CORNERS, AXES = 4, 2


def build(
    net: Scope, head: QuadrilateralDetection, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: those of the detector, and corners (cells, 4, 2)."""
    prefix, categories = "detector.", len(head.categories)
    towers = {
        level: box_tower(net.at(level), prefix, x, head.layers)
        for level, x in levels.items()
    }
    outputs = detector(net, prefix, categories, head.layers, levels, towers)
    corners = []
    for level, x in towers.items():
        here = net.at(level)
        y = here.conv("corners", x, CORNERS * AXES, kernel=3, bias=True)
        corners.append(here.flatten("corner_cells", y, split=(CORNERS, AXES)))
    return outputs | {"corners": net.at(max(levels)).concat("all_corners", corners)}
