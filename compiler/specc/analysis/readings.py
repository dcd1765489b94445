"""A job that the schema refuses, as it may be meant.

Certain edits are made. What stays in doubt is filled in twice, each time otherwise:
what the later passes say of both readings does not depend on it.
"""

from __future__ import annotations

from typing import Any

from specc.diagnostics import Diagnostic, Path, drop, likely, put
from specc.heads import TASK_NAMES
from specc.language.patch import Unpatchable, patch_of, patched, with_certain
from specc.language.places import schema_at, value_at
from specc.language.schema import follow
from specc.language.validate import MOST_MENDED, findings_of

MOST_ROUNDS = 8  # a value that is filled in may need others
# The least alike of the tasks: one has boxes on several levels, the other one number.
_TASKS = ("object_detection", "regression")
assert {*_TASKS} <= {*TASK_NAMES}


def readings(value: Any, refused: list[Diagnostic]) -> list[Any]:
    """Returns the values of one or two valid jobs; none where the job cannot be
    read."""
    if len(refused) > MOST_MENDED:
        return []
    value = with_certain(value, refused)
    found = findings_of(value)
    if not found:
        return [value]
    read = [_filled_in(value, found, number) for number in range(2)]
    return [] if None in read else read


def _filled_in(value: Any, found: list[Diagnostic], number: int) -> Any:
    """Returns the value without all that the schema refuses; None if that fails."""
    for _ in range(MOST_ROUNDS):
        for finding in found:
            edit = _stand_in(finding, value, number)
            value = _patched(value, patch_of(edit, value))
        value = with_certain(value, found := findings_of(value))
        found = findings_of(value) if found else found
        if not found:
            return value
    return None


def _patched(value: Any, patch: list) -> Any:
    try:
        return patched(value, patch)
    except Unpatchable:
        return value


def _stand_in(finding: Diagnostic, value: Any, number: int):
    """Returns the edit that takes a refused value away, or puts another one there."""
    path = finding.path
    if finding.code == "E120":
        return likely(drop(path))
    schema = schema_at(path, value)
    if schema is None:
        return likely(drop(path))
    options = follow(schema_at(path[:-1], value) or {}, value_at(path[:-1], value))
    needed = isinstance(path[-1], int) or path[-1] in options.get("required", ())
    if not needed and not number:
        return likely(drop(path))
    return likely(put(path, _other(path, schema, number)))


def _other(path: Path, schema: dict, number: int) -> Any:
    """Returns a legal value; with `number` 1 another one than with 0."""
    if path[-1] == "task" and "heads" in path:
        return _TASKS[number]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema or "else" in schema:
        choices = schema.get("enum") or schema["else"]["enum"]
        known = [one for one in choices if one is not None]
        return known[number % len(known)]
    types = schema.get("type", "object")
    kinds = [types] if isinstance(types, str) else types
    kind = next(one for one in kinds if one in _MAKERS)
    return _MAKERS[kind](path, schema, number)


def _text(path: Path, schema: dict, number: int) -> str:
    place = "".join(f"-{part}" for part in path[-2:])
    return f"stand-in{place}-{number}".replace("_", "-").lower()[:40]


def _integer(path: Path, schema: dict, number: int) -> int:
    step = schema.get("multipleOf", 1)
    usual = schema.get("default")
    low = schema["minimum"] if usual is None else usual
    if not number:
        return low
    high = schema["maximum"] if "pixels" not in schema.get("x-unit", "") else 2 * low
    return high // step * step


def _number(path: Path, schema: dict, number: int) -> float:
    usual = schema.get("default")
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    middle = (low + high) / 2
    return middle if number or usual is None else usual


def _boolean(path: Path, schema: dict, number: int) -> bool:
    usual = bool(schema.get("default"))
    return not usual if number else usual


def _list(path: Path, schema: dict, number: int) -> list:
    usual = schema.get("default")
    if usual and not number:
        return usual
    count = max(schema["minItems"], min(schema["maxItems"], 4 + number))
    items = follow(schema["items"])
    if items.get("type") == "number":  # milestones, and the ends of a range
        low = items.get("minimum", items.get("exclusiveMinimum"))
        high = items.get("maximum", items.get("exclusiveMaximum"))
        step = (high - low) / (count + 1)
        return [low + step * (index + 1) for index in range(count)]
    return [_other((*path, index), items, number) for index in range(count)]


def _object(path: Path, schema: dict, number: int) -> dict:
    return {}


_MAKERS = {
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "array": _list,
    "object": _object,
}
