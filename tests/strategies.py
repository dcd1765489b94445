"""Jobs drawn from the JSON Schema itself: valid ones, and those that nearly are.

A new option of the schema is drawn without a change here. Every free text holds `MARK`,
which stands in nothing that specc writes, so that it can be found in the output.
"""

from __future__ import annotations

import copy
import json
import re
import string
from functools import cache
from typing import Any

from agreement import agreeing
from hypothesis import strategies as st

from specc.language.schema import bundled, follow

MARK = "zQ"  # no name of a job or head holds a capital, and no code turns one into this
NAME_LETTERS = string.ascii_lowercase + string.digits + "_-"
HOSTILE = (
    *('"; import os #', "'; import os #", '"""', "'''", "{{ 7*7 }}", "{% if x %}"),
    *("{#", "#}", "{", "}", "%s%(name)s", "\\", "\\n", "\\N{BULLET}", "\\x", "\\u"),
    *('"', "'", "#", " ", "\u202e\u2066\u200b", "\u2028", "\u2029", "\ufeff"),
    *("Ä", "漢", "🦓", "e\u0301", "</script>", "`", "|", "*", "_", "../", "/", "..\\"),
    *("C:\\", "file://", "$(id)", "`id`", "%00", "&#10;", "None", "\U000e0041"),
    *("\n", "\r", "\t", "\0", "\x1b[0m", "\x85"),  # no text may hold these
)
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(HOSTILE),
    st.lists(st.integers(0, 9), max_size=3),
    st.dictionaries(st.text(max_size=4), st.integers(0, 9), max_size=2),
    st.lists(st.nothing(), max_size=0).map(lambda _: [[[[[]]]]]),
)
# The schema allows what the graph does not: these make most jobs ones that can be built.
LIKELY = {
    "Resolution": st.sampled_from([[128, 128], [256, 128], [384, 640], [64, 96]]),
    "Top level": st.sampled_from([5, 5, 6, 7, 4, None]),
    "Bottom level": st.sampled_from([3, 3, 4, None]),
    "Level": st.sampled_from([3, 4, 5, None]),
    "Frozen levels": st.sampled_from([0, 0, None, 3]),
    "Maximum iterations": st.sampled_from([1, 100, 10**9, None]),
    "Validations": st.sampled_from([1, 1, 10, None]),
    "Best": st.sampled_from([None, None, None, "object_detection/ap", "a/b"]),
    "Validation fraction": st.sampled_from([None, None, None, None, 0.5]),
    "Head name": st.sampled_from(["a", "b-c", "d_e", "f0", "g", "h", "cells", None]),
    "Format": st.sampled_from(
        [*["native"] * 6, "coco", "folders", "voc", "yolo", "dota", "csv", "maps", None]
    ),
    "Dataset task": st.sampled_from(
        [*[None] * 12, "object_detection", "multiclass_classification"]
    ),
    "Schema": st.none(),
}


@cache  # to build it takes longer than to draw from it
def jobs() -> st.SearchStrategy[dict]:
    """Jobs that the schema accepts; of most the values agree too, so that they render."""
    drawn = values(bundled())
    agree = [drawn.map(agreeing) for _ in range(3)]  # one alone would count once
    return st.one_of(*agree, drawn)


@st.composite
def nearly_valid(draw) -> Any:
    """A job in which one to three values or keys are not what they should be."""
    job = copy.deepcopy(draw(jobs()))  # lists may be shared
    for _ in range(draw(st.integers(1, 3))):
        holder = draw(st.sampled_from(list(_holders(job))))
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        what = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if what == "add" or not keys:
            _add(holder, draw(st.text(max_size=6)), draw(JUNK))
        elif what == "remove":
            del holder[draw(st.sampled_from(keys))]
        else:
            holder[draw(st.sampled_from(keys))] = draw(JUNK)
    return job


@st.composite
def damaged_texts(draw) -> bytes:
    """The text of a job after a few cuts, copies and insertions."""
    data = json.dumps(draw(jobs()), ensure_ascii=draw(st.booleans())).encode()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        piece = st.one_of(st.binary(max_size=4), st.sampled_from(SPELLINGS))
        middle = draw(st.one_of(piece, st.just(data[start:end] * 2), st.just(b"")))
        data = data[:start] + middle + data[end:]
    return data


SPELLINGS = (
    *(b"\xef\xbb\xbf", b"\xff", b"\\ud800", b"\\u0000", b"NaN", b"-Infinity", b"1e999"),
    *(b"1e-999", b"9" * 30, b"{" * 70, b"[" * 70, b"\\", b'"', b"/*", b"//", b"#"),
    *(b",", b",,", b"}", b"{}", b"null", b'"name":', b"-0", b"1.0", b"\r", b"\x00"),
)


# ---- From a schema to its values ----


def values(schema: dict) -> st.SearchStrategy:
    """The values that a subschema of the bundle allows."""
    cases = _cases(schema)
    if cases:
        return st.one_of([_of(follow(schema, case)) for case in cases])
    return _of(follow(schema))


