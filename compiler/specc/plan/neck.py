"""The neck's part of the plan: what all kinds share, and who plans each."""

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
    read: str  # levels as text: 3..5
    made: str
    story: str  # how the levels come about, in words
    layers: tuple[Line, ...]
    steps: tuple[Line, ...]
    inputs: tuple[str, ...]  # c3, c4, c5
    parameters: str
    returned: tuple[str, ...]
    returns: str
    returns_type: str
    kind: dict[str, Any]  # what the template of the kind asks for besides


def plan_neck(job: Job, summary: Summary) -> NeckPlan | None:
    """The operations that the graph kept; None where it kept none."""
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
