"""Finds datasets in other layouts: class folders, CSV."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from specc.datasets.files import (
    Unlike,
    Unreadable,
    entries,
    folders_in,
)
from specc.datasets.found import Found, pair
from specc.datasets.parts import images_in, reader

MOST_CATEGORIES = 1000  # a column with more different values is text
OTHERS = ("images", "labels", "annotations", "jpegimages", "imagesets")


def find_folders(folder: Path) -> Iterator[Found]:
    """Yields datasets with one folder of images for each category."""
    sets = {path.name: path for path in folders_in(folder) if _classes(path)}
    train, validation, test = pair(list(sets))
    if train is None:
        sets, train, validation, test = {"": folder}, "", None, None
    classes = _classes(sets[train])
    if len(classes) < 2:
        if classes and any(classes.values()):
            what = f"images in one folder, {', '.join(classes)}, and no other category"
            raise Unlike(f"{sets[train]}: {what}")
        return
    # To be measured by, a few categories will do; identities may be others.
    alike = [name for name, path in sets.items() if {*classes} & {*_classes(path)}]
    _, known, tested = pair(alike) if validation else (None, None, None)
    unused = f"{sets[validation]} has none of these categories" if validation else ""
    names = sorted(name.strip() for name in classes)
    images = tuple(image for name in sorted(classes) for image in classes[name])
    why = "" if known else unused
    for task, key, others, why in (
        ("multiclass_classification", "categories", (known, tested), why),
        ("metric_learning", "identities", (validation, test), ""),
    ):
        held_out, last = (sets[name] if name else None for name in others)
        where = "folders", task, sets[train], held_out
        yield Found(*where, {key: names}, images, unused=why, test=last)


def _classes(folder: Path) -> dict[str, list[Path]]:
    """Returns subfolder -> images, if some subfolder has images and none is of another
    layout; else nothing."""
    folders = folders_in(folder)
    if any(path.name.lower() in OTHERS for path in folders):
        return {}
    hidden = reader().HIDDEN
    filled = (images_in(p) for p in folders if not p.name.startswith(hidden))
    return reader().images_by_class(folder, Counter()) if any(filled) else {}


def find_csv(folder: Path) -> Iterator[Found]:
    """Yields CSV files with a column `image`; any other column may be the label."""
    files = [folder] if folder.is_file() else entries(folder)
    files = {path.stem: path for path in files if path.suffix.lower() == ".csv"}
    tables, refused, unlike = {}, [], []
    for name, path in files.items():
        try:
            columns, rows = reader().table_in(path)
        except Unreadable as error:
            refused.append(error)
            continue
        if rows and "image" in columns:
            tables[name] = rows
        else:
            held = f"columns {', '.join(columns)}" if columns else "nothing"
            what = f"{path}: has {held:.200}, and {len(rows)} rows"
            unlike.append(Unlike(f"{what}; images are named in a column `image`"))
    train, *others = pair(list(tables))
    if train is None and len(tables) == 1:
        train, others = next(iter(tables)), []
    if train is not None:
        more = {files[name]: tables[name] for name in filter(None, others)}
        refused += yield from _columns(files[train], tables[train], more)
    for error in refused + unlike:
        raise error


def _columns(
    path: Path, rows: list[tuple], others: dict[Path, list[tuple]]
) -> Generator[Found, None, list[Unreadable]]:
    """Yields what was found for each column of labels; returns the faults of the rest.
    Of the other files, those without a label are no sets."""
    images, wrong = _images_of(path, rows), []
    for column in rows[0][1]:
        if not column or column == "image":
            continue
        cells = _cells(rows, column)
        labeled = {file: _cells(rows, column) for file, rows in others.items()}
        odd = [file for file, cells in labeled.items() if not cells]
        sets = [file for file in others if file not in odd]
        found = [(path, *cell) for cell in cells]
        found += [(file, *cell) for file in sets for cell in labeled[file]]
        values = [cell for *_, cell in found]
        tasks = list(_column_tasks(values))
        if several := _joined(cells, set(values)):
            line, cell = several
            what = f"`{column}` in line {line} holds several names: {cell!r:.50}"
            wrong.append(Unreadable(f"{path}: {what}; a row has one"))
            continue
        for task, options in tasks:
            options = {"name": column} | options
            held_out, test = [*sets, None, None][:2]
            unused = f"{odd[0]} has nothing in `{column}`" if odd else ""
            where, said = (path, held_out), {"unused": unused, "test": test}
            yield Found("csv", task, *where, options, images, column, **said)
        odd = [
            (file, line, cell) for file, line, cell in found if _number(cell) is None
        ]
        if odd and (len(odd) <= len(values) / 2 or not tasks):
            file, line, cell = odd[0]
            what = f"`{column}` in line {line} is not a number: {cell!r:.50}"
            wrong.append(Unreadable(f"{file}: {what}"))
    return wrong


def _cells(rows: list[tuple], column: str) -> list[tuple[int, str]]:
    """Returns the values of a column with their lines; nothing without such a
    column."""
    return [(line, row[column]) for line, row in rows if row.get(column)]


def _images_of(path: Path, rows: list[tuple]) -> tuple[Path, ...]:
    """Raises Unreadable."""
    images = []
    for line, row in rows:
        if row["image"]:
            try:
                images.append(reader().below(path.parent, row["image"], Path()))
            except Unreadable as error:
                raise Unreadable(f"{path}: line {line}: {error}") from None
    return tuple(images)


def _joined(cells: list[tuple[int, str]], names: set[str]) -> tuple[int, str] | None:
    """A cell that lists names of others, as `cat|dog` where `dog` is one, too."""
    for line, cell in cells:
        parts = [part.strip() for part in re.split("[|;]", cell)]
        if len(parts) > 1 and any(part in names for part in parts):
            return line, cell
    return None


def _column_tasks(values: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields tasks (and options) that could be learned from a column."""
    different = sorted(set(values))
    numbers = [_number(value) for value in different]
    if different and None not in numbers and min(numbers) < max(numbers):
        yield "regression", {"range": nice_range(min(numbers), max(numbers))}
    repeated = len(different) <= max(2, len(values) // 2)
    if different and len(different) <= MOST_CATEGORIES and repeated:
        yield "multiclass_classification", {"categories": different}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def nice_range(lowest: float, highest: float) -> list[float]:
    """Returns the ends of a range, rounded outward."""
    if not 1e-300 < (highest - lowest) / 10 < math.inf:
        return [lowest, highest]
    step = 10.0 ** math.floor(math.log10((highest - lowest) / 10))
    low, high = math.floor(lowest / step) * step, math.ceil(highest / step) * step
    return [float(f"{low:.12g}"), float(f"{high:.12g}")]
