"""Rendered files in pieces: page, parts, imports, each compared with its own kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from specc.emit.imports import imports_for, inserted
from specc.emit.names import bound, used
from specc.emit.parts import MARK, Part, placed
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


Pieces = dict[Piece, list[str]]


def pieces_of(rendering: Rendering, path: str, kinds: tuple[str, ...]) -> Pieces:
    """Returns the pieces of some kinds of a file, each as its lines; none of a file
    that is not emitted."""
    found: Pieces = {}
    if not _is_module(rendering, path):
        if TEXT in kinds and path in rendering.texts:
            found[Piece(TEXT)] = rendering.texts[path].split("\n")
        return found
    if PAGE in kinds:
        found[Piece(PAGE)] = _page(rendering, path).split("\n")
    if PART in kinds:
        for part in _parts(rendering, path):
            found[_piece(part)] = part.text.split("\n")
    if IMPORTS in kinds:
        found[Piece(IMPORTS)] = _imports(rendering, path).split("\n")
    return found


def paths_of(rendering: Rendering) -> list[str]:
    """Returns the paths of all files."""
    return [*rendering.modules, *rendering.apart, *rendering.texts]


def text_of(rendering: Rendering, path: str) -> str:
    """Returns the text of a file, without the other files."""
    if not _is_module(rendering, path):
        return rendering.texts[path]
    page = {path: _page(rendering, path)}
    text = placed(page, _parts(rendering, path))[path]
    return inserted(text, _imports(rendering, path))


def _is_module(rendering: Rendering, path: str) -> bool:
    return path in rendering.apart or path in rendering.modules


def _piece(part: Part) -> Piece:
    return Piece(PART, part.file, part.defines)


def _page(rendering: Rendering, path: str) -> str:
    return rendering.apart[path][0] if path in rendering.apart else rendering.page(path)


def _parts(rendering: Rendering, path: str) -> list[Part]:
    parts = rendering.apart[path][1] if path in rendering.apart else rendering.parts
    return [part for part in parts if part.module == path]


def _imports(rendering: Rendering, path: str) -> str:
    """Returns the imports that a module needs, from the names of its pieces alone."""
    own: dict[str, tuple[str, str]] = {}
    package = "." * bool(rendering.plan.package)
    for earlier in rendering.modules if path not in rendering.apart else ():
        if earlier == path:
            break
        for name in _defined(rendering, earlier):
            own.setdefault(name, (package + earlier.removesuffix(".py"), name))
    parts = _parts(rendering, path)
    wanted = used(_page(rendering, path)).union(*(part.uses for part in parts))
    return imports_for(wanted - _defined(rendering, path), own)


def _defined(rendering: Rendering, path: str) -> frozenset[str]:
    names = (part.defines for part in _parts(rendering, path))
    return bound(_page(rendering, path)).union(*names)


class Split:
    """A rendered file: its words, and the piece of each of its lines."""

    def __init__(self, rendering: Rendering, path: str):
        self.lines = text_of(rendering, path).split("\n")
        self.words = words_of(self.lines)
        self.pieces = pieces_of(rendering, path, ALL)
        self.rows = self._rows(rendering, path)
        self.known: dict[Piece, tuple[list[Word], list[int]]] = {}
        self.by_line: dict[int, list[int]] = {}  # line -> indices of its words
        for index, word in enumerate(self.words):
            self.by_line.setdefault(word.line, []).append(index)

    def _rows(self, rendering: Rendering, path: str) -> list[Row | None]:
        """Returns the row of each line; None for blank lines."""
        expected = self._expected(_parts(rendering, path))
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
        for number, line in enumerate(self.pieces[Piece(PAGE)]):
            if mark := MARK.match(f"{line}\n"):
                for part in parts:
                    if part.block == mark[1]:
                        yield from self._of(_piece(part), part.text.split("\n"))
            elif line.strip():
                yield Row(Piece(PAGE), number)

    def _of(self, piece: Piece, lines: list[str]) -> Iterator[Row]:
        yield from (Row(piece, n) for n, line in enumerate(lines) if line.strip())

    def kinds_at(self, lines: set[int]) -> tuple[str, ...]:
        rows = (self.rows[line] for line in lines)
        return tuple({row.piece.kind for row in rows if row})

    def changed(self, others: Pieces, kinds: tuple[str, ...]) -> tuple[Changed, bool]:
        """Returns what other pieces of these kinds change in the file, and whether
        they have anything that the file has not."""
        found, adds = Changed(), bool(others.keys() - self.pieces.keys())
        for piece, lines in self.pieces.items():
            other = others.get(piece, [])
            if piece.kind in kinds and lines != other:
                change = self._in_piece(piece, other)
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
