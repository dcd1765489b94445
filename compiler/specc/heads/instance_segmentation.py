"""Masks: a detector, whose cells also give the weights of a small network each, and the
features of the pixels that these networks look at, at half the stride of the finest level.

"Conditional Convolutions for Instance Segmentation", Tian et al. 2020, arXiv:2003.05664
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from specc.heads.object_detection import detector, tower

if TYPE_CHECKING:
    from specc.graph import Node, Scope
    from specc.job import InstanceSegmentation

MASK_CHANNELS = 8  # of the features, and of the hidden layer of a cell's network
WEIGHTS = (MASK_CHANNELS + 2 + 1) * MASK_CHANNELS + MASK_CHANNELS + 1  # of this network


def build(
    net: Scope, head: InstanceSegmentation, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: those of the detector, kernels (cells, weights), and features
    (8, height, width) at half the stride of the finest level."""
    categories, kernels = len(head.categories), []
    for level, x in levels.items():
        here = net.at(level)
        x = tower(here, "kernel_tower", x, head.layers)
        x = here.conv("kernels", x, WEIGHTS, kernel=3, bias=True)
        kernels.append(here.flatten("kernel_cells", x))
    finest = min(levels)
    x = tower(net.at(finest), "coarse", levels[finest], 1)
    here = net.at(finest - 1)
    x = tower(here, "fine", here.upsample("upsample", x), 1)
    return {
        **detector(net, "detector.", categories, head.layers, levels),
        "kernels": net.at(max(levels)).concat("kernels_concat", kernels),
        "features": here.conv("features", x, MASK_CHANNELS, kernel=1, bias=True),
    }
