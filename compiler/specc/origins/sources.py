"""The sources of rendered lines: templates and parts, the conditions around them, and
the rules of the compiler that made their variables."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cached_property, lru_cache

from specc.emit.imports import with_imports
from specc.emit.parts import Part
from specc.emit.render import Rendering
from specc.origins.fields import place_of
from specc.origins.marks import Chain, Filler, Marked, Place
from specc.origins.pieces import IMPORTS, PART, Cut, Split
from specc.origins.steps import CONSTANTS
from specc.origins.words import WORD, code_of
from specc.resources import PACKAGE, read_text

FILES = frozenset(("emitted", "further_texts"))  # decide which files there are
COLUMNS = "label_columns"  # variable that follows from parts
ROOMS = ("plan", "heads", "backbones", "necks", "timm")  # rooms that make variables


class Sources:
    """The sources of the lines of rendered files."""

    def __init__(self, cut: Cut, fill: Filler):
        self.cut, self.fill = cut, fill
        rendering = cut.rendering
        self.variables = frozenset(rendering.variables)
        # The files that a job may lack.
        self.optional = {x for name in FILES for x in rendering.variables[name]}
        self.pages = [*rendering.modules, *rendering.apart]
        self.read: dict[str, Marked] = {}
        self.splits: dict[str, Split] = {}
        self.known: dict[tuple[str, int], frozenset[str] | None] = {}

    @cached_property
    def all_parts(self) -> list[Part]:
        rendering = self.cut.rendering
        apart = (rendering.parts_apart(path) for path in rendering.apart)
        return [*rendering.parts, *(part for parts in apart for part in parts)]

    @cached_property
    def parts(self) -> dict[tuple[str, tuple[str, ...]], Part]:
        return {(part.file, part.defines): part for part in self.all_parts}

    def split(self, path: str) -> Split:
        """Returns a file with its words and pieces."""
        if path not in self.splits:
            self.splits[path] = Split(self.cut, path)
        return self.splits[path]

    def chains(self, path: str, line: int) -> list[Chain]:
        """Returns the chains of a line; none for a line that no template has."""
        row = self.split(path).rows[line]
        if row is None or row.piece.kind == IMPORTS:
            return []
        if row.piece.kind != PART:
            known = path in self.fill.texts
            return self._marked(path).chains[row.line] if known else []
        part = self.parts[row.piece.file, row.piece.defines]
        return self._in_part(part, part.line + row.line)

    def _in_part(self, part: Part, line: int) -> list[Chain]:
        """Returns the chains of a line of the text that a file of parts gives."""
        stem = part.file.removesuffix(".jinja")
        if stem == part.file:
            return [(Place(part.file, line),)]
        return self._marked(stem).chains[line - 1]

    def _marked(self, path: str) -> Marked:
        if path not in self.read:
            self.read[path] = self.fill.marked(path)
        return self.read[path]

    def is_always(self, path: str, line: int) -> bool:
        """Returns whether a line follows from no variable of the plan, and stands in a
        page, or in a part that such lines use."""
        row, chains = self.split(path).rows[line], self.chains(path, line)
        if not row or not chains or any(map(_varies, chains)):
            return False
        return not row.piece.defines or bool(
            self._always.intersection(row.piece.defines)
        )

    @cached_property
    def _page_lines(self) -> list[tuple[str, frozenset[str], list[Chain]]]:
        """The lines of all pages: path, words, chains."""
        return [
            (path, frozenset(WORD.findall(line)), chains)
            for path in self.pages
            for line, chains in zip(self._marked(path).lines, self._marked(path).chains)
            if chains
        ]

    @cached_property
    def _always(self) -> set[str]:
        """The names that lines use which stand in every job."""
        found: set[str] = set()
        for marked in map(self._marked, self.pages):
            for line, chains in zip(code_of(marked.lines), marked.chains):
                if chains and not any(map(_varies, chains)):
                    found.update(WORD.findall(line))
        before = -1
        while len(found) != before:
            before = len(found)
            for part in self.all_parts:
                if found.intersection(part.defines) and not part.file.endswith(
                    ".jinja"
                ):
                    found |= part.uses
        return found

    def names(self, path: str, line: int) -> frozenset[str] | None:
        """Returns the variables that a line follows from; None where these may be
        all."""
        if (path, line) not in self.known:
            self.known[path, line] = self._names(path, line)
        return self.known[path, line]

    def _names(self, path: str, line: int) -> frozenset[str] | None:
        row = self.split(path).rows[line]
        if row is None:
            return frozenset()
        if row.piece.kind == IMPORTS or path not in self.fill.texts:
            return None
        found = _named(path, self.chains(path, line))
        if row.piece.kind == PART:
            found |= self._behind_part(row.piece.defines)
        if path in self.optional:
            found |= FILES
        return None if COLUMNS in found else frozenset(found)

    @lru_cache(maxsize=None)
    def _behind_part(self, defines: tuple[str, ...]) -> set[str]:
        """Returns the variables of all lines that use a part, directly or through
        parts; none for a part that every job has."""
        found, seen, wanted = set(), set(), set(defines)
        if wanted & self._always:
            return found
        while wanted - seen:
            seen |= wanted
            for path, words, chains in self._page_lines:
                if not wanted.isdisjoint(words):
                    found |= _named(path, chains)
            users = [part for part in self.all_parts if part.uses & wanted]
            for part in users:
                if part.file.endswith(".jinja"):
                    marked = self._marked(part.file.removesuffix(".jinja"))
                    rows = range(part.line - 1, part.line + part.text.count("\n"))
                    for row in rows:
                        found |= _named(part.module, marked.chains[row])
            wanted = {name for part in users for name in part.defines} - seen
        return found

    def rules(self, path: str, line: int) -> list[str]:
        """Returns the rules of the compiler that made a line or its variables."""
        row = self.split(path).rows[line]
        if row is None:
            return []
        if row.piece.kind == IMPORTS:
            return [place_of(with_imports)]
        if path not in self.fill.texts:
            return [place_of(Rendering.texts.func)]
        names = _named(path, self.chains(path, line))
        if CONSTANTS + path in names:
            text = self.split(path).lines[line]
            names = {text.strip("# ").partition(" = ")[0]}
        known = [name for name in sorted(names) if name in self.variables]
        return list(dict.fromkeys(filter(None, map(rule_of, known or sorted(names)))))


def _named(path: str, chains: list[Chain]) -> set[str]:
    """Returns the variables that stand in the tags of chains."""
    found = set()
    for place in (place for chain in chains for place in chain):
        found.update(place.names, *(tag.names for tag in place.conditions))
    return found | ({CONSTANTS + path} if "constants" in found else set())


def _varies(chain: Chain) -> bool:
    return any(place.names or place.conditions for place in chain)


def places(chains: Iterable[Chain]) -> list[tuple[str, int]]:
    """Returns the templates and their lines, the innermost first."""
    found = [(place.file, place.line) for chain in chains for place in reversed(chain)]
    return list(dict.fromkeys(found))


def conditions(chains: Iterable[Chain]) -> list[tuple[str, int]]:
    """Returns the templates and lines of the tags around a line, the outermost
    first."""
    found = [
        (tag.file, tag.line)
        for chain in chains
        for place in chain
        for tag in place.conditions
    ]
    return list(dict.fromkeys(found))


@lru_cache(maxsize=None)
def rule_of(name: str) -> str:
    """Returns the function of the compiler that makes a variable or a constant of a
    name, with its file and the line; empty where no single one does."""
    literal = f'"{name}"'
    for room in ROOMS:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            text = path.read_text("utf-8")
            if literal in text or f"def plan_{name}(" in text:
                if found := _maker(ast.parse(text), name):
                    file = path.relative_to(PACKAGE.parent).as_posix()
                    return f"{found[0]}, compiler/{file}:{found[1]}"
    return ""


def _maker(tree: ast.Module, name: str) -> tuple[str, int] | None:
    """Returns the function and the line that make a name: as the key of a mapping, as
    the name of a line or of a constant, or as a plan of its own."""
    for function in tree.body:
        if isinstance(function, ast.FunctionDef):
            if function.name == f"plan_{name}":
                return function.name, function.lineno
            for node in ast.walk(function):
                if any(_is(name, key) for key in _keys(node)):
                    return function.name, node.lineno
    return None


def _keys(node: ast.AST) -> list[ast.expr | None]:
    if isinstance(node, ast.Dict):
        return node.keys
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.args[:1] if node.func.id in ("constant", "Line") else []
    return node.elts[:1] if isinstance(node, ast.Tuple) else []


def _is(name: str, key: ast.expr | None) -> bool:
    return isinstance(key, ast.Constant) and key.value == name


def template_text(file: str, line: int) -> str:
    """Returns a line of a template."""
    return read_text(f"templates/{file}").splitlines()[line - 1].strip()
