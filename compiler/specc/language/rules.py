"""jsonschema's rules, and specc's own where they differ: booleans and 16.0 are no
integers, and each missing key and each item that is there twice is a finding."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from specc.language.schema import bundled


@lru_cache(maxsize=None)
def validator() -> Draft202012Validator:
    """Returns the validator of a whole job."""
    return checker()(bundled())


@lru_cache(maxsize=None)
def checker() -> type:
    """Returns the class of validators of draft 2020-12 with specc's rules."""
    rules = {
        "enum": _enum,
        "items": _items,
        "required": _required,
        "uniqueItems": _unique_items,
    }
    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
    return extend(Draft202012Validator, rules, type_checker=types)


def _is_integer(_, value: Any) -> bool:
    return type(value) is int  # excludes true and 16.0


def _enum(_, allowed: list, value: Any, schema: dict) -> Iterator[ValidationError]:
    if not any(type(value) is type(one) and value == one for one in allowed):
        yield ValidationError("not one of the values")


def _required(_, keys: list, value: Any, schema: dict) -> Iterator[ValidationError]:
    # jsonschema reports one error for each missing key, without naming the key.
    if isinstance(value, dict) and not all(key in value for key in keys):
        yield ValidationError("options are missing")


def _items(rules, items: dict, value: Any, schema: dict) -> Iterator[ValidationError]:
    # A list that is too long is one finding, not one for each of its items.
    if isinstance(value, list) and len(value) <= schema["maxItems"]:
        for index, item in enumerate(value):
            yield from rules.descend(item, items, path=index)


def _unique_items(_, unique: bool, value: Any, schema) -> Iterator[ValidationError]:
    seen = set()
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, str) and item in seen:
            yield ValidationError("not unique", path=(index,))
        elif isinstance(item, str):
            seen.add(item)
