"""The fields that a pass reads, found by running it on a job that keeps count."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

from specc.job import Job

Key = tuple[str | int, ...]


class Reads:
    """The fields that passes have read of a job, by their paths."""

    def __init__(self) -> None:
        self.paths: dict[Key, None] = {}

    def of(self, job: Job) -> Job:
        """Returns a job that keeps count of what is read of it."""
        return self._watched(job, ())

    def key(self, job: Job) -> tuple:
        """Returns the values of these fields in another job; two jobs of one key are
        the same to the passes."""
        return tuple(_value(job, path) for path in self.paths)

    def _watched(self, value: Any, path: Key) -> Any:
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
    """Returns a subclass that keeps count of the fields which are read."""
    names = frozenset(one.name for one in fields(known))

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if name in names:
            own = object.__getattribute__(self, "__dict__")
            own["_reads"][(*own["_path"], name)] = None
        return value

    return type(known.__name__, (known,), {"__getattribute__": __getattribute__})


def _value(job: Any, path: Key) -> Any:
    """Returns the value at a path; of an object its type, of objects their types."""
    for key in path:
        if isinstance(key, int):
            job = job[key] if key < len(job) else None
        else:
            job = getattr(job, key, None)
    if isinstance(job, tuple) and job and is_dataclass(job[0]):
        return tuple(map(type, job))
    return type(job) if is_dataclass(job) else job
