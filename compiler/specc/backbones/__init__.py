"""The backbones that specc writes out, a table each, and timm's: table, graph and plan
of a family stand in its module."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from specc.backbones import efficientnet, inverted, mobilenet, resnet, timm
from specc.timm.models import TimmModel, ask, is_timm

if TYPE_CHECKING:
    from specc.graph.cost import Summary
    from specc.scope import Node, Scope

TABLES = {
    table.name: table
    for family in (resnet, efficientnet, mobilenet)
    for table in family.TABLES
}
FAMILIES: dict[type, ModuleType] = {  # type of the table -> module
    resnet.ResNet: resnet,
    inverted.Inverted: inverted,
    TimmModel: timm,
}


def table_of(name: str, image: tuple[int, ...]) -> Any:
    """Returns the table of a backbone: what sets it apart from others of its family,
    for an image of this shape (channels, height, width).

    Raises JobError for a model of timm that cannot be used.
    """
    if is_timm(name):
        return ask(name, image)
    return TABLES[name]


def build(net: Scope, name: str, image: Node, top_level: int) -> dict[int, Node]:
    """Add backbone ``name`` to ``top_level``; returns level -> node, from level 1."""
    table = table_of(name, net.shape(image))
    levels = FAMILIES[type(table)].build(net, table, image, top_level)
    for level in range(max(levels) + 1, top_level + 1):
        levels[level] = _extra_level(net.at(level), levels[level - 1])
    return levels


def _extra_level(net: Scope, x: Node) -> Node:
    """Adds one more halving above the levels that the family itself has."""
    name = f"down{net.level}"
    x = net.conv(f"{name}.0", x, min(512, net.channels(x)), kernel=3, stride=2)
    return net.relu(f"{name}.2", net.batch_norm(f"{name}.1", x))


def plan(table: Any, summary: Summary) -> dict[str, Any]:
    """Returns the variables that only the templates of the table's family use."""
    return FAMILIES[type(table)].plan(table, summary)
