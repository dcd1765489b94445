"""FPN, the feature pyramid: adds upsampled coarse levels to finer ones, and makes
further coarse levels above the backbone's.

"Feature Pyramid Networks for Object Detection", Lin et al. 2016,
https://arxiv.org/abs/1612.03144; the levels above the backbone's are those of
RetinaNet, https://arxiv.org/abs/1708.02002, which makes the first of them from the
backbone's top level.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from specc.job import Job, Neck
from specc.necks.kind import Kind
from specc.source import Line, named_span, shape

if TYPE_CHECKING:
    from specc.graph.cost import Summary
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class FPN(Neck):
    extra_levels_from: str  # neck or backbone: input of the first extra level


def build(net: Scope, neck: FPN, backbone: dict[int, Node]) -> dict[int, Node]:
    """Adds levels ``bottom_level`` to ``top_level``; returns level -> node."""
    bottom, top = sorted((neck.bottom_level, neck.top_level))
    last = max(bottom, min(top, max(backbone)))  # highest level with a lateral
    fused = _top_down(net, neck.channels, backbone, range(bottom, last + 1))
    levels = {
        level: net.at(level).conv(f"smooth{level}", x, neck.channels, 3, bias=True)
        for level, x in sorted(fused.items())
    }
    for level in range(last + 1, top + 1):
        x = levels[level - 1]
        if level > last + 1:
            x = net.at(level - 1).relu("relu", x)
        elif neck.extra_levels_from == "backbone":
            x = backbone.get(last, x)  # absent if the neck starts above
        here = net.at(level)
        levels[level] = here.conv(
            f"down{level}", x, neck.channels, kernel=3, stride=2, bias=True
        )
    return levels


def _top_down(
    net: Scope, channels: int, backbone: dict[int, Node], levels: range
) -> dict[int, Node]:
    fused: dict[int, Node] = {}
    for level in reversed(levels):
        here = net.at(level)
        x = here.conv(f"lateral{level}", here.read(backbone), channels, 1, bias=True)
        if level + 1 in fused:
            x = here.add("add", x, here.upsample("upsample", fused[level + 1]))
        fused[level] = x
    return fused


# ---- The plan ----


@dataclass(frozen=True)
class _Kept:
    """The levels at which the graph kept each kind of convolution."""

    laterals: tuple[int, ...]
    smooths: tuple[int, ...]
    downs: tuple[int, ...]
    widths: dict[int, int]  # level -> input channels of its lateral or first down
    from_backbone: bool  # whether the first down reads the backbone, not the neck

    def starts_anew(self, level: int) -> bool:
        """Returns whether this is the first of the levels above the backbone's."""
        return level == self.downs[0]


def plan(job: Job, summary: Summary) -> dict[str, Any]:
    laterals, smooths, downs = (
        tuple(k for k in summary.neck_levels if _key(step, k) in summary.state)
        for step in ("lateral", "smooth", "down")
    )
    widths = {k: summary.state[_key("lateral", k)][1] for k in laterals}
    widths |= {k: summary.state[_key("down", k)][1] for k in downs[:1]}
    from_backbone = job.neck.extra_levels_from == "backbone"
    kept = _Kept(laterals, smooths, downs, widths, from_backbone)
    return {
        "class_name": "FPN",
        "story": _story(kept),
        "layers": tuple(_layers(kept)),
        "steps": tuple(_steps(kept)),
        "returns": ", ".join(f"p{level}" for level in summary.neck_returned),
        "kind": {},
    }


def _key(step: str, level: int) -> str:
    return f"neck.{step}{level}.weight"


def _story(kept: _Kept) -> str:
    if not kept.laterals:
        return f"here only\n    {named_span(kept.downs)} above the backbone, by strided convolutions"
    parts = ["top down, each\n    level adds the one above it, upsampled"]
    if len(kept.laterals) == 1:
        parts = ["here of a\n    single level of the backbone"]
    if kept.downs:
        source = "\n    of the backbone's top level" if kept.from_backbone else ""
        parts.append(f"strided convolutions{source} make {named_span(kept.downs)}")
    return "; ".join(parts)


def _layers(kept: _Kept) -> Iterator[Line]:
    for k in kept.laterals:
        yield Line(f"lateral{k}", f"nn.Conv2d({kept.widths[k]}, CHANNELS, 1)")
    for k in kept.smooths:
        yield Line(f"smooth{k}", "nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)")
    for k in kept.downs:
        new = kept.from_backbone and kept.starts_anew(k)
        inputs = kept.widths[k] if new else "CHANNELS"
        source = f"nn.Conv2d({inputs}, CHANNELS, 3, stride=2, padding=1)"
        yield Line(f"down{k}", source)


def _steps(kept: _Kept) -> Iterator[Line]:
    for k in reversed(kept.laterals):
        top = k == kept.laterals[-1]
        above = "" if top else f" + F.interpolate(p{k + 1}, scale_factor=2.0)"
        yield Line(f"p{k}", f"self.lateral{k}(c{k}){above}")
    for k in kept.smooths:
        yield Line(f"p{k}", f"self.smooth{k}(p{k})", f"  # {shape('CHANNELS', k)}")
    for k in kept.downs:
        below = f"F.relu(p{k - 1})"
        if kept.starts_anew(k):
            below = f"{'c' if kept.from_backbone else 'p'}{k - 1}"
        yield Line(f"p{k}", f"self.down{k}({below})", f"  # {shape('CHANNELS', k)}")


KIND = Kind(FPN, "FPN", build, plan)
