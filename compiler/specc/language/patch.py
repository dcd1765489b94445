"""Edits as JSON Patch (RFC 6902): made for the values of one job, and applied to
them."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

from specc.diagnostics import Diagnostic, Edit, Path, Step, pointer_of

Patch = list[dict[str, Any]]  # operations `add`, `remove`, `replace` and `move`


class Unpatchable(Exception):
    """A patch does not fit the values: the message says which operation."""


def patch_of(edit: Edit | None, value: Any) -> Patch:
    """Returns the operations that an edit takes in a job of this value: parents that
    are not there yet are added. Empty without an edit, and where it cannot be made."""
    patch: Patch = []
    try:
        changed = copy.deepcopy(value) if edit else value
        for step in edit.steps if edit else ():
            operations = _operations(step, changed)
            changed = patched(changed, operations)
            patch += operations
    except Unpatchable:
        return []
    return patch


def patched(value: Any, patch: Patch) -> Any:
    """Returns a copy of the value with a patch applied. Raises Unpatchable."""
    value = copy.deepcopy(value)
    for operation in patch:
        _apply(value, operation)
    return value


def with_certain(value: Any, findings: list[Diagnostic]) -> Any:
    """Returns the value with all certain edits of findings that still fit."""
    for finding in findings:
        if finding.edit and finding.edit.certain:
            with suppress(Unpatchable):
                value = patched(value, patch_of(finding.edit, value))
    return value


def parts_of(pointer: str) -> list[str]:
    """Returns the keys of a JSON Pointer."""
    parts = pointer.split("/")[1:]
    return [part.replace("~1", "/").replace("~0", "~") for part in parts]


def _operations(step: Step, value: Any) -> Patch:
    """Raises Unpatchable."""
    path = pointer_of(step.path)
    if step.source:
        source = pointer_of(step.source)
        if not _exists(value, step.source) or _exists(value, step.path):
            raise Unpatchable(f"move {source}")
        above = _parents(step.path, value)
        return [*above, {"op": "move", "from": source, "path": path}]
    if not step.put:
        return [{"op": "remove", "path": path}]
    if _exists(value, step.path):
        return [{"op": "replace", "path": path, "value": step.value}]
    # The lowest parent that is not there yet, or null, takes the value with it.
    top = step.path
    while len(top) > 1 and not _holds(value, top[:-1]):
        top = top[:-1]
    whole = _nested(step.path[len(top) :], step.value)
    op = "replace" if _exists(value, top) else "add"
    return [{"op": op, "path": pointer_of(top), "value": whole}]


def _parents(path: Path, value: Any) -> Patch:
    """Returns the operations that make the objects above a path, where they lack."""
    found = []
    for length in range(1, len(path)):
        if not _holds(value, path[:length]):
            above, whole = path[:length], _nested(path[length:-1], {})
            op = "replace" if _exists(value, above) else "add"
            found = [{"op": op, "path": pointer_of(above), "value": whole}]
            break
    return found


def _nested(keys: Path, value: Any) -> Any:
    """Returns a value in new objects. Raises Unpatchable for an index: no list is
    begun."""
    for key in reversed(keys):
        if isinstance(key, int):
            raise Unpatchable(f"there is no list for the item {key}")
        value = {key: value}
    return value


def _exists(value: Any, path: Path) -> bool:
    for part in path:
        inside = isinstance(value, dict) and part in value
        if not inside and not (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        ):
            return False
        value = value[part]
    return True


def _holds(value: Any, path: Path) -> bool:
    """Whether an object or a list stands at a path; not so is null, which stands for
    the default. Raises Unpatchable for any other value, which cannot hold options."""
    for part in path:
        if not _exists(value, (part,)):
            return False
        value = value[part]
    if value is not None and not isinstance(value, (dict, list)):
        raise Unpatchable(f"{pointer_of(path)} holds no options")
    return value is not None


def _apply(value: Any, operation: dict[str, Any]) -> None:
    op = operation["op"]
    if op == "move":
        moved = _take(value, operation["from"])
        _add(value, operation["path"], moved)
    elif op == "remove":
        _take(value, operation["path"])
    elif op == "add":
        _add(value, operation["path"], copy.deepcopy(operation["value"]))
    else:
        holder, key = _place(value, operation["path"])
        holder[key] = copy.deepcopy(operation["value"])


def _take(value: Any, pointer: str) -> Any:
    holder, key = _place(value, pointer)
    return holder.pop(key)


def _add(value: Any, pointer: str, item: Any) -> None:
    *above, last = parts_of(pointer)
    holder = _walk(value, above, pointer)
    if isinstance(holder, dict):
        holder[last] = item
    elif isinstance(holder, list) and _is_index(last) and int(last) <= len(holder):
        holder.insert(int(last), item)
    else:
        raise Unpatchable(f"nothing can be added at {pointer}")


def _place(value: Any, pointer: str) -> tuple[Any, Any]:
    """Returns the object or list of an existing value, and its key or index."""
    *above, last = parts_of(pointer)
    holder = _walk(value, above, pointer)
    return holder, _key(holder, last, pointer)


def _walk(value: Any, parts: list[str], pointer: str) -> Any:
    for part in parts:
        value = value[_key(value, part, pointer)]
    return value


def _key(holder: Any, part: str, pointer: str) -> str | int:
    if isinstance(holder, dict) and part in holder:
        return part
    if isinstance(holder, list) and _is_index(part) and int(part) < len(holder):
        return int(part)
    raise Unpatchable(f"there is no {pointer}")


def _is_index(part: str) -> bool:
    return part.isascii() and part.isdecimal()
