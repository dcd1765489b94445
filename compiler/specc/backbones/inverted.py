"""Networks of inverted residuals: EfficientNet, EfficientNetV2, MobileNetV2 and V3.

A stem that halves the image, then stages of blocks, the first of which changes the
width and may halve the map. Modules are named as in timm 1.0; the tables are in
efficientnet.py and mobilenet.py.

"MobileNetV2: Inverted Residuals and Linear Bottlenecks", Sandler et al. 2018,
arXiv:1801.04381
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from specc.backbones.table import LEVELS, Table
from specc.source import Line, extra_level, shape

if TYPE_CHECKING:
    from specc.graph.cost import Summary
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

    paper: str  # arXiv identifier
    activation: str  # activation of the stem
    squeeze_activation: str = "silu"
    gate: str = "sigmoid"
    stages: tuple[tuple[Block, ...], ...]
    first: str = "conv_stem"
    same: bool = False  # "same" padding of TensorFlow, where the weights come from
    eps: float = 1e-5  # epsilon of the batch norms
    classifier: tuple[str, ...] = ("conv_head", "bn2", "classifier")

    def levels(self) -> Iterator[tuple[int, int, tuple[Block, ...]]]:
        """Yields (level, number of the stage, blocks of the stage), in order."""
        level = 1
        for number, blocks in enumerate(self.stages):
            level += blocks[0].stride == 2
            yield level, number, blocks


def rounded(channels: float) -> int:
    """Returns the multiple of 8 nearest to a width, but not below 0.9 of the width."""
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
    """Adds the layers of one block: under the block's name, at the block's level."""

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
        """Returns the same block's layers at the level below, before the map is
        halved."""
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


# ---- The plan ----


CLASSES = {  # kind of block -> name of the emitted class
    "inverted": "InvertedResidual",
    "separable": "DepthwiseSeparable",
    "fused": "FusedResidual",
    "plain": "ConvBlock",
}
FUNCTIONS = {
    "relu": "F.relu_",  # gradients of other activations need their input
    "relu6": "F.relu6",
    "silu": "F.silu",
    "hardswish": "F.hardswish",
    "sigmoid": "torch.sigmoid",
    "hardsigmoid": "F.hardsigmoid",
}


@dataclass(frozen=True)
class KindPlan:
    """One kind of block: what all its blocks share is literal, the rest a parameter."""

    template: str
    class_name: str
    parameters: str
    window: str  # kernel and stride of the depthwise or fused convolution
    squeeze: str
    fields: tuple[Line, ...]  # further fields that `forward` needs
    activation: str
    skips: bool  # whether any block adds its input x
    result: str  # the expression that `forward` returns, once the layers made y


def plan(table: Inverted, summary: Summary) -> dict[str, Any]:
    channels = {x.level: x.backbone for x in summary.levels}
    emitted = [s for s in table.levels() if s[0] in summary.backbone_levels]
    used = [block for _, _, blocks in emitted for block in blocks]
    kinds = {kind: _kind(table, kind, used) for kind in dict.fromkeys(_kinds(used))}
    extra = [level for level in summary.backbone_levels if level > LEVELS]
    unused = [f"blocks.{n}" for n in range(len(emitted), len(table.stages))]
    stem = "x" if emitted and emitted[0][0] == 1 else "c1"
    return {
        "template": "backbones/inverted.py.jinja",
        "class_name": table.class_name,
        "layers": tuple(extra_level(k, channels[k - 1], channels[k]) for k in extra),
        "steps": tuple(_steps(emitted, extra, channels)),
        "modules": _modules(emitted, extra),
        "first": f"{table.first}.weight",
        "left_out": tuple(f"{name}." for name in (*unused, *table.classifier)),
        "family": {
            "title": table.title,
            "paper": table.paper,
            "kinds": tuple(kinds.values()),
            "convolution": f"backbones/conv{'_same' * table.same}.py.jinja",
            "squeezes": any(block.squeezed for block in used),
            "stem": Line(stem, str(table.stem), shape=shape(table.stem, 1)),
            "activation": FUNCTIONS[table.activation],
            "squeeze_activation": FUNCTIONS[table.squeeze_activation],
            "gate": FUNCTIONS[table.gate],
            "eps": "" if table.eps == 1e-5 else ", eps=1e-3",
            "stages": tuple(_stages(emitted, used)),
        },
    }


def _kinds(blocks: list[Block]) -> list[str]:
    return sorted((block.kind for block in blocks), key=list(CLASSES).index)


# ---- Classes: one a kind ----


def _kind(table: Inverted, kind: str, used: list[Block]) -> KindPlan:
    blocks = [block for block in used if block.kind == kind]
    names = _parameters(blocks)
    squeezes = any(block.squeezed for block in blocks)
    window = ["kernel" if "kernel" in names else str(blocks[0].kernel)]
    window += ["stride"] if "stride" in names else []
    return KindPlan(
        template=f"backbones/{kind}_block{'_squeezed' * squeezes}.py.jinja",
        class_name=CLASSES[kind],
        parameters=", ".join(names.values()),
        window=", ".join(window),
        squeeze=_squeeze(blocks, names),
        fields=tuple(_fields(blocks, names)),
        activation="self.act" if "act" in names else FUNCTIONS[blocks[0].activation],
        skips=any(block.skips for block in blocks),
        result=(
            "y.add_(x) if self.skips else y" if _skip_varies(blocks) else "y.add_(x)"
        ),
    )


def _parameters(blocks: list[Block]) -> dict[str, str]:
    """Returns name -> declaration of each parameter that differs between blocks."""
    names = {"inputs": "inputs: int", "width": "width: int", "outputs": "outputs: int"}
    if blocks[0].kind in ("separable", "plain"):
        del names["width"]
    if len({block.kernel for block in blocks}) > 1:
        names["kernel"] = "kernel: int = 3"
    if any(block.stride == 2 for block in blocks):
        names["stride"] = "stride: int = 1"
    if any(block.squeezed not in (0, block.inputs // 4) for block in blocks):
        optional = not all(block.squeezed for block in blocks)
        names["squeezed"] = f"squeezed: int{' = 0' * optional}"
    if len({block.activation for block in blocks}) > 1:
        names["act"] = f"act: Callable = {FUNCTIONS[blocks[-1].activation]}"
    return dict(sorted(names.items(), key=lambda item: "=" in item[1]))


def _squeeze(blocks: list[Block], names: dict[str, str]) -> str:
    channels = "inputs" if blocks[0].kind == "separable" else "width"
    if "squeezed" not in names:
        return f"SqueezeExcite({channels}, inputs // 4)"
    layer = f"SqueezeExcite({channels}, squeezed)"
    if all(block.squeezed for block in blocks):
        return layer
    return f"{layer} if squeezed else nn.Identity()"


def _fields(blocks: list[Block], names: dict[str, str]) -> Iterator[Line]:
    if _skip_varies(blocks):
        same = "inputs == outputs"
        yield Line("skips", f"stride == 1 and {same}" if "stride" in names else same)
    if "act" in names:
        yield Line("act", "act")


def _skip_varies(blocks: list[Block]) -> bool:
    return len({block.skips for block in blocks}) > 1


# ---- The network: its stages and its forward ----


def _stages(emitted: list[tuple], used: list[Block]) -> Iterator[Line]:
    for level, number, blocks in emitted:
        parts = [
            _repeated(_construction(block, used), len(list(group)))
            for block, group in groupby(blocks)
        ]
        yield Line(f"{number}: level {level}", f"nn.Sequential({', '.join(parts)})")


def _repeated(construction: str, count: int) -> str:
    if count == 1:
        return construction
    return f"*({construction} for _ in range({count}))"


def _construction(block: Block, used: list[Block]) -> str:
    """Returns the call that constructs the block: the arguments that are no default."""
    names = _parameters([other for other in used if other.kind == block.kind])
    values = {name: getattr(block, name, None) for name in names}
    arguments = [str(values[k]) for k in ("inputs", "width", "outputs") if k in names]
    if values.get("kernel", 3) != 3:
        arguments.append(f"kernel={block.kernel}")
    if block.stride == 2:
        arguments.append("stride=2")
    if values.get("squeezed"):
        arguments.append(f"squeezed={block.squeezed}")
    if "act" in names and not names["act"].endswith(FUNCTIONS[block.activation]):
        arguments.append(f"act={FUNCTIONS[block.activation]}")
    return f"{CLASSES[block.kind]}({', '.join(arguments)})"


def _modules(emitted: list[tuple], extra: list[int]) -> dict[int, list[str]]:
    """Returns level -> the modules that make it."""
    modules = {1: ["conv_stem", "bn1"]}
    for level, number, _ in emitted:
        modules.setdefault(level, []).append(f"blocks[{number}]")
    return modules | {level: [f"down{level}"] for level in extra}


def _steps(
    emitted: list[tuple], extra: list[int], channels: dict[int, int]
) -> Iterator[Line]:
    """Returns a line for each level: its stages, applied to the level below."""
    for level, stages in groupby(emitted, key=lambda stage: stage[0]):
        source = f"c{level - 1}" if level > 1 else "x"
        for _, number, _ in stages:
            source = f"self.blocks[{number}]({source})"
        yield Line(f"c{level}", source, shape=shape(channels[level], level))
    for level in extra:
        source = f"self.down{level}(c{level - 1})"
        yield Line(f"c{level}", source, shape=shape(channels[level], level))
