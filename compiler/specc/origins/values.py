"""Other values of a field: what the schema allows besides the present value, with what
else must change in the job so that it stays one."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from specc.job import Job
from specc.language.schema import follow, head, metrics_of, part
from specc.origins.fields import Option
from specc.resolve import SETS

MOST_CHOICES = 3  # other values of a choice that are tried
ALL_CHOICES = 20  # length of a list of choices of which all are tried
MOST_NUMBERS = 3
FEW = 16  # highest number of a range of which both neighbors are tried
TEXTS = ("elsewhere", "([a-z]+)", ".png")  # values of texts without one
ABSENT = object()  # takes a field out of the job


def others_of(option: Option, given: dict, job: Job) -> Iterator[dict]:
    """Yields jobs that differ from the given one by another value of one field. Not
    all of them are valid."""
    if option.path[-1] == "task" and option.path[:2] == ("model", "heads"):
        yield from _other_tasks(option, given, job)
        return
    for value in _values(option, given, job):
        made = copy.deepcopy(given)
        home = home_of(made, option)
        if value is ABSENT:
            home.pop(option.path[-1], None)
        else:
            home[option.path[-1]] = value
        _prune(home, option.home)
        if option.path[-1] == "name":
            _rename(made, str(option.value), str(value))
        yield made
        if option.pointer == "/data/format":
            yield from _laid_out(made, str(value))
        if isinstance(value, list) and isinstance(option.value, (list, tuple)):
            yield from _resized(made, option, len(option.value), len(value))


def home_of(given: dict, option: Option) -> dict:
    """Returns the object that holds a field; makes it where the job has none."""
    home: Any = given
    for key in option.path[:-1]:
        if isinstance(home, list):
            home = home[key]
            continue
        if not isinstance(home.get(key), (dict, list)):
            home[key] = {}
        home = home[key]
    return home


def _prune(home: dict, schema: dict) -> None:
    """Takes away the options that the kind of an object has no longer."""
    known = follow(schema, home).get("properties", home)
    for key in [key for key in home if key not in known]:
        del home[key]


def _rename(given: dict, old: str, new: str) -> None:
    """Lets the metric that chooses, and the columns of tables, follow a head's name."""
    trainer = given.get("trainer") or {}
    if str(trainer.get("best")).startswith(f"{old}/"):
        trainer["best"] = new + trainer["best"].removeprefix(old)
    places = [
        given["data"],
        *(one.get("data") or {} for one in given["model"]["heads"]),
    ]
    for place in places:
        columns = (place.get("layout") or {}).get("columns") or {}
        if old in columns:
            columns[new] = columns.pop(old)


def _laid_out(made: dict, form: str) -> Iterator[dict]:
    """Yields the job with a layout that a format may need, in place of its own."""
    options = follow(part("common")["$defs"]["layout"])["properties"]
    sets = [key for key in SETS if made["data"].get(key)]
    labels = {f"{key}_labels": f"{key}-labels" for key in sets}
    if form in options[f"{SETS[0]}_labels"]["x-formats"]:
        yield {**made, "data": {**made["data"], "layout": labels}}
    if made["data"].get("layout"):
        yield {**made, "data": {**made["data"], "layout": None}}


def _resized(made: dict, option: Option, before: int, after: int) -> Iterator[dict]:
    """Yields the job once more, with the lists beside a list, such as the colors of
    categories, as long as that list."""
    resized = copy.deepcopy(made)
    home, found = home_of(resized, option), False
    for key, value in home.items():
        if key == option.path[-1] or not isinstance(value, list):
            continue
        if before != after and len(value) == before:
            home[key] = [*value, _next(value)] if after > before else value[:after]
            found = True
    if found:
        yield resized


def _next(values: list) -> Any:
    """Returns a further value for a list."""
    last = values[-1]
    if isinstance(last, list):
        fresh = (
            [a, b, 7]
            for a in range(1, 256)
            for b in range(1, 256)
            if isinstance(a, int)
        )
        return next(one for one in fresh if one not in values)
    if isinstance(last, str):
        return f"{last}-too"
    return max(values) + 1 if isinstance(last, int) else last


# ---- values of one field ----


