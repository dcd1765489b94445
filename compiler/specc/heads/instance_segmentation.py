"""Masks: a detector, whose cells also give the weights of a small network each, and the
features of the pixels that these networks look at, at half the stride of the finest level.

"Conditional Convolutions for Instance Segmentation", Tian et al. 2020, arXiv:2003.05664
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from specc.heads.object_detection import detector, tower

if TYPE_CHECKING:
    from specc.job import InstanceSegmentation
    from specc.scope import Node, Scope

MASK_CHANNELS = 8  # of the features, and of the hidden layer of a cell's network
WEIGHTS = (MASK_CHANNELS + 2 + 1) * MASK_CHANNELS + MASK_CHANNELS + 1  # of this network


def build(
    net: Scope, head: InstanceSegmentation, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: those of `segmenter`."""
    return segmenter(net, "", len(head.categories), head.layers, levels)


def segmenter(
    net: Scope, prefix: str, categories: int, layers: int, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: those of the detector, kernels (cells, weights), and features
    (8, height, width) at half the stride of the finest level.

    ``prefix`` of its modules ends with a point, where other heads are made of it.
    """
    kernels = []
    for level, x in levels.items():
        here = net.at(level)
        x = tower(here, f"{prefix}kernel_tower", x, layers)
        x = here.conv(f"{prefix}kernels", x, WEIGHTS, kernel=3, bias=True)
        kernels.append(here.flatten("kernel_cells", x))
    finest = min(levels)
    x = tower(net.at(finest), f"{prefix}coarse", levels[finest], 1)
    here = net.at(finest - 1)
    x = tower(here, f"{prefix}fine", here.upsample("finer", x), 1)
    return {
        **detector(net, f"{prefix}detector.", categories, layers, levels),
        "kernels": net.at(max(levels)).concat("all_kernels", kernels),
        "features": here.conv(
            f"{prefix}features", x, MASK_CHANNELS, kernel=1, bias=True
        ),
    }
