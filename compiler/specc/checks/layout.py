"""Rules on `layout`, which says where datasets have their images and labels, and on
options of heads that are of one format: E385 to E397."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from specc.diagnostics import Diagnostic, Path
from specc.heads import TASKS
from specc.heads.conversions import dataset_task
from specc.job import Job, Layout, source_of
from specc.language.schema import head as head_schema
from specc.language.schema import part
from specc.words import listed, quoted


def layouts(job: Job, given: dict) -> list[Diagnostic]:
    """E385: each option of a layout is one that the format of its datasets has."""
    findings = []
    for path, layout, form in _layouts(job, given):
        for key, value in layout.items():
            formats = options()[key]["x-formats"]
            if value is None or form in formats:
                continue
            message = f"datasets of the format `{form}` have no `{key}`"
            note = f"`{key}` is of the format {listed(formats, 'or')}"
            help = f"remove `{key}`, which is {quoted(value)}"
            findings.append(
                Diagnostic("E385", message, (*path, key), note=note, help=help)
            )
    return findings


def head_options(job: Job, given: dict) -> list[Diagnostic]:
    """E386: each option of a head is one that the format of its datasets has."""
    findings = []
    for index, head in enumerate(job.heads):
        form, values = source_of(job, head).format, given["model"]["heads"][index]
        for key, option in head_schema(head.task)["properties"].items():
            formats = option.get("x-formats", [form])
            if values.get(key) is None or form in formats:
                continue
            message = (
                f"head `{head.name}` has `{key}`, its datasets the format `{form}`"
            )
            path = ("model", "heads", index, key)
            note = f"`{key}` is of the format {listed(formats, 'or')}"
            help = f"remove `{key}`, or change the format"
            findings.append(Diagnostic("E386", message, path, note=note, help=help))
    return findings


def folders_of_maps(job: Job, given: dict) -> list[Diagnostic]:
    """E397: a set of images that need maps says in which folder these are."""
    findings = []
    for index, head in enumerate(job.heads):
        source = source_of(job, head)
        if source.format != "maps":
            continue
        layout, normal = source.layout or Layout(), TASKS[head.task].on_normal_images
        own = given["model"]["heads"][index].get("data")
        where = f"/model/heads/{index}/data" if own else "/data"
        wanted = {"train_labels": not normal} | {
            "validation_labels": source.validation is not None
        }
        if layout.label_folder is not None:
            findings += _masks_of_instances(job, index, layout, where)
            continue
        lone = bool(layout.validation_images) and not layout.train_images
        keys = ["validation_images"] * lone
        if normal:
            needless = "train_images", "train_labels", "validation_images"
            keys = [key for key in needless if getattr(layout, key)]
        for key in keys:
            what = "the folders of a set" if normal else "no list of training images"
            message = f"head `{head.name}` reads {what}, and has `{key}`"
            help = f"remove {where}/layout/{key}"
            path = ("model", "heads", index, "task")
            findings.append(Diagnostic("E397", message, path, help=help))
        for key in (key for key, needed in wanted.items() if needed):
            if getattr(layout, key) is None:
                message = f"head `{head.name}` learns from maps, and has no `{key}`"
                help = f"name the folder of the maps in {where}/layout/{key}"
                path = ("model", "heads", index, "task")
                findings.append(Diagnostic("E397", message, path, help=help))
    return findings


def _masks_of_instances(
    job: Job, index: int, layout: Layout, where: str
) -> Iterator[Diagnostic]:
    """E397: a folder of masks for each image is of instances, and needs no other."""
    head, path = job.heads[index], ("model", "heads", index, "task")
    if dataset_task(job, head) != "instance_segmentation":
        message = f"head `{head.name}` learns no instances, and has a `label_folder`"
        help = f"remove {where}/layout/label_folder"
        yield Diagnostic("E397", message, path, help=help)
    for key, value in asdict(layout).items():
        if key != "label_folder" and value is not None:
            message = f"head `{head.name}` has a `label_folder`, and `{key}`, too"
            help = f"remove {where}/layout/{key}"
            yield Diagnostic("E397", message, path, help=help)


def options() -> dict[str, dict]:
    """Returns the options of a layout, each with its schema."""
    return part("common")["$defs"]["layout"]["properties"]


def _layouts(job: Job, given: dict) -> list[tuple[Path, dict[str, Any], str]]:
    """Returns the layouts of a job as they are given: path, options, format."""
    found = []
    if layout := given["data"].get("layout"):
        found.append((("data", "layout"), layout, job.data.format))
    for index, head in enumerate(job.heads):
        own = given["model"]["heads"][index].get("data") or {}
        if layout := own.get("layout"):
            path = ("model", "heads", index, "data", "layout")
            found.append((path, layout, source_of(job, head).format))
    return found