def _values(option: Option, given: dict, job: Job) -> list[Any]:
    """Returns other values, which may be invalid still."""
    schema, value = option.schema, option.value
    if option.pointer == "/trainer/best":
        names = [f"{one.name}/{name}" for one in job.heads for name in metrics_of(one)]
        return [name for name in names if name != value][:MOST_CHOICES]
    found: list[Any] = []
    kinds = _kinds(schema)
    if choices := _choices(option, job):
        found += _near(choices, value)
    elif "boolean" in kinds and not isinstance(value, dict):
        found += [not value]
    elif "object" in kinds:
        found += _objects(option, given, job)
    elif "array" in kinds:
        found += _lists(schema, value)
    elif "integer" in kinds or "number" in kinds:
        found += _numbers(option)
    elif "string" in kinds:
        found += _texts(schema, value)
    if isinstance(value, dict) and "boolean" in kinds:
        found.append(False)
    if option.is_given and schema.get("default") is None and not option.is_required:
        found.append(ABSENT)
    return [one for one in found if type(one) is not type(value) or one != value]


def _kinds(schema: dict) -> tuple[str, ...]:
    kinds = schema.get("type", ())
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)


def _choices(option: Option, job: Job) -> list[Any]:
    """Returns the values of a choice: of a kind those of all its branches, of a format
    those that suit the heads."""
    if option.pointer == "/data/format":
        formats = [head(one.task)["x-formats"] for one in job.heads]
        return [one for one in formats[0] if all(one in other for other in formats)]
    schema, name = option.schema, option.path[-1]
    listed = list(schema.get("enum") or schema.get("else", {}).get("enum") or ())
    for case in follow(option.home).get("allOf", ()):
        condition = case["if"]["properties"].get(name, {})
        listed += condition.get("enum") or [condition.get("const")]
    return [one for one in dict.fromkeys(listed) if one is not None]


