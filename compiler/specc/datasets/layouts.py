"""Finds datasets in other layouts: class folders, VOC, YOLO."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from specc.datasets.files import (
    Unlike,
    Unreadable,
    entries,
    folders_in,
    read_text,
)
from specc.datasets.found import Found, pair
from specc.datasets.parts import images_in, names_in, reader

LOOKED_AT = 200  # most files of labels that are read to find their task
DEPTH = 2  # most levels of folders above those of categories, or of sets
OTHERS = ("images", "labels", "annotations", "jpegimages", "imagesets")


def find_folders(folder: Path) -> Iterator[Found]:
    """Yields datasets with one folder of images for each category, in this folder, or
    else below it."""
    for place in _places(folder, DEPTH):
        yield from _of_folders(place)


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


def _of_folders(folder: Path) -> Iterator[Found]:
    sets = _sets_in(folder)
    train, validation = pair(list(sets))
    if train is None:
        sets, train, validation = {"": folder}, "", None
    classes = _classes(sets[train])
    if len(classes) < 2:
        if classes and any(classes.values()):
            what = f"images in one folder, {', '.join(classes)}, and no other category"
            raise Unlike(f"{sets[train]}: {what}")
        return
    # To be measured by, a few categories will do; identities may be others.
    alike = [name for name, path in sets.items() if {*classes} & {*_classes(path)}]
    known = pair(alike)[1] if validation else None
    unused = f"{sets[validation]} has none of these categories" if validation else ""
    names = sorted(name.strip() for name in classes)
    images = tuple(image for name in sorted(classes) for image in classes[name])
    for task, key, name, why in (
        ("multiclass_classification", "categories", known, "" if known else unused),
        ("metric_learning", "identities", validation, ""),
    ):
        where = "folders", task, sets[train], sets[name] if name else None
        yield Found(*where, {key: names}, images, unused=why)


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


def find_voc(folder: Path) -> Iterator[Found]:
    """Yields splits of Pascal VOC, whose XML files name the categories."""
    splits = {p.stem: p for p in entries(folder / "ImageSets" / "Main")}
    splits = {name: p for name, p in splits.items() if p.suffix.lower() == ".txt"}
    train, validation = pair(list(splits))
    if train is None:
        return
    files = reader().images_by_stem(folder / "JPEGImages", Counter())
    images, categories, xmls = [], set(), []
    for name in filter(None, (train, validation)):
        for stem in reader().names_in_split(splits[name], files):
            xmls.append(reader().below(folder / "Annotations", f"{stem}.xml"))
            if name == train and stem in files:
                images.append(files[stem])
    faults: list[str] = []
    for xml in xmls:
        categories |= _voc_names(xml, faults)
    if not categories:
        some = f"no object with a name in {len(xmls)} files as {xmls[:1] and xmls[0]}"
        why = faults[0] if faults else some if xmls else "it lists no image"
        raise Unreadable(f"{splits[train]}: {why}")
    options = {"categories": sorted(categories)}
    held_out = splits[validation] if validation else None
    task = "object_detection"
    yield Found("voc", task, splits[train], held_out, options, tuple(images))


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
