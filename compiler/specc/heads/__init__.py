"""The heads: one module for each task, with all that the compiler knows about the head.

A module has the head's dataclass, `build` (its nodes in the graph), `plan` (its
expressions in the emitted code), `contract` and `TASK`. The emitted functions and
classes are in `templates/heads/<task>/`; the options in `schema/heads/<task>.json`.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from types import ModuleType

from specc.heads.conversions import way_to
from specc.heads.converted import converted_task
from specc.heads.task import Task
from specc.job import Head, Job, source_of
from specc.resources import names
from specc.source import Line

# The registry: a row for each head. Emitted functions of several heads have this order.
TASK_NAMES = (
    "object_detection",
    "instance_segmentation",
    "panoptic_segmentation",
    "keypoint_detection",
    "quadrilateral_detection",
    "semantic_segmentation",
    "depth_estimation",
    "anomaly_detection",
    "autoencoding",
    "multiclass_classification",
    "multilabel_classification",
    "metric_learning",
    "view_invariance_learning",
    "regression",
    "scene_text_recognition",
    "autoregressive_text_recognition",
)


class Incomplete(Exception):
    """A head lacks its row, its schema, its module or its parts: the message says
    which."""


def _module_of(name: str) -> ModuleType:
    try:
        return import_module(f"specc.heads.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"specc.heads.{name}":
            raise
        what = f"`{name}` has a row in TASK_NAMES of {__file__}"
        raise Incomplete(f"{what}, and no module {name}.py beside it") from None


def _refuse_incomplete() -> None:
    """Raises Incomplete unless every row of the registry has a file of the schema and a
    folder of parts, and the other way round."""
    described = {name.removesuffix(".json") for name in names("schema/heads")}
    emitting = {name.partition("/")[0] for name in names("templates/heads")}
    for name in sorted(described.difference(TASK_NAMES)):
        raise Incomplete(
            f"schema/heads/{name}.json has no row in TASK_NAMES of {__file__}"
        )
    for name in TASK_NAMES:
        what = f"`{name}` has a row in TASK_NAMES of {__file__}"
        if name not in described:
            raise Incomplete(f"{what}, and no schema/heads/{name}.json")
        if name not in emitting:
            raise Incomplete(f"{what}, and no templates/heads/{name}/model.py")


_refuse_incomplete()
HEADS: dict[str, ModuleType] = {name: _module_of(name) for name in TASK_NAMES}
TASKS: dict[str, Task] = {name: module.TASK for name, module in HEADS.items()}


def task_of(head: Head) -> Task:
    """Returns the record of a head, adapted to the head's options and dataset."""
    task = TASKS[head.task]
    task = task.variant(head) if task.variant else task
    way = way_to(head)
    return converted_task(task, way, head.data.format, TASKS) if way else task


def tasks_of(job: Job) -> list[Task]:
    """Returns the record of each head."""
    return [task_of(head) for head in job.heads]


def names_of(head: Head, task: Task) -> tuple[str, ...]:
    """The names of what a head finds, in the order of its outputs; none where they are
    counted."""
    names = getattr(head, task.names) if task.names else ()
    return () if isinstance(names, int) else names


def count_of(head: Head, task: Task) -> int:
    """Returns the number of a head's names, whether they are listed or counted."""
    names = getattr(head, task.names) if task.names else ()
    return names if isinstance(names, int) else len(names)


def formats_ignoring(job: Job) -> set[str]:
    """Returns the formats of a job from which labels keep ignored objects."""
    sources = [(source_of(job, head), task_of(head)) for head in job.heads]
    return {
        source.format
        for source, task in sources
        if source.format in task.ignores
        and (source.format != "csv" or source.layout and source.layout.crowd)
    }


def once(groups: Iterable[Iterable]) -> list:
    """Returns the members of all groups in order, each once."""
    return list(dict.fromkeys(item for group in groups for item in group))


def constants_of(job: Job, module: str) -> list[Line]:
    """Returns the constants of a job's tasks at the top of an emitted module."""
    return once(task.constants.get(module, ()) for task in tasks_of(job))


def levels_read(head: Head) -> range:
    """Returns the levels that a head asks for. Bounds in the wrong order are swapped,
    so that the rest of the graph can still be checked."""
    if hasattr(head, "level"):
        return range(head.level, head.level + 1)
    bottom, top = sorted((head.bottom_level, head.top_level))
    return range(bottom, top + 1)
