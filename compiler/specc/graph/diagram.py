"""The level graph as a flowchart in Mermaid, which Markdown shows."""

from __future__ import annotations

import re

import networkx as nx

from specc.graph.levels import levels_of, prune
from specc.scope import Node

_RESIZED = {"upsample": "upsample", "max_pool": "max pool"}  # labels of neck arrows


def mermaid(graph: nx.DiGraph) -> str:
    """Returns a Mermaid flowchart of the emitted model: a box for each level of
    backbone and neck and for each head, and an arrow wherever one box reads another."""
    live = prune(graph)
    names = live.graph["names"]
    lines = ["flowchart LR", f"    {_box('image', _image_label(live))}"]
    for index, (component, name) in enumerate(names.items()):
        if component not in ("backbone", "neck"):
            lines.append(f"    {_box(_head_id(live, component), name)}")
        elif levels := levels_of(live, component):
            lines.append(f'    subgraph {component}["{_escape(name)}"]')
            for level in levels:
                label = _level_label(graph, component, level)
                lines.append(f"        {_box(f'{component}{level}', label)}")
            lines.append("    end")
    return "\n".join([*lines, *(f"    {arrow}" for arrow in _arrows(live))]) + "\n"


def _arrows(graph: nx.DiGraph) -> list[str]:
    """Returns one arrow for each pair of connected boxes, in the order of the graph."""
    arrows = {}
    for x, y in graph.edges:
        ends = (_box_id(graph, x), _box_id(graph, y))
        if ends[0] != ends[1]:
            how = _RESIZED.get(graph.nodes[y]["operation"])
            label = f"|{how}|" if how and y.component == "neck" else ""
            arrows[ends] = f"-->{label}"
    return [f"{x} {arrow} {y}" for (x, y), arrow in arrows.items()]


def _box_id(graph: nx.DiGraph, node: Node) -> str:
    if node.component in ("backbone", "neck"):
        return f"{node.component}{node.level}"
    return "image" if node.component == "image" else _head_id(graph, node.component)


def _head_id(graph: nx.DiGraph, component: str) -> str:
    # Boxes are numbered, since a head's name could be a keyword of Mermaid.
    return f"head{list(graph.graph['outputs']).index(component)}"


def _box(name: str, label: str) -> str:
    return f'{name}["{_escape(label)}"]'


def _image_label(graph: nx.DiGraph) -> str:
    channels, height, width = graph.nodes[graph.graph["image"]]["shape"]
    return f"image: {channels}x{height}x{width}"


def _level_label(graph: nx.DiGraph, component: str, level: int) -> str:
    node = graph.nodes[graph.graph[component][level]]
    channels, height, width = node["shape"]
    return f"level {level}: {channels}x{height}x{width}"


def _escape(text: str) -> str:
    """Returns text for a quoted label; entities replace what Mermaid or HTML
    misreads."""
    return re.sub(r"[^\w .,:/-]", lambda match: f"#{ord(match[0])};", text)
