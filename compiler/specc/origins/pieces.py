"""Rendered files in pieces: page, parts, imports, each compared with its own kind."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from specc.emit.imports import imports_for, inserted
from specc.emit.names import bound, used
from specc.emit.parts import MARK, TITLE, Part, placed
from specc.emit.render import Rendering
from specc.origins.words import Changed, Word, changed, words_of

PAGE, PART, IMPORTS, TEXT = "page", "part", "imports", "text"
ALL = (PAGE, PART, IMPORTS, TEXT)


class Piece(NamedTuple):
    """A piece of a file: its kind, and of a part the file and the names."""

    kind: str
    file: str = ""
    defines: tuple[str, ...] = ()


class Row(NamedTuple):
    """The origin of a line of a file: a piece, and the line there, from 0."""

    piece: Piece
    line: int


class Cut:
    """A rendering, cut into the pieces of its files."""

    def __init__(self, rendering: Rendering):
        self.rendering = rendering
        self.found: dict[str, str] = {}  # path -> imports

    @property
    def paths(self) -> list[str]:
        """The paths of all files."""
        rendering = self.rendering
        return [*rendering.modules, *rendering.apart, *rendering.texts]

    def pieces(self, path: str, kinds: tuple[str, ...]) -> dict[Piece, str]:
        """Returns the pieces of some kinds of a file, each with its text; none of a
        file that is not emitted."""
        found: dict[Piece, str] = {}
        if not self._is_module(path):
            if TEXT in kinds and path in self.rendering.texts:
                found[Piece(TEXT)] = self.rendering.text(path)
            return found
        if PAGE in kinds:
            found[Piece(PAGE)] = self.rendering.page(path)
        if PART in kinds:
            found |= {piece_of(part): part.text for part in self.parts(path)}
        if IMPORTS in kinds:
            found[Piece(IMPORTS)] = self._imports(path)
        return found

    def text(self, path: str) -> str:
        """Returns the text of a file, without the other files."""
        if not self._is_module(path):
            return self.rendering.text(path)
        page = {path: self.rendering.page(path)}
        return inserted(placed(page, self.parts(path))[path], self._imports(path))

    def like(self, other: Cut) -> set[str]:
        """Returns the modules whose texts are surely those of another rendering: none
        of their pages and parts, nor of those of the modules before them, differ."""
        found: set[str] = set()
        pairs = zip(self.rendering.modules, other.rendering.modules)
        for path, other_path in pairs:
            own, others = self.parts(path), other.parts(path)
            same = path == other_path and self.rendering.page(
                path
            ) == other.rendering.page(path)
            if not same or len(own) != len(others):
                break
            if any(x is not y and x != y for x, y in zip(own, others)):
                break
            found.add(path)
        return found

    def parts(self, path: str) -> list[Part]:
        """Returns the parts of a module; none of another file."""
        if path in self.rendering.apart:
            return self.rendering.parts_apart(path)
        return self._by_module.get(path, [])

    def _imports(self, path: str) -> str:
        """Returns the imports that a module needs, from the names of its pieces
        alone."""
        if path not in self.found:
            uses = (part.uses for part in self.parts(path))
            wanted = used(self.rendering.page(path)).union(*uses) - self._defined(path)
            self.found[path] = imports_for(wanted, self._known.get(path, {}))
        return self.found[path]

    def _is_module(self, path: str) -> bool:
        return path in self.rendering.apart or path in self.rendering.modules

    def _defined(self, path: str) -> frozenset[str]:
        names = (part.defines for part in self.parts(path))
        return bound(self.rendering.page(path)).union(*names)

    @cached_property
    def _by_module(self) -> dict[str, list[Part]]:
        found: dict[str, list[Part]] = {}
        for part in self.rendering.parts:
            found.setdefault(part.module, []).append(part)
        return found

    @cached_property
    def _known(self) -> dict[str, dict[str, tuple[str, str]]]:
        """The names of the modules before each module, with their modules."""
        package, own = "." * bool(self.rendering.plan.package), {}
        found: dict[str, dict[str, tuple[str, str]]] = {}
        for path in self.rendering.modules:
            found[path] = dict(own)
            module = package + path.removesuffix(".py")
            for name in self._defined(path):
                own.setdefault(name, (module, name))
        return found


def piece_of(part: Part) -> Piece:
    return Piece(PART, part.file, part.defines)


class Split:
    """A rendered file: its words, and the piece of each of its lines."""

    def __init__(self, cut: Cut, path: str):
        self.lines = cut.text(path).split("\n")
        self.words = words_of(self.lines)
        self.texts = cut.pieces(path, ALL)
        self.pieces = {piece: text.split("\n") for piece, text in self.texts.items()}
        self.rows = self._rows(cut.parts(path))
        self.known: dict[Piece, tuple[list[Word], list[int]]] = {}
        self.by_line: dict[int, list[int]] = {}  # line -> indices of its words
        for index, word in enumerate(self.words):
            self.by_line.setdefault(word.line, []).append(index)

    def _rows(self, parts: list[Part]) -> list[Row | None]:
        """Returns the row of each line; None for blank lines."""
        expected = self._expected(parts)
        imports = Piece(IMPORTS)
        unseen = [n for n, x in enumerate(self.pieces.get(imports, ())) if x.strip()]
        rows, ahead = [], next(expected, None)
        for line in self.lines:
            if not line.strip():
                rows.append(None)
            elif ahead and self.pieces[ahead.piece][ahead.line] == line:
                rows.append(ahead)
                ahead = next(expected, None)
            else:
                rows.append(Row(imports, unseen.pop(0)))
        return rows

    def _expected(self, parts: list[Part]) -> Iterator[Row]:
        """Yields the rows that are not blank, without those of imports, in order."""
        if text := self.pieces.get(Piece(TEXT)):
            yield from self._of(Piece(TEXT), text)
            return
        title = None  # a title waits for what stands below it
        for number, line in enumerate(self.pieces[Piece(PAGE)]):
            rows = [Row(Piece(PAGE), number)] if line.strip() else []
            if mark := MARK.match(f"{line}\n"):
                found = [piece_of(part) for part in parts if part.block == mark[1]]
                rows = [row for x in found for row in self._of(x, self.pieces[x])]
            if TITLE.fullmatch(line):
                title = rows[0]
            elif rows:
                yield from filter(None, [title, *rows])
                title = None
        yield from filter(None, [title])

    def _of(self, piece: Piece, lines: list[str]) -> Iterator[Row]:
        yield from (Row(piece, n) for n, line in enumerate(lines) if line.strip())

    def kinds_at(self, lines: set[int]) -> tuple[str, ...]:
        rows = (self.rows[line] for line in lines)
        return tuple({row.piece.kind for row in rows if row})

    def changed(
        self, others: dict[Piece, str], kinds: tuple[str, ...]
    ) -> tuple[Changed, bool]:
        """Returns what other pieces of these kinds change in the file, and whether
        they have anything that the file has not."""
        found, adds = Changed(), bool(others.keys() - self.pieces.keys())
        for piece, text in self.texts.items():
            other = others.get(piece)
            if piece.kind in kinds and text != other:
                lines = [] if other is None else other.split("\n")
                change = self._in_piece(piece, lines)
                adds = adds or not (change.words or change.gaps)
                found |= change
        return found, adds

    def _in_piece(self, piece: Piece, other: list[str]) -> Changed:
        words, indices = self._words(piece)
        change = changed(self.pieces[piece], words, other)
        return Changed(
            frozenset(indices[word] for word in change.words),
            frozenset(indices[word] for word in change.gaps),
        )

    def _words(self, piece: Piece) -> tuple[list[Word], list[int]]:
        """Returns the words of a piece by its own lines, and their indices in the
        file."""
        if piece not in self.known:
            words, indices = [], []
            for line, row in enumerate(self.rows):
                if row and row.piece == piece:
                    for index in self.by_line.get(line, ()):
                        words.append(Word(self.words[index].text, row.line))
                        indices.append(index)
            self.known[piece] = words, indices
        return self.known[piece]
