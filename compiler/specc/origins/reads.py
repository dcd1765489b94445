"""The fields that a pass reads, found by running it on a job that keeps count."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

OF_CLASSES = "__dataclass_fields__"  # faster to look up than `is_dataclass` is
Path = tuple[str | int, ...]  # attributes and indices that lead to a field


class Reads:
    """The fields that passes have read of a value, by their paths."""

    def __init__(self) -> None:
        self.paths: dict[Path, None] = {}

    def of(self, value: Any) -> Any:
        """Returns the value such that it keeps count of what is read of it."""
        return self._watched(value, ())

    def _watched(self, value: Any, path: Path) -> Any:
        if isinstance(value, tuple) and value and is_dataclass(value[0]):
            return tuple(self._watched(x, (*path, n)) for n, x in enumerate(value))
        if not is_dataclass(value):
            return value
        watched = object.__new__(_class_of(type(value)))
        own = {
            one.name: self._watched(getattr(value, one.name), (*path, one.name))
            for one in fields(value)
        }
        vars(watched).update(own, _reads=self.paths, _path=path)
        return watched


@lru_cache(maxsize=None)
def _class_of(known: type) -> type:
    """Returns a subclass that keeps count of the fields which are read, and equals the
    class itself."""
    names = tuple(one.name for one in fields(known))

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        own = object.__getattribute__(self, "__dict__")
        if name in names and "_reads" in own:  # not so in a copy, which read all
            own["_reads"][(*own["_path"], name)] = None
        return value

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, known)
        return same and all(getattr(self, x) == getattr(other, x) for x in names)

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in names))

    methods = (__getattribute__, __eq__, __hash__)
    return type(known.__name__, (known,), {x.__name__: x for x in methods})


def value_at(value: Any, path: Path) -> Any:
    """Returns the value at a path; of an object its type, of objects their types."""
    for key in path:
        if isinstance(key, int):
            value = value[key] if value and key < len(value) else None
        else:
            value = getattr(value, key, None)
    kind = type(value)
    if hasattr(kind, OF_CLASSES):
        return kind
    if kind is tuple and value and hasattr(type(value[0]), OF_CLASSES):
        return tuple(map(type, value))
    return value


def alike(value: Any, other: Any, read: Reads | None) -> bool:
    """Returns whether two values are alike where the first was read; None: all
    of it."""
    if read is None:
        return value == other
    if isinstance(value, tuple) and value_at(value, ()) != value_at(other, ()):
        return False
    return all(value_at(value, x) == value_at(other, x) for x in read.paths)
