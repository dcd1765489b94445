"""How large a box a detector can give."""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx

from specc.diagnostics import Diagnostic, Step, likely, put
from specc.graph.levels import head_components
from specc.heads import levels_read
from specc.heads.object_detection import REACH
from specc.job import Job


def boxes_reach_the_sides(job: Job, live: nx.DiGraph) -> Iterator[Diagnostic]:
    """W205: the box of an object that fills the image can be given."""
    side = max(job.data.resolution)
    for index, (component, head) in enumerate(zip(head_components(job), job.heads)):
        level = max(levels_read(head))
        largest = REACH * 2**level
        if not gives_boxes(live, component) or largest >= side:
            continue
        edits = " and ".join(
            f"{path} to {top}" for path, top in raised(job, index, side)
        )
        yield Diagnostic(
            "W205",
            f"head `{head.name}` gives boxes of at most {largest} pixels a side,"
            f" the resolution is {job.data.resolution[0]}x{job.data.resolution[1]}",
            ("model", "heads", index, "top_level"),
            f"set {edits}, if there are larger objects",
            f"a side lies at most {REACH // 2} strides from the center of its cell, and"
            f" level {level} has stride {2**level}",
            edit=likely(*_steps(raised(job, index, side))),
        )


def _steps(edits: list[tuple[str, int]]) -> list[Step]:
    """Returns the steps of edits that are given as pointers and levels."""
    parts = [(pointer.split("/")[1:], level) for pointer, level in edits]
    return [
        put(tuple(int(x) if x.isdecimal() else x for x in path), level)
        for path, level in parts
    ]


def gives_boxes(graph: nx.DiGraph, component: str) -> bool:
    return any(name.endswith("bins") for name in graph.graph["outputs"][component])


def raised(job: Job, index: int, side: float) -> list[tuple[str, int]]:
    """The edits, pointers and levels, that let a head give boxes of so many pixels."""
    top = max(levels_read(job.heads[index]))
    while REACH * 2**top < side:
        top += 1
    edits = [(f"/model/heads/{index}/top_level", top)]
    if job.neck and job.neck.top_level < top:
        edits.append(("/model/neck/top_level", top))
    elif not job.neck and job.backbone.top_level < top:
        edits.append(("/model/backbone/top_level", top))
    return edits
