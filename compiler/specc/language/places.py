"""The places of options in a job: which schema is at a path, and where a name stands
that was looked for elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from specc.diagnostics import Path
from specc.language.schema import bundled, follow, referred

ANY = "*"  # any index of a list, in the path of a place


class Place(NamedTuple):
    """An option of the language: ``path`` with `*` for an index, the option's schema,
    and what the objects above must say (``chosen``: kinds and tasks by path) for it to
    be there."""

    path: Path
    schema: dict
    chosen: tuple[tuple[Path, Any], ...]


@lru_cache(maxsize=None)
def places() -> tuple[Place, ...]:
    """Returns all options, in the order of the schema."""
    return tuple(_below((), bundled(), ()))


def also(schema: dict) -> list[str]:
    """Returns the names that other tools have for an option or a task (`x-also`)."""
    return schema.get("x-also", [])


def plain(name: str) -> str:
    """Returns a name without what tools spell in several ways: `batchSize`,
    `batch-size` and `batch_size` are `batchsize`."""
    return re.sub(r"[-_ .]", "", name).lower()


def schema_at(path: Path, value: Any) -> dict | None:
    """Returns the schema of a path in a job of this value, which chooses the branches
    above the path; None where the language has nothing there."""
    schema: dict = bundled()
    for part in path:
        schema = follow(schema, value)
        if isinstance(part, int):
            schema = schema.get("items", {})
        elif part in schema.get("properties", {}):
            schema = schema["properties"][part]
        elif isinstance(schema.get("additionalProperties"), dict):
            schema = schema["additionalProperties"]
        else:
            return None
        value = _inside(value, part)
    return referred(schema)


def named(name: str) -> list[Place]:
    """Returns the places of a name that any tool may use for an option."""
    return _index().get(plain(name), [])


@lru_cache(maxsize=None)
def _index() -> dict[str, list[Place]]:
    index: dict[str, list[Place]] = {}
    for place in places():
        names = (str(place.path[-1]), *also(place.schema))
        for name in dict.fromkeys(map(plain, names)):
            index.setdefault(name, []).append(place)
    return index


def at_hand(place: Place, owner: Path, value: Any) -> Path | None:
    """Returns the path of a place in a job, as seen from an option that stands in
    `owner`: of several heads, the one that holds the option. None where it is not told
    which one, or the job has another kind or task there."""
    path = []
    for index, part in enumerate(place.path):
        if part != ANY:
            path.append(part)
            continue
        items = value_at((*path,), value)
        if (*owner[:index],) == (*path,) and len(owner) > index:
            path.append(owner[index])
        elif isinstance(items, list) and len(items) == 1:
            path.append(0)
        else:
            return None
    return (*path,) if schema_at((*path,), value) is not None else None


def value_at(path: Path, value: Any) -> Any:
    """Returns what stands at a path; None where there is nothing."""
    for part in path:
        value = _inside(value, part)
    return value


def _inside(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def _below(path: Path, schema: dict, chosen: tuple) -> Iterator[Place]:
    branches = list(_branches(path, schema))
    for choice, branch in branches:
        yield from _options(path, branch, (*chosen, *choice))
    if not branches:
        yield from _options(path, follow(schema), chosen)


def _options(path: Path, schema: dict, chosen: tuple) -> Iterator[Place]:
    for name, option in schema.get("properties", {}).items():
        here = (*path, name)
        whole = follow(option)
        yield Place(here, {**whole, **option}, chosen)
        yield from _below(here, option, chosen)
        if isinstance(whole.get("items"), dict):
            yield from _below((*here, ANY), whole["items"], chosen)


def _branches(path: Path, schema: dict) -> Iterator[tuple[tuple, dict]]:
    """Yields the branches of a schema with what chooses each: ((path, value),)."""
    for case in follow(schema).get("allOf", ()):
        ((key, condition),) = case["if"]["properties"].items()
        value = condition.get("const", condition.get("enum", [None])[0])
        yield (((*path, key), value),), follow(schema, {key: value})
