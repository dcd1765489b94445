"""Bidirectional feature pyramid: levels flow down and up again, layer after layer, and
where maps meet, their mean has learned weights.

"EfficientDet: Scalable and Efficient Object Detection", Tan et al. 2019,
arXiv:1911.09070. Its code brings a level of the backbone to the common width anew
wherever the first layer reads it; here that is done once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.job import BiFPN
    from specc.scope import Node, Scope

EPSILON = 1e-3  # of the batch norms, as in the paper's code


def build(net: Scope, neck: BiFPN, backbone: dict[int, Node]) -> dict[int, Node]:
    """Add levels ``bottom_level`` to ``top_level``; returns level -> node.

    A single level is only brought to the common width: check.py says what is wrong.
    """
    levels = _resample(net, neck, backbone)
    for index in range(neck.layers if len(levels) > 1 else 0):
        levels = _layer(net, f"layers.{index}", levels)
    return levels


def _resample(net: Scope, neck: BiFPN, backbone: dict[int, Node]) -> dict[int, Node]:
    """The backbone's levels at the common width, and max-pooled ones above them."""
    bottom, top = sorted((neck.bottom_level, neck.top_level))
    last = max(bottom, min(top, max(backbone)))
    levels = {}
    for level in range(bottom, last + 1):
        here = net.at(level)
        x = here.read(backbone)
        if here.channels(x) != neck.channels:
            name = f"resample{level}"
            x = here.conv(f"{name}.0", x, neck.channels, kernel=1)
            x = here.batch_norm(f"{name}.1", x, EPSILON)
        levels[level] = x
    for level in range(last + 1, top + 1):
        levels[level] = _down(net.at(level), f"level{level}", levels[level - 1])
    return levels


def _layer(net: Scope, name: str, levels: dict[int, Node]) -> dict[int, Node]:
    bottom, *between, top = sorted(levels)
    mids = {top: levels[top]}
    for level in reversed(between):
        here, step = net.at(level), f"{name}.mid{level}"
        above = here.upsample(f"{step}.up", mids[level + 1])
        mids[level] = _fusion(here, step, levels[level], above)

    here, step = net.at(bottom), f"{name}.out{bottom}"
    above = here.upsample(f"{step}.up", mids[bottom + 1])
    outs = {bottom: _fusion(here, step, levels[bottom], above)}
    for level in (*between, top):
        here, step = net.at(level), f"{name}.out{level}"
        own = [levels[level]] if level == top else [levels[level], mids[level]]
        below = _down(here, step, outs[level - 1])
        outs[level] = _fusion(here, step, *own, below)
    return outs


def _fusion(net: Scope, name: str, *maps: Node) -> Node:
    x = net.activation(f"{name}.act", net.fuse(name, *maps), "silu")
    channels = net.channels(x)
    x = net.conv(f"{name}.depthwise", x, channels, kernel=3, groups=channels)
    x = net.conv(f"{name}.pointwise", x, channels, kernel=1)
    return net.batch_norm(f"{name}.norm", x, EPSILON)


def _down(net: Scope, name: str, x: Node) -> Node:
    return net.max_pool(f"{name}.down", x, kernel=3, stride=2)
