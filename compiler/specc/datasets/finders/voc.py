"""Finds datasets with annotations of Pascal VOC: XML files of lists, or of folders."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from specc.datasets.files import Unlike, Unplaced, Unreadable, entries
from specc.datasets.found import Found, pair, unread
from specc.datasets.finders.pairs import (
    all_images,
    folders_below,
    image_sets,
    label_folder,
    label_folders,
    lone_labels,
    unlabeled,
    within,
)
from specc.datasets.parts import reader
from specc.words import number_of

STANDARD = "JPEGImages", "Annotations"


def find(folder: Path) -> Iterator[Found]:
    """Yields the dataset of lists of names, or else of folders of images with XML files.
    Raises Unreadable."""
    place, splits = _splits(folder)
    if splits:
        yield from _of_lists(folder, place, splits)
    else:
        yield from _of_folders(folder)


# ---- Lists of names ----


def _splits(folder: Path) -> tuple[Path, dict[str, Path]]:
    """Returns the folder with the lists of a dataset, and the lists by name."""
    for place in (folder / "ImageSets" / "Main", folder / "ImageSets", folder):
        splits = {path.stem: path for path in entries(place)}
        splits = {n: p for n, p in splits.items() if p.suffix.lower() == ".txt"}
        if splits and (place != folder or _is_dataset(folder, splits)):
            return place, splits
    return folder, {}


def _is_dataset(folder: Path, splits: dict[str, Path]) -> bool:
    """Returns whether lists beside folders name annotations of VOC."""
    train, *_ = pair(list(splits))
    images = within(folder)
    return bool(train and images != folder and label_folder(folder, images, ".xml"))


def _of_lists(folder: Path, place: Path, splits: dict[str, Path]) -> Iterator[Found]:
    train, validation, test = pair(list(splits))
    if train is None and len(splits) == 1:
        train = next(iter(splits))
    if train is None:
        what = f"lists {', '.join(sorted(splits)):.200}, none of them to train on"
        raise Unreadable(f"{place}: {what}; call one train.txt")
    image_folder, xml_folder = (folder / name for name in STANDARD)
    layout, places = {}, {}
    if (
        not (os.path.isdir(image_folder) and os.path.isdir(xml_folder))
        or place.name != "Main"
    ):
        image_folder = within(folder)
        xml_folder = label_folder(folder, image_folder, ".xml") or xml_folder
        places = {"images": image_folder.as_posix(), "labels": xml_folder.as_posix()}
    files = reader().images_by_stem(image_folder, Counter())
    images, xmls = [], []
    roles = {"train": train, "validation": validation, "test": test}
    for role, name in roles.items():
        stems = reader().names_in_split(splits[name], files) if name else []
        own = [reader().below(xml_folder, f"{stem}.xml") for stem in stems]
        if role == "test" and not any(os.path.isfile(path) for path in own):
            test = None  # the set has no labels, as that of VOC 2012
            continue
        layout |= {f"{role}_{key}": place for key, place in places.items() if name}
        xmls += own
        images += [files[x] for x in stems if name == train and x in files]
    names = reader().names_in_split(splits[train], files)
    if names and not images:
        what = (
            f"none of its {number_of(len(names), 'name')}, as {names[0]}, is an image"
        )
        help = f"put the images into {image_folder}"
        raise Unplaced(f"{splits[train]}: {what} in {image_folder}", help)
    categories, notes = _categories(splits[train], xmls)
    options = {"categories": categories}
    held_out, last = (splits[name] if name else None for name in (validation, test))
    where = "voc", "object_detection", splits[train], held_out, options, tuple(images)
    yield Found(*where, test=last, layout=layout, notes=notes)


# ---- Folders of images ----


def _of_folders(folder: Path) -> Iterator[Found]:
    sets = image_sets(folder)
    train, validation, test = pair(list(sets))
    if train is None:
        train = next(iter(sets), None)
    if train is None:
        _refuse_lone(folder)
        return
    labels = label_folders(folder, sets, ".xml")
    if train not in labels:
        if labels:
            what = (
                f"no image has an XML file, as those in {sets[next(iter(labels))]} have"
            )
            raise Unlike(f"{sets[train]}: {what}")
        _refuse_capitals(folder)
        return
    unused = ""
    if validation is not None and validation not in labels:
        unused = f"no image in {sets[validation]} has an XML file"
        validation = None
    test = test if test in labels else None
    roles = {"train": train, "validation": validation, "test": test}
    used = {role: name for role, name in roles.items() if name is not None}
    layout = {f"{role}_labels": labels[x].as_posix() for role, x in used.items()}
    pairs = {x: _annotated(sets[x], labels[x]) for x in used.values()}
    xmls = [xml for found in pairs.values() for xml in found.values()]
    if not _is_voc(xmls[0]):
        return
    categories, marks = _categories(labels[train], xmls)
    options = {"categories": categories}
    held_out, last = (sets.get(used.get(role)) for role in ("validation", "test"))
    images = tuple(pairs[train])
    every = all_images(sets[train])
    told = [
        lone_labels(every, labels[train], ".xml"),
        unlabeled(every, sets[train], labels[train], ".xml"),
        unread(list(sets), train, validation, test),
    ]
    where = "voc", "object_detection", sets[train], held_out, options, images
    notes = (*filter(None, told), *marks)
    yield Found(*where, unused=unused, test=last, layout=layout, notes=notes)


def _refuse_capitals(folder: Path) -> None:
    """Raises Unplaced for annotations whose names end in capitals, as no reader looks
    for them."""
    for place in folders_below(folder, depth=2):
        for path in entries(place):
            if path.suffix == ".XML" and _is_voc(path):
                what = f"{path} ends in .XML, and .xml is looked for"
                raise Unplaced(
                    what, f"rename {path.name} to {path.stem}.xml, and so on"
                )


def _refuse_lone(folder: Path) -> None:
    """Raises Unplaced for annotations where no folder has images."""
    for place in folders_below(folder, depth=2):
        xmls = [x for x in entries(place) if x.suffix.lower() == ".xml"]
        if xmls and _is_voc(xmls[0]):
            files = number_of(len(xmls), "annotation")
            what = f"{files}, as {xmls[0].name}, and no images"
            help = f"put the images beside them, or into {folder / STANDARD[0]}"
            raise Unplaced(f"{place}: {what} in {folder}", help)


def _annotated(images: Path, labels: Path) -> dict[Path, Path]:
    """Returns the XML file of each image that has one."""
    pairs = {
        image: labels / image.relative_to(images).with_suffix(".xml")
        for image in all_images(images)
    }
    return {image: xml for image, xml in pairs.items() if os.path.isfile(xml)}


# ---- Annotations ----


def _categories(where: Path, xmls: list[Path]) -> tuple[list[str], tuple[str, ...]]:
    """Returns the names of the objects in files, and lines on marks of objects that are
    not read. Raises Unreadable without a name, and for boxes of another kind."""
    faults: list[str] = []
    objects = {xml: _objects(xml, faults) for xml in xmls}
    for xml, items in objects.items():
        if any(
            x.find("robndbox") is not None and not x.findall("bndbox") for x in items
        ):
            what = f"{xml}: a box that is turned, `robndbox` of roLabelImg, is not read"
            help = "write its four corners in the layout of DOTA or of YOLO's OBB"
            raise Unplaced(what, help)
    names = {
        x.findtext("name", "").strip() for items in objects.values() for x in items
    }
    if not (categories := sorted(names - {""})):
        files = number_of(len(xmls), "file")
        some = f"no object with a name in {files} as {xmls[:1] and xmls[0]}"
        why = faults[0] if faults else some if xmls else "it lists no image"
        raise Unreadable(f"{where}: {why}")
    turned = [xml for xml, items in objects.items() if any(map(_is_turned, items))]
    if not turned:
        return categories, ()
    what = f"boxes with a `rotation` in {len(turned)} of {number_of(len(xmls), 'file')}"
    why = "their `bndbox` is read, which is not turned"
    return categories, (f"{what}, as {turned[0].name}: {why}",)


def _is_turned(item: Any) -> bool:
    """Returns whether CVAT shows the box of an object turned."""
    found = {x.findtext("name"): x.findtext("value") for x in item.iter("attribute")}
    try:
        return float(found.get("rotation") or 0) != 0
    except ValueError:
        return False


def _is_voc(path: Path) -> bool:
    """Returns whether an XML file may be an annotation of VOC: it is broken, or its
    root says so."""
    from defusedxml import ElementTree

    try:
        return ElementTree.parse(path).getroot().tag == "annotation"
    except Exception:  # a broken file can raise any exception
        return True


def _objects(path: Path, faults: list[str]) -> list[Any]:
    """Returns the elements of the objects in an XML file; what is wrong with it becomes
    a fault."""
    from defusedxml import ElementTree

    try:
        return ElementTree.parse(path).getroot().findall("object")
    except FileNotFoundError:
        faults.append(f"there is no {path}")
    except Exception as error:  # a broken file can raise any exception
        faults.append(f"{path} is not XML: {type(error).__name__}: {error}")
    return []
