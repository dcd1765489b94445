"""The parts of emitted modules: found by name, as imports are, and listed nowhere.

A file of parts, `templates/heads/<home>/<module>.py`, holds functions, classes and
constants in blocks; a line `# ==== <block>` begins a block. The page of the module has a
line `# parts: <block>` where the parts of a block go. A part is emitted if something that
is emitted uses its name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import PurePath
from typing import NoReturn

from specc.emit.names import defined, defined_by, used
from specc.resources import CONTRACT

MARK = re.compile(r"^# parts: (\w+)\n", re.M)  # of a page
BLOCK = re.compile(r"^# ==== (\w+)$", re.M)  # of a file of parts
TAG = re.compile(r"{[{%#]")  # of Jinja


class PartError(Exception):
    """A file of parts is not what it must be: specc's own fault."""


@dataclass(frozen=True)
class Part:
    """One definition, with the comments above it."""

    file: str  # below templates/
    line: int  # where it begins
    block: str
    text: str
    defines: tuple[str, ...]

    @property
    def module(self) -> str:
        """The emitted module that it is for."""
        return module_of(self.file)

    @property
    def place(self) -> str:
        return f"{self.file}, line {self.line}"

    @cached_property
    def uses(self) -> frozenset[str]:
        return used(self.text)


def with_parts(pages: dict[str, str], parts: Iterable[Part]) -> dict[str, str]:
    """The pages, module by module, with each mark replaced by the parts of its block that
    some page uses, straight or by way of other parts; in the order of `parts`.

    Raises PartError, SyntaxError.
    """
    parts = tuple(parts)
    known = by_name(parts)
    _refuse_taken(pages, known)
    _refuse_homeless(pages, parts)
    wanted = frozenset(chain.from_iterable(map(used, pages.values())))
    chosen: set[Part] = set()
    while found := {known[name] for name in wanted & known.keys()} - chosen:
        chosen |= found
        wanted = frozenset(chain.from_iterable(part.uses for part in found))
    kept = [part for part in parts if part in chosen]
    return {path: _filled(path, text, kept) for path, text in pages.items()}


@lru_cache(maxsize=512)
def parts_of(file: str, text: str) -> tuple[Part, ...]:
    """The parts of a file, in their order. Raises PartError."""
    try:
        statements = ast.parse(text).body
    except SyntaxError as error:
        fail(file, error.lineno or 1, f"is not Python: {error.msg}")
    return tuple(_parts(file, text, statements))


def by_name(parts: Iterable[Part]) -> dict[str, Part]:
    """The part that defines each name. Raises PartError where two do."""
    known: dict[str, Part] = {}
    for part in parts:
        for name in part.defines:
            if name in known:
                what = f"`{name}` is defined in {known[name].place}, too"
                fail(part.file, part.line, what)
            known[name] = part
    return known


def refuse_tags(file: str, text: str) -> None:
    """Raises PartError where a file that is taken as it is has a tag of Jinja."""
    if tag := TAG.search(text):
        line = text.count("\n", 0, tag.start()) + 1
        fail(file, line, f"has a tag of Jinja: name the file {file}.jinja")


def module_of(file: str) -> str:
    """The emitted module whose page asks for the parts of a file."""
    name = PurePath(file).name.removesuffix(".jinja")
    return CONTRACT if name == "contract.py" else name


def fail(file: str, line: int, what: str) -> NoReturn:
    raise PartError(f"templates/{file}, line {line}: {what}")


def _parts(file: str, text: str, statements: list[ast.stmt]) -> Iterator[Part]:
    lines, block, end = text.splitlines(), "", 0
    for statement in statements:
        begin, end = end, statement.end_lineno or end
        own = "\n".join(lines[begin:end])
        for mark in BLOCK.finditer(own):
            block = mark[1]
        own = BLOCK.sub("", own)
        line = begin + 1 + len(own) - len(own.lstrip("\n"))
        if not block:
            fail(file, line, "stands in no block: `# ==== <block>` begins one")
        defines = tuple(defined_by(statement))
        if not defines:
            fail(file, line, "defines no name, so that nothing can ask for it")
        yield Part(file, line, block, own.strip("\n"), defines)


def _refuse_taken(pages: dict[str, str], known: dict[str, Part]) -> None:
    """A name means one thing in all emitted modules, or the wrong one might be found."""
    for path, text in pages.items():
        for name in known.keys() & defined(text):
            part = known[name]
            fail(part.file, part.line, f"`{name}` is defined by the page {path}, too")


def _refuse_homeless(pages: dict[str, str], parts: Iterable[Part]) -> None:
    asked = {
        (path, block) for path, text in pages.items() for block in MARK.findall(text)
    }
    for part in parts:
        if (part.module, part.block) not in asked:
            what = f"the page {part.module} has no line `# parts: {part.block}`"
            fail(part.file, part.line, what)


def _filled(path: str, text: str, kept: list[Part]) -> str:
    """The page with its parts; a mark without any goes, and the blank lines below it."""

    def block(mark: re.Match) -> str:
        texts = [x.text for x in kept if (x.module, x.block) == (path, mark[1])]
        return "\n\n\n".join(texts) + f"\n{mark[2]}" if texts else ""

    return re.sub(f"{MARK.pattern}(\n*)", block, text, flags=re.M)
