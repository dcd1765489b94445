"""Edits that mend what the schema finds. An edit is certain where the value can have
meant nothing else: a number in quotes, another spelling of a choice, an option under
the name or in the place that other tools have for it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from jsonschema.exceptions import ValidationError

from specc.diagnostics import Diagnostic, Edit, Path, certain, drop, likely, move, put
from specc.language.elsewhere import task_meant, unknown_option
from specc.language.fitting import fitted, fits, spelled
from specc.language.places import also, schema_at, value_at
from specc.language.schema import head, part
from specc.words import clip, close_to, listed, quoted


def with_edit(found: Diagnostic, error: ValidationError, value: Any) -> Diagnostic:
    """Returns a finding of the schema with its edit, if there is one; `value` is the
    whole job. Where the edit is another than the help says, the help says it."""
    mend = _MENDS.get(error.validator)
    return mend(found, error, value) if mend else found


def linked(findings: list[Diagnostic]) -> list[Diagnostic]:
    """Returns the findings, those of required options with the edit that brings the
    option from another name or place."""
    moved = {
        step.path: (one.edit, one.help)
        for one in findings
        if one.code == "E120" and one.edit
        for step in one.edit.steps
        if step.put or step.source
    }
    return [
        (
            _brought(one, *moved[one.path])
            if one.code == "E121" and one.path in moved
            else one
        )
        for one in findings
    ]


def _brought(found: Diagnostic, edit: Edit, help: str) -> Diagnostic:
    moved = [step.source for step in edit.steps if step.source]
    source = moved[0] if moved else edit.steps[0].path
    return replace(found, edit=edit, help=f"`{clip(source[-1])}` is there: {help}")


def _type(found: Diagnostic, error: ValidationError, value: Any) -> Diagnostic:
    given, schema = error.instance, error.schema
    if (fit := fitted(given, schema_at(found.path, value) or schema)) is not None:
        help = found.help
        if isinstance(fit, (list, dict)) and len(json.dumps(fit)) < 60:
            help = f"write {json.dumps(fit, ensure_ascii=False)}"
        return replace(found, edit=certain(put(found.path, fit)), help=help)
    if isinstance(given, float) and fits(rounded := round(given), schema):
        return replace(found, edit=likely(put(found.path, rounded)))
    return found


def _choice(found: Diagnostic, error: ValidationError, value: Any) -> Diagnostic:
    given, names = error.instance, error.validator_value
    if found.path[-1] == "task" and isinstance(given, str):
        return _task(found, given, names, value)
    meant = spelled(given, error.schema)
    if meant is not None:
        edit = certain(put(found.path, meant))
        return replace(found, edit=edit, help=f"write {quoted(meant)}")
    if found.code == "E129":
        return replace(found, edit=likely(put(found.path, names[0])))
    texts = [one for one in names if isinstance(one, str)]
    if isinstance(given, str) and (close := close_to(given, texts)):
        return replace(found, edit=likely(put(found.path, close)))
    other = error.schema.get("x-other")
    if other and isinstance(given, str) and re.fullmatch(r"[\w.]+", given):
        meant = other.replace("<name>", given)
        return replace(found, edit=likely(put(found.path, meant)))
    return found


def _task(found: Diagnostic, given: str, names: list, value: Any) -> Diagnostic:
    """A task by its short name: the one that the rest of the head fits."""
    owner = value_at(found.path[:-1], value)
    meant = task_meant(given, owner if "heads" in found.path else None, value)
    meant = [task for task in meant if task in names]
    if not meant:
        texts = [one for one in names if isinstance(one, str)]
        close = close_to(given, texts)
        return replace(found, edit=likely(put(found.path, close)) if close else None)
    step = put(found.path, meant[0])
    help = f"write {listed([quoted(task) for task in meant], 'or')}"
    edit = certain(step) if len(meant) == 1 else likely(step)
    return replace(found, edit=edit, help=help)


def _bound(found: Diagnostic, error: ValidationError, value: Any) -> Diagnostic:
    return replace(found, edit=likely(put(found.path, error.validator_value)))


def _multiple(found: Diagnostic, error: ValidationError, value: Any) -> Diagnostic:
    factor, schema = error.validator_value, error.schema
    nearest = round(error.instance / factor) * factor
    nearest = max(schema["minimum"], min(nearest, schema["maximum"]))
    return replace(found, edit=likely(put(found.path, nearest)))


def _pattern(found: Diagnostic, error: ValidationError, value: Any) -> Diagnostic:
    given, pattern = error.instance, error.schema.get("pattern", "")
    if found.path == ("trainer", "best"):
        return _best(found, given, value)
    name = legal_name(given) if pattern.startswith("^[a-z]") else ""
    if not name or not fits(name, error.schema):
        return found
    # Nothing but case and what stands for a space is lost of such a name.
    plain = re.fullmatch(r"[A-Za-z][\w .-]*\s*", given, re.ASCII)
    make = certain if plain and len(given) <= 64 else likely
    return replace(found, edit=make(put(found.path, name)))


def legal_name(text: str) -> str:
    """Returns the name of a job or a head that is nearest to a text; empty if none
    is."""
    return re.sub("[^a-z0-9_]+", "-", text[:64].lower()).strip("-0123456789_")


def _best(found: Diagnostic, given: str, value: Any) -> Diagnostic:
    """A metric without its head, where there is one head."""
    heads = value_at(("model", "heads"), value)
    if not isinstance(heads, list) or len(heads) != 1 or not isinstance(heads[0], dict):
        return found
    task, name = heads[0].get("task"), heads[0].get("name")
    if task not in part("head")["properties"]["task"]["enum"]:
        return found
    if given not in head(task)["x-metrics"] or not fits(
        best := f"{name or task}/{given}", schema_at(found.path, value)
    ):
        return found
    edit = certain(put(found.path, best))
    return replace(found, edit=edit, help=f'write "{best}"')


def _duplicate(found: Diagnostic, error: ValidationError, value: Any) -> Diagnostic:
    return replace(found, edit=likely(drop(found.path)))


def _forbidden(found: Diagnostic, error: ValidationError, value: Any) -> Diagnostic:
    if error.validator_value == {"const": True}:
        return replace(found, edit=certain(drop(found.path)))
    return replace(found, edit=likely(put(found.path, f"{error.instance}_head")))


def _missing(found: Diagnostic, error: ValidationError, value: Any) -> Diagnostic:
    if found.path == ("name",):
        task = value_at(("model", "heads", 0, "task"), value)
        name = task.replace("_", "-") if isinstance(task, str) else "job"
        is_legal = fits(name, part("common")["$defs"]["name"])
        return replace(found, edit=likely(put(found.path, name)) if is_legal else None)
    return _no_task(found, value) if found.path[-1] == "task" else found


def _no_task(found: Diagnostic, value: Any) -> Diagnostic:
    """A head whose task stands under another name, or follows from its options."""
    owner = value_at(found.path[:-1], value)
    names = also(part("head")["properties"]["task"])
    for name in (name for name in names if isinstance(owner.get(name), str)):
        tasks = task_meant(owner[name], owner, value)
        old = (*found.path[:-1], name)
        steps = (move(old, found.path), put(found.path, (tasks or [""])[0]))
        if tasks:
            make = certain if len(tasks) == 1 else likely
            help = (
                f"rename `{name}`, and write {listed([quoted(x) for x in tasks], 'or')}"
            )
            return replace(found, edit=make(*steps), help=help)
    tasks = task_meant("", owner, value)
    if len(tasks) != 1:
        return found
    edit = likely(put(found.path, tasks[0]))
    return replace(found, edit=edit, help=f'add "task": "{tasks[0]}"')


def _unknown(found: Diagnostic, error: ValidationError, value: Any) -> Diagnostic:
    known: Path = tuple(error.schema["properties"])
    edit, help = unknown_option(found.path, known, value)
    return replace(found, edit=edit, help=help or found.help)


_MENDS = {
    "additionalProperties": _unknown,
    "required": _missing,
    "type": _type,
    "minimum": _bound,
    "maximum": _bound,
    "multipleOf": _multiple,
    "enum": _choice,
    "pattern": _pattern,
    "minItems": _type,
    "uniqueItems": _duplicate,
    "not": _forbidden,
}