def _cases(schema: dict) -> list[dict]:
    """A value for each branch of a dispatch: {"kind": "sgd"} and so on."""
    whole = follow(schema)
    cases = []
    for case in whole.get("allOf", ()):
        ((key, condition),) = case["if"]["properties"].items()
        chosen = condition.get("enum", [condition.get("const")])
        cases += [{key: value} for value in chosen if value is not None]
    return cases


def _of(schema: dict) -> st.SearchStrategy:
    if schema.get("title") in LIKELY:
        return LIKELY[schema["title"]]
    if schema.get("title") == "Group":  # mostly a regular expression
        return st.none() | free_texts() | free_texts().map(re.escape)
    if schema.get("title") == "Identities":  # a split needs several
        return st.lists(free_texts(), min_size=4, max_size=5, unique=True)
    if "const" in schema:
        return st.just(schema["const"])
    if (
        "if" in schema
    ):  # a known name; timm would be asked of any other, which takes long
        return st.sampled_from(schema["else"]["enum"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    types = schema["type"] if "type" in schema else "object"
    types = [types] if isinstance(types, str) else types
    makers = {
        "object": _object,
        "array": _array,
        "integer": _integer,
        "number": _number,
        "string": _string,
        "null": lambda _: st.none(),
        "boolean": _boolean,
    }
    return st.one_of([makers[name](schema) for name in types])


def _object(schema: dict) -> st.SearchStrategy[dict]:
    if "properties" not in schema:
        values_of_any = values(schema["additionalProperties"])
        return st.dictionaries(free_texts(), values_of_any, max_size=2)
    parts = {name: values(part) for name, part in schema["properties"].items()}
    required = {name: parts.pop(name) for name in schema.get("required", ())}
    if "kind" in parts:  # null is another branch than the one that was chosen
        required["kind"] = parts.pop("kind").filter(lambda kind: kind is not None)
    if "name" in parts:  # only one head may lack a name
        required["name"] = parts.pop("name")
    return st.fixed_dictionaries(required, optional=parts)


def _array(schema: dict) -> st.SearchStrategy[list]:
    most = min(schema["maxItems"], schema["minItems"] + 2)
    unique = schema.get("uniqueItems", False)
    items = values(schema["items"])
    return st.lists(items, min_size=schema["minItems"], max_size=most, unique=unique)


def _integer(schema: dict) -> st.SearchStrategy[int]:
    low, high = schema["minimum"], schema["maximum"]
    step = schema.get("multipleOf", 1)
    near = st.integers(-(-low // step), min(high // step, -(-low // step) + 16))
    whole = st.integers(-(-low // step), high // step)
    return st.one_of(near, whole).map(lambda number: number * step)


def _number(schema: dict) -> st.SearchStrategy[float]:
    open_low, open_high = "exclusiveMinimum" in schema, "exclusiveMaximum" in schema
    numbers = st.floats(
        schema["exclusiveMinimum" if open_low else "minimum"],
        schema["exclusiveMaximum" if open_high else "maximum"],
        exclude_min=open_low,
        exclude_max=open_high,
    )
    usual = schema.get("default")
    return numbers if usual in (None, 0) else numbers | st.just(usual)


def _boolean(schema: dict) -> st.SearchStrategy[bool]:
    refused = schema.get("not", {}).get("const")
    return st.booleans().filter(lambda value: value is not refused)


def _string(schema: dict) -> st.SearchStrategy[str]:
    if schema.get("pattern", "").startswith("^[a-z]"):
        refused = schema.get("not", {}).get("enum", ())
        rest = st.text(NAME_LETTERS, max_size=6)
        names = st.builds(str.__add__, st.sampled_from("abcz"), rest)
        return names.filter(lambda name: name not in refused)
    return free_texts()


@cache
def free_texts() -> st.SearchStrategy[str]:
    """Texts made to break out of whatever they are put into; they hold the mark."""
    legal = [text for text in HOSTILE if not any(_is_control(char) for char in text)]
    piece = st.sampled_from(legal) | st.text(
        st.characters(exclude_categories=["Cs", "Cc"]), max_size=3
    )
    around = st.lists(piece, max_size=3).map("".join)
    return st.builds(lambda before, after: before + MARK + after, around, around)


def _is_control(char: str) -> bool:
    return ord(char) < 32 or 127 <= ord(char) < 160


# ---- Inside a value ----


def texts(value: Any) -> set[str]:
    """Every string in a value that holds the mark."""
    if isinstance(value, str):
        return {value} if MARK in value else set()
    parts = value.values() if isinstance(value, dict) else value
    if not isinstance(parts, list) and not isinstance(value, dict):
        return set()
    return set().union(*map(texts, parts))


def _holders(value: Any):
    """Every object and list in a value, itself first."""
    if isinstance(value, (dict, list)):
        yield value
        for part in value.values() if isinstance(value, dict) else value:
            yield from _holders(part)


def _add(holder: dict | list, key: str, value: Any):
    if isinstance(holder, dict):
        holder[key] = value
    else:
        holder.append(value)
