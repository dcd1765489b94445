"""Reads a table: how its lines are parted into cells, and which column names images."""

from __future__ import annotations

import os
import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from specc.datasets.files import Unlike, Unreadable, loose, read_text, spread
from specc.datasets.parts import reader
from specc.datasets.tables.index import Index, parts_of
from specc.datasets.tables.moved import Hits, moved
from specc.datasets.ways import Way
from specc.plan.tables import DELIMITERS, Writing
from specc.words import number_of

KINDS = {  # suffix of a file -> delimiters to try, the likeliest first
    ".csv": ("comma", "semicolon", "tab", "bar"),
    ".tsv": ("tab",),
    ".txt": ("tab", "comma", "semicolon", "bar", "space"),
    ".jsonl": ("json",),
    ".ndjson": ("json",),
}
LINES = 200  # most lines by which a delimiter is found
NAMES = 100  # most cells of a column that are looked for among the images
IMAGE_COLUMNS = (  # likely names of the column of images, compared without signs
    *("image", "filename", "file", "imagepath", "filepath", "path", "img", "imageid"),
    *("id", "imagename", "imgname", "name"),
)
MAKESENSE = (  # the table of makesense.ai
    *("class", "x", "y", "width", "height"),
    *("image", "image_width", "image_height"),
)
RETINANET = ("image", "x1", "y1", "x2", "y2", "class")  # keras-retinanet's table
Cells = list[tuple[int, Any]]  # values of a column with their lines


@dataclass(frozen=True)
class Sheet:
    """A table, and where its images are."""

    path: Path
    writing: Writing
    columns: tuple[str, ...]
    rows: list[tuple[int, dict[str, Any]]]
    image: str  # column that names images
    place: Path  # folder from which it names them
    suffix: str  # suffix that the names lack
    way: Way  # the part of the names that is read
    index: Index  # all images below the folder of the dataset
    twin: Path | None = None  # another folder with images of these names
    split: str = ""  # column that tells sets apart, where the rows are those of one
    part: str = ""  # value of that column in these rows

    @property
    def form(self) -> tuple:
        """The values that another set must share to be read in the same way."""
        return self.writing, self.image, self.suffix, self.way

    def file_name(self, row: dict[str, Any]) -> str:
        """Returns the path of a row's image from the folder of the images."""
        return f"{self.way.plain(str(row[self.image]))}{self.suffix}"

    @cached_property
    def named(self) -> list[Path]:
        """The image of each row that names one. Raises Unreadable for a path that
        leads out."""
        images = []
        for line, row in self.rows:
            if row[self.image]:
                try:
                    name = self.file_name(row)
                    images.append(reader().below(self.place, name, Path()))
                except Unreadable as error:
                    raise Unreadable(f"{self.path}: line {line}: {error}") from None
        return images

    def by_last_part(self) -> Sheet | None:
        """Returns the table with the last parts of its names alone; None where these do
        not lead to images."""
        coded = (self.way.file_names or "").startswith("decoded")
        way = Way(None, "decoded_last_part" if coded else "last_part")
        cells = _cells(self.rows, self.image)
        named = self.path.relative_to(self.index.folder).parts
        hits = looked_up(named, self.rows, self.image, self.index, way)
        one_each = len({*map(way.plain, cells)}) == len(cells)
        if not (one_each and hits.count and hits.suffix == self.suffix):
            return None
        return replace(self, place=hits.place, way=way)

    @cached_property
    def images(self) -> tuple[Path, ...]:
        """The images that rows name, each once, but for those that are not there."""
        return tuple(path for path in dict.fromkeys(self.named) if os.path.isfile(path))

    def cells(self, column: str) -> Cells:
        """Returns the values of a column with their lines; nothing without such a
        column."""
        return [(line, row[column]) for line, row in self.rows if row.get(column)]


