"""Finds the tables of a folder, pairs them, and says what their columns hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from specc.datasets.files import Unlike, Unplaced, Unreadable, entries, folders_in
from specc.datasets.found import TEST, TRAIN, VALIDATION, Found, pair, unread
from specc.datasets.parts import reader
from specc.datasets.tables import boxes, columns
from specc.datasets.tables.columns import Learned, head_name
from specc.datasets.tables.index import Index
from specc.datasets.tables.sheets import KINDS, Sheet, sheet_of
from specc.datasets.tables.splits import parted

LISTS = ("label", "gt", "annotation", "train", "val", "valid", "test", "word", "text")
MOST_TABLES = 20  # most tables of a subfolder
SUBMISSION = "submission"  # names a file of Kaggle with examples of answers


@dataclass(frozen=True)
class Sets:
    """The tables of a dataset, one for each set."""

    train: Sheet
    validation: Sheet | None
    unused: str = ""  # text on a table that is no set for validation
    test: Sheet | None = None
    notes: tuple[str, ...] = ()

    @property
    def sheets(self) -> list[Sheet]:
        return [x for x in (self.train, self.validation, self.test) if x]


def find_tables(folder: Path) -> Iterator[Found]:
    """Yields the datasets of tables: files with a row for an image, or for an object."""
    is_file = folder.is_file()
    index = Index(folder.parent if is_file else folder)
    faults: list[Unreadable] = []
    tables: dict[Path, Sheet] = {}
    for path in _named(folder) if is_file else _files(folder):
        try:
            tables[path] = sheet_of(path, index)
        except Unreadable as error:
            if path.suffix.lower() != ".txt":
                faults.append(error)
    for path in [path for path in tables if _is_held_out(folder, path, tables)]:
        what = f"{path}: is of a set to validate or test on"
        faults.append(Unlike(f"{what}, and no table is of that to train on"))
        del tables[path]
    for sets in _paired(tables):
        yield from _of_sets(_by_split(_with_twin(sets), index), faults)
    for error in sorted(faults, key=lambda one: isinstance(one, Unlike)):
        raise error


def _is_held_out(folder: Path, path: Path, tables: Iterable[Path]) -> bool:
    """Returns whether a table is in a folder of images to validate or test on, beside
    which that to train on, and all else, has no table: its labels are no columns."""
    trained = [folder / name for name in TRAIN if (folder / name).is_dir()]
    held_out = {folder / name for name in (*VALIDATION, *TEST)}
    return bool(trained) and {other.parent for other in tables} <= held_out


def _named(path: Path) -> list[Path]:
    """Returns a file that may be a table, whatever it is called."""
    return [path] if path.suffix.lower() in KINDS else []


def _files(folder: Path) -> list[Path]:
    """Returns files that may be tables: those of a folder, or else of its subfolders."""
    files = [path for path in entries(folder) if _may_be(path)]
    for place in folders_in(folder):
        found = [path for path in entries(place) if _may_be(path)]
        if len(found) <= MOST_TABLES:  # others are labels, a file for each image
            files += found
    return files


def _may_be(path: Path) -> bool:
    kind = path.suffix.lower()
    if kind not in KINDS or SUBMISSION in path.stem.lower() or _is_hidden(path):
        return False
    listed = any(word in path.stem.lower() for word in LISTS)
    return path.is_file() and (kind != ".txt" or listed)


def _is_hidden(path: Path) -> bool:
    hidden = reader().HIDDEN
    return path.name.startswith(hidden) or path.parent.name.startswith(hidden)


def _paired(tables: dict[Path, Sheet]) -> Iterator[Sets]:
    """Yields the sets of each dataset. Tables are named as their sets, or lie in
    folders that are; others are datasets of their own."""
    by_folder: dict[Path, list[Path]] = {}
    for path in tables:
        by_folder.setdefault(path.parent, []).append(path)
    alone = {folder: paths[0] for folder, paths in by_folder.items() if len(paths) == 1}
    names = {folder.name: path for folder, path in alone.items()}
    train, *others = pair(list(names))
    stems = pair([path.stem for path in alone.values()])
    if train is not None and (others[0] is not None or stems[0] is None):
        yield _sets(tables, names, train, *others)
        return
    for folder, paths in by_folder.items():
        stems = {path.stem: path for path in paths}
        train, *others = pair(list(stems))
        if train is not None:
            yield _sets(tables, stems, train, *others)
            return
        yield from (Sets(tables[path], None) for path in paths)


def _with_twin(sets: Sets) -> Sets:
    """Returns the sets with a note on another folder that has images of these names."""
    place, twin = sets.train.place, sets.train.twin
    if twin is None:
        return sets
    what = f"images of these names are in {place}, and in {twin}, too"
    told = f"{what}: `train_images` in `layout` says which are meant"
    return replace(sets, notes=(*sets.notes, told))


def _by_split(sets: Sets, index: Index) -> Sets:
    """Returns the sets that a column of the one table tells apart, if one does."""
    if sets.validation or sets.test:
        return sets
    parts, told = parted(sets.train, index)
    if not parts:
        return sets
    return Sets(
        parts["train"],
        parts.get("validation"),
        sets.unused,
        parts.get("test"),
        (*sets.notes, told) if told else sets.notes,
    )


def _sets(tables: dict[Path, Sheet], names: dict[str, Path], *chosen) -> Sets:
    """Returns the tables with the chosen names: for training, validation and test."""
    one, other, last = _in_one_way([tables[names[x]] if x else None for x in chosen])
    told = unread(list(names), *chosen)
    notes = (told,) if told else ()
    if other and other.form != one.form:
        what = f"{other.path} is written in another way, or names images in another"
        return Sets(one, None, f"{what} column", notes=notes)
    last = last if last and last.form == one.form else None
    return Sets(one, other, test=last, notes=notes)


def _in_one_way(sheets: list[Sheet | None]) -> list[Sheet | None]:
    """Returns the tables with the same way to their images, where paths of several
    machines, or of several folders of one, have last parts that lead there."""
    if len({sheet.way for sheet in sheets if sheet}) < 2:
        return sheets
    plain = [sheet and sheet.by_last_part() for sheet in sheets]
    found = [bool(sheet) for sheet in plain]
    return plain if found == [bool(sheet) for sheet in sheets] else sheets


# ---- From columns to datasets ----


def _of_sets(sets: Sets, faults: list[Unreadable]) -> Iterator[Found]:
    train = sets.train
    apart = "", train.image, train.split
    images, rest = train.images, [x for x in train.columns if x not in apart]
    if found := boxes.boxes_in(train):
        try:
            yield _boxes(sets, found)
        except Unreadable as error:
            faults.append(error)
        if len(train.named) > len({*train.named}):
            return  # rows are objects, not images
        rest = [name for name in rest if name not in (*found.columns, *found.size)]
    elif lacking := boxes.lacking(train):
        faults.append(Unlike(f"{train.path}: {lacking}"))
    flags = columns.flag_columns(rest, train.rows)
    if unsure := columns.uncertain(rest, train.rows):
        what = f"`{unsure[0]}` holds 1, 0, -1 and nothing: -1 may mean uncertain"
        help = "write 1 or 0 for -1, or nothing, which leaves the row out"
        faults.append(Unplaced(f"{train.path}: {what}", help))
        rest = [column for column in rest if column not in (*unsure, *flags)]
        flags = []
    if flags:
        for learned in columns.of_flags(flags, train.rows):
            name = "category" if "categories" in learned.options else "labels"
            yield _found(sets, images, learned, name, name, flags, flags[0])
            if name == "category":  # each column alone says no more
                rest = [column for column in rest if column not in flags]
    for column in rest:
        yield from _column(sets, images, column, faults)
    kept = [column for column in rest if column not in flags]
    values = {x: [c for s in sets.sheets for _, c in s.cells(x)] for x in kept}
    for column in kept:
        if why := columns.no_text(column, train.cells(column), train.named):
            faults.append(Unreadable(f"{train.path}: {why}"))
            values[column] = []
    for column, learned in columns.of_texts(kept, values):
        yield _found(sets, images, learned, head_name(column), column, column, column)


def _column(
    sets: Sets, images: tuple[Path, ...], column: str, faults: list[Unreadable]
) -> Iterator[Found]:
    """Yields what is learned from one column; adds what is wrong to the faults."""
    path, cells = sets.train.path, sets.train.cells(column)
    held_out = sets.validation
    others = held_out.cells(column) if held_out else []
    values = [value for _, value in cells + others]
    if why := columns.unread(column, cells, len(sets.train.rows)):
        faults.append(Unreadable(f"{path}: {why}"))
        return
    for learned in columns.of_names(values):
        yield _found(sets, images, learned, head_name(column), column, column, column)
    if several := columns.joined(cells):
        line, cell = several
        what = f"`{column}` in line {line} holds several names: {cell!r:.50}"
        faults.append(Unreadable(f"{path}: {what}; a row has one"))
        return
    if len({*map(str, values)}) == 1:
        what = f"`{column}` has {values[0]!r:.50} in all rows: nothing to tell apart"
        faults.append(Unlike(f"{path}: {what}"))
        return
    tasks = list(columns.of_column(column, cells, others))
    for learned in tasks:
        yield _found(sets, images, learned, head_name(column), column, column, column)
    texts = [value for value in values if isinstance(value, str)]
    odd = [(path, *x) for x in cells]
    odd += [(held_out.path, *x) for x in others] if held_out else []
    if texts and len(texts) == len(values):
        numbers, _ = columns.numbers_in(sorted({*values}))
        if None in numbers:
            odd = [x for x in odd if columns.number(x[-1]) is None]
            if len(odd) <= len(values) / 2 or not tasks:
                faults.append(columns.not_a_number(column, odd))


def _found(
    sets: Sets,
    images: tuple[Path, ...],
    learned: Learned,
    name: str,
    label: str,
    column: str | list[str],
    shown: str,
) -> Found:
    """Returns the dataset of a column, or of the columns of flags."""
    held_out, unused = sets.validation, sets.unused
    if held_out and not held_out.cells(shown):
        unused = f"{held_out.path} has nothing in `{shown}`"
        held_out = None
    last = sets.test if sets.test and sets.test.cells(shown) else None
    sheets = Sets(sets.train, held_out, test=last, notes=sets.notes)
    layout = layout_of(sheets, "image")
    layout |= learned.layout
    return _as_found(sheets, learned, layout, images, name, label, column, unused)


def _as_found(
    sets: Sets,
    learned: Learned,
    layout: dict[str, Any],
    images: tuple[Path, ...],
    name: str,
    label: str,
    column: str | list[str],
    unused: str,
) -> Found:
    if column != name:
        layout["columns"] = layout.get("columns", {}) | {name: column}
    validation = sets.validation.path if sets.validation else None
    return Found(
        "csv",
        learned.task,
        sets.train.path,
        validation,
        {"name": name} | learned.options,
        images,
        label,
        learned.longest,
        unused=unused,
        test=sets.test.path if sets.test else None,
        layout=ordered(layout),
        notes=(*sets.notes, *learned.notes),
    )


def _boxes(sets: Sets, found: boxes.Boxes) -> Found:
    """Raises Unreadable."""
    held_out, unused = sets.validation, sets.unused
    read = {*found.columns, found.category} - {""}
    if held_out and not read <= {*held_out.columns}:
        missing = sorted(read - {*held_out.columns})[0]
        unused = f"{held_out.path} has nothing in `{missing}`"
        held_out = None
    last = sets.test if sets.test and read <= {*sets.test.columns} else None
    sheets = Sets(sets.train, held_out, test=last, notes=sets.notes)
    name = boxes.name_of_head(found)
    own, layout = found.layout(name), layout_of(sheets, "image")
    layout |= own | {"columns": layout.get("columns", {}) | own.get("columns", {})}
    options = boxes.categories_of(sheets.sheets, found)
    return Found(
        "csv",
        "object_detection",
        sets.train.path,
        held_out.path if held_out else None,
        {"name": name} | options,
        sets.train.images,
        unused=unused,
        test=last.path if last else None,
        layout=ordered(layout),
        notes=(*sets.notes, *filter(None, [found.told])),
    )


def layout_of(sets: Sets, image: str) -> dict[str, Any]:
    """Returns the options of a layout by which the images of tables are found."""
    train, held_out = sets.train, sets.validation
    places = [sheet.place for sheet in sets.sheets]
    layout: dict[str, Any] = {}
    if any(sheet.place != sheet.path.parent for sheet in sets.sheets):
        layout["train_images"] = places[0].as_posix()
        if held_out:
            layout["validation_images"] = held_out.place.as_posix()
        if sets.test:
            layout["test_images"] = sets.test.place.as_posix()
    layout |= train.way.layout()
    if train.suffix:
        layout["suffix"] = train.suffix
    if train.image != image:
        layout["columns"] = {image: train.image}
    if train.split:
        layout |= {"split": train.split, "train_rows": train.part}
        layout |= {"validation_rows": held_out.part} if held_out else {}
        layout |= {"test_rows": sets.test.part} if sets.test else {}
    writing = train.writing
    if writing.headless:
        layout["header"] = list(train.columns)
    if writing.delimiter != "comma":
        layout["delimiter"] = writing.delimiter
    if not writing.quotes and writing.delimiter != "space":
        layout["quotes"] = False
    return layout


ORDER = (
    *("train_images", "validation_images", "test_images", "prefix", "file_names"),
    *("suffix", "columns"),
    *("split", "train_rows", "validation_rows", "test_rows", "header", "delimiter"),
    *("quotes", "missing", "separator", "decimal", "box", "box_form", "box_unit"),
    *("size", "crowd"),
)


def ordered(layout: dict[str, Any]) -> dict[str, Any]:
    """Returns the options that say something, in the order of the schema."""
    return {name: layout[name] for name in ORDER if layout.get(name) not in (None, {})}
