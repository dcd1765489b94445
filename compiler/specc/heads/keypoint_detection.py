"""Keypoints: a detector of their extents, and a tower that tells of each keypoint where
in the extent it is, and whether it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specc.heads.object_detection import detector, tower

if TYPE_CHECKING:
    from specc.job import KeypointDetection
    from specc.scope import Node, Scope

VALUES = 3  # of a keypoint: x, y, presence


def build(
    net: Scope, head: KeypointDetection, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: the detector's, of one category, and keypoints (cells, K, 3)."""
    outputs = detector(net, "detector.", 1, head.layers, levels)
    count, points = len(head.keypoints), []
    for level, x in levels.items():
        here = net.at(level)
        y = tower(here, "tower", x, head.layers)
        y = here.conv("points", y, VALUES * count, kernel=3, bias=True)
        points.append(here.flatten("point_cells", y, split=(count, VALUES)))
    return outputs | {"keypoints": net.at(max(levels)).concat("keypoints", points)}
