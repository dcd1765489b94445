"""The rule of the level graph on heads that share weights over levels: E206."""

from __future__ import annotations

import json
from collections.abc import Iterator

import networkx as nx

from specc.diagnostics import Diagnostic, Step, likely, pointer_of, put
from specc.graph.levels import head_components
from specc.job import Job
from specc.scope import Node
from specc.words import listed


def shared_weights_fit(job: Job, graph: nx.DiGraph) -> Iterator[Diagnostic]:
    """E206: levels that share a head's weights have the width that these expect."""
    conflicts = shared_weights_conflict(graph)

    def missing(node: Node) -> bool:
        return graph.nodes[node]["operation"] == "missing"

    for index, (component, head) in enumerate(zip(head_components(job), job.heads)):
        read = graph.graph["inputs"][component]
        if component in conflicts and not any(map(missing, read.values())):
            widths = {k: graph.nodes[x]["shape"][0] for k, x in read.items()}
            kinds = [str(width) for width in dict.fromkeys(widths.values())]
            yield Diagnostic(
                "E206",
                f"head `{head.name}` shares its weights over levels of"
                f" {listed(kinds)} channels",
                ("model", "heads", index, _end_to_move(job, min(read))),
                _same_width(job, min(read), max(read)),
                "level "
                + ", level ".join(f"{k} has {width}" for k, width in widths.items()),
                edit=likely(*_width_steps(job, min(read), max(read))),
            )


def shared_weights_conflict(graph: nx.DiGraph) -> set[str]:
    """Returns the components that would need weights of several shapes."""
    shapes: dict[tuple[str, str], set] = {}
    for node, attributes in graph.nodes.data():
        for key, shape in attributes["parameters"].items():
            shapes.setdefault((node.component, key), set()).add(shape)
    return {component for (component, _), kinds in shapes.items() if len(kinds) > 1}


def _same_width(job: Job, bottom: int, top: int) -> str:
    """Returns the edit that gives a head equal widths over its levels, in words."""
    steps = _width_steps(job, bottom, top)
    edits = [f"{pointer_of(x.path)} to {json.dumps(x.value)}" for x in steps]
    return f"set {' and '.join(edits)}"


def _width_steps(job: Job, bottom: int, top: int) -> list[Step]:
    neck, path = job.neck, ("model", "neck")
    if not neck:
        levels = {"bottom_level": bottom, "top_level": top}
        return [put(path, {"kind": "fpn", **levels})]
    steps = []
    if neck.bottom_level > bottom:
        steps.append(put((*path, "bottom_level"), bottom))
    if neck.top_level < top:
        steps.append(put((*path, "top_level"), top))
    return steps


def _end_to_move(job: Job, bottom: int) -> str:
    below = job.neck and bottom < job.neck.bottom_level
    return "bottom_level" if below else "top_level"
