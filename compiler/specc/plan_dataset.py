"""The plan of dataset.py: how annotations are read and checked."""

from __future__ import annotations

from typing import Any

from specc.job import Data, Job
from specc.plan_heads import HeadPlan
from specc.plan_source import Line, constant, mapping
from specc.plan_split import plan_split, split_constants, split_sections
from specc.tasks import Task, once, tasks_of, templates
from specc.tasks.maps import SUFFIXES_LINE

YAML = ("native", "yolo")  # formats with files that a bomb could hide in
UNNAMED = ("voc", "csv")  # formats that do not list the names of their categories
VOC_SIDES = ("xmin", "ymin", "xmax", "ymax")

PIXELS = Line("MOST_PIXELS", "200_000_000", "  # of an image; a bomb has more")
VALUES = Line("MOST_VALUES", "50_000_000", "  # of a file of annotations, likewise")

LONE_MAPS = {  # with several heads or one
    True: "A map without an image is there too: it is named among the problems.",
    False: "Either without the other is there too: it is named among the problems.",
}
PAIRED_MAPS = {
    True: "{k: files[stem] for k, stem in images.items() if stem in files}",
    False: '{k: files.get(v, maps / f"{v}.png") for k, v in images.items()}',
}


def dataset_constants(job: Job, heads: tuple[HeadPlan, ...]) -> tuple[Line, ...]:
    data = job.data
    limits = (PIXELS, VALUES) if reads_yaml(job) else (PIXELS,)
    if data.validation is not None:
        sets = (data.train, data.validation)
        lines = [constant("TRAIN, VALIDATION", sets, "below --data")]
    else:
        lines = split_constants(job)
    lines += once(head.code.dataset_constants for head in heads)
    if data.format in ("folders", "voc", "yolo"):
        lines.append(SUFFIXES_LINE)
    if data.format == "voc":
        lines.append(constant("VOC_SIDES", VOC_SIDES))
    if data.format == "csv":
        lines.append(constant("COLUMNS", ("image", *(head.name for head in heads))))
    return (*lines, *limits)


def plan_dataset(job: Job, heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    tasks = tasks_of(job)
    told = once([task.training_note] for task in tasks if task.training_note)
    opened = bool(told)
    return {
        "reader_parameters": f"folder: Path{', training: bool = False' * opened}",
        "reader_note": "\n\n    {}\n    ".format("\n    ".join(told)) * opened,
        "training_arguments": _training_arguments(job, opened),
        "folder_holds": " and ".join(once([task.counted[0]] for task in tasks)),
        "reader_docstring": f"{_docstring(job, tasks)}_docstring.jinja",
        "dataset_sections": _sections(job, tasks),
        "nullable": any(_is_listed(task) for task in tasks),
        "lone_maps": LONE_MAPS[len(heads) > 1],
        "paired_maps": PAIRED_MAPS[len(heads) > 1],
        "coco_what": tasks[0].coco_what,
        "coco_key": tasks[0].names,
        "coco_names": tasks[0].coco_names,
        "coco_found": tasks[0].coco_found,
        "coco_compared": f"{tasks[0].coco_compared}.py.jinja",
        "validation": job.data.validation is not None,
        **plan_split(job),
        "annotation_examples": _examples(job, heads),
        "notes": _notes(tasks),
        "csv_columns": _columns(job, heads),
        "label_type": " | ".join(once([task.label] for task in tasks)),
        "one_head_annotations": heads[0].annotations,
        "annotations_by_head": mapping((head.name, head.annotations) for head in heads),
        "parsed_labels": mapping((head.name, head.code.parse) for head in heads),
    }


def reads_yaml(job: Job) -> bool:
    labelled = not all(task.unlabelled for task in tasks_of(job))
    return job.data.format in YAML and labelled


def _training_arguments(job: Job, opened: bool) -> str:
    split = ', "train"' if job.data.format == "yolo" else ""
    return f"root / TRAIN{split}{', training=True' * opened}"


def _docstring(job: Job, tasks: list[Task]) -> str:
    if job.data.format == "coco":
        return tasks[0].coco_docstring
    unlabelled = all(task.unlabelled for task in tasks)
    return f"dataset/{'images' if unlabelled else job.data.format}"


def _is_listed(task: Task) -> bool:
    """Whether a file lists its annotations."""
    return not (task.in_folder or task.unlabelled)


def _lists_names(data: Data, tasks: list[Task]) -> bool:
    """Whether the dataset has names that are compared with the job's."""
    return data.format not in UNNAMED and any(task.names for task in tasks)


def _notes(tasks: list[Task]) -> list[str]:
    """What the examples do not show, in sentences."""
    notes = once([task.empty_note] for task in tasks if task.empty_note)
    lines = []
    if any(_is_listed(task) for task in tasks):
        lines.append(", ".join(["`null` leaves an image out", *notes]) + ".")
    if any(task.in_folder for task in tasks):
        lines.append("A map has the stem of its image; it may be smaller.")
    lines += once([task.folder_note] for task in tasks if task.folder_note)
    return lines


def _sections(job: Job, tasks: list[Task]) -> list[str]:
    """Templates, from the whole set to one label."""
    data = job.data
    reader, native = data.format, data.format == "native"
    if native:
        reader = "native_several" if len(tasks) > 1 else "native_one"
    return templates(
        [
            *(task.label_types for task in tasks),
            ["dataset/sample", "dataset/banner_reading"],
            split_sections(job),
            [f"dataset/{reader}"],
            *(task.readers[data.format] for task in tasks),
            [tasks[0].coco_folder] if data.format == "coco" else [],
            ["dataset/report"],
            once(task.native_readers for task in tasks) if native else [],
            ["dataset/yaml"] if data.format == "yolo" else [],
            [] if data.format == "folders" else ["dataset/below"],
            ["dataset/compare_names"] if _lists_names(data, tasks) else [],
            ["dataset/banner_image"],
            [
                (
                    "dataset/image_size_bands"
                    if data.channels == 4
                    else "dataset/image_size"
                )
            ],
            *(task.parsers for task in tasks),
            *(task.format_parsers.get(data.format, ()) for task in tasks),
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
        if not task.unlabelled
    }
    if not tasks:
        return []
    several = len(tasks) > 1
    lines = ["metadata.yaml"]
    for number, (title, (task, _)) in enumerate(tasks.items(), 1):
        lines.append(f"{'  - ' if several else '    '}task: {title}")
        lines += [f"    {line}" for line in task.metadata]
        lines.append(f"    annotations: {_file(task, number if several else '')}")
    for number, (task, head) in enumerate(tasks.values(), 1):
        lines.append(_file(task, number if several else ""))
        image = f"image.{task.map_suffix}" if task.in_folder else "image.jpg"
        lines.append(f"    {image}: {head.code.annotation}")
    return lines


def _file(task: Task, number: int | str) -> str:
    """What holds the annotations in the example."""
    return f"maps{number}/" if task.in_folder else f"annotations{number}.yaml"
