"""Values in other forms than the schema asks for, and the value that each can only
mean: `"16"` is 16, `640` as a resolution [640, 640], `"sgd"` {"kind": "sgd"}."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from specc.language.places import plain
from specc.language.rules import checker
from specc.language.schema import bundled, follow, referred

NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?([eE]-?[0-9]{1,2})?")
_CHOOSERS = ("kind", "name", "task")  # options that choose what an object is


def fitted(value: Any, schema: dict) -> Any:
    """Returns the value that another one means where `schema` is asked for; the value
    itself where it fits, and None where nothing is meant without doubt."""
    if value is not None and fits(value, schema):
        return value
    for other in _readings(value, follow(schema, value)):
        if other is not None and fits(other, schema):
            return other
    return _of_the_kind(value, referred(schema))


def _of_the_kind(value: Any, schema: dict) -> Any:
    """Returns an object where an object is asked for, or a list of such: what is wrong
    inside is found by itself. None for all else."""
    if not isinstance(value, dict):
        return None
    if "object" in schema.get("type", ()) and "properties" in schema:
        return value
    items = referred(schema.get("items", {}))
    if "array" in schema.get("type", ()) and items.get("type") == "object":
        return [value]
    return None


def fits(value: Any, schema: dict | None) -> bool:
    """Returns whether a value is legal where the schema asks for one."""
    if schema is None:
        return False
    return checker()({**schema, "$defs": bundled()["$defs"]}).is_valid(value)


def spelled(value: Any, schema: dict) -> Any:
    """Returns the choice that a value is another spelling of (`FP32`, `"1"`, or a name
    of other tools); None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    choices = [one for one in schema.get("enum", ()) if one is not None]
    for choice in choices:
        if isinstance(choice, str) and isinstance(value, str):
            if plain(choice) == plain(value):
                return choice
        elif isinstance(choice, int) and NUMBER.fullmatch(str(value)):
            if float(value) == choice:
                return choice
    others = schema.get("x-also-values", {})
    return others.get(plain(str(value)))


def _readings(value: Any, schema: dict) -> Iterator[Any]:
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if isinstance(value, str):
        yield from _unquoted(value, types)
    if isinstance(value, float) and value.is_integer() and "integer" in types:
        yield int(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if "string" in types:
            yield json.dumps(value)
    if "array" in types:
        yield from _in_a_list(value, schema)
    if "object" in types and isinstance(value, str):
        yield from _chosen(value, schema)
    if "enum" in schema:
        yield spelled(value, schema)


def _unquoted(value: str, types: list[str]) -> Iterator[Any]:
    if {"integer", "number"} & {*types} and NUMBER.fullmatch(value):
        number = float(value)
        yield int(number) if number.is_integer() and "integer" in types else number
    if "boolean" in types and value.lower() in ("true", "false"):
        yield value.lower() == "true"


def _in_a_list(value: Any, schema: dict) -> Iterator[Any]:
    """A side of a square, names by number, and one item without its brackets."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if schema.get("minItems") == 2 == schema.get("maxItems") and "x-unit" in schema:
        single = value[0] if isinstance(value, list) and len(value) == 1 else value
        single = fitted(single, schema["items"]) if single is not None else None
        if is_number or isinstance(value, list):
            yield [single, single]
        return
    if isinstance(value, dict) and list(value) == [str(i) for i in range(len(value))]:
        yield list(value.values())
    if isinstance(value, (str, dict)):
        yield [value]


def _chosen(value: str, schema: dict) -> Iterator[dict]:
    """The object that a text names by its kind or its name."""
    for key in _CHOOSERS:
        choices = list(_choices(key, schema))
        if choices:
            name = spelled(value, {"enum": choices})
            yield {key: value if name is None else name}


def _choices(key: str, schema: dict) -> Iterator[Any]:
    """Yields what an option may be in an object, whatever its kind."""
    cases = (case["then"] for case in schema.get("allOf", ()))
    for case in (schema, *cases):
        option = follow(follow(case).get("properties", {}).get(key, {}))
        for part in (option, option.get("else", {})):
            yield from part.get("enum", ())
            if "const" in part:
                yield part["const"]
