"""The parts of emitted modules: found by name, as imports are, and listed nowhere.

A file of parts, `templates/heads/<home>/<module>.py`, holds functions, classes and
constants in blocks; a line `# ==== <block>` begins a block. The page of the module has
a line `# parts: <block>` where the parts of a block go. A part is emitted if something
that is emitted uses its name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import PurePath
from typing import NoReturn

from specc.emit.names import bound, defined_by, used
from specc.plan.extras import CONTRACT

MARK = re.compile(r"^# parts: (\w+)\n", re.M)  # place of a block's parts in a page
BLOCK = re.compile(r"^# ==== (\w+)$", re.M)  # start of a block in a file of parts
# A top-level definition: a function, a class or a constant.
MARGIN = re.compile(r"^(?:class|def) (\w+)|^(\w+(?:, \w+)*) = ", re.M)
TITLE = re.compile(r"# ---- .+ ----")  # line above a section
# The title of a section in which nothing stands: the next title follows.
EMPTY = re.compile(rf"^{TITLE.pattern}\n\n\n(?=# ---- )", re.M)
TAG = re.compile(r"{[{%#]")  # start of a tag of Jinja


class PartError(Exception):
    """A file of parts breaks a rule of this module: a fault of specc."""


@dataclass(frozen=True)
class Part:
    """One definition, with the comments above it."""

    file: str  # path below templates/
    line: int  # first line of the definition
    block: str
    text: str
    defines: tuple[str, ...]

    @cached_property
    def module(self) -> str:
        return module_of(self.file)

    @property
    def is_constant(self) -> bool:
        """Whether the part is a constant, which needs no blank line before."""
        return not re.search(r"^(?:@|class |def )", self.text, re.M)

    @property
    def place(self) -> str:
        return f"{self.file}, line {self.line}"

    @cached_property
    def uses(self) -> frozenset[str]:
        return used(self.text)


@dataclass(frozen=True)
class Shelf:
    """A file of parts, which is parsed on demand."""

    file: str  # path below templates/
    source: str  # text of the file; a template, if the name ends with .jinja
    fill: Callable[
        [], str
    ]  # gives the text: the source, or what a template makes of it

    @property
    def module(self) -> str:
        return module_of(self.file)

    @property
    def names(self) -> list[tuple[str, int]]:
        """The names that the file defines, with their lines; a template may have
        two."""
        return outline(self.source)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        return parts_of(self.file, self.fill())


def with_parts(pages: dict[str, str], shelves: Sequence[Shelf]) -> dict[str, str]:
    """Returns the pages, module by module, with each mark replaced by the parts of its
    block that some page uses, directly or through other parts; in the order of
    `shelves`.

    Raises PartError, SyntaxError.
    """
    refuse_misplaced(pages, shelves)
    return placed(pages, chosen(pages, shelves))


def refuse_misplaced(pages: dict[str, str], shelves: Sequence[Shelf]) -> None:
    """Raises PartError where two parts have one name, a page has it too, or a block has
    no place."""
    by_name(shelves)
    _refuse_taken(pages, shelves)
    _refuse_homeless(pages, shelves)


def chosen(pages: dict[str, str], shelves: Sequence[Shelf]) -> list[Part]:
    """Returns the parts that the pages use, directly or through other parts, in the
    order of `shelves`. Raises PartError, SyntaxError."""
    known = by_name(shelves)
    wanted = asked_by(pages)
    taken: set[Part] = set()
    while names := wanted & known.keys():
        found = {
            part
            for shelf in {id(known[name]): known[name] for name in names}.values()
            for part in shelf.parts
            if names.intersection(part.defines)
        }
        wanted = frozenset(chain.from_iterable(part.uses for part in found - taken))
        taken |= found
    read = {id(known[name]) for part in taken for name in part.defines}
    return [
        part
        for shelf in shelves
        if id(shelf) in read
        for part in shelf.parts
        if part in taken
    ]


def asked_by(pages: dict[str, str]) -> frozenset[str]:
    """Returns the names that pages use and do not define. Raises SyntaxError."""
    return frozenset(chain.from_iterable(map(used, pages.values())))


def placed(pages: dict[str, str], parts: list[Part]) -> dict[str, str]:
    """Returns the pages, module by module, with each mark replaced by the parts of its
    block."""
    return {path: _filled(path, text, parts) for path, text in pages.items()}


@lru_cache(maxsize=512)
def parts_of(file: str, text: str) -> tuple[Part, ...]:
    """Returns the parts of a file, in order. Raises PartError."""
    try:
        statements = ast.parse(text).body
    except SyntaxError as error:
        fail(file, error.lineno or 1, f"is not Python: {error.msg}")
    return tuple(_parts(file, text, statements))


@lru_cache(maxsize=512)
def outline(source: str) -> list[tuple[str, int]]:
    """Returns the names of a file's top-level definitions, each with its line."""
    return [
        (name, source.count("\n", 0, found.start()) + 1)
        for found in MARGIN.finditer(source)
        for name in re.findall(r"\w+", found[1] or found[2])
    ]


