"""ResNet 18 to 152: the tables, and the network as timm 1.0 builds it (strides in the
3x3 convolution of a bottleneck, module names and all).

"Deep Residual Learning for Image Recognition", He et al. 2015, arXiv:1512.03385
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from specc.backbones.table import LEVELS, Table
from specc.source import Line, extra_level, shape

if TYPE_CHECKING:
    from specc.graph.cost import Summary
    from specc.scope import Node, Scope


@dataclass(frozen=True, kw_only=True)
class ResNet(Table):
    """The table of a ResNet. Stage k of ``depths`` makes level k + 2."""

    block: str  # basic (two 3x3 convolutions), bottleneck (1x1, 3x3, 1x1)
    depths: tuple[int, int, int, int]  # number of blocks of each stage
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)  # 3x3 channels by stage
    stem: int = 64
    first: str = "conv1"
    classifier: tuple[str, ...] = ("fc",)

    @property
    def expansion(self) -> int:
        """The output channels of a block, per channel of its 3x3 convolutions."""
        return 4 if self.block == "bottleneck" else 1


def _resnet(layers: int, tag: str, block: str, depths: tuple[int, ...]) -> ResNet:
    return ResNet(
        name=f"resnet{layers}",
        title=f"ResNet-{layers}",
        class_name=f"ResNet{layers}",
        timm=f"resnet{layers}",
        weights=f"resnet{layers}.{tag}",
        block=block,
        depths=depths,
    )


TABLES = (
    _resnet(18, "a1_in1k", "basic", (2, 2, 2, 2)),
    _resnet(34, "a1_in1k", "basic", (3, 4, 6, 3)),
    _resnet(50, "a1_in1k", "bottleneck", (3, 4, 6, 3)),
    _resnet(101, "a1h_in1k", "bottleneck", (3, 4, 23, 3)),
    _resnet(152, "a1h_in1k", "bottleneck", (3, 8, 36, 3)),
)


def build(net: Scope, table: ResNet, image: Node, top_level: int) -> dict[int, Node]:
    """Add levels 1 to ``min(top_level, 5)``; returns the node that ends each."""
    stem = net.at(1)
    x = stem.conv("conv1", image, table.stem, kernel=7, stride=2)
    x = stem.batch_norm("bn1", x)
    x = stem.relu("act1", x)
    levels = {1: x}
    if top_level >= 2:
        x = net.at(2).max_pool("maxpool", x, kernel=3, stride=2)
    for stage, (depth, width) in enumerate(zip(table.depths, table.widths), start=1):
        level = stage + 1
        if level > top_level:
            break
        for index in range(depth):
            stride = 2 if stage > 1 and index == 0 else 1
            name = f"layer{stage}.{index}"
            x = _block(net.at(level), table, name, x, width, stride)
        levels[level] = x
    return levels


def _block(
    net: Scope, table: ResNet, name: str, x: Node, width: int, stride: int
) -> Node:
    branch = {"basic": _basic, "bottleneck": _bottleneck}[table.block]
    channels = width * table.expansion
    y, act = branch(net, name, x, width, channels, stride)
    if stride > 1 or net.channels(x) != channels:
        x = net.conv(f"{name}.downsample.0", x, channels, kernel=1, stride=stride)
        x = net.batch_norm(f"{name}.downsample.1", x)
    return net.relu(f"{name}.{act}", net.add(f"{name}.add", y, x))


def _basic(
    net: Scope, name: str, x: Node, width: int, channels: int, stride: int
) -> tuple[Node, str]:
    x = net.conv(f"{name}.conv1", x, width, kernel=3, stride=stride)
    x = net.relu(f"{name}.act1", net.batch_norm(f"{name}.bn1", x))
    x = net.conv(f"{name}.conv2", x, channels, kernel=3)
    return net.batch_norm(f"{name}.bn2", x), "act2"


def _bottleneck(
    net: Scope, name: str, x: Node, width: int, channels: int, stride: int
) -> tuple[Node, str]:
    wide = net.at(net.level - 1) if stride > 1 else net  # conv2 halves the map
    x = wide.conv(f"{name}.conv1", x, width, kernel=1)
    x = wide.relu(f"{name}.act1", wide.batch_norm(f"{name}.bn1", x))
    x = net.conv(f"{name}.conv2", x, width, kernel=3, stride=stride)
    x = net.relu(f"{name}.act2", net.batch_norm(f"{name}.bn2", x))
    x = net.conv(f"{name}.conv3", x, channels, kernel=1)
    return net.batch_norm(f"{name}.bn3", x), "act3"


# ---- The plan ----


def plan(table: ResNet, summary: Summary) -> dict[str, Any]:
    channels = {x.level: x.backbone for x in summary.levels}
    layers, steps, modules = [], [], {1: ["conv1", "bn1"]}
    for level in summary.backbone_levels[1:]:
        if level <= LEVELS:
            layer = Line(f"layer{level - 1}", _stage(table, level, channels[level]))
        else:
            layer = extra_level(level, channels[level - 1], channels[level])
        below = (
            "F.max_pool2d(c1, 3, stride=2, padding=1)"
            if level == 2
            else f"c{level - 1}"
        )
        layers.append(layer)
        modules[level] = [layer.name]
        source = f"self.{layer.name}({below})"
        steps.append(Line(f"c{level}", source, shape=shape(channels[level], level)))
    unused = [f"layer{k - 1}" for k in range(2, LEVELS + 1) if k not in modules]
    return {
        "template": "backbones/resnet.py.jinja",
        "class_name": table.class_name,
        "layers": tuple(layers),
        "steps": tuple(steps),
        "modules": modules,
        "first": f"{table.first}.weight",
        "left_out": tuple(f"{name}." for name in (*unused, *table.classifier)),
        "family": {"block_template": f"backbones/{table.block}_block.py.jinja"},
    }


def _stage(table: ResNet, level: int, outputs: int) -> str:
    """Returns the source of a stage; all stages but the first halve the map at
    first."""
    stage = level - 1
    depth, width = table.depths[stage - 1], table.widths[stage - 1]
    inputs = table.stem if stage == 1 else table.widths[stage - 2] * table.expansion
    block = "BasicBlock" if table.block == "basic" else "Bottleneck"
    first = f"{block}({inputs}, {width}{', stride=2' if stage > 1 else ''})"
    other = f"{block}({outputs}, {width})"
    if depth > 2:
        other = f"*({other} for _ in range({depth - 1}))"
    return f"nn.Sequential({first}, {other})"
