"""Finds datasets in the layouts of others: class folders, VOC, YOLO, CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from specc.datasets.files import (
    SUFFIXES,
    Unreadable,
    below,
    entries,
    folders_in,
    images_in,
    read_text,
    read_yaml,
)
from specc.datasets.found import Found, pair

MOST_CATEGORIES = 1000  # of a column; with more different values it is a text
LOOKED_AT = 200  # files of labels, to see what they hold
OTHERS = ("images", "labels", "annotations", "jpegimages", "imagesets")


def find_folders(folder: Path) -> Iterator[Found]:
    """One folder of images for each category."""
    sets = {p.name: p for p in folders_in(folder) if _classes(p)}
    train, validation = pair(list(sets))
    if train is None:
        sets, train, validation = {"": folder}, "", None
    names = _classes(sets[train])
    if len(names) < 2:
        return
    # To be measured by, a few of them will do.
    alike = [name for name, path in sets.items() if {*names} & {*_classes(path)}]
    validation = pair(alike)[1] if validation else None
    images = tuple(i for path in folders_in(sets[train]) for i in images_in(path))
    held_out = sets[validation] if validation else None
    for task, key in (
        ("multiclass_classification", "categories"),
        ("metric_learning", "identities"),
    ):
        yield Found("folders", task, sets[train], held_out, {key: names}, images)


def _classes(folder: Path) -> list[str]:
    """The names of the folders in a folder, if one of them has images; none if it is
    something else."""
    folders = folders_in(folder)
    if any(path.name.lower() in OTHERS for path in folders):
        return []
    filled = [path for path in folders if images_in(path)]
    return [path.name for path in folders] if filled else []


def find_voc(folder: Path) -> Iterator[Found]:
    """Splits of Pascal VOC, whose XML files name the categories."""
    splits = {p.stem: p for p in entries(folder / "ImageSets" / "Main")}
    splits = {name: p for name, p in splits.items() if p.suffix == ".txt"}
    train, validation = pair(list(splits))
    if train is None:
        return
    images, categories = [], set()
    for name in filter(None, (train, validation)):
        for line in read_text(splits[name]).splitlines():
            stem = (line.split() or [""])[0]
            categories |= _voc_names(below(folder / "Annotations", f"{stem}.xml"))
            if name == train:
                guesses = [below(folder / "JPEGImages", stem + s) for s in SUFFIXES]
                images += [path for path in guesses if path and path.exists()][:1]
    if not categories:
        raise Unreadable(f"{splits[train]}: no object in {folder / 'Annotations'}")
    options = {"categories": sorted(categories)}
    held_out = splits[validation] if validation else None
    task = "object_detection"
    yield Found("voc", task, splits[train], held_out, options, tuple(images))


def _voc_names(path: Path | None) -> set[str]:
    from defusedxml import ElementTree

    try:
        root = ElementTree.parse(path).getroot() if path else None
    except Exception:  # a broken file can raise nearly anything; `specc data` names it
        root = None
    found = root.findall("object/name") if root is not None else ()
    return {name.text.strip() for name in found if name.text and name.text.strip()}


def find_yolo(folder: Path) -> Iterator[Found]:
    """A data.yaml, or another one with `names` and `train`."""
    files = [folder] if folder.is_file() else entries(folder)
    for path in files:
        if path.suffix not in (".yaml", ".yml"):
            continue
        entry = read_yaml(path)
        if not isinstance(entry, dict) or not {"names", "train"} <= entry.keys():
            continue
        names = entry["names"]
        names = list(names.values()) if isinstance(names, dict) else names
        if not isinstance(names, list):
            raise Unreadable(f"{path}: `names` neither lists names nor numbers them")
        options = {"categories": [str(name) for name in names]}
        images = tuple(_yolo_images(path, entry))
        if images and next(_yolo_lines(images), None) is None:
            what = f"none of {len(images)} images has a label"
            raise Unreadable(f"{path}: {what}, looked for as {_labels_of(images[0])}")
        held_out = path if entry.get("val") else None
        for task in _yolo_tasks(images, entry):
            yield Found("yolo", task, path, held_out, options, images)


def _yolo_images(path: Path, entry: dict) -> Iterator[Path]:
    root = below(path.parent, str(entry.get("path") or "."))
    if root is None:
        raise Unreadable(
            f"{path}: `path` leads out of its folder: {entry['path']!r:.99}"
        )
    places = entry["train"] if isinstance(entry["train"], list) else [entry["train"]]
    for place in (below(root, place) for place in places):
        if place is None:
            raise Unreadable(f"{path}: `train` leads out of its folder")
        if place.suffix == ".txt":
            lines = map(str.strip, read_text(place).splitlines())
            yield from filter(None, (below(root, line) for line in lines if line))
        else:
            found = sorted(place.rglob("*"))
            yield from (file for file in found if file.suffix.lower() in SUFFIXES)


def _yolo_tasks(images: tuple[Path, ...], entry: dict) -> list[str]:
    """Polygons, which are masks too, have more than four numbers; where all have four
    corners, these may be meant."""
    if entry.get("kpt_shape") is not None:
        return ["object_detection"]  # the boxes of keypoints
    numbers = [len(line.split()) - 1 for line in _yolo_lines(images[:LOOKED_AT])]
    if not numbers or numbers[0] <= 4:
        return ["object_detection"]
    tasks = ["object_detection", "instance_segmentation"]
    return tasks + ["quadrilateral_detection"] * (set(numbers) == {8})


def _yolo_lines(images: tuple[Path, ...]) -> Iterator[str]:
    """Those of the files of labels."""
    for path in map(_labels_of, images):
        lines = read_text(path).splitlines() if path.exists() else []
        yield from filter(str.strip, lines)


def _labels_of(image: Path) -> Path:
    """.../images/a/b.jpg -> .../labels/a/b.txt"""
    parts = list(image.parts)
    places = [i for i, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def find_csv(folder: Path) -> Iterator[Found]:
    """CSV files with a column `image`; any other column may be the label."""
    files = [folder] if folder.is_file() else entries(folder)
    files = {path.stem: path for path in files if path.suffix.lower() == ".csv"}
    tables = {name: _table(path) for name, path in files.items()}
    tables = {
        name: rows for name, rows in tables.items() if rows and "image" in rows[0]
    }
    train, validation = pair(list(tables))
    if train is None and len(tables) == 1:
        train, validation = next(iter(tables)), None
    if train is None:
        return
    rows = tables[train] + (tables[validation] if validation else [])
    held_out = files[validation] if validation else None
    images = [below(files[train].parent, row["image"]) for row in tables[train]]
    images = tuple(path for path in images if path)
    for column in rows[0]:
        if column and column != "image":
            values = [row[column] for row in rows if row.get(column)]
            for task, options in _column_tasks(values):
                options = {"name": column} | options
                where = files[train], held_out
                yield Found("csv", task, *where, options, images, column)


def _table(path: Path) -> list[dict[str, str]]:
    try:
        return list(csv.DictReader(read_text(path).splitlines()))
    except csv.Error as error:
        raise Unreadable(f"{path}: not CSV: {error}") from None


def _column_tasks(values: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What could be learned from a column: a number, a category."""
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
    """The ends of a range, outwards to a round number."""
    if not 1e-300 < (highest - lowest) / 10 < math.inf:
        return [lowest, highest]
    step = 10.0 ** math.floor(math.log10((highest - lowest) / 10))
    low, high = math.floor(lowest / step) * step, math.ceil(highest / step) * step
    return [float(f"{low:.12g}"), float(f"{high:.12g}")]
