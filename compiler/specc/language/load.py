"""A strict JSON reader that keeps the position of every key and value.

The reader refuses what JSON readers disagree about (duplicate keys, NaN, numbers that a
double cannot hold, lone surrogates): a job means the same to every tool that reads it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from json.decoder import JSONDecodeError, scanstring
from typing import Any, NamedTuple, NoReturn

from specc.diagnostics import Path, fail
from specc.words import clip, name_of

LARGEST_FILE = 1 << 20  # most bytes of a job file
DEEPEST = 64  # levels of nesting; keeps the recursion below Python's own limit
LARGEST_INTEGER = 1 << 53  # JSON readers that use doubles round larger integers

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[^\s\"{}\[\],:]+")
_NOT_A_NUMBER = re.compile(r"[-+]?(nan|inf|infinity)", re.IGNORECASE)
_CONFLICT = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONSTANTS = {"true": True, "false": False, "null": None}
_OTHER_SPELLINGS = {"True": "true", "False": "false", "None": "null"}


class Span(NamedTuple):
    """A stretch of the text: line and column from 1, length in characters."""

    line: int
    column: int
    length: int


class Node(NamedTuple):
    """Offsets of one value, of its key (if it has one), and of its children."""

    start: int
    end: int
    key: tuple[int, int] | None = None
    children: dict[str | int, Node] = {}  # the default is shared: never write to it


@dataclass(frozen=True)
class Source:
    """The text of a job, its value, and the position of each part of the value."""

    text: str
    value: Any
    root: Node

    def locate(self, path: Path) -> Span:
        """Returns the span of the value at `path`, or of its nearest existing
        ancestor."""
        node, _ = self._find(path)
        return self._span(node.start, node.end)

    def locate_key(self, path: Path) -> Span:
        """Returns the span of the last key of `path`; of the value where there is no
        key."""
        node, found = self._find(path)
        start, end = node.key if found and node.key else (node.start, node.end)
        return self._span(start, end)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    @cached_property
    def _starts(self) -> list[int]:
        return _line_starts(self.text)

    def _find(self, path: Path) -> tuple[Node, bool]:
        node = self.root
        for part in path:
            if part not in node.children:
                return node, False
            node = node.children[part]
        return node, True

    def _span(self, start: int, end: int) -> Span:
        line = bisect_right(self._starts, start)
        return Span(line, start - self._starts[line - 1] + 1, max(1, end - start))


def load(data: bytes) -> Source:
    """Reads a job. Raises JobError, E101..E110 or E435, at the first thing that is
    wrong."""
    if len(data) > LARGEST_FILE:
        fail(
            "E107",
            f"the file has {len(data):,} bytes, the limit is {LARGEST_FILE:,}",
            position=(1, 1),
            help="keep lists of files and annotations in the dataset, not in the job",
        )
    text = _decode(data)
    _refuse_markers(text)
    return _Reader(text).read()


def unread(data: bytes) -> Source:
    """Returns a file that `load` refused as a Source with its text, and without a
    value."""
    text = data[:LARGEST_FILE].decode("utf-8", errors="replace")
    return Source(text, None, Node(0, 0))


def _decode(data: bytes) -> str:
    if data.startswith(b"\xef\xbb\xbf"):
        _refuse_encoding(1, "the file begins with a byte order mark")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        _refuse_encoding(1, "the file is UTF-16, not UTF-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # Positions count the characters of the text that `unread` returns.
        before = data[: error.start].decode("utf-8")
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        byte = data[error.start]
        _refuse_encoding(line, f"byte 0x{byte:02x} is not UTF-8", column)


def _refuse_markers(text: str) -> None:
    """Raises JobError E435 where git left the markers of a merge."""
    if marker := _CONFLICT.search(text):
        fail(
            "E435",
            "the job is half merged: here git left what two branches made of it",
            position=(text.count("\n", 0, marker.start()) + 1, 1),
            help="choose what is to stay, and delete the lines of the markers",
        )


def _refuse_encoding(line: int, message: str, column: int = 1) -> NoReturn:
    help = "save the file as UTF-8 without a byte order mark"
    fail("E101", message, position=(line, column), help=help)


def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text))]


class _Reader:
    """A recursive-descent parser of one text; its methods take and return offsets."""

    def __init__(self, text: str):
        self.text = text

    def read(self) -> Source:
        start = self.skip(0)
        if start == len(self.text):
            self.refuse("E102", start, "the file is empty", help="write a job: `{ }`")
        value, root = self.value(start, 1)
        end = self.skip(root.end)
        if end < len(self.text):
            self.refuse(
                "E105",
                end,
                f"{self.found(end)} follows the end of the job",
                help="a file holds one job: remove what follows its last `}`",
            )
        if not isinstance(value, dict):
            help = 'write `{"name": ..., "data": ..., "model": ...}`'
            message = f"a job is an object, the file holds {name_of(value)}"
            self.refuse("E110", start, message, help=help)
        return Source(self.text, value, root)

    def skip(self, at: int) -> int:
        return _SPACE.match(self.text, at).end()

    def value(self, at: int, depth: int) -> tuple[Any, Node]:
        char = self.text[at : at + 1]
        if char == '"':
            value, end = self.string(at)
            return value, Node(at, end)
        if char in ("{", "["):
            if depth > DEEPEST:
                message = f"values are nested more than {DEEPEST} deep"
                self.refuse(
                    "E106", at, message, help="no option of a job nests that deep"
                )
            return (self.object if char == "{" else self.array)(at, depth)
        return self.scalar(at)

    def object(self, at: int, depth: int) -> tuple[dict, Node]:
        values, children = {}, {}
        position, more = self.first(at, "}")
        while more:
            if self.text[position : position + 1] != '"':
                self.refuse_key(position)
            key, end = self.string(position)
            if key in values:
                self.refuse_duplicate(key, position, children[key])
            colon = self.skip(end)
            if self.text[colon : colon + 1] != ":":
                self.refuse_syntax(
                    colon,
                    f"expected `:` after the key `{clip(key)}`",
                    "add `:` and a value",
                )
            value, node = self.value(self.skip(colon + 1), depth + 1)
            values[key] = value
            children[key] = node._replace(key=(position, end))
            position, more = self.next(node.end, "}")
        return values, Node(at, position, None, children)

    def array(self, at: int, depth: int) -> tuple[list, Node]:
        values, children = [], {}
        position, more = self.first(at, "]")
        while more:
            value, node = self.value(position, depth + 1)
            children[len(values)] = node
            values.append(value)
            position, more = self.next(node.end, "]")
        return values, Node(at, position, None, children)

    def first(self, at: int, close: str) -> tuple[int, bool]:
        """Returns the offset of the first element and True, or the offset after `close`
        and False."""
        position = self.skip(at + 1)
        if self.text[position : position + 1] == close:
            return position + 1, False
        return position, True

    def next(self, at: int, close: str) -> tuple[int, bool]:
        """Returns the same after an element: the offset past a comma, or past
        `close`."""
        position = self.skip(at)
        char = self.text[position : position + 1]
        if char == close:
            return position + 1, False
        if char != ",":
            self.refuse_syntax(
                position, f"expected `,` or `{close}`", f"add `,` or `{close}`"
            )
        following = self.skip(position + 1)
        if self.text[following : following + 1] == close:
            message = f"a comma stands before `{close}`"
            self.refuse("E102", position, message, help="remove the comma")
        return following, True

    def string(self, at: int) -> tuple[str, int]:
        try:
            value, end = scanstring(self.text, at + 1, True)
        except JSONDecodeError as error:
            self.refuse_string(at, error)
        if not value.isascii() and _SURROGATE.search(value):
            message = "the text holds half of a surrogate pair, which is no character"
            help = "write the character itself, or both halves of the pair"
            self.refuse("E109", at, message, help=help)
        return value, end

    def scalar(self, at: int) -> tuple[Any, Node]:
        match = _WORD.match(self.text, at)
        word = match.group() if match else ""
        if word in _CONSTANTS:
            return _CONSTANTS[word], Node(at, match.end())
        number = _NUMBER.fullmatch(word)
        if number:
            return self.number(at, number), Node(at, match.end())
        if _NOT_A_NUMBER.fullmatch(word):
            help = "write a finite number, or leave the option out"
            self.refuse("E104", at, f"`{word}` is not a number", help=help)
        self.refuse_scalar(at, word)

    def number(self, at: int, match: re.Match) -> int | float:
        word = match.group()
        if match.lastindex is None:
            # Test the length first: int() refuses thousands of digits.
            if len(word) > 17 or abs(int(word)) > LARGEST_INTEGER:
                self.refuse_number(at, word, "is beyond 2^53")
            return int(word)
        value = float(word)
        if value in (float("inf"), float("-inf")):
            self.refuse_number(at, word, "is beyond 1.8e308")
        mantissa = re.split("[eE]", word)[0]
        if value == 0 and mantissa.strip("-0."):
            self.refuse_number(at, word, "is too close to zero to tell from it")
        return value

    def refuse_number(self, at: int, word: str, why: str) -> NoReturn:
        help = "write a number that a 64-bit float can tell from its neighbors"
        self.refuse("E108", at, f"`{clip(word)}` {why}", help=help)

    def refuse_duplicate(self, key: str, at: int, first: Node) -> NoReturn:
        line, column = self.position(first.key[0])
        note = f"the key first stands at line {line}, column {column}"
        name = clip(key)
        help = f"keep one `{name}`"
        self.refuse(
            "E103", at, f"the key `{name}` is given twice", note=note, help=help
        )

    def refuse_string(self, at: int, error: JSONDecodeError) -> NoReturn:
        if error.msg.startswith("Unterminated"):
            message, help, where = "the text has no closing quote", 'add `"`', at
        elif error.msg.startswith("Invalid control"):
            char = self.text[error.pos]
            message = f"a text holds the bare control character U+{ord(char):04X}"
            help, where = "close the quote on the same line, or write \\n or \\t", at
        else:
            message, where = "a backslash begins no known escape", error.pos
            help = "write \\\\ for a backslash; paths may use / on every system"
        self.refuse("E102", where, message, help=help)

    def refuse_key(self, at: int) -> NoReturn:
        help = "put the key in double quotes"
        self.refuse_syntax(at, "expected a key in double quotes", help)

    def refuse_scalar(self, at: int, word: str) -> NoReturn:
        if word in _OTHER_SPELLINGS:
            help = f"write {_OTHER_SPELLINGS[word]}"
        elif word[:1] in tuple("+-.0123456789"):
            help = "JSON numbers look like 5, -5, 0.5 or 3e-4"
        elif word:
            help = "put text in double quotes"
        else:
            help = "write a value"
        self.refuse_syntax(at, "expected a value", help)

    def refuse_syntax(self, at: int, expected: str, help: str) -> NoReturn:
        if self.text.startswith(("//", "/*", "#"), at):
            help = "JSON has no comments: remove the comment"
        self.refuse("E102", at, f"{expected}, found {self.found(at)}", help=help)

    def found(self, at: int) -> str:
        if at >= len(self.text):
            return "the end of the file"
        match = _WORD.match(self.text, at)
        return f"`{clip(match.group()) if match else self.text[at]}`"

    def refuse(self, code: str, at: int, message: str, **facts: str) -> NoReturn:
        fail(code, message, position=self.position(at), **facts)

    def position(self, at: int) -> tuple[int, int]:
        line = self.text.count("\n", 0, at) + 1
        return line, at - self.text.rfind("\n", 0, at)
