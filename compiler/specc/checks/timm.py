"""The rules of a backbone that is a model of timm: E209, E223, E225 to E227."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import networkx as nx

from specc.backbones import table_of
from specc.backbones.timm import said
from specc.checks.batches import sees_one_image, single_value
from specc.diagnostics import Diagnostic, Path, drop, likely, pointer_of, put
from specc.job import Job
from specc.timm.models import TimmModel, create, is_level, is_timm, reason_of, run
from specc.timm.weights import loose_weights, renaming
from specc.words import listed

Rule = Callable[[Job, nx.DiGraph], Iterator[Diagnostic]]


def timm_rules(job: Job) -> tuple[Rule, ...]:
    """Returns the rules for this job: none where specc writes the backbone out."""
    if not is_timm(job.backbone.name):
        return ()
    return (
        levels_are_there,
        any_size_is_taken,
        weights_are_there,
        levels_can_be_frozen,
        norms_see_values,
    )


def levels_are_there(job: Job, graph: nx.DiGraph) -> Iterator[Diagnostic]:
    """E223: neck and heads read no level that the model lacks between its others."""
    backbone = graph.graph["backbone"]
    readers: dict[str, list[int]] = {}
    for node, operation in graph.nodes.data("operation"):
        if operation == "missing" and node.level < max(backbone):
            readers.setdefault(node.component, []).append(node.level)
    has = [one.level for one in _model(job).levels]
    for component, lacking in readers.items():
        name = graph.graph["names"][component]
        above = min(level for level in backbone if level > max(lacking))
        yield Diagnostic(
            "E223",
            f"{component.split('.')[0].rstrip('s')} `{name}` reads"
            f" {said(sorted(lacking))}, backbone `{job.backbone.name}` has {said(has)}",
            _bottom(job, component),
            f"set {listed(list(map(pointer_of, _bottoms(job, component, above))))}"
            f" to {above},"
            " or choose a backbone that has every level",
            f"stride-2 convolutions make levels above {has[-1]}, and none below",
            edit=likely(*(put(x, above) for x in _bottoms(job, component, above))),
        )


def any_size_is_taken(job: Job, graph: nx.DiGraph) -> Iterator[Diagnostic]:
    """E225: with `resize_input` off, the model takes other sizes, and halves them."""
    if job.backbone.resize_input:
        return
    model = _model(job)
    wanted = [one for one in model.levels if one.level in graph.graph["backbone"]]
    by = 2 ** wanted[-1].level
    channels, height, width = model.image
    other = (channels, (height // by + 1) * by, (width // by + 2) * by)
    indices = tuple(sorted(one.index for one in wanted))
    try:
        maps = run(create(model.name, channels, indices), other).maps
        levels = sorted(wanted, key=lambda one: one.index)
        if all(is_level(*pair, other) for pair in zip(levels, maps)):
            return
        reason = "its maps have other strides then"
    except Exception as error:  # timm raises exceptions of any type
        reason = reason_of(error)
    yield Diagnostic(
        "E225",
        f"`resize_input` is off, backbone `{job.backbone.name}` does not take images of"
        f" any size: one of {other[1]}x{other[2]} fails: {reason}",
        ("model", "backbone", "resize_input"),
        "leave `resize_input` on, or choose another backbone",
        edit=likely(drop(("model", "backbone", "resize_input"))),
    )


def weights_are_there(job: Job, graph: nx.DiGraph) -> Iterator[Diagnostic]:
    """E226: timm has ImageNet weights for the model, which fit its levels by name."""
    start = job.trainer and job.trainer.initialization
    if not start or start.kind != "imagenet":
        return
    model = _model(job)
    path = ("trainer", "initialization", "kind")
    random = likely(put(path[:-1], {"kind": "random"}))
    if model.weights is None and start.weights is None:
        yield Diagnostic(
            "E226",
            f"`initialization` is imagenet, timm has no weights of `{job.backbone.name}`",
            path,
            'set /trainer/initialization to {"kind": "random"}, or name a local file in'
            " /trainer/initialization/weights",
            edit=random,
        )
    elif renaming(model) is None:
        yield Diagnostic(
            "E226",
            f"`initialization` is imagenet, the levels of `{job.backbone.name}` have"
            " tensors that the whole model has not",
            path,
            'set /trainer/initialization to {"kind": "random"}',
            edit=random,
        )


def levels_can_be_frozen(job: Job, graph: nx.DiGraph) -> Iterator[Diagnostic]:
    """E227: the frozen levels are modules of their own."""
    loose = loose_weights(_model(job), job.backbone.frozen_levels)
    if loose:
        yield Diagnostic(
            "E227",
            f"backbone `{job.backbone.name}` cannot freeze {job.backbone.frozen_levels}"
            f" levels: `{loose[0]}` belongs to no module of theirs",
            ("model", "backbone", "frozen_levels"),
            "set /model/backbone/frozen_levels to 0, or choose another backbone",
            edit=likely(put(("model", "backbone", "frozen_levels"), 0)),
        )


def norms_see_values(job: Job, graph: nx.DiGraph) -> Iterator[Diagnostic]:
    """E209: a step of the model, on the meta device, has values to take the mean of."""
    if not sees_one_image(job) or job.backbone.frozen_levels:
        return
    model = _model(job)
    wanted = [one for one in model.levels if one.level in graph.graph["backbone"]]
    indices = tuple(sorted(one.index for one in wanted))
    net = create(model.name, model.image[0], indices).train()
    try:
        run(net, model.image)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        norm = f"backbone `{job.backbone.name}` has a batch norm"
        yield single_value(job, norm, "a map is one cell")


def _model(job: Job) -> TimmModel:
    return table_of(job.backbone.name, (job.data.channels, *job.data.resolution))


def _bottoms(job: Job, component: str, above: int) -> list[Path]:
    """Returns the paths of the lowest level: of the neck, and of the heads that read
    it."""
    paths = [_bottom(job, component)]
    if component == "neck":
        for index, head in enumerate(job.heads):
            if getattr(head, "bottom_level", above) < above:
                paths.append(("model", "heads", index, "bottom_level"))
    return paths


def _bottom(job: Job, component: str) -> Path:
    """Returns the path of a component's lowest level in the job."""
    if component == "neck":
        return ("model", "neck", "bottom_level")
    names = [head.name for head in job.heads]
    index = names.index(component.removeprefix("heads.")) if len(names) > 1 else 0
    field = "level" if hasattr(job.heads[index], "level") else "bottom_level"
    return ("model", "heads", index, field)
