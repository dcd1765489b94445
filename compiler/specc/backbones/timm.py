"""A backbone that is not written out: a model of timm, one operation a level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from specc.diagnostics import fail, likely, put
from specc.job import Job
from specc.source import Line, constant, extra_level, literal, shape, span
from specc.timm.models import (
    MODULE,
    PREFIX,
    TimmLevel,
    TimmModel,
    ask,
    create,
    idle_weights,
    is_timm,
    stages_needed,
)
from specc.timm.weights import color_kernels, frozen_modules, renaming
from specc.words import listed

if TYPE_CHECKING:
    from specc.graph.cost import Summary
    from specc.scope import Node, Scope


def build(net: Scope, model: TimmModel, image: Node, top_level: int) -> dict[int, Node]:
    """Adds the model's levels up to ``top_level``; returns level -> node.

    Raises JobError E223 where the model has levels above ``top_level``, but not
    ``top_level`` itself.
    """
    has = [one.level for one in model.levels]
    if top_level < has[-1] and top_level not in has:
        _refuse(model, top_level, has)
    levels, x = {}, image
    for one in model.levels:
        if one.level <= top_level:
            x = net.at(one.level).opaque(
                MODULE,
                x,
                one.shape,
                parameters=dict(one.parameters),
                buffers=dict(one.buffers),
                macs=one.macs,
                elements=one.elements,
            )
            levels[one.level] = x
    return levels


def _refuse(model: TimmModel, top_level: int, has: list[int]) -> None:
    near = min(has, key=lambda level: abs(level - top_level))
    fail(
        "E223",
        f"`top_level` is {top_level}, backbone `{PREFIX}{model.name}` has"
        f" {said(has)} and none at {top_level}",
        path=("model", "backbone", "top_level"),
        help=f"set /model/backbone/top_level to {near}",
        note=f"stride-2 convolutions make levels above {has[-1]}",
        edit=likely(put(("model", "backbone", "top_level"), near)),
    )


def said(levels: list[int]) -> str:
    """`levels 2, 3 and 4`."""
    return f"level{'s' * (len(levels) > 1)} {listed(list(map(str, levels)))}"


# ---- The plan ----


def plan(model: TimmModel, summary: Summary) -> dict[str, Any]:
    channels = {x.level: x.backbone for x in summary.levels}
    top = model.levels[-1].level
    extra = [level for level in summary.backbone_levels if level > top]
    wanted = [
        one
        for one in model.levels
        if one.level in summary.backbone_returned or (extra and one.level == top)
    ]
    indices = tuple(one.index for one in wanted)
    added = [extra_level(k, channels[k - 1], channels[k]) for k in extra]
    steps = _maps(wanted)
    for level, layer in zip(extra, added):
        note = f"  # {shape(channels[level], level)}"
        steps.append(Line(f"c{level}", f"self.{layer.name}(c{level - 1})", note))
    return {
        "template": "backbones/timm.py.jinja",
        "class_name": "Backbone",
        "layers": (Line(MODULE, _creation(model, indices)), *added),
        "steps": tuple(steps),
        "modules": {
            **frozen_modules(model),
            **{level: [layer.name] for level, layer in zip(extra, added)},
        },
        "first": "",  # differs from model to model: see color_kernels
        "left_out": (),
        "family": {"heading": _heading(summary), **_cuts(model, indices)},
    }


def _heading(summary: Summary) -> str:
    levels = summary.backbone_levels
    return f"level{'s' * (len(levels) > 1)} {span(levels)}"


def starts_from_timm(job: Job) -> bool:
    """Returns whether the trainer loads timm's weights for a model of timm."""
    imagenet = job.trainer.initialization.kind == "imagenet"
    return imagenet and is_timm(job.backbone.name)


def timm_weights(job: Job) -> Line:
    """Returns the constant that names the weights: a tag of timm, or a local file."""
    path = job.trainer.initialization.weights
    if path is None:
        return constant(
            "WEIGHTS", _model(job).weights, "timm's tag, loaded on first use"
        )
    return Line("WEIGHTS", f"Path({literal(path)})")


def timm_start(job: Job) -> dict[str, Any]:
    """Returns the variables of train/imagenet_timm.py.jinja."""
    model, path = _model(job), job.trainer.initialization.weights
    return {
        "initialization_template": "train/imagenet_timm.py.jinja",
        "load_weights": _load(path, model.image[0]),
        "flat_name": renaming(model),
        "color_kernels": color_kernels(model) if path else (),
    }


def _model(job: Job) -> TimmModel:
    return ask(job.backbone.name, (job.data.channels, *job.data.resolution))


def _creation(model: TimmModel, indices: tuple[int, ...]) -> str:
    arguments = [literal(model.name), "features_only=True"]
    arguments.append(f"out_indices={literal(indices)}")
    if model.image[0] != 3:
        arguments.append(f"in_chans={model.image[0]}")
    return f"timm.create_model({', '.join(arguments)})"


def _maps(wanted: list[TimmLevel]) -> list[Line]:
    """Returns a line for each feature, with its name and its shape in a comment."""
    source = f"self.{MODULE}(images)"
    lines = [] if len(wanted) == 1 else [Line("maps", source)]
    for place, one in enumerate(wanted):
        taken = f"{source}[0]" if len(wanted) == 1 else f"maps[{place}]"
        turned = ".permute(0, 3, 1, 2)" if one.channels_last else ""
        note = f"  # {shape(one.shape[0], one.level)}"
        lines.append(Line(f"c{one.level}", taken + turned, note))
    return lines


def _cuts(model: TimmModel, indices: tuple[int, ...]) -> dict[str, Any]:
    """Returns the lines that cut a model which timm makes larger than needed."""
    idle = idle_weights(model.name, model.image, indices)
    stages = stages_needed(create(model.name, model.image[0], indices, cut=False))
    return {"cuts": stages is not None, "stages": stages, "idle": idle}


def _load(path: str | None, channels: int) -> str:
    if path is None:
        in_chans = f", in_chans={channels}" if channels != 3 else ""
        return f"timm.create_model(WEIGHTS, pretrained=True{in_chans}).state_dict()"
    if path.endswith(".safetensors"):
        return "load_file(WEIGHTS)"
    return 'torch.load(WEIGHTS, map_location="cpu", weights_only=True)'
