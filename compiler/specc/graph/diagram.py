"""The level graph as a flowchart in Mermaid, which Markdown shows."""

from __future__ import annotations

import re

import networkx as nx

from specc.graph.levels import levels_of, prune
from specc.scope import Node

Place = tuple[str, int]  # component and level of a box; level 0 of an image or a head
IMAGE: Place = ("image", 0)
TRUNK = ("backbone", "neck")  # components with a box for each level
_RESIZED = {"upsample": "upsample", "max_pool": "max pool"}  # labels of neck arrows


def mermaid(graph: nx.DiGraph) -> str:
    """Returns a Mermaid flowchart of the emitted model: a box for each level of
    backbone and neck and for each head, and an arrow wherever one box reads another."""
    live = prune(graph)
    labels, heads = boxes(live), list(live.graph["outputs"])
    ids = {place: _id(place, heads) for place in labels}
    lines = ["flowchart LR", f"    {_box('image', f'image: {labels[IMAGE]}')}"]
    for component, name in live.graph["names"].items():
        if component not in TRUNK:
            lines.append(f"    {_box(ids[component, 0], name)}")
        elif levels := levels_of(live, component):
            lines.append(f'    subgraph {component}["{_escape(name)}"]')
            for level in levels:
                label = f"level {level}: {labels[component, level]}"
                lines.append(f"        {_box(ids[component, level], label)}")
            lines.append("    end")
    for (source, target), how in arrows(live).items():
        lines.append(f"    {ids[source]} -->{f'|{how}|' * bool(how)} {ids[target]}")
    return "\n".join(lines) + "\n"


def boxes(live: nx.DiGraph) -> dict[Place, str]:
    """Returns the boxes of a graph without unused levels, in the order of its
    components: the shape of the image and of levels, the name of a head."""
    found = {IMAGE: _shape(live, live.graph["image"])}
    last = {_place(node): node for node in live.nodes}
    for component, name in live.graph["names"].items():
        if component not in TRUNK:
            found[component, 0] = name
            continue
        for level in levels_of(live, component):
            # A level that only the neck reads has no output of its own.
            node = live.graph[component].get(level, last[component, level])
            found[component, level] = _shape(live, node)
    return found


def arrows(live: nx.DiGraph) -> dict[tuple[Place, Place], str]:
    """Returns the pairs of connected boxes, in the order of the graph, each with how
    the neck resizes what it reads, or ""."""
    found = {}
    for x, y in live.edges:
        ends = (_place(x), _place(y))
        if ends[0] != ends[1]:
            how = _RESIZED.get(live.nodes[y]["operation"], "")
            found[ends] = how if y.component == "neck" else ""
    return found


def _place(node: Node) -> Place:
    return (node.component, node.level if node.component in TRUNK else 0)


def _id(place: Place, heads: list[str]) -> str:
    component, level = place
    if component in TRUNK:
        return f"{component}{level}"
    # Boxes are numbered, since a head's name could be a keyword of Mermaid.
    return component if place == IMAGE else f"head{heads.index(component)}"


def _shape(graph: nx.DiGraph, node: Node) -> str:
    return "x".join(map(str, graph.nodes[node]["shape"]))


def _box(name: str, label: str) -> str:
    return f'{name}["{_escape(label)}"]'


def _escape(text: str) -> str:
    """Returns text for a quoted label; entities replace what Mermaid or HTML
    misreads."""
    return re.sub(r"[^\w .,:/-]", lambda match: f"#{ord(match[0])};", text)
