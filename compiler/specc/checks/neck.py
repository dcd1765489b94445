"""The rules of the level graph that are about the neck (see levels.py)."""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx

from specc.checks.widths import shared_weights_conflict
from specc.diagnostics import Diagnostic, certain, drop, likely, pointer_of, put
from specc.graph.levels import head_components
from specc.job import Job
from specc.necks.bifpn import BiFPN
from specc.necks.fpn import FPN


def neck_starts_in_the_backbone(job: Job, graph: nx.DiGraph) -> Iterator[Diagnostic]:
    """E205: the neck has at least one level of the backbone to start from."""
    if not job.neck:
        return
    bottom, top = min(graph.graph["neck"]), max(graph.graph["backbone"])
    if bottom > top:
        yield Diagnostic(
            "E205",
            f"neck `{job.neck.kind}` starts at level {bottom},"
            f" backbone `{job.backbone.name}` ends at level {top}",
            ("model", "neck", "bottom_level"),
            f"set /model/neck/bottom_level to {top},"
            f" or /model/backbone/top_level to {bottom}",
            "a neck fuses levels of the backbone, and adds only those above them",
            edit=likely(put(("model", "neck", "bottom_level"), top)),
        )


def bifpn_has_two_levels(job: Job, graph: nx.DiGraph) -> Iterator[Diagnostic]:
    """E210: a BiFPN has at least two levels to fuse."""
    if not isinstance(job.neck, BiFPN) or job.neck.bottom_level != job.neck.top_level:
        return
    level = job.neck.top_level
    end, moved = ("top", level + 1) if level == 1 else ("bottom", level - 1)
    yield Diagnostic(
        "E210",
        f"neck `bifpn` starts and ends at level {level},"
        " a BiFPN fuses two levels at least",
        ("model", "neck", f"{end}_level"),
        f'set /model/neck/{end}_level to {moved}, or /model/neck/kind to "fpn"',
        edit=likely(put(("model", "neck", f"{end}_level"), moved)),
    )


def extra_levels_are_made(job: Job, graph: nx.DiGraph) -> Iterator[Diagnostic]:
    """W204: an option on levels above the backbone's needs such a level."""
    neck, top = job.neck, job.backbone.top_level
    if not isinstance(neck, FPN) or neck.extra_levels_from != "backbone":
        return
    if max(neck.bottom_level, neck.top_level) <= top:
        yield Diagnostic(
            "W204",
            "neck `fpn` makes levels above the backbone's from the backbone,"
            f" and has none: it ends at level {neck.top_level},"
            f" backbone `{job.backbone.name}` at level {top}",
            ("model", "neck", "extra_levels_from"),
            "remove /model/neck/extra_levels_from,"
            f" or set /model/neck/top_level to {top + 1}",
            # Without such a level the option changes nothing.
            edit=certain(drop(("model", "neck", "extra_levels_from"))),
        )


def heads_read_levels_of_the_neck(job: Job, graph: nx.DiGraph) -> Iterator[Diagnostic]:
    """W206: a level that a head reads below the neck's is the backbone's own map."""
    neck, inputs = job.neck, graph.graph["inputs"]
    if not neck or neck.bottom_level > neck.top_level:  # E204
        return
    levels = graph.graph["neck"]
    if not any(level in levels for read in inputs.values() for level in read):
        return  # W201
    bottom, conflicts = min(levels), shared_weights_conflict(graph)
    for index, (component, head) in enumerate(zip(head_components(job), job.heads)):
        lowest = min(inputs[component])
        if lowest >= bottom or component in conflicts:  # E206 has the same edit
            continue
        field = "bottom_level" if hasattr(head, "bottom_level") else "level"
        path = ("model", "heads", index, field)
        yield Diagnostic(
            "W206",
            f"head `{head.name}` reads level {lowest}, neck `{neck.kind}` starts at"
            f" level {bottom}",
            path,
            f"set /model/neck/bottom_level to {lowest},"
            f" or {pointer_of(path)} to {bottom}",
            "below the neck the head reads the backbone's own maps, into which no"
            " higher level is fused",
            edit=likely(put(("model", "neck", "bottom_level"), lowest)),
        )
