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
from specc.origins.marks import Chain, Marked, Place
from specc.origins.pieces import IMPORTS, PART
from specc.origins.reach import Reach
from specc.origins.words import WORD
from specc.resources import PACKAGE, read_text

CONSTANTS = "constants.py.jinja"
ROOMS = ("plan", "heads", "backbones", "necks", "timm")  # rooms that make variables


class Sources:
    """The sources of one rendered file."""

    def __init__(self, path: str, reach: Reach):
        self.path, self.fill, self.split = path, reach.fill, reach.split(path)
        rendering = reach.rendering
        self.variables = frozenset(rendering.variables)
        self.pages = [*rendering.modules, *rendering.contract[0]]
        self.all_parts = [*rendering.parts, *rendering.contract[1]]
        self.read: dict[str, Marked] = {}
        self.parts = {(part.file, part.defines): part for part in self.all_parts}

    def chains(self, line: int) -> list[Chain]:
        """Returns the chains of a line; none for a line that no template has."""
        row = self.split.rows[line]
        if row is None or row.piece.kind == IMPORTS:
            return []
        if row.piece.kind != PART:
            known = self.path in self.fill.texts
            return self._marked(self.path).chains[row.line] if known else []
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

    def is_always(self, line: int) -> bool:
        """Returns whether a line follows from no variable of the plan, and stands in a
        page, or in a part that such lines use."""
        row, chains = self.split.rows[line], self.chains(line)
        if not row or not chains or any(map(_varies, chains)):
            return False
        return not row.piece.defines or bool(self._always.intersection(row.piece.defines))

    @cached_property
    def _always(self) -> set[str]:
        """The names that lines use which stand in every job."""
        found: set[str] = set()
        for path in self.pages:
            page = self._marked(path)
            for line, chains in zip(page.lines, page.chains):
                if chains and not any(map(_varies, chains)):
                    found.update(WORD.findall(line))
        before = -1
        while len(found) != before:
            before = len(found)
            for part in self.all_parts:
                if found.intersection(part.defines) and not part.file.endswith(".jinja"):
                    found |= part.uses
        return found

    def rules(self, line: int) -> list[str]:
        """Returns the rules of the compiler that made a line or its variables."""
        row = self.split.rows[line]
        if row is None:
            return []
        if row.piece.kind == IMPORTS:
            return [place_of(with_imports)]
        if self.path not in self.fill.texts:
            return [place_of(Rendering.texts.func)]
        names: list[str] = []
        for place in (place for chain in self.chains(line) for place in chain):
            if place.file == CONSTANTS:
                text = self.split.lines[line]
                names.append(text.strip("# ").partition(" = ")[0])
            else:
                read = [x for tag in place.conditions for x in tag.names]
                names += [x for x in (*read, *place.names) if x in self.variables]
        return [rule for name in dict.fromkeys(names) if (rule := rule_of(name))]


def _varies(chain: Chain) -> bool:
    return any(place.names or place.conditions for place in chain)


def places(chains: Iterable[Chain]) -> list[tuple[str, int]]:
    """Returns the templates and their lines, the innermost first."""
    found = [
        (place.file, place.line) for chain in chains for place in reversed(chain)
    ]
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
