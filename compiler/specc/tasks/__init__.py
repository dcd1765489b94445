"""The tasks: what each brings to the emitted code, one module a task."""

from __future__ import annotations

from collections.abc import Iterable

from specc.heads.conversions import way_to
from specc.job import Head, Job
from specc.tasks import (
    anomaly_detection,
    autoencoding,
    autoregressive_text_recognition,
    depth_estimation,
    instance_segmentation,
    keypoint_detection,
    metric_learning,
    multiclass_classification,
    multilabel_classification,
    object_detection,
    panoptic_segmentation,
    quadrilateral_detection,
    regression,
    scene_text_recognition,
    semantic_segmentation,
    view_invariance_learning,
)
from specc.tasks.converted import converted_task
from specc.tasks.task import HeadCode, HeadExpressions, Task, names_of

TASKS: dict[str, Task] = {  # name in the job -> record
    "anomaly_detection": anomaly_detection.TASK,
    "autoregressive_text_recognition": autoregressive_text_recognition.TASK,
    "autoencoding": autoencoding.TASK,
    "depth_estimation": depth_estimation.TASK,
    "instance_segmentation": instance_segmentation.TASK,
    "keypoint_detection": keypoint_detection.TASK,
    "metric_learning": metric_learning.TASK,
    "multiclass_classification": multiclass_classification.TASK,
    "multilabel_classification": multilabel_classification.TASK,
    "object_detection": object_detection.TASK,
    "panoptic_segmentation": panoptic_segmentation.TASK,
    "quadrilateral_detection": quadrilateral_detection.TASK,
    "regression": regression.TASK,
    "scene_text_recognition": scene_text_recognition.TASK,
    "semantic_segmentation": semantic_segmentation.TASK,
    "view_invariance_learning": view_invariance_learning.TASK,
}

__all__ = [
    "TASKS",
    "HeadCode",
    "HeadExpressions",
    "Task",
    "names_of",
    "once",
    "task_of",
    "tasks_of",
    "templates",
]


def task_of(head: Head) -> Task:
    """The record of a head, as its options and its dataset have it."""
    task = TASKS[head.task]
    task = task.variant(head) if task.variant else task
    way = way_to(head)
    return converted_task(task, way, head.data.format, TASKS) if way else task


def tasks_of(job: Job) -> list[Task]:
    """The record of each head."""
    return [task_of(head) for head in job.heads]


def once(groups: Iterable[Iterable]) -> list:
    """The members of all groups in order, each once."""
    return list(dict.fromkeys(item for group in groups for item in group))


def templates(groups: Iterable[Iterable[str]]) -> list[str]:
    """The paths of sections, each once."""
    return [f"{section}.py.jinja" for section in once(groups)]
