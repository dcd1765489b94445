"""The fields of a resolved job, each with its value and its origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from specc.job import Job
from specc.language.schema import fill
from specc.plan.resolved import as_job

GIVEN, DERIVED, DEFAULT = "given", "derived", "default"
ABSENT = None
NO_FIELDS = ("$schema", "version")  # keys of a job that say nothing about the model


@dataclass(frozen=True)
class Field:
    """A field's value; ``origin`` is where it comes from: the job itself, a rule of the
    compiler, or the default of the schema."""

    value: Any
    origin: str


def fields_of(job: Job, given: dict[str, Any]) -> dict[str, Field]:
    """Returns JSON Pointer -> field of a resolved job; `given` is the job as it is
    written. Lists of values are one field; heads are told apart by their names."""
    filled = flat(_with_names(fill(given), job))
    written = flat(_with_names(given, job))
    found = {}
    resolved = as_job(job) | {"export": job.export}
    for pointer, value in flat(_with_names(resolved, job)).items():
        origin = DEFAULT if filled.get(pointer, ABSENT) == value else DERIVED
        if written.get(pointer, ABSENT) is not None:
            origin = GIVEN
        found[pointer] = Field(value, origin)
    return found


def _with_names(value: dict[str, Any], job: Job) -> dict[str, Any]:
    """Returns a job with a mapping from names in place of the list of heads."""
    heads = zip(job.heads, value["model"]["heads"])
    named = {head.name: given for head, given in heads}
    return {
        **{key: item for key, item in value.items() if key not in NO_FIELDS},
        "model": {**value["model"], "heads": named},
    }


def flat(value: Any, pointer: str = "") -> dict[str, Any]:
    """Returns JSON Pointer -> value, of all values that are no mappings."""
    if not isinstance(value, dict) or not value:
        return {pointer: _plain(value)}
    found = {}
    for key, item in value.items():
        name = key.replace("~", "~0").replace("/", "~1")
        found |= flat(item, f"{pointer}/{name}")
    return found


def _plain(value: Any) -> Any:
    """Returns a value with tuples as lists, so that values compare as in JSON."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
