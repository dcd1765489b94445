"""Finds the column of a table that tells its sets apart, and parts the rows by it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from specc.datasets.found import pair
from specc.datasets.parts import reader
from specc.datasets.tables.index import Index
from specc.datasets.tables.sheets import Sheet, looked_up, plain
from specc.words import number_of

NAMES = ("split", "splits", "subset", "set", "usage", "partition", "datasplit")
FLAGS = {  # column that is true in the rows of one set -> names of both: false, true
    "isvalid": ("train", "validation"),
    "isvalidation": ("train", "validation"),
    "isval": ("train", "validation"),
    "istest": ("train", "test"),
    "istrain": ("validation", "train"),
    "istraining": ("validation", "train"),
}
ROLES = ("train", "validation", "test")


def parted(sheet: Sheet, index: Index) -> tuple[dict[str, Sheet], str]:
    """Returns the tables of the sets that a column of one table tells apart, by their
    roles, and text on rows of no set; nothing where no column does."""
    for column in sheet.columns:
        cells = Counter(str(row[column]) for _, row in sheet.rows)
        values = _roles(column, sorted(filter(None, cells)))
        if "train" not in values or len(cells) < 2:
            continue
        parts = {
            role: _part(sheet, column, value, index) for role, value in values.items()
        }
        if not parts["train"].images:
            continue
        found = {role: part for role, part in parts.items() if part.images}
        known = [part.part for part in found.values()]
        rest = sorted(value for value in cells if value not in known)
        count = sum(cells[value] for value in rest)
        return found, _left(sheet, column, rest, count) if rest else ""
    return {}, ""


def _roles(column: str, values: list[str]) -> dict[str, str]:
    """Returns the values of the sets in a column, by their roles."""
    name = plain(column)
    if name in NAMES:
        return {role: x for role, x in zip(ROLES, pair(values)) if x is not None}
    flags = [reader().FLAG_VALUES.get(value.lower()) for value in values]
    if name not in FLAGS or sorted(flags, key=str) != [0, 1]:
        return {}
    named = {FLAGS[name][flag]: value for flag, value in zip(flags, values)}
    if "validation" not in named:  # a table of this name, too, serves as one
        named["validation"] = named.pop("test")
    return named


def _part(sheet: Sheet, column: str, value: str, index: Index) -> Sheet:
    """Returns the rows with a value, and the folder of their images."""
    rows = [(line, row) for line, row in sheet.rows if str(row[column]) == value]
    above = sheet.path.relative_to(index.folder).parent.parts
    hits = looked_up((*above, value), rows, sheet.image, index, sheet.way)
    found = hits.count and hits.suffix == sheet.suffix
    place = hits.place if found else sheet.place
    return replace(sheet, rows=rows, place=place, split=column, part=value)


def _left(sheet: Sheet, column: str, rest: list[str], count: int) -> str:
    shown = ", ".join(value or "an empty cell" for value in rest)
    are = "is" if count == 1 else "are"
    left = number_of(count, "row")
    return f"{left} of {sheet.path} {are} of no set: `{column}` has {shown:.80}"
