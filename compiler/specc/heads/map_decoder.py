"""Several levels to one map: from the coarsest down, each is convolved and added to what
is above it, upsampled.

"Panoptic Feature Pyramid Networks", Kirillov et al. 2019, arXiv:1901.02446
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.scope import Node, Scope


def decode_levels(net: Scope, levels: dict[int, Node], channels: int) -> Node:
    """A map of ``channels`` in the cells of the lowest level."""
    blocks = [
        _block(net.at(level), f"decoder.blocks.{index}", x, channels)
        for index, (level, x) in enumerate(sorted(levels.items()))
    ]
    x = blocks.pop()
    for finer in reversed(blocks):
        here = net.at(finer.level)
        x = here.add("decoder.add", finer, here.upsample("decoder.upsample", x))
    return x


def _block(net: Scope, name: str, x: Node, channels: int) -> Node:
    x = net.conv(f"{name}.0", x, channels, kernel=3)
    x = net.group_norm(f"{name}.1", x, groups=gcd(32, channels // 2))
    return net.relu(f"{name}.2", x)
