"""A marked render: templates filled in such that each emitted line tells its template,
its line there, and the conditions around it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from specc.emit.render import environment_with
from specc.origins.reads import Reads, alike

PRIVATE = range(0xE000, 0xF900)  # characters that no text of specc has
_OPENS = ("if", "for")
_WORDS = frozenset(
    ("if", "in", "is", "not", "and", "or", "else", "loop", "for", "include")
)
MISSING = object()  # value of a variable that there is not
_BEGIN, _END = "begin ", "end"


@dataclass(frozen=True)
class Place:
    """A line of a template, or of a file of parts."""

    file: str  # path below templates/
    line: int
    names: tuple[str, ...] = ()  # variables that the line writes, or chooses a file by
    conditions: tuple[Place, ...] = ()  # tags around the line, the outermost first
    is_include: bool = False


Chain = tuple[Place, ...]  # tags that include a template, the page's first, and a line


@dataclass(frozen=True)
class Marked:
    """A filled template: its text, and the chains of each of its lines."""

    lines: list[str]
    chains: list[list[Chain]]


@dataclass
class Filler:
    """Fills templates in, with marks, and keeps the first text of each path.

    `mark` is a character that neither the job nor a template has.
    """

    mark: str
    places: list[Place | str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)  # path -> text, with marks
    first: dict[str, dict] = field(default_factory=dict)  # path -> variables
    # path -> object -> the fields of it that are read
    reads: dict[str, dict[str, Reads]] = field(default_factory=dict)
    named: dict[str, set[str]] = field(default_factory=dict)  # template -> its names

    def __post_init__(self) -> None:
        extension = type("Marks", (_Marks,), {"filler": self})
        self.environment = environment_with(extension)
        self.pattern = re.compile(f"{self.mark}(\\d+){self.mark}")
        self.plain: dict[str, str] = {}  # path -> text, without marks
        self.names: dict[str, set[str]] = {}  # path -> names in all of its templates

    def __call__(self, path: str, context: dict, **more: object) -> str:
        watched = self.watched(path, {**context, **more})
        self.texts[path] = text = self._filled(path, watched)
        self.plain[path] = self.pattern.sub("", text)
        self.names[path] = self._names(text)
        return self.plain[path]

    def watched(self, path: str, values: dict[str, Any]) -> dict[str, Any]:
        """Returns the first variables of a path such that they keep count of what is
        read of them."""
        self.first[path] = values
        reads = {name: Reads() for name in values}
        watched = {name: reads[name].of(value) for name, value in values.items()}
        self.reads[path] = {x: reads[x] for x in values if watched[x] is not values[x]}
        return watched

    def again(
        self, path: str, context: dict, changed: set[str], seen: set[str], more: dict
    ) -> str:
        """Returns the text of a path for other variables, of which some have changed;
        it is the first one where its templates read none of these, and of objects
        nothing that differs. `seen` is given the names in its templates."""
        values = {**context, **more}
        if path in self.plain:
            names = (self.names[path] & changed) | more.keys()
            if all(
                self.is_alike(path, name, values.get(name, MISSING)) for name in names
            ):
                return self.plain[path]
        text = self._filled(path, values)
        seen |= self._names(text)
        return self.pattern.sub("", text)

    def is_alike(self, path: str, name: str, value: object) -> bool:
        """Returns whether a variable is as it was where a path reads it."""
        first = self.first[path].get(name, MISSING)
        return alike(first, value, self.reads[path].get(name))

    def _names(self, text: str) -> set[str]:
        """Returns the names in all templates that a text is made of."""
        begun = {self.places[int(x)] for x in self.pattern.findall(text)}
        files = (x.removeprefix(_BEGIN) for x in begun if isinstance(x, str))
        return set().union(*(self.named.get(file, ()) for file in files))

    def marked(self, path: str) -> Marked:
        """Returns the first text of a path, with its places."""
        return self._read(self.texts[path])

    def _filled(self, path: str, values: dict) -> str:
        return self.environment.get_template(f"{path}.jinja").render(values)

    def add(self, place: Place | str) -> str:
        """Returns the mark of a place."""
        self.places.append(place)
        return f"{self.mark}{len(self.places) - 1}{self.mark}"

    def _read(self, text: str) -> Marked:
        outer: list[Place] = []
        now: Chain = ()
        lines, chains = [""], [[]]
        for index, piece in enumerate(self.pattern.split(text)):
            if index % 2:
                place = self.places[int(piece)]
                if place == _END:
                    outer.pop()
                elif isinstance(place, Place):
                    if place.is_include:
                        outer.append(place)
                    else:
                        now = (*outer, place)
                continue
            for number, part in enumerate(piece.split("\n")):
                if number:
                    lines.append("")
                    chains.append([])
                lines[-1] += part
                if part.strip() and now not in chains[-1]:
                    chains[-1].append(now)
        return Marked(lines, chains)


class _Marks(Extension):
    """Puts marks into the tokens of a template: before each line of its text, before
    each variable, and around each tag that includes another template."""

    filler: Filler

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        file, tokens, open_tags = stream.name or "", list(stream), []
        yield Token(1, "data", self.filler.add(f"{_BEGIN}{file}"))
        at = 0
        while at < len(tokens):
            token, end = tokens[at], at
            if token.type == "data":
                yield self._text(file, token, tuple(open_tags))
            else:
                while tokens[end].type not in ("variable_end", "block_end"):
                    end += 1
                yield from self._tag(file, tokens[at : end + 1], open_tags)
            at = end + 1

    def _tag(self, file: str, tag: list[Token], open_tags: list[Place]):
        """Yields the tokens of a tag, with marks where it writes something."""
        line, word = tag[0].lineno, tag[1].value
        is_include = tag[0].type == "block_begin" and word == "include"
        names = self._names(file, tag[1:-1])
        place = Place(file, line, names, tuple(open_tags), is_include)
        if is_include or tag[0].type == "variable_begin":
            yield Token(line, "data", self.filler.add(place))
        else:
            _follow(open_tags, word, Place(file, line, names))
        yield from tag
        if is_include:
            yield Token(line, "data", self.filler.add(_END))

    def _text(self, file: str, token: Token, open_tags: tuple[Place, ...]) -> Token:
        """Returns a token of text with a mark before each line that is not empty."""
        lines = [
            self.filler.add(Place(file, number, (), open_tags)) + line if line else line
            for number, line in enumerate(token.value.split("\n"), token.lineno)
        ]
        return Token(token.lineno, "data", "\n".join(lines))

    def _names(self, file: str, tokens: list[Token]) -> tuple[str, ...]:
        """Returns the names in a tag, without those of attributes and filters."""
        found, before = [], ""
        for token in tokens:
            if token.type == "name" and before not in (".", "|"):
                found.append(token.value)
            before = str(token.value)
        self.filler.named.setdefault(file, set()).update(found)
        return tuple(name for name in dict.fromkeys(found) if name not in _WORDS)


def _follow(open_tags: list[Place], word: str, tag: Place) -> None:
    """Brings the open tags up to date with a tag that opens, goes on or closes."""
    if word in _OPENS:
        open_tags.append(tag)
    elif word in ("elif", "else"):
        former = open_tags.pop()
        names = tuple(dict.fromkeys((*former.names, *tag.names)))
        open_tags.append(Place(former.file, former.line, names))
    elif word in ("endif", "endfor"):
        open_tags.pop()


def free_mark(text: str) -> str:
    """Returns a character that a text has not."""
    taken = set(text)
    return next(chr(code) for code in PRIVATE if chr(code) not in taken)