def sheet_of(path: Path, index: Index) -> Sheet:
    """Returns a table. Raises Unlike where no column names an image below the folder
    of the index, Unreadable."""
    writing, columns, rows = _read(path)
    shown = ", ".join(columns)
    held = f"columns {shown}" if shown else "nothing"
    _refuse_headers(path, columns, rows)
    if rows:
        named = path.relative_to(index.folder).parts
        column, hits = _best(named, columns, rows, index)
        if hits and hits.count:
            at = column, hits.place, hits.suffix, hits.way, index, hits.twin
            return Sheet(path, writing, columns, rows, *at)
    what = f"{path}: has {held:.200}, and {number_of(len(rows), 'row')}"
    why = f"no column names images below {index.folder}"
    raise Unlike(f"{what}; {_elsewhere(columns, rows, index) or why}")


def _refuse_headers(path: Path, columns: tuple[str, ...], rows: list) -> None:
    """Raises Unreadable where a row is the header again, as behind a table that was
    put after another one."""
    for line, row in rows:
        if len(columns) > 1 and all(str(row[name]) == name for name in columns):
            raise Unreadable(f"{path}: line {line} is the header again: remove it")


def _elsewhere(columns: tuple[str, ...], rows: list, index: Index) -> str:
    """Returns text on the first image that a table names in another folder, or by a
    name that differs in suffix, in case or in the form of its letters."""
    for line, row in rows[:NAMES]:
        for column in columns:
            cell = str(row[column])
            name = (parts_of(cell) or ("",))[-1] if reader().is_image(cell) else ""
            named = f"`{column}` in line {line} names {cell!r:.100}, the image is"
            if known := index.by_name.get(name):
                return f"{named} {known[0]}: write paths from a folder of it"
            if name and (alike := index.by_loose_name.get(loose(name))):
                return f"{named} {alike}: give both the same names"
    return ""


def _rank(column: str) -> int:
    name = plain(column)
    return IMAGE_COLUMNS.index(name) if name in IMAGE_COLUMNS else len(IMAGE_COLUMNS)


def plain(column: str) -> str:
    """Returns the name of a column in small letters, without other signs."""
    return re.sub("[^a-z0-9]", "", column.lower())


def looked_up(
    named: Sequence[str], rows: list, column: str, index: Index, way: Way = Way()
) -> Hits:
    """Returns where images lie that the cells of a column name, and how many of some
    cells name one; `named` are the folders and the name of their table, or the name of
    their set."""
    some = [way.plain(cell) for cell in _some(_cells(rows, column))]
    hits: Counter = Counter(at for cell in some for at in {*index.places(cell)})
    if not hits:
        return Hits(index.folder, "", 0)
    most = max(hits.values())
    likely = [at for at, count in hits.items() if count == most]
    order = index.order(named)
    first, *others = sorted(likely, key=order)
    alike = [x for x in others if order(x)[:3] == order(first)[:3]]
    return Hits(*first, most, way, alike[0][0] if alike else None)


def _cells(rows: list, column: str) -> list[str]:
    """Returns the different cells of a column that are not empty."""
    cells = [row[column] for _, row in rows if row[column]]
    return [*dict.fromkeys(map(str, cells))]


def _some(cells: list[str]) -> list[str]:
    return spread(cells, NAMES)


def _best(named: Sequence[str], columns: tuple, rows: list, index: Index) -> tuple:
    """Returns the column that names images, and where these are: that with the most
    names, but none of numbers where another one holds paths of another machine."""
    scores = {x: looked_up(named, rows, x, index) for x in columns if x}
    best = max(scores, key=lambda name: (scores[name].count, -_rank(name)), default="")
    if scores and not (scores[best].count and _are_paths(rows, best)):
        for column in filter(None, columns):
            if not scores[column].count and _are_paths(rows, column):
                cells = _cells(rows, column)
                found = moved(cells, _some(cells), index, index.order(named))
                if found:
                    return column, found
    return best, scores.get(best)


def _are_paths(rows: list, column: str) -> bool:
    """Returns whether cells of a column are paths, or end as names of images do."""
    some = _some(_cells(rows, column))
    return any(reader().is_image(x) or "/" in x or "\\" in x for x in some)


# ---- Lines and cells ----


def _read(path: Path) -> tuple[Writing, tuple[str, ...], list]:
    """Returns how a table is written, its columns and its rows. Raises Unreadable."""
    writing, header = _writing(path)
    read = getattr(reader(writing), writing.function)
    columns, rows = read(path, header) if writing.headless else read(path)
    return writing, tuple(columns), rows


