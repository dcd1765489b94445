"""Rules on models that cannot be trained with too few images at once."""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx

from specc.diagnostics import Diagnostic, likely, put
from specc.heads import TASKS
from specc.job import Job, Trainer

PATH = ("trainer", "batch_size")
NOTE = "`batch_size` counts the images of a step, over processes and micro-batches"


def views_have_others(job: Job, given: dict) -> list[Diagnostic]:
    """E315: a window holds two images, where a loss measures how images vary."""
    windows = job.trainer.accumulation or 1
    if job.trainer.batch_size >= 2 * windows:
        return []
    return [
        Diagnostic(
            "E315",
            f"head `{one.name}` learns how images differ, a window holds one image",
            PATH,
            note=NOTE,
            help=f"set /trainer/batch_size to {2 * windows} or more",
            edit=likely(put(PATH, 2 * windows)),
        )
        for one in job.heads
        if TASKS[one.task].views
    ]


def batch_norm_sees_values(job: Job, live: nx.DiGraph) -> Iterator[Diagnostic]:
    """E209: batch norm has more than one value of a channel to take the mean of."""
    if not sees_one_image(job):
        return
    for node, attributes in live.nodes.data():
        frozen = (
            node.component == "backbone" and node.level <= job.backbone.frozen_levels
        )
        if (
            attributes["operation"] != "batch_norm"
            or attributes["shape"][1:] != (1, 1)
            or frozen
        ):
            continue
        norm = f"`{node.component}.{node.step}` is a batch norm"
        yield single_value(job, norm, f"level {node.level} is one cell")
        return


def sees_one_image(job: Job) -> bool:
    """Returns whether a window of a process holds one view of one image."""
    views = 1 + any(TASKS[head.task].views for head in job.heads)
    return job.trainer.batch_size // _shares(job.trainer) * views == 1


def single_value(job: Job, norm: str, where: str) -> Diagnostic:
    """Returns E209 for a batch norm, which the text `norm` names."""
    height, width = job.data.resolution
    return Diagnostic(
        "E209",
        f"{norm} over a single value a channel: {where}, and a window of a process holds"
        " one image",
        PATH,
        f"set /trainer/batch_size to {2 * _shares(job.trainer)} or more, or"
        f" /data/resolution to [{2 * height}, {2 * width}]",
        NOTE,
        edit=likely(put(PATH, 2 * _shares(job.trainer))),
    )


def _shares(trainer: Trainer) -> int:
    """Into how many parts the images of a step are divided."""
    slurm = trainer.slurm
    processes = slurm.nodes * slurm.gpus_per_node if slurm else 1
    return (trainer.accumulation or 1) * processes
