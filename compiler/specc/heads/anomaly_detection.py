"""How anomalous each cell is: several levels, which it does not train, to one map, and the
scores that follow from its logits once they are calibrated."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.job import AnomalyDetection
    from specc.scope import Node, Scope

AROUND = 2  # convolutions for what lies around a cell


def build(
    net: Scope, head: AnomalyDetection, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: logits and calibrated, (1, height, width) of the lowest level."""
    maps = []
    for index, (level, x) in enumerate(sorted(levels.items())):
        here, name = net.at(level), f"laterals.{index}"
        x = here.batch_norm(f"{name}.0", x, affine=False)
        maps.append(_block(here, f"{name}.1", x, head.channels))
    x = maps.pop()
    for finer in reversed(maps):
        here = net.at(finer.level)
        x = here.add("add", finer, here.upsample("upsample", x))
    here = net.at(min(levels))
    for index in range(AROUND):
        x = _block(here, f"around.{index}", x, head.channels)
    logits = here.conv("logits", x, 1, kernel=1, bias=True)
    return {"logits": logits, "calibrated": here.calibrate("calibration", logits)}


def _block(net: Scope, name: str, x: Node, channels: int) -> Node:
    x = net.conv(f"{name}.0", x, channels, kernel=3)
    return net.relu(f"{name}.2", net.batch_norm(f"{name}.1", x))
