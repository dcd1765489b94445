"""The JSON Schema of a job: its files as one document, and its defaults.

The schema is the only home of names, types, ranges, units, defaults and descriptions;
the compiler reads all of them from here. Some annotations are our own: `x-unit` (of a
number), `x-other` (further values of a choice, besides those listed), `x-also` and
`x-also-values` (names that other tools have for an option, a task or a value, the
values in lower case without `-` and `_`), `x-absent` (options of other tools that specc
does without, and what takes their place), and for heads
`x-metrics` (the first is the primary one), `x-needs` (options that some of them need),
`x-lower-is-better` (those of them that are errors or distances), `x-formats` (the
dataset formats that hold the task's annotations, or that read an option of a layout
or of a head) and
`x-reads-text` (the head learns nothing from images that are mirrored or cropped).
"""

from __future__ import annotations

import json
from functools import lru_cache
from posixpath import dirname, join, normpath
from typing import Any

from specc.resources import names, read_text

ROOT = "job.schema.json"
HEADS = "heads."  # prefix of the entries of heads


@lru_cache(maxsize=None)
def bundled() -> dict:
    """Returns the whole schema as one document: each file is an entry of `$defs`.

    The same files always give the same document; do not write to it.
    """
    document = _file(ROOT)
    files = sorted(name for name in names("schema") if name != ROOT)
    parts = {_entry(name): _file(name) for name in files}
    tasks = [name.removeprefix(HEADS) for name in parts if name.startswith(HEADS)]
    _name_tasks(parts, tasks)
    return {**document, "$defs": parts}


def referred(schema: dict) -> dict:
    """Returns a subschema, its `$ref` merged in, and no branch chosen."""
    if "$ref" not in schema:
        return schema
    outer = {key: part for key, part in schema.items() if key != "$ref"}
    return {**referred(_lookup(schema["$ref"])), **outer}


def follow(schema: dict, value: Any = None) -> dict:
    """Returns a subschema, its `$ref` and the branch that `value` selects merged in."""
    if "$ref" in schema:
        outer = {key: part for key, part in schema.items() if key != "$ref"}
        schema = {**follow(_lookup(schema["$ref"]), value), **outer}
    value = value if isinstance(value, dict) else {}
    for case in schema.get("allOf", ()):
        if _selects(case["if"]["properties"], value):
            schema = {**schema, **follow(case["then"], value)}
    return schema


def fill(value: Any, schema: dict | None = None) -> Any:
    """Returns a valid value with each absent or null option replaced by its default.

    Where the schema says "derived", the default is the starting point of the rule in
    resolve.py.
    """
    schema = bundled() if schema is None else schema
    if value is None:
        value = follow(schema).get("default")
    schema = follow(schema, value)
    if isinstance(value, dict) and "properties" in schema:
        options = schema["properties"].items()
        return {name: fill(value.get(name), option) for name, option in options}
    if isinstance(value, list):
        return [fill(item, schema["items"]) for item in value]
    if type(value) is int and "number" in schema.get("type", ()):
        return float(value)  # 1 and 1.0 are the same job
    return value


def part(name: str) -> dict:
    """Returns the schema of a file that is not the root: `neck`, `heads.regression`."""
    return bundled()["$defs"][name]


def head(task: str) -> dict:
    """Returns the schema of the heads that solve `task`."""
    return part(f"heads.{task}")


def metrics_of(one: Any) -> list[str]:
    """Returns the metrics of a resolved head, the primary one first."""
    described = head(one.task)
    needs = described.get("x-needs", {})
    return [
        metric
        for metric in described["x-metrics"]
        if metric not in needs or getattr(one, needs[metric])
    ]


def _name_tasks(parts: dict[str, dict], tasks: list[str]) -> None:
    """Fills in the enums that follow from the files in schema/heads: the tasks of
    heads, the options of each task, and the tasks that annotations may be for."""
    one = parts["head"]
    one["properties"]["task"]["enum"] = tasks
    one["allOf"] = [
        {
            "if": {"required": ["task"], "properties": {"task": {"const": task}}},
            "then": {"$ref": f"#/$defs/{HEADS}{task}"},
        }
        for task in tasks
    ]
    # Tasks that learn from normal images alone: no other head can use their
    # annotations.
    others = [x for x in tasks if not parts[HEADS + x].get("x-trains-no-trunk")]
    parts["common"]["$defs"]["dataset_task"]["enum"] = [*others, None]


def _selects(conditions: dict, value: dict) -> bool:
    return all(
        value.get(key) in condition.get("enum", [condition.get("const")])
        for key, condition in conditions.items()
    )


def _lookup(reference: str) -> dict:
    part: dict = bundled()
    for key in reference.removeprefix("#/").split("/"):
        part = part[key]
    return part


def _file(name: str) -> dict:
    document = _relocate(json.loads(read_text(f"schema/{name}")), name)
    if name != ROOT:
        del document["$schema"]  # only the whole document has a `$schema`
    return document


def _relocate(part: Any, file: str) -> Any:
    """Returns a schema with its references pointing into the bundle."""
    if isinstance(part, list):
        return [_relocate(item, file) for item in part]
    if not isinstance(part, dict):
        return part
    moved = {key: _relocate(item, file) for key, item in part.items()}
    if isinstance(part.get("$ref"), str):
        path, _, inside = part["$ref"].partition("#")
        target = normpath(join(dirname(file), path)) if path else file
        moved["$ref"] = f"#/$defs/{_entry(target)}{inside}"
    return moved


def _entry(file: str) -> str:
    """Returns the entry of a file, which needs no escapes: heads/regression.json
    becomes heads.regression."""
    return file.removesuffix(".json").replace("/", ".")
