"""Networks of inverted residuals: EfficientNet, EfficientNetV2, MobileNetV2 and V3.

A stem that halves the image, then stages of blocks, the first of which changes the width
and may halve the map. Modules are named as in timm 1.0; the tables are in efficientnet.py
and mobilenet.py.

"MobileNetV2: Inverted Residuals and Linear Bottlenecks", Sandler et al. 2018,
arXiv:1801.04381
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from specc.backbones.table import Table

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class Block:
    """``kind`` is one of ``BLOCKS``; ``width`` is that of its convolution in space."""

    kind: str
    inputs: int
    width: int
    outputs: int
    kernel: int
    stride: int
    squeezed: int  # channels inside squeeze-and-excitation; 0: the block has none
    activation: str

    @property
    def skips(self) -> bool:
        return self.stride == 1 and self.inputs == self.outputs


@dataclass(frozen=True, kw_only=True)
class Inverted(Table):
    """Stages make levels: one whose first block halves the map begins a new level."""

    paper: str  # identifier at arXiv
    activation: str  # of the stem
    squeeze_activation: str = "silu"
    gate: str = "sigmoid"
    stages: tuple[tuple[Block, ...], ...]
    first: str = "conv_stem"
    same: bool = False  # padded as TensorFlow does, where its weights come from
    eps: float = 1e-5  # of batch norm
    classifier: tuple[str, ...] = ("conv_head", "bn2", "classifier")

    def levels(self) -> Iterator[tuple[int, int, tuple[Block, ...]]]:
        """(level, number of the stage, its blocks), in order."""
        level = 1
        for number, blocks in enumerate(self.stages):
            level += blocks[0].stride == 2
            yield level, number, blocks


def rounded(channels: float) -> int:
    """The nearest multiple of 8 that is not below 0.9 of a width."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def build(net: Scope, table: Inverted, image: Node, top_level: int) -> dict[int, Node]:
    """Add levels 1 to ``min(top_level, 5)``; returns the node that ends each."""
    stem = _Layers(net.at(1), table)
    x = stem.conv("conv_stem", image, table.stem, kernel=3, stride=2)
    levels = {1: stem.norm_act("bn1", "act1", x, table.activation)}
    for level, stage, blocks in table.levels():
        if level > top_level:
            break
        x = levels.get(level) or levels[level - 1]
        for index, block in enumerate(blocks):
            layers = _Layers(net.at(level), table, f"blocks.{stage}.{index}.")
            x = _block(layers, block, x)
        levels[level] = x
    return levels


@dataclass(frozen=True)
class _Layers:
    """The layers of a block, added under its name at its level."""

    net: Scope
    table: Inverted
    prefix: str = ""

    def conv(self, step: str, x: Node, channels: int, kernel: int = 1, **options):
        same = self.table.same and kernel > 1
        return self.net.conv(
            self.prefix + step, x, channels, kernel, same=same, **options
        )

    def norm(self, step: str, x: Node) -> Node:
        return self.net.batch_norm(self.prefix + step, x, self.table.eps)

    def norm_act(self, norm: str, act: str, x: Node, activation: str) -> Node:
        return self.net.activation(self.prefix + act, self.norm(norm, x), activation)

    def squeeze_excite(self, x: Node, squeezed: int) -> Node:
        """ "Squeeze-and-Excitation Networks", Hu et al. 2017, arXiv:1709.01507."""
        if not squeezed:
            return x
        net, se = self.net, f"{self.prefix}se."
        y = net.squeeze(f"{se}mean", x)
        y = net.conv(f"{se}conv_reduce", y, squeezed, kernel=1, bias=True)
        y = net.activation(f"{se}act1", y, self.table.squeeze_activation)
        y = net.conv(f"{se}conv_expand", y, net.channels(x), kernel=1, bias=True)
        y = net.activation(f"{se}gate", y, self.table.gate)
        return net.multiply(f"{se}scale", x, y)

    def finer(self) -> _Layers:
        """The same at the level below: what a block does before it halves the map."""
        return _Layers(self.net.at(self.net.level - 1), self.table, self.prefix)


def _block(layers: _Layers, block: Block, x: Node) -> Node:
    y = BLOCKS[block.kind](layers, block, x)
    return layers.net.add(f"{layers.prefix}add", y, x) if block.skips else y


def _inverted(layers: _Layers, block: Block, x: Node) -> Node:
    """1x1 that widens, a depthwise convolution, 1x1 that narrows."""
    wide = layers.finer() if block.stride == 2 else layers
    x = wide.conv("conv_pw", x, block.width)
    x = wide.norm_act("bn1", "act1", x, block.activation)
    x = layers.conv("conv_dw", x, block.width, **_depthwise(block))
    x = layers.norm_act("bn2", "act2", x, block.activation)
    x = layers.squeeze_excite(x, block.squeezed)
    return layers.norm("bn3", layers.conv("conv_pwl", x, block.outputs))


def _separable(layers: _Layers, block: Block, x: Node) -> Node:
    """A depthwise convolution, then a 1x1."""
    x = layers.conv("conv_dw", x, block.width, **_depthwise(block))
    x = layers.norm_act("bn1", "act1", x, block.activation)
    x = layers.squeeze_excite(x, block.squeezed)
    return layers.norm("bn2", layers.conv("conv_pw", x, block.outputs))


def _fused(layers: _Layers, block: Block, x: Node) -> Node:
    """One convolution that widens and looks around, then a 1x1 that narrows."""
    window = {"kernel": block.kernel, "stride": block.stride}
    x = layers.conv("conv_exp", x, block.width, **window)
    x = layers.norm_act("bn1", "act1", x, block.activation)
    return layers.norm("bn2", layers.conv("conv_pwl", x, block.outputs))


def _plain(layers: _Layers, block: Block, x: Node) -> Node:
    window = {"kernel": block.kernel, "stride": block.stride}
    x = layers.conv("conv", x, block.outputs, **window)
    return layers.norm_act("bn1", "act1", x, block.activation)


def _depthwise(block: Block) -> dict[str, int]:
    return {"kernel": block.kernel, "stride": block.stride, "groups": block.width}


BLOCKS = {
    "inverted": _inverted,
    "separable": _separable,
    "fused": _fused,
    "plain": _plain,
}
