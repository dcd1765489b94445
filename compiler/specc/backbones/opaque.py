"""A backbone that is not written out: a model of timm, one operation a level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specc.diagnostics import fail
from specc.timm.models import PREFIX, TimmModel
from specc.words import listed

if TYPE_CHECKING:
    from specc.scope import Node, Scope

MODULE = "body"  # of the emitted class, which holds timm's model


def build(net: Scope, model: TimmModel, image: Node, top_level: int) -> dict[int, Node]:
    """Add the model's levels up to ``top_level``; returns the node of each.

    Raises JobError E223 where the model has levels above ``top_level`` but not this.
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
    )


def said(levels: list[int]) -> str:
    """`levels 2, 3 and 4`."""
    return f"level{'s' * (len(levels) > 1)} {listed(list(map(str, levels)))}"
