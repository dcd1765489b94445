"""Carries tensors of one model over to another: by key, and by the names of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from specc.differences.sides import Side
from specc.migration.rows import Row, components, named_rows
from specc.words import number_of


@dataclass
class Carried:
    """The tensors of the new model, and where they come from."""

    state: dict[str, Tensor]
    kept: list[str] = field(default_factory=list)
    moved: dict[str, list[str]] = field(
        default_factory=dict
    )  # key -> names carried over
    converted: dict[str, str] = field(default_factory=dict)  # key -> how
    fresh: dict[str, str] = field(default_factory=dict)  # key -> the reason
    left: list[str] = field(default_factory=list)  # keys of the old model, unused


def carry(
    old: Side,
    new: Side,
    given: Mapping[str, Tensor],
    fresh: Mapping[str, Tensor],
    renamed: Mapping[str, str],
) -> Carried:
    """Returns the state of the new model. `given` is that of the old one, `fresh` that
    of a new model as drawn; `renamed` maps old names to new ones."""
    before, after = named_rows(old), named_rows(new)
    sources = _sources(old, new, list(fresh), renamed)
    found, used = Carried(dict(fresh)), set()
    for key, drawn in fresh.items():
        source = sources.get(key)
        if source is None or source not in given:
            found.fresh[key] = "the weights have no such tensor"
            continue
        used.add(source)
        tensor = given[source]
        if key in after or source in before:
            _move(found, key, tensor, before.get(source), after.get(key), renamed)
        elif tensor.shape == drawn.shape:
            found.state[key] = tensor.to(drawn.dtype)
            found.kept.append(key)
        elif _is_first(key, tensor, drawn):
            found.state[key], how = _converted(tensor, drawn.shape[1])
            found.converted[key] = how
        else:
            a, b = tuple(tensor.shape), tuple(drawn.shape)
            found.fresh[key] = f"its shape is {b}, in the weights {a}"
    found.left = [key for key in given if key not in used]
    return found


def _sources(
    old: Side, new: Side, keys: list[str], renamed: Mapping[str, str]
) -> dict[str, str]:
    """Returns key of the new model -> key of the old one."""
    former, current = components(old), components(new)
    back = {new_name: old_name for old_name, new_name in renamed.items()}
    modules = {}
    for name, module in current.items():
        known = name if name in former else back.get(name, "")
        if known not in former and len(former) == len(current) == 1:
            known = next(iter(former))
        if known in former and _task(old, known) == _task(new, name):
            modules[module] = former[known]
    found = {}
    for key in keys:
        for module, source in modules.items():
            if key.startswith(f"{module}."):
                found[key] = source + key[len(module) :]
        if key.startswith(("backbone.", "neck.")):
            found[key] = key
    if old.job.backbone.name != new.job.backbone.name:
        found = {k: v for k, v in found.items() if not k.startswith("backbone.")}
    return found


def _task(side: Side, name: str) -> str:
    return next(head.task for head in side.job.heads if head.name == name)


def _move(
    found: Carried,
    key: str,
    tensor: Tensor,
    before: list[Row] | None,
    after: list[Row] | None,
    renamed: Mapping[str, str],
) -> None:
    """Carries the rows over whose names both models have."""
    drawn = found.state[key]
    same = tensor.dim() == drawn.dim() and tensor.shape[1:] == drawn.shape[1:]
    if before is None or after is None or not same:
        a, b = tuple(tensor.shape), tuple(drawn.shape)
        found.fresh[key] = f"its shape is {b}, in the weights {a}"
        return
    if len(tensor) != len(before):
        rows, names = number_of(len(tensor), "row"), number_of(len(before), "name")
        told = f"{rows}, and the job inside the weights {names}"
        found.fresh[key] = f"in the weights it has {told}"
        return
    places = {(renamed.get(n, n), i): place for place, (n, i) in enumerate(before)}
    pairs = [(row, places[name]) for row, name in enumerate(after) if name in places]
    if not pairs:
        found.fresh[key] = "none of its names is in the weights"
        return
    rows, sources = map(list, zip(*pairs))
    state = drawn.clone()
    state[rows] = tensor[sources].to(drawn.dtype)
    found.state[key] = state
    names = dict.fromkeys(after[row][0] for row in rows)
    found.moved[key] = [name for name in names if not name.startswith("\0")]


def _is_first(key: str, tensor: Tensor, drawn: Tensor) -> bool:
    """Returns whether a tensor is the convolution that reads the image, with another
    number of channels."""
    if not (key.startswith("backbone.") and tensor.dim() == drawn.dim() == 4):
        return False
    same = tensor.shape[0] == drawn.shape[0] and tensor.shape[2:] == drawn.shape[2:]
    return same and {tensor.shape[1], drawn.shape[1]} <= {1, 3, 4}


def _converted(tensor: Tensor, channels: int) -> tuple[Tensor, str]:
    """Returns a first convolution for another number of channels. A gray image gives
    what its copy in three channels would; a fourth band starts without influence."""
    colors = tensor[:, :3]
    if channels == 1:
        return colors.sum(1, keepdim=True), "summed over the colors"
    if colors.shape[1] == 1:
        colors = colors.expand(-1, 3, -1, -1) / 3
        how = "a third of those of gray for each color"
    else:
        how = "those of the colors"
    if channels == 3:
        return colors.clone(), how
    return torch.cat([colors, torch.zeros_like(colors[:, :1])], 1), f"{how}, and zeros"
