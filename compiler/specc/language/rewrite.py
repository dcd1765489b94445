"""A JSON Patch on the text of a job: all that the patch does not touch stays as it is
written: order, indentation, spelling of numbers, line ends.

Each operation is one or two splices of the text, at the offsets that the reader found.
What is added looks like its neighbors; what is moved keeps its own spelling.
"""

from __future__ import annotations

import json
from typing import Any

from specc.language.load import Node, load
from specc.language.patch import Patch, parts_of

WIDEST = 88  # most columns of a line with an added list or object


def rewritten(data: bytes, patch: Patch) -> bytes:
    """Returns the file with a patch applied, which must fit its values."""
    text = data.decode("utf-8")
    for operation in patch:
        text = _Text(text).after(operation)
    return text.encode("utf-8")


class _Text:
    """One text and the offsets of its parts; each method returns a new text."""

    def __init__(self, text: str):
        self.text = text
        source = load(text.encode("utf-8"))
        self.root, self.value = source.root, source.value

    def after(self, operation: dict[str, Any]) -> str:
        op, parts = operation["op"], parts_of(operation["path"])
        if op == "move":
            return self._moved(parts_of(operation["from"]), parts)
        if op == "remove":
            return self._removed(parts)
        if op == "replace":
            return self._replaced(parts, operation["value"])
        return self._added(parts, self._spelled(operation["value"], None))

    def _replaced(self, parts: list[str], value: Any) -> str:
        node = self._node(parts)
        if value == [self._value(parts)]:  # the value in brackets keeps its lines
            written = f"[{self.text[node.start : node.end]}]"
        else:
            written = self._spelled(value, node.start)
        return self._spliced(node.start, node.end, written)

    def _moved(self, source: list[str], target: list[str]) -> str:
        node = self._node(source)
        raw = self.text[node.start : node.end]
        if source[:-1] == target[:-1] and node.key:  # the key alone changes
            return self._spliced(*node.key, self._quoted(target[-1]))
        added = _Text(self._added(target, self._shifted(raw, node, target)))
        # What was added to a list stands behind what is removed.
        return added._removed(source)

    def _shifted(self, raw: str, node: Node, target: list[str]) -> str:
        """Returns a value of several lines, indented for its new place."""
        old = self._indent(node.key[0] if node.key else node.start)
        new = self._indent_of_members(target[:-1])
        if "\n" not in raw or old == new:
            return raw
        first, *rest = raw.split("\n")
        return "\n".join([first, *(new + line.removeprefix(old) for line in rest)])

    def _removed(self, parts: list[str]) -> str:
        holder = self._node(parts[:-1])
        members = list(holder.children.values())
        place = list(map(str, holder.children)).index(parts[-1])
        node = members[place]
        if place:
            return self._spliced(members[place - 1].end, node.end, "")
        if len(members) == 1:
            return self._spliced(holder.start + 1, holder.end - 1, "")
        return self._spliced(_start(node), _start(members[1]), "")

    def _added(self, parts: list[str], written: str) -> str:
        """Returns the text with one more member: the last one of an object, or the one
        before which a list has the index."""
        holder = self._node(parts[:-1])
        members = list(holder.children.values())
        is_list = self.text[holder.start] == "["
        if not is_list:
            written = f"{self._quoted(parts[-1])}{self._colon(members)}{written}"
        if not members:
            return self._spliced(holder.start + 1, holder.end - 1, written)
        comma = self._comma(holder, members)
        if is_list and int(parts[-1]) < len(members):
            at = members[int(parts[-1])].start
            return self._spliced(at, at, f"{written}{comma}")
        return self._spliced(members[-1].end, members[-1].end, f"{comma}{written}")

    # ---- how the file is written ----

    def _spelled(self, value: Any, at: int | None) -> str:
        """Returns a value as JSON, on one line; of several where the value replaces one
        at `at`, and would make the line too long."""
        compact = self._colon([]) == ":"
        between = (",", ":") if compact else (", ", ": ")
        ascii_only = self.text.isascii()
        line = json.dumps(value, ensure_ascii=ascii_only, separators=between)
        if at is None or compact or not isinstance(value, (dict, list)):
            return line
        before = self._before(at)
        if len(before) + len(line) <= WIDEST or "\n" not in self.text:
            return line
        text = json.dumps(value, ensure_ascii=ascii_only, indent=self._unit())
        end = "\r\n" if "\r\n" in self.text else "\n"
        return text.replace("\n", end + self._indent(at))

    def _quoted(self, key: str) -> str:
        return json.dumps(key, ensure_ascii=self.text.isascii())

    def _colon(self, members: list[Node]) -> str:
        """Returns the text between a key and its value, as a neighbor has it."""
        keyed = next((x for x in members if x.key), None) or self._first_member()
        return self.text[keyed.key[1] : keyed.start] if keyed else ": "

    def _first_member(self) -> Node | None:
        return next(iter(self.root.children.values()), None)

    def _comma(self, holder: Node, members: list[Node]) -> str:
        """Returns the text between two members of an object or a list."""
        if len(members) > 1:
            return self.text[members[-2].end : _start(members[-1])]
        before = self.text[holder.start + 1 : _start(members[0])]
        if "\n" in before:
            return f",{before}"
        return "," if self._colon(members) == ":" else ", "

    def _indent(self, at: int) -> str:
        """Returns the white space at the beginning of the line that holds an offset."""
        before = self._before(at)
        return before[: len(before) - len(before.lstrip(" \t"))]

    def _before(self, at: int) -> str:
        """Returns the part of a line before an offset."""
        return self.text[self.text.rfind("\n", 0, at) + 1 : at]

    def _indent_of_members(self, parts: list[str]) -> str:
        members = list(self._node(parts).children.values())
        return self._indent(_start(members[-1]) if members else self._node(parts).start)

    def _unit(self) -> str:
        """Returns the indentation of one level."""
        first = self._first_member()
        return (self._indent(first.key[0]) if first else "") or "  "

    def _node(self, parts: list[str]) -> Node:
        node = self.root
        for part in parts:
            keys = {str(key): child for key, child in node.children.items()}
            node = keys[part]
        return node

    def _value(self, parts: list[str]) -> Any:
        value = self.value
        for part in parts:
            value = value[int(part)] if isinstance(value, list) else value[part]
        return value

    def _spliced(self, start: int, end: int, text: str) -> str:
        return self.text[:start] + text + self.text[end:]


def _start(node: Node) -> int:
    """Returns where a member begins: at its key, if it has one."""
    return node.key[0] if node.key else node.start
