"""The resolved job in the job language: nothing in it is left to defaults."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from specc.job import Job, source_of
from specc.language.schema import follow, part

VERSION = 1


def as_job(job: Job) -> dict[str, Any]:
    """A job that resolves to the same `Job`, whatever the defaults become."""
    values = asdict(job)
    trainer = values["trainer"]
    trainer["scheduler"] = _own_options(trainer["scheduler"], "scheduler")
    sources = [source_of(job, head) for head in job.heads]
    if all(source.validation is not None for source in sources):
        del values["data"]["validation_fraction"]  # E305: one or the other
    values["data"]["augmentation"] = values["data"]["augmentation"] or False
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
    }


def _own_options(value: dict | None, name: str) -> dict:
    """Without the options of other kinds; none at all is a kind of its own."""
    value = value or {"kind": "none"}
    options = follow(part(name), value)["properties"]
    return {key: item for key, item in value.items() if key in options}


def _given(value: Any) -> Any:
    """Without nulls, which say nothing that absence does not."""
    if not isinstance(value, dict):
        return value
    return {key: _given(item) for key, item in value.items() if item is not None}
