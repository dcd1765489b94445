"""The backbone's and the neck's part of the plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from specc.backbones import TABLES
from specc.backbones.resnet import ResNet
from specc.cost import Summary
from specc.job import Job
from specc.plan_source import Line

IMAGENET_CHANNELS = 3
RESNET_TOP = 5  # levels above are made by stride-2 convolutions


@dataclass(frozen=True)
class BackbonePlan:
    template: str
    block_template: str
    class_name: str  # ResNet18
    made: str  # levels as text: 1..5
    layers: tuple[Line, ...]
    steps: tuple[Line, ...]
    returned: tuple[str, ...]  # c3, c4, c5
    returns: str
    returns_type: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class NeckPlan:
    template: str
    channels: int
    read: str
    made: str
    story: str  # how the levels come about, in words
    layers: tuple[Line, ...]
    steps: tuple[Line, ...]
    inputs: tuple[str, ...]
    parameters: str
    returned: tuple[str, ...]
    returns: str
    returns_type: str


def span(levels: tuple[int, ...]) -> str:
    """Levels in words of a comment: 3..5, or 5."""
    return f"{levels[0]}..{levels[-1]}" if len(levels) > 1 else str(levels[0])


def shape(channels: int | str, level: int) -> str:
    return f"(B, {channels}, H/{2**level}, W/{2**level})"


def star(names: tuple[str, ...]) -> str:
    """What unpacks several maps into arguments, and leaves a single one alone."""
    return "*" if len(names) > 1 else ""


# ---- Backbone ----


def plan_backbone(job: Job, summary: Summary) -> BackbonePlan:
    table = TABLES[job.backbone.name]
    channels = {x.level: x.backbone for x in summary.levels}
    layers, steps = [], []
    for level in summary.backbone_levels[1:]:
        if level <= RESNET_TOP:
            layer = Line(f"layer{level - 1}", _stage(table, level, channels[level]))
        else:
            layer = Line(f"down{level}", _down(channels[level - 1], channels[level]))
        below = (
            "F.max_pool2d(c1, 3, stride=2, padding=1)"
            if level == 2
            else f"c{level - 1}"
        )
        layers.append(layer)
        source = f"self.{layer.name}({below})"
        steps.append(Line(f"c{level}", source, shape=shape(channels[level], level)))
    returned = tuple(f"c{level}" for level in summary.backbone_returned)
    return BackbonePlan(
        template="backbones/resnet.py.jinja",
        block_template=f"backbones/{table.block}_block.py.jinja",
        class_name=table.name.replace("resnet", "ResNet"),
        made=span(summary.backbone_levels),
        layers=tuple(layers),
        steps=tuple(steps),
        returned=returned,
        returns=", ".join(returned),
        returns_type=_maps_type(returned),
        mean=_of_channels(table.mean, job.data.channels),
        std=_of_channels(table.std, job.data.channels),
    )


def _stage(table: ResNet, level: int, outputs: int) -> str:
    """A stage's blocks. All but the first stage begin by halving the map."""
    stage = level - 1
    depth, width = table.depths[stage - 1], table.widths[stage - 1]
    inputs = table.stem if stage == 1 else table.widths[stage - 2] * table.expansion
    block = "BasicBlock" if table.block == "basic" else "Bottleneck"
    first = f"{block}({inputs}, {width}{', stride=2' if stage > 1 else ''})"
    other = f"{block}({outputs}, {width})"
    if depth > 2:
        other = f"*({other} for _ in range({depth - 1}))"
    return f"nn.Sequential({first}, {other})"


def _down(inputs: int, outputs: int) -> str:
    conv = f"nn.Conv2d({inputs}, {outputs}, 3, stride=2, padding=1, bias=False)"
    return f"nn.Sequential({conv}, nn.BatchNorm2d({outputs}), nn.ReLU(inplace=True))"


# ---- Neck ----


def plan_neck(job: Job, summary: Summary) -> NeckPlan | None:
    """The operations that the graph kept; None where it kept none."""
    if not summary.neck_levels:
        return None
    laterals, smooths, downs = (
        [k for k in range(1, 12) if f"neck.{step}{k}.weight" in summary.state]
        for step in ("lateral", "smooth", "down")
    )
    returned = tuple(f"p{level}" for level in summary.neck_returned)
    inputs = tuple(f"c{level}" for level in laterals)
    return NeckPlan(
        template=f"necks/{job.neck.kind}.py.jinja",
        channels=job.neck.channels,
        read=span(tuple(laterals)),
        made=span(summary.neck_returned),
        story=_story(laterals, downs),
        layers=tuple(_neck_layers(summary, laterals, smooths, downs)),
        steps=tuple(_neck_steps(laterals, smooths, downs)),
        inputs=inputs,
        parameters=", ".join(f"{name}: Tensor" for name in inputs),
        returned=returned,
        returns=", ".join(returned),
        returns_type=_maps_type(returned),
    )


def _story(laterals: list[int], downs: list[int]) -> str:
    parts = ["top down, each\n    level adds the one above it, upsampled"]
    if len(laterals) == 1:
        parts = ["here of a\n    single level of the backbone"]
    if downs:
        above = span(tuple(downs))
        parts.append(f"strided convolutions make level{'s' * (len(downs) > 1)} {above}")
    return "; ".join(parts)


def _neck_layers(
    summary: Summary, laterals: list[int], smooths: list[int], downs: list[int]
) -> Iterator[Line]:
    for k in laterals:
        inputs = summary.state[f"neck.lateral{k}.weight"][1]
        yield Line(f"lateral{k}", f"nn.Conv2d({inputs}, CHANNELS, 1)")
    for k in smooths:
        yield Line(f"smooth{k}", "nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)")
    for k in downs:
        source = "nn.Conv2d(CHANNELS, CHANNELS, 3, stride=2, padding=1)"
        yield Line(f"down{k}", source)


def _neck_steps(
    laterals: list[int], smooths: list[int], downs: list[int]
) -> Iterator[Line]:
    top = laterals[-1]
    for k in reversed(laterals):
        above = "" if k == top else f" + F.interpolate(p{k + 1}, scale_factor=2.0)"
        yield Line(f"p{k}", f"self.lateral{k}(c{k}){above}")
    for k in smooths:
        yield Line(f"p{k}", f"self.smooth{k}(p{k})", f"  # {shape('CHANNELS', k)}")
    for k in downs:
        below = f"p{k - 1}" if k == top + 1 else f"F.relu(p{k - 1})"
        yield Line(f"p{k}", f"self.down{k}({below})", f"  # {shape('CHANNELS', k)}")


def _maps_type(names: tuple[str, ...]) -> str:
    if len(names) == 1:
        return "Tensor"
    if len(names) > 3:
        return "tuple[Tensor, ...]"
    return f"tuple[{', '.join(['Tensor'] * len(names))}]"


def _of_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Per channel of the image: for grey ones the mean over the colors."""
    if channels == IMAGENET_CHANNELS:
        return values
    return (round(sum(values) / len(values), 3),) * channels
