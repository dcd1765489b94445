"""A code of a few numbers a cell, and a decoder that upsamples it to the image again."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.job import Autoencoding
    from specc.scope import Node, Scope

LEAST = 16  # channels of the decoder


def widths(head: Autoencoding) -> tuple[int, ...]:
    """Channels of the decoder's blocks, from the level that the head reads down to 1."""
    return tuple(max(LEAST, head.channels >> i) for i in range(head.level))


def build(net: Scope, head: Autoencoding, levels: dict[int, Node]) -> dict[str, Node]:
    """Outputs: reconstruction (channels of the image, H, W), code (code_size, h, w)."""
    here = net.at(head.level)
    code = x = here.conv(
        "code", levels[head.level], head.code_size, kernel=1, bias=True
    )
    for index, width in enumerate(widths(head)):
        here, block = net.at(head.level - index), f"decoder.{index}"
        x = here.conv(f"{block}.0", x, width, kernel=3)
        x = here.group_norm(f"{block}.1", x, groups=gcd(32, width // 2))
        x = here.relu(f"{block}.2", x)
        x = net.at(here.level - 1).upsample(f"{block}.3", x)
    channels = net.channels(net.graph.graph["image"])
    return {
        "reconstruction": net.at(0).conv("image", x, channels, kernel=3, bias=True),
        "code": code,
    }
