"""Jobs as somebody writes them who knows other tools: right ones, with mistakes that
have one meaning, and with some that have several."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import strategies
from hypothesis import strategies as st

from specc.language.places import ANY, also, places

Holder = tuple[tuple, dict]  # path of an object, and the object
TASKS = {
    "object_detection": "detection",
    "multiclass_classification": "Classification",
    "multilabel_classification": "tagging",
    "keypoint_detection": "pose",
    "depth_estimation": "depth",
    "metric_learning": "re-id",
    "semantic_segmentation": "segmentation",  # one of three
}


@st.composite
def jobs(draw) -> Any:
    """A job with one to four mistakes."""
    job = copy.deepcopy(draw(strategies.jobs()))  # lists may be shared
    for _ in range(draw(st.integers(1, 4))):
        mistake = draw(st.sampled_from(MISTAKES))
        made = list(mistake(job, draw))
        if made:
            draw(st.sampled_from(made))()
    return job


def holders(value: Any, path: tuple = ()) -> Iterator[Holder]:
    if isinstance(value, dict):
        yield path, value
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, item in items:
        yield from holders(item, (*path, key))


def members(job: Any, kinds: type | tuple) -> Iterator[tuple[dict, str, Any]]:
    for _, holder in holders(job):
        for key, item in holder.items():
            if isinstance(item, kinds) and not isinstance(item, bool):
                yield holder, key, item


def setter(holder: dict, key: str, value: Any) -> Callable[[], None]:
    return lambda: holder.__setitem__(key, value)


def renamer(holder: dict, key: str, name: str) -> Callable[[], None]:
    def rename():
        if name not in holder:
            items = [(name if k == key else k, v) for k, v in holder.items()]
            holder.clear()
            holder.update(items)

    return rename


def quoted(job, draw):
    for holder, key, item in members(job, int):
        yield setter(holder, key, str(item))


def broken(job, draw):
    for holder, key, item in members(job, int):
        yield setter(holder, key, float(item))


def shouted(job, draw):
    for holder, key, item in members(job, str):
        if (
            key in ("kind", "precision", "format", "name")
            and strategies.MARK not in item
        ):
            yield setter(holder, key, item.upper())
            yield setter(holder, key, item.replace("_", "-").title())


def bare(job, draw):
    for holder, key, item in members(job, list):
        if len(set(map(str, item))) == 1:
            yield setter(holder, key, item[0])


def called_otherwise(job, draw):
    for path, holder in holders(job):
        for place in places():
            same = len(place.path) == len(path) + 1 and all(
                one == other or one == ANY for one, other in zip(place.path, path)
            )
            if same and place.path[-1] in holder:
                for name in also(place.schema):
                    yield renamer(holder, place.path[-1], name)


def in_camels(job, draw):
    for _, holder in holders(job):
        for key in holder:
            name = re.sub("_([a-z])", lambda match: match[1].upper(), str(key))
            if name != key and "columns" not in holder:
                yield renamer(holder, key, name)


def slipped(job, draw):
    for _, holder in holders(job):
        for key in holder:
            if len(key) > 7:
                yield renamer(holder, key, key[:3] + key[4:])


def lifted(job, draw):
    """An option of a part beside the part."""
    for _, holder in holders(job):
        for part, inner in holder.items():
            for key in inner if isinstance(inner, dict) else ():
                if key not in holder:
                    yield lambda h=holder, i=inner, k=key: h.update({k: i.pop(k)})


def unwrapped(job, draw):
    for holder, key, item in members(job, dict):
        if list(item) in (["kind"], ["name"]):
            yield setter(holder, key, next(iter(item.values())))


def upside_down(job, draw):
    for _, holder in holders(job):
        if {"bottom_level", "top_level"} <= {*holder}:
            ends = {
                "top_level": holder["bottom_level"],
                "bottom_level": holder["top_level"],
            }
            yield lambda h=holder, e=ends: h.update(e)


def short(job, draw):
    for holder, key, item in members(job, str):
        if key == "task" and item in TASKS:
            yield setter(holder, key, TASKS[item])


def spoiled(job, draw):
    """A value that means nothing."""
    for holder, key, item in members(job, (int, str, list)):
        yield setter(holder, key, draw(strategies.JUNK))


MISTAKES = (
    *(quoted, broken, shouted, bare, called_otherwise, in_camels, slipped, lifted),
    *(unwrapped, upside_down, short, spoiled),
)
