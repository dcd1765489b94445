"""A recorded text laid over the render that it was made from."""

from __future__ import annotations

from collections import defaultdict

from specc.origins.words import CLOSING, LOOSE, Changed, Word, laid_over, words_of


class Sheet:
    """The lines of a recorded text, by their indices, and the words of the render that
    they were made from."""

    def __init__(self, raw: list[Word], text: str):
        self.raw, self.lines = raw, text.splitlines()
        recorded = words_of(self.lines)
        self.line_of: dict[int, int] = {}  # word of the render -> recorded line
        self.foreign: set[int] = set()  # lines that the render has otherwise
        self.closing: dict[int, int] = {}  # line that only ends what begins above it
        plain, last = set(), None
        for word, index in zip(recorded, laid_over(raw, recorded)):
            last = index if index is not None else last
            if index is not None:
                self.line_of[index] = word.line
            elif word.text not in LOOSE:
                self.foreign.add(word.line)
            if word.text not in CLOSING:
                plain.add(word.line)
            elif last is not None:
                self.closing[word.line] = raw[last].line
        for line in plain:
            self.closing.pop(line, None)
        self.words: dict[int, set[int]] = defaultdict(
            set
        )  # line of the render -> words
        for index, word in enumerate(raw):
            self.words[word.line].add(index)
        self.rows: dict[int, dict[int, None]] = defaultdict(
            dict
        )  # recorded line -> lines of the render
        for index, line in sorted(self.line_of.items()):
            self.rows[line][raw[index].line] = None

    def changed(self, found: Changed) -> set[int]:
        """Returns the recorded lines that a change of the render changes. A line of
        closing brackets changes where all words of its line of the render do."""
        lines = {
            self.line_of[word]
            for word in found.words
            if word in self.line_of and self.raw[word].text not in LOOSE
        }
        for word in found.gaps:
            line = self.line_of.get(word)
            if line is not None and line == self.line_of.get(word + 1):
                lines.add(line)
        whole = {
            line for line, raw in self.closing.items() if self.words[raw] <= found.words
        }
        return lines - self.closing.keys() | whole

    def raw_lines(self, line: int) -> list[int]:
        """Returns the lines of the render from which a recorded line was made."""
        if line in self.closing:
            return [self.closing[line]]
        return list(self.rows.get(line, ()))
