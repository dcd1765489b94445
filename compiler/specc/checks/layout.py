"""Rules on `layout`, which says where datasets have their images and labels: E385."""

from __future__ import annotations

from typing import Any

from specc.diagnostics import Diagnostic, Path
from specc.job import Job, source_of
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
