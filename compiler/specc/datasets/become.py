"""Datasets whose annotations can be converted for another task, and the job's
options."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from specc.datasets.found import Found
from specc.heads import TASKS
from specc.heads.conversions import of_things_alone, sources_of, way
from specc.heads.task import NAMES_OF_KINDS
from specc.language.schema import head


def formats_to(task: str) -> list[str]:
    """Returns the formats of annotations that can be converted for a task."""
    pairs = [(one, form) for one in sources_of(task) for form in head(one)["x-formats"]]
    return list(dict.fromkeys(form for one, form in pairs if way(one, task, form)))


def nearest(found: Iterable[Found], task: str) -> list[Found]:
    """Returns the datasets that need the fewest conversions for a task. Of several that
    read the same annotations, the task of the highest rank is taken."""
    order = sources_of(task)
    ways = [(one, way(one.task, task, one.format)) for one in found]
    able = [
        (len(tasks), order.index(one.task), one)
        for one, tasks in ways
        if len(tasks) > 1 and _has_names(one)
    ]
    shortest = min((length for length, _, _ in able), default=0)
    able.sort(key=lambda item: item[1])
    chosen: dict[tuple, Found] = {}
    for length, _, one in able:
        if length == shortest:
            chosen.setdefault((one.format, one.train, one.labels), one)
    return list(chosen.values())


def _has_names(found: Found) -> bool:
    """Returns whether the dataset names kinds of instances."""
    return TASKS[found.task].names_instances or bool(found.category)


def become(found: Found, task: str) -> Found:
    """Returns the dataset with the options of a head that learns `task` from it."""
    tasks = way(found.task, task, found.format)
    names = _names(found, objects=of_things_alone(tasks))
    known = head(task)["properties"]
    key = next(key for key in NAMES_OF_KINDS if key in known)
    options = {"name": found.options["name"]} if "name" in found.options else {}
    options[key] = names
    colors = dict(
        zip(found.options.get("categories", ()), found.options.get("colors", ()))
    )
    if "colors" in known and colors:
        options["colors"] = [colors[name] for name in names]
    return replace(found, task=task, options=options, way=tasks)


def _names(found: Found, objects: bool) -> list[str]:
    """Returns the names that a head finds; with `objects`, things only, no stuff."""
    options = found.options
    if not TASKS[found.task].names_instances:
        return [found.category]
    if objects and options.get("things"):
        return options["things"]
    return next(options[key] for key in NAMES_OF_KINDS if key in options)


def in_words(tasks: tuple[str, ...]) -> str:
    """Returns text such as `masks become boxes, boxes become labels`."""
    words = [TASKS[task].annotations for task in tasks]
    return ", ".join(f"{one} become {other}" for one, other in zip(words, words[1:]))
