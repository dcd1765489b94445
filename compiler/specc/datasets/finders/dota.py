"""Finds datasets with annotations of DOTA: corners, a category and a flag a line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from specc.datasets.files import Unlike, read_text
from specc.datasets.found import Found, pair, unread
from specc.datasets.finders.pairs import (
    all_images,
    image_sets,
    label_folders,
    lone_labels,
    unlabeled,
)
from specc.datasets.parts import names_in

ROW = re.compile(r"((?:-?[0-9.eE+]+\s+){8})(.*[^\s0-9.].*?)(\s+[012])?")
HEADERS = ("imagesource:", "gsd:")


def find(folder: Path) -> Iterator[Found]:
    """Yields the dataset of folders of images and of annotations. Raises Unlike."""
    if not os.path.isdir(folder):
        return
    sets = image_sets(folder)
    train, validation, test = pair(list(sets))
    train = next(iter(sets), None) if train is None else train
    labels = label_folders(folder, sets, ".txt")
    if train not in labels:
        return
    texts = {name: _texts(sets[name], labels[name]) for name in labels}
    if not any(map(ROW.fullmatch, texts[train][:20])):
        if labels[train].name.lower() == "labeltxt" and texts[train]:
            wanted = "eight numbers, a category and perhaps the flag `difficult`"
            what = f"a line is not {wanted}, as {texts[train][0]!r:.100}"
            raise Unlike(f"{labels[train]}: {what}")
        return
    unused = ""
    if validation is not None and validation not in labels:
        unused, validation = f"no image in {sets[validation]} has annotations", None
    test = test if test in labels else None
    roles = {"train": train, "validation": validation, "test": test}
    used = {role: name for role, name in roles.items() if name is not None}
    rows = [
        row for name in used.values() for row in map(ROW.fullmatch, texts[name]) if row
    ]
    categories = names_in(labels[train], "categories", sorted({row[2] for row in rows}))
    layout = {}
    if any(labels[name] != sets[name].parent / "labelTxt" for name in used.values()):
        layout = {f"{role}_labels": labels[x].as_posix() for role, x in used.items()}
    images = all_images(sets[train])
    told = [
        lone_labels(images, labels[train], ".txt"),
        unlabeled(images, sets[train], labels[train], ".txt"),
        unread(list(sets), train, validation, test),
    ]
    notes = tuple(filter(None, told))
    held_out, last = (sets.get(used.get(role)) for role in ("validation", "test"))
    for task in ("object_detection", "quadrilateral_detection"):
        where = "dota", task, sets[train], held_out, {"categories": categories}, images
        said = {"unused": unused, "test": last, "layout": layout, "notes": notes}
        yield Found(*where, **said)


def _texts(images: Path, labels: Path) -> list[str]:
    """Returns the lines of the annotations of a set, but for what is said of images."""
    paths = (
        labels / x.relative_to(images).with_suffix(".txt") for x in all_images(images)
    )
    lines = (
        line
        for path in paths
        if os.path.isfile(path)
        for line in read_text(path).splitlines()
    )
    kept = (line.strip() for line in lines if not line.lower().startswith(HEADERS))
    return [line for line in kept if line]
