"""Feature pyramid: coarse levels flow down into fine ones, and coarser ones are added.

"Feature Pyramid Networks for Object Detection", Lin et al. 2016, arXiv:1612.03144; the
levels above the backbone's are those of RetinaNet, arXiv:1708.02002, which makes the
first of them from the backbone's top level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.job import FPN
    from specc.scope import Node, Scope


def build(net: Scope, neck: FPN, backbone: dict[int, Node]) -> dict[int, Node]:
    """Add levels ``bottom_level`` to ``top_level``; returns level -> node."""
    bottom, top = sorted((neck.bottom_level, neck.top_level))
    last = max(bottom, min(top, max(backbone)))  # the highest with a lateral
    fused = _top_down(net, neck.channels, backbone, range(bottom, last + 1))
    levels = {
        level: net.at(level).conv(f"smooth{level}", x, neck.channels, 3, bias=True)
        for level, x in sorted(fused.items())
    }
    for level in range(last + 1, top + 1):
        x = levels[level - 1]
        if level > last + 1:
            x = net.at(level - 1).relu("relu", x)
        elif neck.extra_levels_from == "backbone":
            x = backbone.get(last, x)  # none where it starts above: see check.py
        here = net.at(level)
        levels[level] = here.conv(
            f"down{level}", x, neck.channels, kernel=3, stride=2, bias=True
        )
    return levels


def _top_down(
    net: Scope, channels: int, backbone: dict[int, Node], levels: range
) -> dict[int, Node]:
    fused: dict[int, Node] = {}
    for level in reversed(levels):
        here = net.at(level)
        x = here.conv(f"lateral{level}", here.read(backbone), channels, 1, bias=True)
        if level + 1 in fused:
            x = here.add("add", x, here.upsample("upsample", fused[level + 1]))
        fused[level] = x
    return fused
