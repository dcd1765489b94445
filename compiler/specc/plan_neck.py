"""The neck's part of the plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from specc.cost import Summary
from specc.job import Job
from specc.plan_maps import maps_type, shape, span
from specc.plan_source import Line


@dataclass(frozen=True)
class NeckPlan:
    template: str
    channels: int
    read: str
    made: str
    story: str  # how the levels come about, in words
    layers: tuple[Line, ...]
    steps: tuple[Line, ...]
    inputs: tuple[str, ...]
    parameters: str
    returned: tuple[str, ...]
    returns: str
    returns_type: str


def plan_neck(job: Job, summary: Summary) -> NeckPlan | None:
    """The operations that the graph kept; None where it kept none."""
    if not summary.neck_levels:
        return None
    laterals, smooths, downs = (
        [k for k in range(1, 12) if f"neck.{step}{k}.weight" in summary.state]
        for step in ("lateral", "smooth", "down")
    )
    returned = tuple(f"p{level}" for level in summary.neck_returned)
    inputs = tuple(f"c{level}" for level in laterals)
    return NeckPlan(
        template=f"necks/{job.neck.kind}.py.jinja",
        channels=job.neck.channels,
        read=span(tuple(laterals)),
        made=span(summary.neck_returned),
        story=_story(laterals, downs),
        layers=tuple(_neck_layers(summary, laterals, smooths, downs)),
        steps=tuple(_neck_steps(laterals, smooths, downs)),
        inputs=inputs,
        parameters=", ".join(f"{name}: Tensor" for name in inputs),
        returned=returned,
        returns=", ".join(returned),
        returns_type=maps_type(returned),
    )


def _story(laterals: list[int], downs: list[int]) -> str:
    parts = ["top down, each\n    level adds the one above it, upsampled"]
    if len(laterals) == 1:
        parts = ["here of a\n    single level of the backbone"]
    if downs:
        above = span(tuple(downs))
        parts.append(f"strided convolutions make level{'s' * (len(downs) > 1)} {above}")
    return "; ".join(parts)


def _neck_layers(
    summary: Summary, laterals: list[int], smooths: list[int], downs: list[int]
) -> Iterator[Line]:
    for k in laterals:
        inputs = summary.state[f"neck.lateral{k}.weight"][1]
        yield Line(f"lateral{k}", f"nn.Conv2d({inputs}, CHANNELS, 1)")
    for k in smooths:
        yield Line(f"smooth{k}", "nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)")
    for k in downs:
        source = "nn.Conv2d(CHANNELS, CHANNELS, 3, stride=2, padding=1)"
        yield Line(f"down{k}", source)


def _neck_steps(
    laterals: list[int], smooths: list[int], downs: list[int]
) -> Iterator[Line]:
    top = laterals[-1]
    for k in reversed(laterals):
        above = "" if k == top else f" + F.interpolate(p{k + 1}, scale_factor=2.0)"
        yield Line(f"p{k}", f"self.lateral{k}(c{k}){above}")
    for k in smooths:
        yield Line(f"p{k}", f"self.smooth{k}(p{k})", f"  # {shape('CHANNELS', k)}")
    for k in downs:
        below = f"p{k - 1}" if k == top + 1 else f"F.relu(p{k - 1})"
        yield Line(f"p{k}", f"self.down{k}({below})", f"  # {shape('CHANNELS', k)}")
