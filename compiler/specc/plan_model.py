"""The backbone's and the neck's part of the plan."""

from __future__ import annotations

from dataclasses import dataclass

from specc.backbones import TABLES
from specc.cost import Summary
from specc.job import Job

IMAGENET_CHANNELS = 3


@dataclass(frozen=True)
class Stage:
    name: str  # layer1
    level: int
    below: int
    pooled: bool  # reads the max-pooled stem
    first: str  # constructor call of its first block
    other: str  # of the blocks after it
    repeated: int  # times `other` stands; 0: once, written out
    shape: str  # of its output, as a comment


@dataclass(frozen=True)
class Down:
    """A level made by a stride-2 convolution of the level below."""

    level: int
    below: int
    inputs: int
    outputs: int
    first: bool
    shape: str


@dataclass(frozen=True)
class BackbonePlan:
    template: str
    block_template: str
    class_name: str  # ResNet18
    bottom: int
    top: int
    stages: tuple[Stage, ...]
    downs: tuple[Down, ...]
    returned: tuple[str, ...]  # c3, c4, c5
    returns: str
    returns_type: str
    star: str  # unpacks several maps into arguments
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Lateral:
    level: int
    above: int
    inputs: int
    top: bool  # nothing is added to it


@dataclass(frozen=True)
class Smooth:
    level: int
    shape: str


@dataclass(frozen=True)
class NeckPlan:
    template: str
    channels: int
    read: str  # levels as text: 3..5
    made: str
    laterals: tuple[Lateral, ...]  # finest first
    top_down: tuple[Lateral, ...]  # coarsest first
    fuses: bool
    smooths: tuple[Smooth, ...]
    downs: tuple[Down, ...]
    inputs: tuple[str, ...]
    parameters: str
    returned: tuple[str, ...]
    returns: str
    returns_type: str
    star: str


def span(levels: tuple[int, ...]) -> str:
    """Levels in words of a comment: 3..5, or 5."""
    return f"{levels[0]}..{levels[-1]}" if len(levels) > 1 else str(levels[0])


def shape(channels: int | str, level: int) -> str:
    return f"(B, {channels}, H/{2**level}, W/{2**level})"


def plan_backbone(job: Job, summary: Summary) -> BackbonePlan:
    table = TABLES[job.backbone.name]
    levels = {x.level: x for x in summary.levels}
    stages = tuple(
        _stage(table, stage, levels[stage + 1].backbone)
        for stage in range(1, 5)
        if stage + 1 in summary.backbone_levels
    )
    downs = tuple(
        _down(level, levels[level - 1].backbone, levels[level].backbone)
        for level in summary.backbone_levels
        if level > 5
    )
    returned = tuple(f"c{level}" for level in summary.backbone_returned)
    return BackbonePlan(
        template="backbones/resnet.py.jinja",
        block_template=f"backbones/{table.block}_block.py.jinja",
        class_name=table.name.replace("resnet", "ResNet"),
        bottom=summary.backbone_levels[0],
        top=summary.backbone_levels[-1],
        stages=stages,
        downs=downs,
        returned=returned,
        returns=", ".join(returned),
        returns_type=_maps_type(returned),
        star="*" if len(returned) > 1 else "",
        mean=_of_channels(table.mean, job.data.channels),
        std=_of_channels(table.std, job.data.channels),
    )


def plan_neck(job: Job, summary: Summary) -> NeckPlan | None:
    if not summary.neck_levels:
        return None
    state = {key: size for key, size in summary.state.items() if key.endswith("weight")}

    def made(step: str) -> list[int]:
        return [k for k in range(1, 12) if f"neck.{step}{k}.weight" in state]

    lateral_levels, top = made("lateral"), made("lateral")[-1]
    laterals = tuple(
        Lateral(k, k + 1, state[f"neck.lateral{k}.weight"][1], k == top)
        for k in lateral_levels
    )
    channels = job.neck.channels
    returned = tuple(f"p{level}" for level in summary.neck_returned)
    inputs = tuple(f"c{level}" for level in lateral_levels)
    return NeckPlan(
        template=f"necks/{job.neck.kind}.py.jinja",
        channels=channels,
        read=span(tuple(lateral_levels)),
        made=span(summary.neck_returned),
        laterals=laterals,
        top_down=laterals[::-1],
        fuses=len(laterals) > 1,
        smooths=tuple(Smooth(k, shape("CHANNELS", k)) for k in made("smooth")),
        downs=tuple(_down(k, channels, channels, k == top + 1) for k in made("down")),
        inputs=inputs,
        parameters=", ".join(f"{name}: Tensor" for name in inputs),
        returned=returned,
        returns=", ".join(returned),
        returns_type=_maps_type(returned),
        star="*" if len(returned) > 1 else "",
    )


def _stage(table, stage: int, outputs: int) -> Stage:
    """Stage 1 keeps the stride of its input, the others halve the map."""
    depth, width = table.depths[stage - 1], table.widths[stage - 1]
    inputs = table.stem if stage == 1 else table.widths[stage - 2] * table.expansion
    block = "BasicBlock" if table.block == "basic" else "Bottleneck"
    stride = ", stride=2" if stage > 1 else ""
    return Stage(
        name=f"layer{stage}",
        level=stage + 1,
        below=stage,
        pooled=stage == 1,
        first=f"{block}({inputs}, {width}{stride})",
        other=f"{block}({outputs}, {width})",
        repeated=depth - 1 if depth > 2 else 0,
        shape=shape(outputs, stage + 1),
    )


def _down(level: int, inputs: int, outputs: int, first: bool = False) -> Down:
    return Down(level, level - 1, inputs, outputs, first, shape(outputs, level))


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
