"""The tasks: what each brings to the emitted code, one module a task."""

from __future__ import annotations

from collections.abc import Iterable

from specc.job import Job
from specc.tasks import (
    instance_segmentation,
    multiclass_classification,
    object_detection,
)
from specc.tasks.task import HeadCode, HeadExpressions, Task, names_of

TASKS: dict[str, Task] = {  # name in the job -> record
    "instance_segmentation": instance_segmentation.TASK,
    "multiclass_classification": multiclass_classification.TASK,
    "object_detection": object_detection.TASK,
}

__all__ = [
    "TASKS",
    "HeadCode",
    "HeadExpressions",
    "Task",
    "names_of",
    "once",
    "tasks_of",
    "templates",
]


def tasks_of(job: Job) -> list[Task]:
    """The tasks of a job's heads, each once, in the order of the heads."""
    return [TASKS[name] for name in dict.fromkeys(head.task for head in job.heads)]


def once(groups: Iterable[Iterable]) -> list:
    """The members of all groups in order, each once."""
    return list(dict.fromkeys(item for group in groups for item in group))


def templates(groups: Iterable[Iterable[str]]) -> list[str]:
    """The paths of sections, each once."""
    return [f"{section}.py.jinja" for section in once(groups)]
