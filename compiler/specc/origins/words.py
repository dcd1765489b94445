"""Texts as words: a render without black laid over the recorded text, and the words of
a render that another render changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

WORD = re.compile(r"\w+|[^\w\s]")
STRING = re.compile(r"""(?<![fF])(["'])(?:\\.|(?!\1).)*\1""")  # none with names inside
ATTRIBUTE = re.compile(r"\.\w+")
LOOSE = frozenset("(),\\")  # black adds and removes these
CLOSING = frozenset("()[]{},:")  # a line of these alone only ends what began above
DIGITS = re.compile(r"\d+")
MANY = 40_000  # pairs of words of which not all are looked at
SIDE_BY_SIDE = 4  # fewest words in a row that another line keeps, not by chance
SAME_LINE = 0.5  # share of a line's words that another line has, if it is the same


class Word(NamedTuple):
    text: str  # the word as black writes it, as far as it can be told
    line: int  # index of the line


class Changed(NamedTuple):
    """The changes that another text makes: words that it lacks, by their indices, and
    words after which it has further ones in the same line."""

    words: frozenset[int] = frozenset()
    gaps: frozenset[int] = frozenset()

    def __or__(self, other: Changed) -> Changed:
        return Changed(self.words | other.words, self.gaps | other.gaps)


def code_of(lines: Iterable[str]) -> Iterator[str]:
    """Yields lines of Python without docstrings, strings, comments and attributes, whose
    words are no names of the module."""
    inside = False
    for line in lines:
        if quotes := line.count('"""'):
            inside ^= quotes % 2 == 1
            yield ""
        else:
            code = "" if inside else STRING.sub("", line).partition("#")[0]
            yield ATTRIBUTE.sub("", code)


def words_of(lines: list[str]) -> list[Word]:
    """Returns the words and signs of lines, quotes and cases made equal."""
    return [
        Word(found.replace("'", '"').casefold(), index)
        for index, line in enumerate(lines)
        for found in WORD.findall(line)
    ]


def laid_over(raw: list[Word], recorded: list[Word]) -> list[int | None]:
    """Returns for each recorded word the index of the raw word that it was made from;
    None for a sign of black's, and for a word that the raw text lacks."""
    pairs: list[int | None] = [None] * len(recorded)
    i = j = 0
    while i < len(raw) and j < len(recorded):
        if raw[i].text == recorded[j].text:
            pairs[j] = i
            i, j = i + 1, j + 1
        elif recorded[j].text in LOOSE:
            j += 1
        elif raw[i].text in LOOSE:
            i += 1
        else:
            return _alike(raw, recorded)
    return pairs


def _alike(raw: list[Word], recorded: list[Word]) -> list[int | None]:
    """Returns the pairs of texts that differ by more than black's signs."""
    pairs: list[int | None] = [None] * len(recorded)
    a, b = [word.text for word in raw], [word.text for word in recorded]
    matcher = SequenceMatcher(None, a, b, autojunk=len(a) > 20_000)
    for i, j, size in matcher.get_matching_blocks():
        for step in range(size):
            pairs[j + step] = i + step
    return pairs


def changed(old: list[str], words: list[Word], new: list[str]) -> Changed:
    """Returns what the lines `new` change in the lines `old`, whose words are given."""
    first = 0
    while first < min(len(old), len(new)) and old[first] == new[first]:
        first += 1
    last = 0
    while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
        last += 1
    before, after = old[first : len(old) - last], new[first : len(new) - last]
    if not before:
        return Changed()
    by_line: dict[int, list[int]] = {}
    for index, word in enumerate(words):
        if first <= word.line < len(old) - last:
            by_line.setdefault(word.line, []).append(index)
    found = Changed()
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for tag, i, i2, j, j2 in matcher.get_opcodes():
        indices = [n for k in range(i, i2) for n in by_line.get(first + k, ())]
        if tag == "delete":
            found |= Changed(frozenset(indices))
        elif tag == "replace":
            found |= _replaced([words[n] for n in indices], indices, after[j:j2])
    return found


def _replaced(old: list[Word], indices: list[int], lines: list[str]) -> Changed:
    """Returns what a stretch of lines changes in the words that it takes the place
    of."""
    new = words_of(lines)
    partner = _partners(old, new)
    lost, gaps = set(), set()
    for line in _lines(old):
        kept = _kept(line, partner, new)
        lost |= {indices[k] for k in line if k not in kept}
        gaps |= {
            indices[k]
            for k, after in zip(line, line[1:])
            if k in kept and after in kept and partner[after] != partner[k] + 1
        }
    return Changed(frozenset(lost), frozenset(gaps))


def _partners(old: list[Word], new: list[Word]) -> dict[int, int]:
    """Returns word of the old text -> the same word of the new one, by positions. Of
    long texts, such as tables, lines that differ in numbers alone are paired first."""
    if len(old) * len(new) <= MANY:
        return _pairs(old, new, 0, 0)
    a, b = list(_lines(old)), list(_lines(new))
    before, after = (
        [_outline(words, x) for x in y] for words, y in ((old, a), (new, b))
    )
    partner: dict[int, int] = {}
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for tag, i, i2, j, j2 in matcher.get_opcodes():
        first, other = [x for y in a[i:i2] for x in y], [x for y in b[j:j2] for x in y]
        if tag == "equal":
            pairs = zip(first, other, strict=True)
            partner |= {k: m for k, m in pairs if old[k].text == new[m].text}
        elif tag == "replace":
            own = old[first[0] : first[-1] + 1], new[other[0] : other[-1] + 1]
            partner |= _pairs(*own, first[0], other[0])
    return partner


def _outline(words: list[Word], line: list[int]) -> tuple[str, ...]:
    """Returns the words of a line, with all numbers made equal."""
    return tuple(DIGITS.sub("0", words[index].text) for index in line)


def _pairs(
    old: list[Word], new: list[Word], first: int, first_new: int
) -> dict[int, int]:
    """Returns the pairs of equal words, by positions counted from given ones."""
    a, b = [word.text for word in old], [word.text for word in new]
    matcher = SequenceMatcher(None, a, b, autojunk=len(a) * len(b) > MANY)
    return {
        first + i + step: first_new + j + step
        for i, j, size in matcher.get_matching_blocks()
        for step in range(size)
    }


def _lines(words: list[Word]) -> Iterator[list[int]]:
    """Yields the positions of the words of each line."""
    start = 0
    for index, word in enumerate(words):
        if word.line != words[start].line:
            yield list(range(start, index))
            start = index
    if words:
        yield list(range(start, len(words)))


def _kept(line: list[int], partner: dict[int, int], new: list[Word]) -> set[int]:
    """Returns the words of a line that the one line keeps that has most of them; where
    these are few, only those of which several stand side by side."""
    by_line: dict[int, list[int]] = {}
    for index in line:
        if index in partner:
            by_line.setdefault(new[partner[index]].line, []).append(index)
    best = max(by_line.values(), key=len, default=[])
    if len(best) >= SAME_LINE * len(line):
        return set(best)
    runs: list[list[int]] = []
    for index in best:
        before = runs[-1][-1] if runs else None
        if before == index - 1 and partner[index] == partner[before] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return {index for run in runs if len(run) >= SIDE_BY_SIDE for index in run}
