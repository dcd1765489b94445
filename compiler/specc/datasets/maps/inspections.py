"""Finds sets of normal and of flawed parts, laid out as MVTec AD is, and sets with a
folder of masks for each image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from specc.datasets.files import Unlike, Unplaced, folders_in
from specc.datasets.found import Found, pair
from specc.datasets.parts import images_in

NORMAL = ("good", "normal", "ok")  # names of the folder of normal images
SOME = 20  # most folders of images that are looked at
MASKS = ("ground_truth", "groundtruth", "masks", "mask", "gt", "labels")


def find(folder: Path) -> Iterator[Found]:
    """Yields a set that trains on normal images, and is validated on both kinds, with
    masks. Raises Unlike."""
    sets = {path.name: path for path in folders_in(folder)}
    train, validation, _ = pair(list(sets))
    if train is None or validation is None:
        return
    names = [path.name for path in folders_in(sets[train])]
    normal = next((name for name in names if name.lower() in NORMAL), None)
    kinds = {path.name: path for path in folders_in(sets[validation])}
    if normal is None or normal not in kinds or len(kinds) < 2:
        return
    masks = next((sets[name] for name in sets if name.lower() in MASKS), None)
    if masks is None:
        wanted = f"masks of the defects in {folder / MASKS[0]}, which is not there"
        raise Unlike(f"{sets[validation]}: needs {wanted}")
    images = tuple(images_in(sets[train] / normal))
    if not images:
        raise Unlike(f"{sets[train] / normal}: has no images")
    layout = {"validation_labels": masks.as_posix()}
    layout |= _ending(sets[validation], masks, [x for x in kinds if x != normal])
    options = {} if normal == NORMAL[0] else {"normal": normal}
    where = "maps", "anomaly_detection", sets[train], sets[validation]
    yield Found(*where, options, images, layout=layout)


def _ending(images: Path, masks: Path, kinds: list[str]) -> dict[str, str]:
    """Returns the end of the names of masks, where these differ from those of images.
    Raises Unlike where an image has no mask."""
    ends = set()
    for kind in kinds:
        files = images_in(masks / kind)
        for image in images_in(images / kind):
            own = [x for x in files if x.name.startswith(image.stem)]
            mask = min(own, key=lambda path: len(path.name), default=None)
            if mask is None:
                what = f"{image}: no mask of this name in {masks / kind}"
                raise Unplaced(what, "bring it there, or take the image out")
            same = mask.stem == image.stem
            ends.add("" if same else mask.name.removeprefix(image.stem))
    if len(ends) > 1:
        raise Unlike(f"{masks}: masks are named in several ways: {', '.join(ends)}")
    return {"label_ending": end} if (end := "".join(ends)) else {}


def find_folders(folder: Path) -> Iterator[Found]:
    """Yields a set that has a folder for each image, with `images/` and `masks/`."""
    sets = {path.name: path for path in folders_in(folder)}
    sets = {name: path for name, path in sets.items() if _masks_in(path)}
    train, validation, test = pair(list(sets))
    if train is None:
        sets, train, validation, test = {"": folder}, "", None, None
    if not (name := _masks_in(sets[train])):
        return
    images = [
        image
        for place in folders_in(sets[train])
        for inner in folders_in(place)
        if inner.name != name
        for image in images_in(inner)
    ]
    held_out, last = (sets[name] if name else None for name in (validation, test))
    where = "maps", "instance_segmentation", sets[train], held_out
    options, layout = {"categories": ["object"]}, {"label_folder": name}
    yield Found(*where, options, tuple(images), test=last, layout=layout)


def _masks_in(folder: Path) -> str:
    """Returns the name of the folders of masks, if most folders in this one have one
    beside a folder of an image; else nothing."""
    places = folders_in(folder)[:SOME]
    names = Counter()
    for place in places:
        inner = {path.name: path for path in folders_in(place)}
        masks = [name for name in inner if name.lower() in MASKS]
        others = [inner[name] for name in inner if name not in masks]
        if len(masks) == 1 and any(len(images_in(other)) == 1 for other in others):
            names.update(masks)
    name, count = next(iter(names.most_common(1)), ("", 0))
    return name if len(places) > 1 and 2 * count > len(places) else ""
