"""Messages: numbers and what they count."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import specc
from specc.words import number_of

COUNTED = r"(?<!of )(?<!of its )\{len\([^{}]*\)(?::,)?\} (?!as\b)[a-z]+s\b"
MANY = {  # these are two or more where the message is printed
    "{len(job.heads)} heads",
    "{len(layout.box)} columns",
    "{len(layout.box)} keys",
    "{len(names)} different categories",
    "{len(fitting)} datasets",
    "{len(ids)} categories",
    "{len(entry['names'])} categories",
    "{len(categories)} values",
    "{len(colors)} colors",
    "{len(lines)} layouts",
    "{len(choices)} names",
    "{len(value):,} characters",
    "{len(data):,} bytes",
}


@pytest.mark.parametrize(
    "count, noun, words",
    [
        (0, "image", "0 images"),
        (1, "image", "1 image"),
        (1200, "validation image", "1,200 validation images"),
        (1, "category", "1 category"),
        (3, "category", "3 categories"),
        (2, "box", "2 boxes"),
    ],
)
def test_a_noun_agrees_with_its_number(count, noun, words):
    assert number_of(count, noun) == words


def test_counted_nouns_of_messages_are_written_by_it():
    room = Path(specc.__file__).parent
    found = {
        hit
        for path in room.rglob("*.py")
        for hit in re.findall(COUNTED, path.read_text())
    }
    assert found <= MANY, "write number_of(...)"
