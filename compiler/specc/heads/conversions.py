"""Conversions of annotations: a graph of tasks, and the shortest ways through the
graph."""

from __future__ import annotations

from collections.abc import Iterator

from specc.job import Head, Job, source_of
from specc.language.schema import head as head_schema

STEPS = (  # (task of a dataset, task that its annotations can be converted to)
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
_FORMATS = {  # formats that allow a conversion, where not all of the first task do
    ("semantic_segmentation", "multilabel_classification"): ("native",),
    ("multiclass_classification", "metric_learning"): ("native", "folders"),
    ("keypoint_detection", "object_detection"): ("native", "coco"),
}


def way(source: str, target: str, form: str = "native") -> tuple[str, ...]:
    """Returns the tasks from `source` to `target`, both included, by the fewest
    conversions that the format allows; empty if there is no way."""
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
    """Returns whether a way leaves out the stuff of a panoptic dataset."""
    return "instance_segmentation" in tasks[1:]


def sources_of(target: str) -> list[str]:
    """Returns the tasks whose annotations can be converted to `target`."""
    tasks = dict.fromkeys(before for before, _ in STEPS)
    return [task for task in tasks if task != target and way(task, target)]


def way_to(head: Head) -> tuple[str, ...]:
    """Returns the way from the task of a head's dataset to the head's own task; empty
    if both are the same."""
    data = head.data
    return way(data.task, head.task, data.format) if data and data.task else ()


def formats_of(head: Head) -> list[str]:
    """Returns the formats that hold annotations for a head."""
    task = head.data.task if head.data and head.data.task else head.task
    formats = head_schema(task)["x-formats"]
    return [form for form in formats if way(task, head.task, form)]


def dataset_task(job: Job, head: Head) -> str:
    """Returns the task of a head's annotations."""
    return source_of(job, head).task or head.task


def in_words(job: Job) -> Iterator[str]:
    """Yields a line for each converted head: `tags: instance segmentation -> object
    detection`."""
    for head in job.heads:
        if tasks := way_to(head):
            yield f"{head.name}: {' -> '.join(t.replace('_', ' ') for t in tasks)}"
