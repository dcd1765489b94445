"""Two jobs compared: what differs between them, field by field and as models."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any

from specc.diagnostics import JobError
from specc.differences.classes import Class, Effect, effect
from specc.differences.fields import Field
from specc.differences.sides import Side, side_of

MOST_ALONE = 40  # fields that are tried one by one; more are described together


@dataclass
class Change:
    """A field that differs; ``old`` or ``new`` is None where a side lacks it."""

    pointer: str
    old: Field | None
    new: Field | None
    effect: Effect
    alone: bool  # whether the effect is that of this field, or of all changes together
    lines: dict[str, list[int]] = field(default_factory=dict)  # file -> emitted lines


@dataclass
class Comparison:
    old: Side
    new: Side
    changes: list[Change]
    effect: Effect  # effect of all changes together
    model: list[
        tuple[str, str, str]
    ]  # rows of the model: title, value before, value after


def compare(old: Side, new: Side) -> Comparison:
    pointers = [
        pointer
        for pointer in dict.fromkeys([*old.fields, *new.fields])
        if _value(old, pointer) != _value(new, pointer)
    ]
    whole = effect(old, new, pointers)
    changes = []
    for pointer in pointers:
        changed = with_field(old, new, pointer) if len(pointers) <= MOST_ALONE else None
        one = effect(old, changed, [pointer]) if changed else whole
        fields = old.fields.get(pointer), new.fields.get(pointer)
        changes.append(Change(pointer, *fields, one, changed is not None))
    if not changes and old.given != new.given:
        whole.add(Class.COSMETIC, "the jobs are written in other words")
    return Comparison(old, new, changes, whole, _model(old, new))


def _value(side: Side, pointer: str) -> Any:
    found = side.fields.get(pointer)
    return None if found is None else found.value


def with_field(old: Side, new: Side, pointer: str) -> Side | None:
    """Returns the old job with one field as the new job has it; None if that is no
    job, or no field that a job gives."""
    source = new.fields.get(pointer)
    given = copy.deepcopy(old.given)
    keys = [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]
    place: Any = given
    for depth, key in enumerate(keys):
        if keys[:depth] == ["model", "heads"]:
            names = [head.name for head in old.job.heads]
            if key not in names:
                return None
            key = names.index(key)
        if depth == len(keys) - 1:
            if not isinstance(place, dict):
                return None
            if source is None:
                place.pop(key, None)
            else:
                place[key] = source.value
        elif isinstance(place, list):
            place = place[key]
        else:
            if not isinstance(place.get(key), (dict, list)):
                place[key] = {}
            place = place[key]
    try:
        found = side_of(old.label, json.dumps(given).encode())
    except JobError:
        return None
    return found if _value(found, pointer) == _value(new, pointer) else None


def _model(old: Side, new: Side) -> list[tuple[str, str, str]]:
    """Returns the rows of the model that differ: what, before, after."""
    before, after = _rows(old), _rows(new)
    return [
        (what, before.get(what, "-"), after.get(what, "-"))
        for what in dict.fromkeys([*before, *after])
        if before.get(what) != after.get(what)
    ]


def _rows(side: Side) -> dict[str, str]:
    summary = side.summary
    rows = {
        "parameters": f"{summary.parameters:,}",
        "GMACs": f"{summary.macs / 1e9:.3f}",
        "activations": f"{summary.activation_bytes / 2**20:.1f} MiB",
        "sides are multiples of": str(summary.divisor),
    }
    for part in summary.components:
        rows[f"{part.module}: {part.name}, parameters"] = f"{part.parameters:,}"
    for level in summary.levels:
        channels = [
            f"{name} {width}"
            for name, width in (("backbone", level.backbone), ("neck", level.neck))
            if width is not None
        ]
        readers = [f"read by {', '.join(level.heads)}"] if level.heads else []
        side_length = summary.receptive_fields[level.level]
        sees = [f"sees {side_length}"] if side_length else []
        size = f"{level.height}x{level.width}"
        shown = "; ".join([size, *channels, *readers, *sees])
        rows[f"level {level.level}, stride {level.stride}"] = shown
    for head, outputs in summary.outputs.items():
        for name, shape in outputs.items():
            rows[f"output {head}.{name}"] = "x".join(map(str, shape))
    rows["best.pt is chosen by"] = side.job.trainer.best
    return rows
