"""Finds folders of images for each category."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

from specc.datasets.files import Unlike, Unreadable, entries, folders_in
from specc.datasets.found import Found, pair, unread
from specc.datasets.parts import images_in, reader
from specc.words import listed

LISTS = (".txt", ".csv", ".json")  # files that may tell which images are in a set
DEPTH = 2  # most levels of folders above those of categories, or of sets
OTHERS = ("images", "labels", "annotations", "jpegimages", "imagesets")


def find_folders(folder: Path) -> Iterator[Found]:
    """Yields datasets with one folder of images for each category, in this folder, or
    else below it. Raises Unlike."""
    places = list(_places(folder, DEPTH))
    for place in places:
        yield from _of_folders(place, _lists_of_sets(folder, place))
    filled = [path.name for path in _shown(folder) if images_in(path)]
    named = [name for name in filled if name.lower() in OTHERS]
    if named and len(filled) > 1 and not places:
        alike = "" if len(filled) == 2 else ", where others have images of its names,"
        why = f"`{named[0]}`{alike} is taken for the images of a dataset"
        what = f"folders of images, {listed(filled[:8], 'and')}"
        raise Unlike(f"{folder}: {what}: {why}; if it is a category, rename it")


def find_images(folder: Path, task: str) -> Iterator[Found]:
    """Yields the dataset of a task without labels that a folder of images is. The
    folders in it are sets where all of them are named so."""
    held = {path.name: path for path in _shown(folder) if any(images_below(path))}
    train, validation, test = pair(list(held))
    if train is None or images_in(folder) or {*held} - {train, validation, test}:
        held, train, validation, test = {"": folder}, "", None, None
    images = tuple(sorted(images_below(held[train])))
    others = (held[name] if name else None for name in (validation, test))
    validation, test = others
    if images:
        yield Found("folders", task, held[train], validation, {}, images, test=test)


def images_below(folder: Path) -> Iterator[Path]:
    """Yields the images in a folder and in those below it."""
    for _, images in reader().images_below(folder, Counter()):
        yield from images


def _places(folder: Path, depth: int) -> Iterator[Path]:
    """Yields the folder if it holds categories, or sets of them; else those below it
    that do."""
    if pair(list(_sets_in(folder)))[0] is not None or _classes(folder):
        yield folder
    elif depth:
        for place in _shown(folder):
            yield from _places(place, depth - 1)


def _sets_in(folder: Path) -> dict[str, Path]:
    """Returns the folders in this one that hold categories, by their names: a set may
    lie in a folder of its own."""
    sets = {}
    for path in _shown(folder):
        place, inner = path, _shown(path)
        while len(inner) == 1 and not _classes(place) and not images_in(inner[0]):
            place, inner = inner[0], _shown(inner[0])
        if _classes(place):
            sets[path.name] = place
    return sets


def _shown(folder: Path) -> list[Path]:
    hidden = reader().HIDDEN
    return [path for path in folders_in(folder) if not path.name.startswith(hidden)]


def _lists_of_sets(*folders: Path) -> str:
    """Returns text on files in these folders, or in `meta`, that are named as sets:
    which images are in which, as Food-101 and CUB tell; "" where there is none."""
    places = dict.fromkeys(x for folder in folders for x in (folder, folder / "meta"))
    files = [path for place in places for path in entries(place)]
    lists = [x for x in files if x.suffix.lower() in LISTS and unread([x.stem])]
    names = ", ".join(x.name for x in lists[:8])
    return f"lists that are named as sets, and not read: {names}" if lists else ""


def _of_folders(folder: Path, lists: str) -> Iterator[Found]:
    sets = _sets_in(folder)
    train, validation, test = pair(list(sets))
    if train is None:
        sets, train, validation, test = {"": folder}, "", None, None
    classes = _classes(sets[train])
    if len(classes) > 1 and {*classes} <= {*pair(list(classes))}:
        names = ", ".join(sorted(classes))
        raise Unlike(f"{sets[train]}: {names} are names of sets, not of categories")
    if len(classes) < 2:
        if classes and any(classes.values()):
            what = f"images in one folder, {', '.join(classes)}, and no other category"
            raise Unlike(f"{sets[train]}: {what}")
        return
    for name, path in sets.items():
        _refuse_other_forms(sets[train], {*classes}, path, {*_classes(path)})
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
        told = unread(list(sets), train, validation, test)
        notes = tuple(filter(None, (told, lists)))
        yield Found(*where, {key: names}, images, unused=why, test=last, notes=notes)


def _refuse_other_forms(train: Path, names: set, path: Path, others: set) -> None:
    """Raises Unreadable where a set has a category by the same letters in other code
    points, as systems write them."""
    forms = {normalize("NFC", name): name for name in names}
    for name in sorted(others - names):
        if known := forms.get(normalize("NFC", name)):
            what = f"{path / name} and {train / known} differ in code points alone"
            raise Unreadable(f"{what} (NFD, NFC): give both the same name")


def _classes(folder: Path) -> dict[str, list[Path]]:
    """Returns subfolder -> images, if some subfolder has images, itself or all in one
    folder, and none is of another layout; else nothing."""
    folders = {path: images_in(path) for path in _shown(folder)}
    others = [path for path in folders if path.name.lower() in OTHERS]
    few = others and len(folders) - len(others) < 2  # images, and what is drawn of them
    if few or any(not folders[path] for path in others):
        return {}
    for path in others:
        for beside, images in folders.items():
            if path != beside and _are_pairs(folders[path], images):
                return {}
    inner = {path: [x.name for x in _shown(path)] for path in folders}
    alike = len(folders) > 1 and len({*map(tuple, inner.values())}) == 1
    deeper = alike and all(
        len(names) == 1 and images_in(path / names[0]) for path, names in inner.items()
    )
    filled = deeper or any(folders.values())
    return reader().images_by_class(folder, Counter()) if filled else {}


def _are_pairs(images: list[Path], others: list[Path]) -> bool:
    """Returns whether most images have another one of their name, as masks have: it may
    end with a word more."""
    stems = {path.stem for path in images}
    names = [path.stem for path in others]
    paired = sum(
        name in stems or re.sub("[-_.][^-_.]*$", "", name) in stems for name in names
    )
    return 2 * paired > len(stems)