def by_name(shelves: Sequence[Shelf]) -> dict[str, Shelf]:
    """Returns name -> the file that defines it. Raises PartError where two files do."""
    homes = _homes(tuple((shelf.file, shelf.source) for shelf in shelves))
    return {name: shelves[index] for name, index in homes.items()}


@lru_cache(maxsize=64)
def _homes(files: tuple[tuple[str, str], ...]) -> dict[str, int]:
    """Returns name -> index of the file that defines it, of files and their sources.
    Raises PartError where two files do."""
    known: dict[str, tuple[int, int]] = {}
    for index, (file, source) in enumerate(files):
        for name, line in outline(source):
            other, first = known.setdefault(name, (index, line))
            # A template may have two definitions, one with a flag and one without it.
            twice = other != index or not file.endswith(".jinja")
            if (other, first) != (index, line) and twice:
                what = f"`{name}` is defined in {files[other][0]}, line {first}, too"
                fail(file, line, what)
    return {name: index for name, (index, _) in known.items()}


def refuse_tags(file: str, text: str) -> None:
    """Raises PartError where a file that is no template has a tag of Jinja."""
    if tag := TAG.search(text):
        line = text.count("\n", 0, tag.start()) + 1
        fail(file, line, f"has a tag of Jinja: name the file {file}.jinja")


def module_of(file: str) -> str:
    """Returns the emitted module whose page asks for the parts of a file."""
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


def _refuse_taken(pages: dict[str, str], shelves: Iterable[Shelf]) -> None:
    """Raises PartError where a page and a part define one name: a reader or an import
    might find the wrong one."""
    taken = {name: path for path, text in pages.items() for name in bound(text)}
    for shelf in shelves:
        for name, line in shelf.names:
            if name in taken:
                what = f"`{name}` is defined by the page {taken[name]}, too"
                fail(shelf.file, line, what)


def _refuse_homeless(pages: dict[str, str], shelves: Iterable[Shelf]) -> None:
    asked = {path: set(MARK.findall(text)) for path, text in pages.items()}
    for shelf in shelves:
        for mark in BLOCK.finditer(shelf.source):
            if mark[1] not in asked.get(shelf.module, ()):
                line = shelf.source.count("\n", 0, mark.start()) + 1
                what = f"the page {shelf.module} has no line `# parts: {mark[1]}`"
                fail(shelf.file, line, what)


def _filled(path: str, text: str, kept: list[Part]) -> str:
    """Returns the page with its parts; a mark without parts is removed, together with
    the blank lines below, and so is the title of a section without content."""

    def block(mark: re.Match) -> str:
        parts = [x for x in kept if (x.module, x.block) == (path, mark[1])]
        pairs = zip(parts, parts[1:])
        gaps = ["\n" if x.is_constant and y.is_constant else "\n\n\n" for x, y in pairs]
        texts = (f"{part.text}{gap}" for part, gap in zip(parts, [*gaps, "\n"]))
        return "".join(texts) + mark[2] if parts else ""

    page = re.sub(f"{MARK.pattern}(\n*)", block, text, flags=re.M)
    return EMPTY.sub("", page)
