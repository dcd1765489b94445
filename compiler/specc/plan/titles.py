"""Computes titles, the level table and the line of costs."""

from __future__ import annotations

from specc.backbones import TABLES
from specc.graph.cost import Level, Summary
from specc.heads import count_of, once, task_of, tasks_of
from specc.job import Job
from specc.necks import KINDS
from specc.timm.models import PREFIX, is_timm


def title_of(job: Job) -> str:
    """Returns a line such as: Object detection: ResNet-18 -> FPN -> 3 categories."""
    tasks = once([task.title] for task in tasks_of(job))
    what = " and ".join([", ".join(tasks[:-1]), tasks[-1]] if tasks[1:] else tasks)
    parts = [_backbone_title(job.backbone.name)]
    if job.neck:
        parts.append(KINDS[job.neck.kind].title)
    if len(job.heads) > 1:
        parts.append(f"{len(job.heads)} heads")
    else:
        head = job.heads[0]
        task = task_of(head)
        if count := count_of(head, task):
            parts.append(f"{count} {task.counted[count > 1]}")
    return f"{what[0].upper()}{what[1:]}: {' -> '.join(parts)}"


def needs_of(job: Job) -> str:
    """Returns text: what model.py imports besides the standard library."""
    return "PyTorch and timm" if is_timm(job.backbone.name) else "PyTorch alone"


def level_table(summary: Summary) -> list[str]:
    """Returns rows of aligned columns, one column for each level."""
    rows = _rows(summary)
    first = max(len(row[0]) for row in rows)
    rest = max(len(cell) for row in rows for cell in row[1:])
    return [
        (
            row[0].ljust(first) + "".join(cell.rjust(rest + 2) for cell in row[1:])
        ).rstrip()
        for row in rows
    ]


def cost_line(summary: Summary) -> str:
    height, width = summary.resolution
    line = f"{summary.parameters:,} parameters; {summary.macs / 1e9:.2f} G "
    line += f"multiply-accumulates for an image of {height}x{width}"
    if summary.divisor > 1:
        line += f".\nHeight and width are multiples of {summary.divisor}"
    return line + "."


def _backbone_title(name: str) -> str:
    if is_timm(name):
        return f"{name.removeprefix(PREFIX)} of timm"
    return TABLES[name].title


def _rows(summary: Summary) -> list[list[str]]:
    levels = summary.levels
    rows = [
        ["level", *(str(x.level) for x in levels)],
        ["stride", *(str(x.stride) for x in levels)],
        ["size", *(_size(x) for x in levels)],
        ["backbone", *(_count(x.backbone) for x in levels)],
    ]
    if summary.neck_levels:
        rows.append(["neck", *(_count(x.neck) for x in levels)])
    heads = dict.fromkeys(name for x in levels for name in x.heads)
    for head in heads:
        rows.append([head, *("x" if head in x.heads else "" for x in levels)])
    return rows


def _size(level: Level) -> str:
    return f"{level.height}x{level.width}"


def _count(channels: int | None) -> str:
    return "" if channels is None else str(channels)
