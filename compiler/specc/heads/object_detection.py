"""Boxes: two towers of convolutions whose weights all levels share, and per cell a
score for each category and a distribution over each of four distances.

"FCOS: Fully Convolutional One-Stage Object Detection", Tian et al. 2019,
arXiv:1904.01355; "Generalized Focal Loss", Li et al. 2020, arXiv:2006.04388
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.job import ObjectDetection
    from specc.scope import Node, Scope

SIDES = 4  # left, top, right, bottom
BINS = 16  # values of a distance


def build(
    net: Scope, head: ObjectDetection, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: those of the detector."""
    return detector(net, "", len(head.categories), head.layers, levels)


def detector(
    net: Scope,
    prefix: str,
    categories: int,
    layers: int,
    levels: dict[int, Node],
    box_towers: dict[int, Node] | None = None,
) -> dict[str, Node]:
    """Outputs: logits (cells, categories), bins (cells, 4, 16); finest level first.

    ``prefix`` of its modules ends with a point, where other heads are made of it; a
    head that reads the box towers too has them already.
    """
    logits, bins = [], []
    for level, x in levels.items():
        here = net.at(level)
        y = tower(here, f"{prefix}class_tower", x, layers)
        y = here.conv(f"{prefix}class_logits", y, categories, kernel=3, bias=True)
        logits.append(here.flatten("class_cells", y))
        y = (box_towers or {}).get(level) or box_tower(here, prefix, x, layers)
        y = here.conv(f"{prefix}box_bins", y, SIDES * BINS, kernel=3, bias=True)
        bins.append(here.flatten("box_cells", y, split=(SIDES, BINS)))
    whole = net.at(max(levels))
    return {
        "logits": whole.concat("logits", logits),
        "bins": whole.concat("bins", bins),
    }


def box_tower(net: Scope, prefix: str, x: Node, layers: int) -> Node:
    """What the boxes of a level are read off."""
    return tower(net, f"{prefix}box_tower", x, layers)


def tower(net: Scope, name: str, x: Node, layers: int) -> Node:
    """Convolutions that keep the width, each with a group norm and a ReLU."""
    channels = net.channels(x)
    for index in range(0, 3 * layers, 3):
        x = net.conv(f"{name}.{index}", x, channels, kernel=3)
        x = net.group_norm(f"{name}.{index + 1}", x, groups=gcd(32, channels // 2))
        x = net.relu(f"{name}.{index + 2}", x)
    return x