def _writing(path: Path) -> tuple[Writing, tuple[str, ...]]:
    """Returns how a table is written, and the columns of one that does not name them.
    Raises Unreadable."""
    kinds = KINDS[path.suffix.lower()]
    if kinds == ("json",):
        return Writing("json"), ()
    lines = [line for line in read_text(path).splitlines() if line.strip()][:LINES]
    if lines and re.fullmatch("sep=.", lines[0].strip(), re.IGNORECASE):
        raise Unreadable(f"{path}: line 1 tells Excel of a delimiter: remove that line")
    tables = {name: _parted(lines, name) for name in kinds}
    _refuse_comments(path, lines, tables)
    scores = {name: _regular(table) for name, table in tables.items()}
    best = max(kinds, key=lambda name: (scores[name], -kinds.index(name)))
    table = tables[best]
    headless = bool(table) and any(map(reader().is_image, table[0]))
    if path.suffix.lower() == ".txt" and (not headless or scores[best] < 0.9):
        raise Unlike(f"{path}: its lines are no names of images, each with a label")
    quotes = best not in ("tab", "space") or not any(map(_is_open, table))
    return Writing(best, quotes, headless), _columns(table) if headless else ()


def _refuse_comments(path: Path, lines: list[str], tables: dict) -> None:
    """Raises Unreadable where the first line is a comment: so is the second one, or
    that has other numbers of cells, or the names of columns. `#image,label` above rows
    is a header itself."""
    if len(lines) < 2 or not lines[0].lstrip("\ufeff").startswith("#"):
        return
    likely = max(tables.values(), key=lambda table: _regular(table[1:]))
    one, two = likely[:2] or ("", "")
    named = any(_rank(cell) < len(IMAGE_COLUMNS) for cell in two)
    if lines[1].startswith("#") or len(one) != len(two) or named:
        what = f"line 1 is a comment, {lines[0]!r:.60}"
        help = "remove the lines above the names of the columns, or above the rows"
        raise Unreadable(f"{path}: {what}: the first line names the columns", help)


def _parted(lines: list[str], delimiter: str) -> list[list[str]]:
    """Returns the cells of lines; quotes around a cell are part of it where nothing is
    quoted."""
    if delimiter == "space":
        return [line.split(maxsplit=1) for line in lines]
    quoting = csv.QUOTE_NONE if delimiter == "tab" else csv.QUOTE_MINIMAL
    sign = DELIMITERS[delimiter]
    try:
        rows = csv.reader(lines, skipinitialspace=True, delimiter=sign, quoting=quoting)
        return [[cell.strip() for cell in row] for row in rows]
    except csv.Error:
        return []


def _regular(table: list[list[str]]) -> float:
    """Returns the share of rows that have as many cells as the first, more than one."""
    count = len(table[0]) if table else 0
    if count < 2:
        return 0.0
    return sum(len(row) == count for row in table) / len(table)


def _is_open(row: list[str]) -> bool:
    """Returns whether a cell begins with quotes that do not end it."""
    return any(cell[:1] == '"' and (len(cell) < 2 or cell[-1] != '"') for cell in row)


def _is_retinanet(row: list[str]) -> bool:
    """Returns whether cells are those of a box, or of an image without one."""
    sides = row[1:5]
    numbers = all(re.fullmatch(r"-?\d+\.?\d*", side) for side in sides)
    return reader().is_image(row[0]) and (numbers or not any(sides))


def _columns(table: list[list[str]]) -> tuple[str, ...]:
    """Returns names for the columns of a table that has none."""
    count = max(map(len, table))
    if count == len(RETINANET) and 2 * sum(map(_is_retinanet, table)) > len(table):
        return RETINANET
    if count == len(MAKESENSE) and reader().is_image(table[0][5]):
        return MAKESENSE
    images = [reader().is_image(cell) for cell in table[0]]
    names, first = [], images.index(True)
    for number in range(count):
        name = "label" if count == 2 else f"column{number + 1}"
        names.append("image" if number == first else name)
    return tuple(names)
