"""Finds the labels in the columns of a table: names, numbers, flags, texts."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specc.datasets.files import Unreadable
from specc.datasets.parts import reader
from specc.datasets.tables.sentinels import told
from specc.datasets.tables.sheets import Cells, plain
from specc.language.schema import part

MOST_CATEGORIES = 1000  # a column with more different values is text
SIGNS = {"bar": "|", "semicolon": ";", "comma": ",", "space": " "}
TEXT_TASKS = ("scene_text_recognition", "autoregressive_text_recognition")
TEXT_COLUMNS = (  # likely names of columns of texts, compared without signs
    *("text", "texts", "word", "words", "transcription", "transcript", "gt", "string"),
    *("label", "labels", "plate", "latex", "formula", "identity", "caption"),
)
LISTED = re.compile(r"""\[\s*(["'].*["']\s*)?\]""")
# 1,250,000 and 1 250.5, in which each group is set off by the same sign; 1.250.000,5.
THOUSANDS = re.compile(r"-?\d{1,3}([,' \u00a0\u202f])\d{3}(\1\d{3})*(\.\d+)?")
BY_POINTS = re.compile(r"-?\d{1,3}(\.\d{3}){2,}(,\d+)?")
LATEX = re.compile(r"\\[a-zA-Z]+ ")


@dataclass(frozen=True)
class Learned:
    """A task that could be learned from columns, and the options of its head."""

    task: str
    options: dict[str, Any]
    layout: dict[str, Any] = field(default_factory=dict)
    longest: int = 0  # tokens of the longest text
    notes: tuple[str, ...] = ()


def head_name(column: str) -> str:
    """Returns a legal name of a head for a column."""
    schema = part("common")["$defs"]["head_name"]
    if re.fullmatch("[a-z][a-z0-9_-]*", column) and len(column) <= 64:
        name = column
    else:
        name = re.sub("[^a-z0-9]+", "_", column.lower()).strip("_")[:60]
        name = name if name[:1].isalpha() else f"column_{name}".rstrip("_")
    return f"{name}_label" if name in schema["not"]["enum"] else name


def of_column(column: str, cells: Cells, others: Cells) -> Iterator[Learned]:
    """Yields the tasks of a column with one value, or a list, in a cell; `others` are
    the cells of other sets."""
    values = [value for _, value in cells + others]
    if any(isinstance(value, list) for value in values):
        yield from _lists(values)
        return
    different = sorted(set(values))
    numbers, written = numbers_in(different)
    if numbers and None not in numbers and min(numbers) < max(numbers):
        limits = nice_range(min(numbers), max(numbers))
        known = dict(
            zip((x for x in different if x != written.get("missing")), numbers)
        )
        texts = [value for value in values if value in known]
        cells = [known[text] for text in texts]
        notes = tuple(told(column, cells, texts, "missing" in written))
        yield Learned("regression", {"range": limits}, written, notes=notes)
    repeated = len(different) <= max(2, len(values) // 2)
    if 1 < len(different) <= MOST_CATEGORIES and repeated:
        yield Learned("multiclass_classification", {"categories": different})


def _lists(values: list) -> Iterator[Learned]:
    """Yields the labels of a JSON file's lists of names."""
    items = [x for value in values if isinstance(value, list) for x in value]
    if items and all(isinstance(item, (str, int)) for item in items):
        labels = sorted({str(item).strip() for item in items})
        if len(labels) <= MOST_CATEGORIES and all(labels):
            yield Learned("multilabel_classification", {"labels": labels})


# ---- Several names in a cell ----


def of_names(values: list) -> Iterator[Learned]:
    """Yields the labels of a column whose cells list several."""
    texts = [value for value in values if isinstance(value, str)]
    for name, sign in SIGNS.items():
        cells = [[x.strip() for x in text.split(sign)] for text in texts]
        cells = [[x for x in cell if x] for cell in cells]
        labels = sorted({label for cell in cells for label in cell})
        if _are_lists(texts, cells, labels, sign):
            options = {"labels": labels}
            yield Learned("multilabel_classification", options, {"separator": name})
            return


def _are_lists(
    texts: list[str], cells: list[list[str]], labels: list[str], sign: str
) -> bool:
    """Returns whether cells list names: some name stands in two different cells, one of
    which lists several. Where spaces may be part of a name, the names are fewer than
    the cells that differ, too."""
    several = {text: cell for text, cell in zip(texts, cells) if len(cell) > 1}
    if not several or not 2 <= len(labels) <= MOST_CATEGORIES:
        return False
    counts = Counter(label for text in {*texts} for label in {*_split(text, sign)})
    shared = any(counts[label] > 1 for cell in several.values() for label in cell)
    if any(len(cell) != len({*cell}) for cell in several.values()):
        return False  # a text, not a set of labels
    if sign in "|;":
        return shared
    if any(number(label) is not None for label in labels):
        return False
    return shared and (len(labels) < len({*texts}) or _alone(texts, several, sign))


def _split(text: str, sign: str) -> list[str]:
    return [part.strip() for part in text.split(sign) if part.strip()]


def _alone(texts: list[str], several: dict, sign: str) -> bool:
    """Returns whether some cell is one of the names that others list."""
    listed = {label for cell in several.values() for label in cell}
    return any(text in listed for text in texts)


def unread(column: str, cells: Cells, count: int) -> str:
    """Returns why nothing is learned from the cells of a column, of `count` rows: they
    are lists as Python writes them, or flags of which 0 is left out; "" otherwise."""
    texts = [cell for _, cell in cells if isinstance(cell, str)]
    if texts and all(map(LISTED.fullmatch, texts)):
        what = f"`{column}` lists names as Python does, {texts[0]!r:.50}"
        return f"{what}: write `cat|dog`, or JSON lines"
    values = {reader().FLAG_VALUES.get(text.lower()) for text in texts}
    if values == {1} and len(texts) < count and len({*texts}) == 1:
        what = f"`{column}` has {texts[0]!r} in {len(texts)} of {count} rows"
        return f"{what}, and nothing in the others: write 0 there"
    return ""


def joined(cells: Cells) -> tuple[int, str] | None:
    """A cell that lists names of others, as `cat|dog` where `dog` is one, too."""
    names = {cell for _, cell in cells if isinstance(cell, str)}
    for line, cell in cells:
        parts = [x.strip() for x in re.split("[|;]", str(cell))]
        if len(parts) > 1 and any(part in names for part in parts):
            return line, cell
    return None


# ---- A column for each name ----


def flag_columns(columns: Iterable[str], rows: list[tuple]) -> list[str]:
    """Returns the columns that hold 1 in some rows and 0 in the others; none where
    there is one."""
    values = reader().FLAG_VALUES
    found = []
    for column in columns:
        cells = [row[column] for _, row in rows if row.get(column)]
        flags = {values.get(x.lower()) if isinstance(x, str) else None for x in cells}
        if {"1", "0", "-1"} <= {str(cell).removesuffix(".0") for cell in cells}:
            continue  # -1 beside 0 may mean that the label is uncertain
        if flags == {0, 1} or flags in ({0}, {1}) and len(cells) == len(rows):
            found.append(column)
    if not any(_varies(column, rows) for column in found):
        return []
    return found if len(found) > 1 else []


def uncertain(columns: Iterable[str], rows: list[tuple]) -> list[str]:
    """Returns the columns that hold 1, 0 and -1, as several of CheXpert do, some cells
    of which are empty; none where there is one, or no empty cell."""
    found = []
    for column in columns:
        cells = {str(row.get(column) or "").removesuffix(".0") for _, row in rows}
        if {"1", "0", "-1"} <= cells <= {"1", "0", "-1", ""}:
            found.append(column)
    empty = any(not row.get(column) for _, row in rows for column in found)
    return found if len(found) > 1 and empty else []


def _varies(column: str, rows: list[tuple]) -> bool:
    return len({row[column] for _, row in rows}) > 1


def of_flags(columns: list[str], rows: list[tuple]) -> Iterator[Learned]:
    """Yields the tasks of columns of flags: labels, and categories where each row has
    one."""
    values = reader().FLAG_VALUES
    counts = {
        sum(values[row[name].lower()] for name in columns)
        for _, row in rows
        if all(row[name] for name in columns)
    }
    if counts == {1}:
        yield Learned("multiclass_classification", {"categories": columns})
    yield Learned("multilabel_classification", {"labels": columns})


# ---- Texts ----


def of_texts(columns: list[str], cells: dict[str, list]) -> Iterator[tuple]:
    """Yields (column, task) for the columns of texts: those with such a name, or else
    all that are left."""
    texts = [
        c for c in columns if all(isinstance(x, str) for x in cells[c]) and cells[c]
    ]
    likely = [column for column in texts if plain(column) in TEXT_COLUMNS]
    for column in likely or texts:
        values = cells[column]
        latex = sum(bool(LATEX.search(value)) for value in values) > len(values) / 2
        for task in TEXT_TASKS:
            yield column, _text(task, values, latex and task == TEXT_TASKS[1])


def _text(task: str, values: list[str], parted: bool) -> Learned:
    words = [value.split() if parted else list(value) for value in values]
    tokens = sorted({token for word in words for token in word})
    layout = {"separator": "space"} if parted else {}
    given = tokens if parted else "".join(tokens)
    return Learned(task, {"tokens": given}, layout, max(map(len, words)))


def no_text(column: str, cells: Cells, images: list[Path]) -> str:
    """Returns why the cells of a column, one for each of these images, are no texts:
    they are numbers of words in a lexicon, which the names of images end with, or
    lists of boxes; "" if they may be texts."""
    texts = [cell for _, cell in cells if isinstance(cell, str)]
    if texts and all(text.startswith(("[{", "{")) for text in texts):
        return f"`{column}` lists objects, not a text"
    ends = [path.stem.rpartition("_")[2] for path in images]
    if len(texts) == len(ends) and all(map(str.isdecimal, texts)) and texts == ends:
        return f"`{column}` has the numbers that names of images end with, no texts"
    return ""


# ---- Numbers ----


def number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def numbers_in(values: list[str]) -> tuple[list[float | None], dict[str, str]]:
    """Returns the number of each value, None where it is none, and the options of the
    layout by which they are numbers: a decimal comma, and `nan` where one is missing.
    """
    layout = {}
    missing = sorted(value for value in values if value.lower() == "nan")
    if len(missing) == 1 < len(values):
        layout["missing"] = missing[0]
        values = [value for value in values if value != missing[0]]
    commas = [value for value in values if "," in value]
    decimal = [re.fullmatch(r"-?\d+,\d+", value) for value in commas]
    # 1,250 may be a thousand: the comma of a decimal has another number of digits.
    if commas and all(decimal) and any(len(v.split(",")[1]) != 3 for v in commas):
        layout["decimal"] = "comma"
        values = [value.replace(",", ".") for value in values]
    return [number(value) for value in values], layout


def nice_range(lowest: float, highest: float) -> list[float]:
    """Returns the ends of a range, rounded outward."""
    if not 1e-300 < (highest - lowest) / 10 < math.inf:
        return [lowest, highest]
    step = 10.0 ** math.floor(math.log10((highest - lowest) / 10))
    low, high = math.floor(lowest / step) * step, math.ceil(highest / step) * step
    return [float(f"{low:.12g}"), float(f"{high:.12g}")]


def not_a_number(column: str, found: Iterable[tuple]) -> Unreadable | None:
    """Returns a fault for the first of (file, line, cell) that is no number."""
    for path, line, cell in found:
        what = f"`{column}` in line {line} is not a number: {cell!r:.50}"
        return Unreadable(f"{path}: {what}", _written_right(cell))
    return None


def _written_right(cell: str) -> str:
    """Returns text on how a cell that is no number is to be written."""
    without = "write numbers without thousands separators, as"
    if BY_POINTS.fullmatch(cell):
        return f"{without} {cell.replace('.', '').replace(',', '.')}"
    if not THOUSANDS.fullmatch(cell):
        return (
            "write a plain number in each cell; rows whose cell is empty are left out"
        )
    help = f"{without} {re.sub(r'[^0-9.-]', '', cell)}"
    if re.fullmatch(r"-?\d+,\d+", cell):
        help += f"; if the comma is a decimal one, as {cell.replace(',', '.')}"
    return help
