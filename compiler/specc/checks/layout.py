"""Rules on `layout`, which says where datasets have their images and labels: E385,
E387."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from specc.diagnostics import Diagnostic, Path
from specc.heads.conversions import dataset_task
from specc.job import HeadData, Job, Layout, source_of
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


def places(job: Job, given: dict) -> list[Diagnostic]:
    """E387: each option of a layout is one of a set that the job has, and is read."""
    findings = []
    for index, head in enumerate(job.heads):
        source, layout = source_of(job, head), source_of(job, head).layout
        if layout is None or source.format != "coco":
            continue
        own = (given["model"]["heads"][index].get("data") or {}).get("layout")
        path = (*(("model", "heads", index) if own else ()), "data", "layout")
        for key, why in _unread(source, layout, dataset_task(job, head)):
            where = (*path, key)
            if where not in [finding.path for finding in findings]:
                help = f"remove `{key}`"
                findings.append(Diagnostic("E387", why, where, help=help))
    return findings


def _unread(source: HeadData, layout: Layout, task: str) -> Iterator[tuple[str, str]]:
    """Yields options that nothing reads, each with the reason."""
    for name in ("train", "validation", "test"):
        for what in ("images", "labels"):
            key = f"{name}_{what}"
            if getattr(layout, key) and getattr(source, name) is None:
                yield key, f"`{key}` is of a set that is not there: `{name}` is null"
    for key in ("train_labels", "validation_labels", "test_labels"):
        if getattr(layout, key) and task != "panoptic_segmentation":
            yield key, f"`{key}` is of COCO files of segments, not of {task}"
    if layout.prefix and layout.file_names in ("last_part", "decoded_last_part"):
        yield "prefix", "the last part of a file name has no `prefix`"


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
