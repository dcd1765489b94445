"""Random other values of a field, drawn from the schema alone: how the answers of
`specc why` and `specc where` are checked."""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Iterator

from specc.build import analyze
from specc.diagnostics import JobError
from specc.job import Job
from specc.language.schema import follow
from specc.origins.fields import Option


def valid_jobs(
    given: dict, option: Option, seed: int, most: int
) -> Iterator[tuple[dict, Job]]:
    """Yields valid jobs that resolve differently, with another value of one field."""
    draw = random.Random(seed)
    base = analyze(json.dumps(given).encode())[0]
    found = 0
    for _ in range(4 * most):
        made = copy.deepcopy(given)
        home = made
        for key in option.path[:-1]:
            if isinstance(home, dict):
                home = home.setdefault(key, {})
                continue
            home = home[key]
        if not isinstance(home, dict):
            return
        home[option.path[-1]] = value = _drawn(draw, option.schema, option.value)
        if value is None and not option.is_given:
            continue
        _fit(draw, option, home, value)
        if option.path[-1] == "name":
            text = json.dumps(made)
            made = json.loads(text.replace(f'"{option.value}/', f'"{value}/'))
        try:
            job, _, findings = analyze(json.dumps(made).encode())
        except (JobError, TypeError):
            continue
        if job != base and not any(one.is_error for one in findings):
            found += 1
            yield made, job
        if found == most:
            return


def _fit(draw: random.Random, option: Option, home: dict, value: object) -> None:
    """Drops the options that another kind has not, and fits lists of one length."""
    known = follow(option.home, home).get("properties", home)
    for key in home.keys() - known.keys():
        del home[key]
    old = option.value
    if isinstance(value, list) and isinstance(old, (list, tuple)):
        for key, other in home.items():
            if (
                isinstance(other, list)
                and other is not value
                and len(other) == len(old)
            ):
                items = follow(follow(known[key])["items"])
                more = [_drawn(draw, items, None) for _ in value]
                home[key] = [*other, *more][: len(value)]


def _drawn(draw: random.Random, schema: dict, old: object) -> object:
    """Returns a random value that the schema may allow."""
    kinds = schema.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    choices = schema.get("enum") or schema.get("else", {}).get("enum")
    if "null" in kinds and old is not None and draw.random() < 0.2:
        return None
    if choices:
        return draw.choice([x for x in choices if x != old] or [None])
    if "boolean" in kinds:
        return not old if isinstance(old, bool) else False
    if "array" in kinds:
        return _list(draw, schema, old)
    if "integer" in kinds or "number" in kinds:
        return _number(draw, schema, old, whole="number" not in kinds)
    if "string" in kinds:
        letters = "".join(draw.choices("abcdefghkl", k=6))
        return letters if not str(old or "").count("/") else f"{old}{letters}"
    return {}


def _list(draw: random.Random, schema: dict, old: object) -> list:
    items = follow(schema["items"])
    if not isinstance(old, (list, tuple)):
        least = schema.get("minItems", 1)
        return [
            _drawn(draw, items, None) for _ in range(draw.randint(least, least + 2))
        ]
    new, kind = copy.deepcopy(list(old)), draw.randrange(4)
    if kind == 0 and len(new) < schema.get("maxItems", 1000):
        new.insert(draw.randint(0, len(new)), _drawn(draw, items, None))
    elif kind == 1:
        draw.shuffle(new)
    elif kind == 2 and len(new) > 1:
        new.pop()
    elif new:
        at = draw.randrange(len(new))
        new[at] = _drawn(draw, items, new[at])
    return [list(x) if isinstance(x, tuple) else x for x in new]


def _number(draw: random.Random, schema: dict, old: object, whole: bool) -> float:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high = schema.get("maximum", schema.get("exclusiveMaximum", 1))
    if draw.random() < 0.5 and old:
        value = old * draw.choice([0.5, 0.75, 1.5, 2, 4])
    elif draw.random() < 0.5:
        value = draw.choice([low, high, 0, 1])
    else:
        value = low + math.exp(draw.uniform(0, math.log(max(high - low, 1e-6) + 1))) - 1
    if not whole:
        return round(float(value), 6)
    step = schema.get("multipleOf", 1)
    return max(low, round(value / step) * step)
