"""ResNet's part of the plan."""

from __future__ import annotations

from typing import Any

from specc.backbones.resnet import ResNet
from specc.backbones.table import LEVELS
from specc.graph.cost import Summary
from specc.source import Line, extra_level, shape


def plan_resnet(table: ResNet, summary: Summary) -> dict[str, Any]:
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
