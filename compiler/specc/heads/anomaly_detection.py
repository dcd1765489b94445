"""How anomalous each cell is: a decoder of several levels, which it does not train, and
the scores that follow from its logits once they are calibrated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specc.heads.map_decoder import block, decode_levels

if TYPE_CHECKING:
    from specc.graph import Node, Scope
    from specc.job import AnomalyDetection

AROUND = 2  # convolutions after the decoder, for what lies around a cell


def build(
    net: Scope, head: AnomalyDetection, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: logits and calibrated, (1, height, width) of the lowest level."""
    x = decode_levels(net, levels, head.channels)
    here = net.at(min(levels))
    for index in range(AROUND):
        x = block(here, f"around.{index}", x, head.channels)
    logits = here.conv("logits", x, 1, kernel=1, bias=True)
    return {"logits": logits, "calibrated": here.calibrate("calibration", logits)}
