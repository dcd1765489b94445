"""Reads the files beside maps that name the categories of their values and colors."""

from __future__ import annotations

import os
import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from specc.datasets.files import Unreadable, entries, read_text

FILES = re.compile(
    r"_?(class(es)?|categor(y|ies)|labels?|codes?|colors?|id2label)"
    r"([_-]?(dict|names?|list|map|colou?rs?|ids?|info))*\.(csv|txt|names|json)"
)
LARGEST = 1_000_000  # bytes
NAME_KEYS = ("name", "class", "label", "category", "classname", "class_name")
PARTS = (("r", "g", "b"), ("red", "green", "blue"))


@dataclass(frozen=True)
class Names:
    """The names of categories in a file: names with colors, names with numbers, or names
    alone, in order."""

    path: Path
    colors: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    numbers: dict[int, str] = field(default_factory=dict)
    listed: tuple[str, ...] = ()


def names_beside(folder: Path, maps: Path) -> Names | None:
    """Returns what the first file says that names categories, in the folder of a
    dataset or on the way to its maps."""
    places = [maps, *maps.parents]
    places = places[: places.index(folder) + 1] if folder in places else [folder]
    for place in dict.fromkeys([*places, folder]):
        for path in entries(place):
            if FILES.fullmatch(path.name.lower()) and os.path.isfile(path):
                if path.stat().st_size <= LARGEST and (found := _names_in(path)):
                    return found
    return None


def _names_in(path: Path) -> Names | None:
    try:
        text = read_text(path)
    except Unreadable:
        return None
    if path.suffix.lower() == ".json":
        return _of_json(path, text)
    if path.suffix.lower() == ".csv":
        try:
            return _of_table(path, text)
        except csv.Error:
            return None
    rows = list(_rows(text))
    if rows and all(len(row) == 4 for row in rows):
        return _of_colors(path, rows)
    if rows and all(len(row) == 2 and row[1].isdigit() for row in rows):
        return _of_numbers(path, [(number, name) for name, number in rows])
    if rows and all(len(row) == 1 for row in rows):
        names = [name for (name,) in rows if name != "__ignore__"]
        return _checked(path, listed=tuple(_plain(name) for name in names))
    return None


def _plain(name: str) -> str:
    """Returns `background` for `_background_`, as LabelMe writes it."""
    return name.strip("_") or name


def _rows(text: str) -> Iterator[list[str]]:
    """Yields of each line a name, with three parts of a color or a number behind it
    where it has any."""
    color = r"(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})"
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if found := re.fullmatch(rf"{color}[\s,;:]+(.+)", line):
            yield [found[4].strip(), *found.groups()[:3]]
        elif found := re.fullmatch(rf"(.+?)[\s,;:]+{color}(:.*)?", line):
            yield [found[1].strip(" :,;"), *found.groups()[1:4]]
        elif found := re.fullmatch(r"(\d+)[\s,;:]+(\D.*)", line):
            yield [found[2].strip(), found[1]]
        elif found := re.fullmatch(r"(.*\D)[\s,;:=]+(\d+)", line):
            yield [found[1].strip(" :,;="), found[2]]
        else:
            yield [line.rstrip(",;")]


def _of_colors(path: Path, rows: list[list[str]]) -> Names | None:
    colors = {}
    for name, *color in rows:
        values = tuple(int(part) if part.isdecimal() else 256 for part in color)
        if name in colors or values in colors.values() or max(values) > 255:
            what = f"{name} ({', '.join(color)}): twice, or no color"
            raise Unreadable(f"{path}: {what}")
        colors[name] = values
    return _checked(path, colors=colors)


def _of_numbers(path: Path, pairs: list[tuple[str, str]]) -> Names | None:
    """Returns the names of numbers; None where one is no number, or has two names."""
    try:
        numbers = {int(number): name for number, name in pairs}
    except ValueError:
        return None
    return _checked(path, numbers=numbers) if len(numbers) == len(pairs) else None


def _of_table(path: Path, text: str) -> Names | None:
    """Returns the names of a table with a header, as name, r, g, b; or without one."""
    rows = [[x.strip() for x in row] for row in csv.reader(text.splitlines()) if row]
    rows = [row + [""] * (len(rows[0]) - len(row)) for row in rows]
    head = [name.lower().lstrip("\ufeff") for name in rows[0]] if rows else []
    name = next((head.index(key) for key in NAME_KEYS if key in head), None)
    if name is None:
        return _names_of_lines(path, rows)
    for parts in PARTS:
        if all(part in head for part in parts):
            places = [head.index(part) for part in parts]
            table = [[row[name], *(row[i] for i in places)] for row in rows[1:]]
            return _of_colors(path, table)
    number = next((head.index(x) for x in ("id", "value", "index") if x in head), None)
    if number is not None:
        return _of_numbers(path, [(row[number], row[name]) for row in rows[1:]])
    return _checked(path, listed=tuple(row[name] for row in rows[1:]))


def _names_of_lines(path: Path, rows: list[list[str]]) -> Names | None:
    plain = [row for row in _rows("\n".join(",".join(row) for row in rows))]
    if plain and all(len(row) == 4 for row in plain):
        return _of_colors(path, plain)
    return None


def _of_json(path: Path, text: str) -> Names | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list) and all(isinstance(x, str) for x in value):
        return _checked(path, listed=tuple(value))
    if isinstance(value, dict):
        if all(str(key).isdigit() and isinstance(x, str) for key, x in value.items()):
            return _of_numbers(path, list(value.items()))
        if all(type(x) is int for x in value.values()):
            return _of_numbers(path, [(x, key) for key, x in value.items()])
    return None


def _checked(path: Path, **given) -> Names | None:
    """Returns the names if there are two or more, each once."""
    names = Names(path, **given)
    every = [*names.colors, *names.numbers.values(), *names.listed]
    every = [name.strip() for name in every]
    if not every or not all(every) or len(set(every)) < len(every):
        return None
    return names
