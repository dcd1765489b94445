"""The neck's part of the plan: fields that all kinds share; their modules add more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from specc.graph.cost import Summary
from specc.job import Job
from specc.necks import KINDS
from specc.source import Line, maps_type, span


@dataclass(frozen=True)
class NeckPlan:
    template: str
    class_name: str
    channels: int
    read: str  # levels as text, such as 3..5
    made: str
    story: str  # text that says how the levels are made
    layers: tuple[Line, ...]
    steps: tuple[Line, ...]
    inputs: tuple[str, ...]  # names of maps, such as c3, c4, c5
    parameters: str
    returned: tuple[str, ...]
    returns: str
    returns_type: str
    kind: dict[str, Any]  # further variables for the template of the kind


def plan_neck(job: Job, summary: Summary) -> NeckPlan | None:
    """Returns the plan of the neck that the graph kept; None where it kept none."""
    if not summary.neck_levels:
        return None
    returned = tuple(f"p{level}" for level in summary.neck_returned)
    inputs = tuple(f"c{level}" for level in summary.neck_read)
    return NeckPlan(
        template=f"necks/{job.neck.kind}.py.jinja",
        channels=job.neck.channels,
        read=span(summary.neck_read),
        made=span(summary.neck_returned),
        inputs=inputs,
        parameters=", ".join(f"{name}: Tensor" for name in inputs),
        returned=returned,
        returns_type=maps_type(returned),
        **KINDS[job.neck.kind].plan(job, summary),
    )
