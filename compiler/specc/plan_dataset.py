"""The plan of dataset.py: how annotations are read and checked."""

from __future__ import annotations

from typing import Any

from specc.job import Data, Job
from specc.plan_heads import HeadPlan
from specc.plan_source import Line, constant, mapping
from specc.tasks import Task, once, tasks_of, templates

YAML = ("native", "yolo")  # formats with files that a bomb could hide in
UNNAMED = ("voc", "csv")  # formats that do not list the names of their categories
VOC_SIDES = ("xmin", "ymin", "xmax", "ymax")
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

PIXELS = Line("MOST_PIXELS", "200_000_000", "  # of an image; a bomb has more")
VALUES = Line("MOST_VALUES", "50_000_000", "  # of a file of annotations, likewise")


def dataset_constants(job: Job, heads: tuple[HeadPlan, ...]) -> tuple[Line, ...]:
    data = job.data
    limits = (PIXELS, VALUES) if data.format in YAML else (PIXELS,)
    if data.validation is not None:
        sets = (data.train, data.validation)
        lines = [constant("TRAIN, VALIDATION", sets, "below --data")]
    else:
        share = data.validation_fraction
        lines = [constant("TRAIN", data.train, "below --data")]
        lines += [constant("VALIDATION_SHARE", share, "of it is held out")]
    lines += once(head.code.dataset_constants for head in heads)
    if data.format in ("folders", "voc", "yolo"):
        lines.append(constant("SUFFIXES", SUFFIXES, "of images"))
    if data.format == "voc":
        lines.append(constant("VOC_SIDES", VOC_SIDES))
    if data.format == "csv":
        lines.append(constant("COLUMNS", ("image", *(head.name for head in heads))))
    return (*lines, *limits)


def plan_dataset(job: Job, heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    tasks = tasks_of(job)
    notes = once([task.empty_note] for task in tasks if task.empty_note)
    return {
        "reader_docstring": f"dataset/{job.data.format}_docstring.jinja",
        "dataset_sections": _sections(job.data, tasks, several=len(heads) > 1),
        "validation": job.data.validation is not None,
        "annotation_examples": _examples(job, heads),
        "csv_columns": _columns(job, heads),
        "training_split": ', "train"' if job.data.format == "yolo" else "",
        "empty_note": "".join(f", {note}" for note in notes),
        "label_type": " | ".join(once([task.label] for task in tasks)),
        "annotations_by_head": mapping((head.name, head.annotations) for head in heads),
        "parsed_labels": mapping((head.name, head.code.parse) for head in heads),
    }


def _sections(data: Data, tasks: list[Task], several: bool) -> list[str]:
    """Templates, from the whole set to one label."""
    reader, native = data.format, data.format == "native"
    if native:
        reader = "native_several" if several else "native_one"
    return templates(
        [
            *(task.label_types for task in tasks),
            ["dataset/sample", "dataset/banner_reading"],
            ["dataset/split" if data.validation is None else "dataset/two_sets"],
            [f"dataset/{reader}"],
            *(task.readers[data.format] for task in tasks),
            ["dataset/image_folder"] if data.format == "coco" else [],
            ["dataset/report"],
            once(task.native_readers for task in tasks) if native else [],
            ["dataset/yaml"] if data.format in YAML else [],
            [] if data.format == "folders" else ["dataset/below"],
            [] if data.format in UNNAMED else ["dataset/compare_names"],
            ["dataset/banner_image"],
            [
                (
                    "dataset/image_size_bands"
                    if data.channels == 4
                    else "dataset/image_size"
                )
            ],
            *(task.parsers for task in tasks),
        ]
    )


def _columns(job: Job, heads: tuple[HeadPlan, ...]) -> list[str]:
    """What stands in the columns of a CSV file; its head's name is that of a column."""
    lines = ["image: path from the file's folder"]
    lines += [f"{head.name}: {head.code.annotation}" for head in heads]
    return lines


def _examples(job: Job, heads: tuple[HeadPlan, ...]) -> list[str]:
    tasks = {
        task.described_as or task.title: (task, head)
        for task, head in zip(tasks_of(job), heads)
    }
    several = len(tasks) > 1
    lines = ["metadata.yaml"]
    for number, (title, (task, _)) in enumerate(tasks.items(), 1):
        lines.append(f"{'  - ' if several else '    '}task: {title}")
        lines += [f"    {line}" for line in task.metadata]
        lines.append(f"    annotations: annotations{number if several else ''}.yaml")
    for number, (_, head) in enumerate(tasks.values(), 1):
        lines.append(f"annotations{number if several else ''}.yaml")
        lines.append(f"    image.jpg: {head.code.annotation}")
    return lines
