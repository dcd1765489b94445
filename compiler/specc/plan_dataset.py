"""The plan of dataset.py: how annotations are read and checked."""

from __future__ import annotations

from typing import Any

from specc.job import Data, Job
from specc.plan_heads import HeadPlan
from specc.plan_source import Line, constant, literal, mapping

KINDS = {"object_detection": "object", "multiclass_classification": "category"}
PARSERS = {"object": "parse_objects", "category": "parse_category"}
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
LABELS = {"object": "Objects", "category": "int"}


def kinds_of(heads: tuple[HeadPlan, ...]) -> list[str]:
    """The kinds of labels, in the order of the heads."""
    return [KINDS[task] for task in dict.fromkeys(head.task for head in heads)]


PIXELS = Line("MOST_PIXELS", "200_000_000", "  # of an image; a bomb has more")
VALUES = Line("MOST_VALUES", "50_000_000", "  # of a file of annotations, likewise")


def dataset_constants(job: Job) -> tuple[Line, ...]:
    data = job.data
    limits = (PIXELS, VALUES) if data.format == "native" else (PIXELS,)
    if data.validation is not None:
        sets = (data.train, data.validation)
        lines = [constant("TRAIN, VALIDATION", sets, "below --data")]
    else:
        share = data.validation_fraction
        lines = [constant("TRAIN", data.train, "below --data")]
        lines += [constant("VALIDATION_SHARE", share, "of it is held out")]
    if data.format == "folders":
        lines.append(constant("SUFFIXES", SUFFIXES, "of images"))
    return (*lines, *limits)


def plan_dataset(job: Job, heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    kinds = kinds_of(heads)
    sections = _sections(job.data, kinds, several=len(heads) > 1)
    return {
        "reader_docstring": f"dataset/{job.data.format}_docstring.jinja",
        "dataset_sections": [f"dataset/{name}.py.jinja" for name in sections],
        "validation": job.data.validation is not None,
        "annotation_examples": _examples(heads),
        "empty_note": ", `[]` is one without objects" if "object" in kinds else "",
        "label_type": " | ".join(LABELS[kind] for kind in kinds),
        "annotations_by_head": _annotations(heads),
        "parsed_labels": mapping((head.name, head.parse) for head in heads),
    }


def _sections(data: Data, kinds: list[str], several: bool) -> list[str]:
    """From the whole set to one label."""
    reader, native = data.format, data.format == "native"
    if native:
        reader = "native_several" if several else "native_one"
    return [
        *(["objects"] if "object" in kinds else []),
        "sample",
        "banner_reading",
        "split" if data.validation is None else "two_sets",
        reader,
        "report",
        *(["annotations"] if native else []),
        *([] if data.format == "folders" else ["below"]),
        "compare_names",
        "banner_image",
        "image_size_bands" if data.channels == 4 else "image_size",
        *(PARSERS[kind] for kind in kinds),
    ]


def _examples(heads: tuple[HeadPlan, ...]) -> list[str]:
    tasks = {head.native_task: head.annotation for head in heads}
    several = len(tasks) > 1
    lines = ["metadata.yaml"]
    for number, task in enumerate(tasks, 1):
        file = f"annotations{number if several else ''}.yaml"
        lead = "  - " if several else "    "
        lines.append(f"{lead}task: {task}")
        lines.append("    categories: [NAME, ...]")
        lines.append(f"    annotations: {file}")
    for number, annotation in enumerate(tasks.values(), 1):
        lines.append(f"annotations{number if several else ''}.yaml")
        lines.append(f"    image.jpg: {annotation}")
    return lines


def _annotations(heads: tuple[HeadPlan, ...]) -> str:
    return mapping(
        (h.name, f"read_annotations(folder, {literal(h.native_task)}, {h.constant})")
        for h in heads
    )