def _near(choices: list, value: Any) -> list[Any]:
    """Returns choices around a value, and those at the ends of the list."""
    if len(choices) <= ALL_CHOICES or value not in choices:
        return choices
    at = choices.index(value)
    nearest = [choices[at - 1], choices[(at + 1) % len(choices)]]
    return [*nearest, choices[(at + len(choices) // 2) % len(choices)]]


def _numbers(option: Option) -> list[Any]:
    """Returns numbers around a value, and those at which something begins or ends."""
    schema, value = option.schema, option.value
    whole = "number" not in _kinds(schema)
    lowest = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    highest = schema.get("maximum", schema.get("exclusiveMaximum", 1))
    step = schema.get("multipleOf", 1)
    middle = (lowest + min(highest, lowest + 1)) / 2
    if value is None:
        value = lowest if whole else middle
        near = [value, value + 1]
    elif whole:
        near = [value + step, value - step if highest <= FEW else lowest, lowest]
    else:
        near = [value / 2, 2 * value, lowest, 1.0, middle]
    fitting = [x for x in dict.fromkeys(near) if _fits(schema, x)]
    return [x for x in fitting if x != option.value][:MOST_NUMBERS]


def _fits(schema: dict, value: float) -> bool:
    return (
        value >= schema.get("minimum", value)
        and value <= schema.get("maximum", value)
        and value > schema.get("exclusiveMinimum", value - 1)
        and value < schema.get("exclusiveMaximum", value + 1)
        and (not isinstance(value, int) or value % schema.get("multipleOf", 1) == 0)
    )


def _texts(schema: dict, value: Any) -> list[str]:
    if value is None:
        found = list(TEXTS)
    else:
        stem, dot, suffix = str(value).rpartition(".")
        found = [f"{stem}x.{suffix}" if dot and stem else f"{value}x", ".png"]
    pattern, shortest = schema.get("pattern", ""), schema.get("minLength", 0)
    fitting = [x for x in found if re.search(pattern, x) and len(x) >= shortest]
    return fitting[:1]


def _lists(schema: dict, value: Any) -> list[list]:
    items = follow(schema["items"])
    least, most = schema.get("minItems", 0), schema.get("maxItems", 1000)
    if value is None or isinstance(value, (int, str)):
        one = _sample(items)
        many = [f"{one}{n}" if isinstance(one, str) else one for n in range(least or 1)]
        return [many] if least else [[], many]
    value = [list(x) if isinstance(x, tuple) else x for x in value]
    found = [[_other(items, x) for x in value], [*value, _next(value)] if value else []]
    found += [value[:-1], value[::-1]]
    if "number" in _kinds(items) or "integer" in _kinds(items):
        found = [[_other(items, x), *value[1:]] for x in value[:1]]
        found += [[*value[:-1], _other(items, x)] for x in value[-1:]]
        found += [[_smaller(items, x) for x in value], value[:-1]]
    return [one for one in found if least <= len(one) <= most]


def _sample(items: dict) -> Any:
    if "string" in _kinds(items):
        return "one"
    if "array" in _kinds(items):
        inner = _sample(follow(items["items"]))
        count = items.get("minItems", 1)
        return [f"{inner}{n}" if isinstance(inner, str) else n for n in range(count)]
    return items.get("minimum", 1)


def _other(items: dict, value: Any) -> Any:
    """Returns another item for a list."""
    if isinstance(value, list):
        return [_other(follow(items["items"]), x) for x in value]
    if isinstance(value, str):
        return f"{value}x"
    doubled = 2 * value if value else value + 1
    return doubled if _fits(items, doubled) else _smaller(items, value)


def _smaller(items: dict, value: Any) -> Any:
    if isinstance(value, list):
        return value
    less = value // 2 if isinstance(value, int) else value * 0.9
    return less if _fits(items, less) else value


def _objects(option: Option, given: dict, job: Job) -> list[Any]:
    """Returns objects where there is none, and mappings with other names."""
    schema, value = option.schema, option.value
    if "properties" not in schema:
        if isinstance(value, dict):
            return [{key: _renamed(one) for key, one in value.items()}]
        home = home_of(copy.deepcopy(given), option)
        names = next((x for x in home.values() if _is_names(x)), None)
        return [{names[0]: ["one", "two"]}] if names else []
    if isinstance(value, dict):
        return []
    if "train" in schema["properties"]:
        return [{"validation": "elsewhere"}, {"train": "elsewhere"}]
    return [
        {},
        *(
            {key: _some(follow(one))}
            for key, one in schema["properties"].items()
            if job.data.format in one.get("x-formats", ())
        ),
    ]


def _some(schema: dict) -> Any:
    """Returns a value for an option that has none."""
    listed = [one for one in schema.get("enum", ()) if one is not None]
    if listed:
        return listed[0]
    if "boolean" in _kinds(schema):
        return True
    if "array" in _kinds(schema):
        return _lists(schema, None)[0]
    return (_texts(schema, None) or [None])[0]


def _renamed(value: Any) -> Any:
    return [f"{x}x" for x in value] if isinstance(value, (list, tuple)) else f"{value}x"


# ---- tasks ----


def _other_tasks(option: Option, given: dict, job: Job) -> Iterator[dict]:
    """Yields jobs whose head solves another task: that with the fewest options in
    common with the present one, of those that the format of the data allows."""
    index = option.path[2]
    present = head(job.heads[index].task)["properties"]
    tasks = [
        task
        for task in part("head")["properties"]["task"]["enum"]
        if task != option.value and job.data.format in head(task)["x-formats"]
    ]
    far = sorted(
        tasks, key=lambda x: len(present.keys() & head(x)["properties"].keys())
    )
    for task in far[:2]:
        made = copy.deepcopy(given)
        old = made["model"]["heads"][index]
        schema = head(task)
        new = {key: x for key, x in old.items() if key in schema["properties"]}
        new |= {"task": task, "name": job.heads[index].name}
        names = next((x for x in old.values() if _is_names(x)), ["one", "two"])
        for key in schema["required"]:
            if key not in new:
                new[key] = _required(follow(schema["properties"][key]), names)
        made["model"]["heads"][index] = new
        (made.get("trainer") or {}).pop("best", None)
        yield made


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], str)


def _required(schema: dict, names: list[str]) -> Any:
    """Returns a value for an option that a task needs."""
    items = follow(schema["items"])
    if "string" in _kinds(items):
        return names
    if "array" in _kinds(items):
        return [[n + 1, 2, 3] for n in range(len(names))]
    return [float(n) for n in range(schema.get("minItems", 1))]
