"""Finds wordings that a stranger has to read twice, in Python, in templates, in pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

# Openings of a comment that goes on from the name before, such as `# of it`.
CONTINUED = re.compile(
    r"(?:^\s*|\S  )#:? ((?:of|as|in|so|whose|which|that|those|it|its|by|but|and|or|what"
    r"|likewise|below|beside)\b.*)"
)
# Openings of a docstring, or of a description in the schema, that is a noun clause.
NOUN_CLAUSE = re.compile(
    r'(?:"""|"description": ")'
    r"((?:What|Whose|Where|Which|Of|So many|That|Those|How many|How often)\b[^\"\n]*)"
)
BRITISH = re.compile(
    r"(?:analys(?:e|ing)|labell|cancell|modell|signall|travell|centre|grey|colour"
    r"|neighbour|behaviour|favour|honour|licences?\b|metre|fibre|catalogue|judgement"
    r"|artefact|misspelt|learnt|whilst|amongst"
    r"|(?:general|normal|recogn|organ|initial|real|optim|minim|maxim"
    r"|special|summar|standard|serial|visual|util|regular|token|quant|vector|categor"
    r"|emphas|synchron|stabil|discret|random|equal|central|memor|symmetr|custom)"
    r"is(?:e|ed|es|er|ing|ation)\b)",
    re.IGNORECASE,
)
# Names of examples, which outlive a spelling.
NAMES = re.compile(r"\blicence-plates\b|\bmicrographs/unlabelled\b")


def riddles(text: str) -> Iterator[tuple[int, str]]:
    """Yields (line, wording) of comments, docstrings and descriptions that begin as a
    part of a sentence. Later lines of a comment of several lines may."""
    before = ""
    for number, line in enumerate(text.splitlines(), 1):
        found = "# " in line and CONTINUED.search(line)
        if found and not (_is_comment(line) and _is_comment(before)):
            yield number, found[1]
        if '"' in line and (found := NOUN_CLAUSE.search(line)):
            yield number, found[1]
        before = line


def spellings(text: str) -> Iterator[tuple[int, str]]:
    """Yields (line, word) of British spellings, other than in names of emitted code."""
    if not any(map(_is_british, set(re.findall(r"[A-Za-z]+", text)))):
        return
    for number, line in enumerate(text.splitlines(), 1):
        for word in re.findall(r"[A-Za-z]+", NAMES.sub("", line)):
            if _is_british(word):
                yield number, word


@lru_cache(maxsize=None)
def _is_british(word: str) -> bool:
    return BRITISH.search(word) is not None


def faults(path: Path) -> list[tuple[int, str]]:
    """Returns both kinds in a file, as (line, wording)."""
    text = path.read_text("utf-8")
    return [*riddles(text), *spellings(text)]


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")
