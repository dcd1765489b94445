"""Which annotations can be made of which: a graph of tasks, and the ways through it."""

from __future__ import annotations

from collections.abc import Iterator

from specc.job import Head, Job, source_of
from specc.language.schema import head as head_schema

STEPS = (  # from the task of a dataset to one that needs to know less
    ("panoptic_segmentation", "semantic_segmentation"),
    ("panoptic_segmentation", "instance_segmentation"),
    ("instance_segmentation", "object_detection"),
    ("keypoint_detection", "object_detection"),
    ("quadrilateral_detection", "object_detection"),
    ("object_detection", "quadrilateral_detection"),
    ("object_detection", "multilabel_classification"),
    ("semantic_segmentation", "multilabel_classification"),
    ("multiclass_classification", "metric_learning"),
    ("metric_learning", "multiclass_classification"),
    ("multiclass_classification", "multilabel_classification"),
)
_FORMATS = {  # of conversions that not every format of their first task allows
    ("semantic_segmentation", "multilabel_classification"): ("native",),
    ("multiclass_classification", "metric_learning"): ("native", "folders"),
}


def way(source: str, target: str, form: str = "native") -> tuple[str, ...]:
    """The tasks from one to the other, both included, by the fewest conversions of what
    a format holds; empty if there are none."""
    ways = [(source,)]
    for tasks in ways:
        if tasks[-1] == target:
            return tasks
        ways += [
            (*tasks, after)
            for before, after in STEPS
            if before == tasks[-1]
            and after not in tasks
            and form in _FORMATS.get((before, after), (form,))
        ]
    return ()


def of_things_alone(tasks: tuple[str, ...]) -> bool:
    """Whether a way leaves stuff out, where its first task tells things from stuff."""
    return "instance_segmentation" in tasks[1:]


def sources_of(target: str) -> list[str]:
    """The tasks whose annotations can become those of a task."""
    tasks = dict.fromkeys(before for before, _ in STEPS)
    return [task for task in tasks if task != target and way(task, target)]


def way_to(head: Head) -> tuple[str, ...]:
    """The tasks from that of a head's dataset to its own; empty if they are the same."""
    data = head.data
    return way(data.task, head.task, data.format) if data and data.task else ()


def formats_of(head: Head) -> list[str]:
    """The formats that hold annotations for a head."""
    task = head.data.task if head.data and head.data.task else head.task
    formats = head_schema(task)["x-formats"]
    return [form for form in formats if way(task, head.task, form)]


def dataset_task(job: Job, head: Head) -> str:
    """The task that the annotations of a head are for."""
    return source_of(job, head).task or head.task


def in_words(job: Job) -> Iterator[str]:
    """`tags: instance segmentation -> object detection`: the conversions of each head."""
    for head in job.heads:
        if tasks := way_to(head):
            yield f"{head.name}: {' -> '.join(t.replace('_', ' ') for t in tasks)}"
