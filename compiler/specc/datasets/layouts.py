"""Finds datasets in other layouts: class folders, VOC, YOLO, CSV."""

from __future__ import annotations

import math
import os
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
    read_text,
)
from specc.datasets.found import Found, pair
from specc.datasets.parts import images_in, names_in, reader

MOST_CATEGORIES = 1000  # a column with more different values is text
LOOKED_AT = 200  # most files of labels that are read to find their task
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


def find_voc(folder: Path) -> Iterator[Found]:
    """Yields splits of Pascal VOC, whose XML files name the categories."""
    splits = {p.stem: p for p in entries(folder / "ImageSets" / "Main")}
    splits = {name: p for name, p in splits.items() if p.suffix.lower() == ".txt"}
    train, validation, test = pair(list(splits))
    if train is None:
        return
    files = reader().images_by_stem(folder / "JPEGImages", Counter())
    images, categories, xmls = [], set(), []
    for name in filter(None, (train, validation, test)):
        stems = reader().names_in_split(splits[name], files)
        own = [reader().below(folder / "Annotations", f"{stem}.xml") for stem in stems]
        if name == test and not any(map(os.path.exists, own)):
            test = None  # the set has no labels, as that of VOC 2012
            continue
        xmls += own
        images += [files[x] for x in stems if name == train and x in files]
    faults: list[str] = []
    for xml in xmls:
        categories |= _voc_names(xml, faults)
    if not categories:
        some = f"no object with a name in {len(xmls)} files as {xmls[:1] and xmls[0]}"
        why = faults[0] if faults else some if xmls else "it lists no image"
        raise Unreadable(f"{splits[train]}: {why}")
    options = {"categories": sorted(categories)}
    held_out, last = (splits[name] if name else None for name in (validation, test))
    where = "voc", "object_detection", splits[train], held_out
    yield Found(*where, options, tuple(images), test=last)


def _voc_names(path: Path, faults: list[str]) -> set[str]:
    """The names of the objects in an XML file; what is wrong with it becomes a
    fault."""
    from defusedxml import ElementTree

    found = []
    try:
        found = ElementTree.parse(path).getroot().findall("object")
    except FileNotFoundError:
        faults.append(f"there is no {path}")
    except Exception as error:  # a broken file can raise any exception
        faults.append(f"{path} is not XML: {type(error).__name__}: {error}")
    names = [item.findtext("name", "").strip() for item in found]
    return {name for name in names if name}


def find_yolo(folder: Path) -> Iterator[Found]:
    """Yields the datasets of data.yaml, or of another file with `names` and `train`."""
    files = [folder] if folder.is_file() else entries(folder)
    for path in files:
        if path.suffix.lower() not in (".yaml", ".yml"):
            continue
        entry = reader().read_yaml(path)
        if not isinstance(entry, dict) or not {"names", "train"} <= entry.keys():
            continue
        options = {"categories": reader().yolo_names(path, entry)}
        names = entry["names"]
        names_in(
            path, "names", list(names.values() if isinstance(names, dict) else names)
        )
        images = tuple(reader().images_of(path, entry, "train", Path(), Counter()))
        if images and next(_yolo_lines(images), None) is None:
            first = reader().labels_path(images[0])
            what = f"none of {len(images)} images has a label"
            raise Unreadable(f"{path}: {what}, looked for as {first}")
        held_out = path if _validates(path, entry, images) else None
        for task in _yolo_tasks(images, entry):
            yield Found("yolo", task, path, held_out, options, images)


def _validates(path: Path, entry: dict, images: tuple[Path, ...]) -> bool:
    """Returns whether `val` names other images than `train`: images for validation are
    not trained on."""
    if not entry.get("val"):
        return False
    others = reader().images_of(path, entry, "val", Path(), Counter())
    return not set(images) <= set(others)


def _yolo_tasks(images: tuple[Path, ...], entry: dict) -> list[str]:
    """Returns the tasks of YOLO's labels. Polygons, which are masks too, have more than
    four numbers; where all have four corners, they may be quadrilaterals."""
    if entry.get("kpt_shape") is not None:
        return ["object_detection"]  # boxes beside keypoints
    numbers = [len(line.split()) - 1 for line in _yolo_lines(images[:LOOKED_AT])]
    if not numbers or numbers[0] <= 4:
        return ["object_detection"]
    tasks = ["object_detection", "instance_segmentation"]
    return tasks + ["quadrilateral_detection"] * (set(numbers) == {8})


def _yolo_lines(images: tuple[Path, ...]) -> Iterator[str]:
    """Yields lines of some files of labels."""
    for path in map(reader().labels_path, images):
        lines = read_text(path).splitlines() if os.path.exists(path) else []
        yield from filter(str.strip, lines)


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
