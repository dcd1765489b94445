"""The resolved job in the job language, with every default written out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from specc.heads import tasks_of
from specc.job import Job, source_of
from specc.language.schema import follow, part

VERSION = 1


def as_job(job: Job) -> dict[str, Any]:
    """Returns a job that resolves to the same `Job` even if defaults change."""
    values = asdict(job)
    trainer = values["trainer"]
    trainer["scheduler"] = _own_options(trainer["scheduler"], "scheduler")
    sources = [source_of(job, head) for head in job.heads]
    if all(source.validation is not None for source in sources):
        del values["data"]["validation_fraction"]  # E305: a job has only one of the two
    values["data"]["augmentation"] = _augmentation(job)
    if not job.data.keep_samples:
        del values["data"]["keep_samples"]  # absent from jobs before there was one
    return {
        "version": VERSION,
        "name": job.name,
        "data": _given(values["data"]),
        "model": {
            "backbone": _given(values["backbone"]),
            "neck": _given(values["neck"] or {"kind": "none"}),
            "heads": [_given(head) for head in values["heads"]],
        },
        "trainer": _given(trainer),
        **(
            {"export": True} if job.export else {}
        ),  # absent from jobs before there was one
    }


def _augmentation(job: Job) -> dict[str, Any] | bool:
    """Returns the options; also those that are off, where heads would derive them."""
    chosen = job.data.augmentation
    if chosen is None:
        return False
    derived = any(task.views for task in tasks_of(job))
    return asdict(chosen) if derived else chosen.used()


def _own_options(value: dict | None, name: str) -> dict:
    """Returns the options that the value's kind has; a null value has the kind
    `none`."""
    value = value or {"kind": "none"}
    options = follow(part(name), value)["properties"]
    return {key: item for key, item in value.items() if key in options}


def _given(value: Any) -> Any:
    """Returns a value without nulls, which mean the same as absence."""
    if not isinstance(value, dict):
        return value
    return {key: _given(item) for key, item in value.items() if item is not None}
