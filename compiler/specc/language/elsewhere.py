"""Options that stand elsewhere than where a job has them, or that other tools call by
other names (`x-also` in the schema), or that specc does without (`x-absent`)."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any, NamedTuple

from specc.diagnostics import Edit, Path, certain, drop, likely, move, pointer_of, put
from specc.language.fitting import fits, fitted
from specc.language.places import (
    Place,
    also,
    at_hand,
    named,
    plain,
    schema_at,
    value_at,
)
from specc.language.schema import bundled, head, part
from specc.words import clip, close_to, listed, quoted

SLIP = 0.88  # least likeness of two names of which one is a slip of the pen
SHORTEST = 5  # fewest letters of a name that is compared letter by letter


class Target(NamedTuple):
    """The place of an option in the job, and the value that it would have there; None
    where the value does not fit."""

    path: Path
    value: Any
    kind: tuple[Path, Any] | None = None  # kind to choose for it to be there


def unknown_option(
    path: Path, known: tuple[str, ...], value: Any
) -> tuple[Edit | None, str]:
    """Returns the edit of an option that the language does not have at `path`, and the
    help that says the same; `known` are the options there, `value` is the whole job."""
    owner, name = path[:-1], str(path[-1])
    given = value_at(path, value)
    if (other := _same_owner(owner, name, known, value)) is not None:
        target = Target((*owner, other), _fit((*owner, other), given, value))
        return _renamed(path, target, value)
    targets = _elsewhere(owner, name, given, value)
    if len(targets) == 1:
        return _brought(path, targets[0], value)
    if targets:
        found = [f"`{pointer_of(target.path)}`" for target in targets[:4]]
        return None, f"`{clip(name)}` stands in {listed(found, 'or')}"
    if (why := absent().get(plain(name))) is not None:
        return _superfluous(path, owner, value), why
    if close := close_to(name, list(known)):
        target = Target((*owner, close), _fit((*owner, close), given, value))
        edit, help = _renamed(path, target, value)
        return edit and likely(*edit.steps), help
    return None, ""


def task_meant(name: str, owner: Any, value: Any) -> list[str]:
    """Returns the tasks that a short name may mean (any task, if it is empty), the most
    likely first. `owner` is the head that names the task, if a head does: of several
    tasks only those stay that its options and the format of the job fit, or else the
    one of which it is the first of the other names."""
    tasks = part("head")["properties"]["task"]["enum"]
    wanted = plain(name)
    exact = [task for task in tasks if plain(task) == wanted]
    if exact:
        return exact
    meant = [
        task for task in tasks if not name or wanted in map(plain, also(head(task)))
    ]
    meant.sort(key=lambda task: len(head(task)["required"]))
    if not name or len(meant) > 1:
        form = value_at(("data", "format"), value) or "native"
        fitting = [task for task in meant if _has_options(owner, task)]
        readable = [task for task in fitting if form in head(task)["x-formats"]]
        first = [task for task in meant if wanted == plain(also(head(task))[0])]
        meant = readable or fitting or (name and (first or meant)) or []
    return meant


def absent() -> dict[str, str]:
    """Returns options of other tools that specc does without, by their plain names,
    each with what takes their place."""
    return {plain(name): why for name, why in bundled()["x-absent"].items()}


def _has_options(owner: Any, task: str) -> bool:
    """Returns whether a head has the options that a task needs, and no others."""
    if not isinstance(owner, dict):
        return False
    schema = head(task)
    names = {*owner, "task"} - {*also(part("head")["properties"]["task"])}
    return {*schema["required"]} <= names <= {*schema["properties"]}


def _same_owner(
    owner: Path, name: str, known: tuple[str, ...], value: Any
) -> str | None:
    """Returns the option of the same object that another name means."""
    for other in known:
        schema = schema_at((*owner, other), value) or {}
        names = (other, *also(schema))
        if plain(name) in map(plain, names):
            return other
    likes = [other for other in known if _likeness(name, other) >= SLIP]
    return likes[0] if len(likes) == 1 and len(name) >= SHORTEST else None


def _likeness(name: str, other: str) -> float:
    return SequenceMatcher(None, name.lower(), other).ratio()


def _elsewhere(owner: Path, name: str, given: Any, value: Any) -> list[Target]:
    """Returns the places in the job that a name may mean: of all, those that the value
    fits, then those whose object is there already, then those nearest by."""
    found: dict[Path, Target] = {}
    for place in named(name):
        target = _target(place, owner, given, value)
        if target and target.path not in found:
            found[target.path] = target
    best = list(found.values())
    for is_good in (
        lambda one: one.value is not None,
        lambda one: one.kind is None,
        lambda one: plain(str(one.path[-1])) == plain(name),
        lambda one: isinstance(value_at(one.path[:-1], value), dict),
        lambda one: one.path[: len(owner)] == owner,
    ):
        best = [one for one in best if is_good(one)] or best
    return best


def _target(place: Place, owner: Path, given: Any, value: Any) -> Target | None:
    path = at_hand(place, owner, value)
    if path is not None:
        return Target(path, _fit(path, given, value))
    # The place is there once a kind is chosen that the job leaves open.
    if not place.chosen or "*" in place.path:
        return None
    chooser, kind = place.chosen[-1]
    if value_at(chooser, value) is not None or place.path[:-1] != chooser[:-1]:
        return None
    fit = given if fits(given, place.schema) else None
    return Target(place.path, fit, (chooser, kind))


def _fit(path: Path, given: Any, value: Any) -> Any:
    schema = schema_at(path, value)
    return None if schema is None else fitted(given, schema)


def _renamed(path: Path, target: Target, value: Any) -> tuple[Edit | None, str]:
    name = target.path[-1]
    edit = _carried(path, target, value)
    if edit is None and value_at(target.path, value) is not None:
        return None, f"did you mean `{name}`? it is given already: keep one"
    return edit, f"did you mean `{name}`?"


def _brought(path: Path, target: Target, value: Any) -> tuple[Edit | None, str]:
    where = pointer_of(target.path)
    edit = _carried(path, target, value)
    if target.kind:
        chooser, kind = target.kind
        help = f"set {pointer_of(chooser)} to {quoted(kind)}"
        help += f", which has {where}" * (target.path != path)
        moved = (move(path, target.path),) if target.path != path else ()
        return likely(put(chooser, kind), *moved), help
    if edit is None and value_at(target.path, value) is not None:
        return None, f"it stands in {where}, which is given already: keep one"
    return edit, f"move it to {where}"


def _carried(path: Path, target: Target, value: Any) -> Edit | None:
    """Returns the edit that brings a value to its place."""
    given, there = value_at(path, value), value_at(target.path, value)
    if target.value is None:
        return None
    if there is not None:
        return certain(drop(path)) if there == target.value else None
    if given == target.value and type(given) is type(target.value):
        return certain(*_emptied(target.path, value), move(path, target.path))
    if path[:-1] == target.path[:-1]:  # a new key in the place of the old one
        moved = (*_emptied(target.path, value), move(path, target.path))
        return certain(*moved, put(target.path, target.value))
    return certain(drop(path), put(target.path, target.value))


def _emptied(path: Path, value: Any) -> list:
    """Returns the step that removes a null, which means the default, from a place."""
    holder = value_at(path[:-1], value)
    is_null = isinstance(holder, dict) and path[-1] in holder
    return [drop(path)] if is_null else []


def _superfluous(path: Path, owner: Path, value: Any) -> Edit | None:
    """Returns the edit that removes an option that specc does without: it is certain
    where the option repeats what the job says, as a number of its names does."""
    given = value_at(path, value)
    holder = value_at(owner, value)
    names = [x for x in holder.values() if isinstance(x, list)]
    heads = value_at(("model", "heads"), value)
    for one in heads if isinstance(heads, list) and len(heads) == 1 else ():
        options = one.values() if isinstance(one, dict) else ()
        names += [x for x in options if isinstance(x, list)]
    repeats = type(given) is int and any(
        len(one) == given and all(isinstance(x, str) for x in one) for one in names
    )
    return certain(drop(path)) if repeats else likely(drop(path))
