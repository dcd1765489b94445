"""Pairs folders of images with folders of label files, and sets with each other."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from specc.datasets.files import entries, folders_in, spread
from specc.datasets.found import pair
from specc.datasets.parts import images_in, reader
from specc.words import number_of

LOOKED_AT = 200  # most images, spread over a set, whose labels are looked for
DEPTH = 3  # folders below the dataset's in which labels are looked for
MOST_FOLDERS = 1000


def image_sets(folder: Path) -> dict[str, Path]:
    """Returns the folders of images of a dataset by the names of its sets: `train/` and
    `valid/`, each perhaps with `images/` in it; `images/train/` and so on; or one folder
    of the name "", where the dataset has no sets."""
    subfolders = {path.name: path for path in folders_in(folder)}
    if pair(list(subfolders))[0]:
        sets = {
            name: within(path)
            for name, path in subfolders.items()
            if set(pair([name])) != {None}
        }
        sets = {name: path for name, path in sets.items() if has_images(path)}
        if pair(list(sets))[0]:
            return sets
    inner = within(folder)
    if inner != folder:
        return image_sets(inner)
    if images_in(folder):
        return {"": folder}
    filled = [path for path in subfolders.values() if has_images(path)]
    return {"": filled[0]} if len(filled) == 1 else {}


def within(folder: Path) -> Path:
    """Returns the folder of images in a folder, or the folder itself without one."""
    names = {path.name.lower(): path for path in folders_in(folder)}
    found = (names[name] for name in IMAGE_FOLDERS if name in names)
    return next(found, folder)


IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages")


def has_images(folder: Path) -> bool:
    return any(images for _, images in reader().images_below(folder, Counter()))


def all_images(folder: Path) -> tuple[Path, ...]:
    """Returns the images of a folder, at any depth, as an emitted reader finds them."""
    return tuple(reader().images_in_folder(folder, Counter()))


def some_of(images: tuple[Path, ...]) -> tuple[Path, ...]:
    """Returns some images, spread over a set."""
    return tuple(spread(images, LOOKED_AT))


def label_folders(root: Path, sets: dict[str, Path], suffix: str) -> dict[str, Path]:
    """Returns the folder of labels of each set, which is a folder of images; none of a
    set without labels."""
    found = {}
    for name, images in sets.items():
        others = [path for other, path in sets.items() if other != name]
        if folder := label_folder(root, images, suffix, others):
            found[name] = folder
    return found


def label_folder(
    root: Path, images: Path, suffix: str, others: Sequence[Path] = ()
) -> Path | None:
    """Returns the folder in which most images of a folder have a file of labels at the
    same path, of several the one whose path is most like that of the images; None where
    no image has one. Folders that are more like those of the images of `others` are
    theirs."""
    looked = [
        x.relative_to(images).with_suffix(suffix) for x in some_of(all_images(images))
    ]
    best, most = None, (0, 0, 0)
    for folder in folders_below(root):
        alike = _alike(folder, images)
        if any(_alike(folder, other) > alike for other in others):
            continue
        count = sum(os.path.isfile(folder / path) for path in looked)
        if count and (count, alike, -len(folder.parts)) > most:
            best, most = folder, (count, alike, -len(folder.parts))
    return best


def _alike(one: Path, other: Path) -> int:
    """Returns the number of names that two paths have in common."""
    return len(set(one.parts) & set(other.parts))


def folders_below(folder: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Yields a folder, and those in it down to a depth; hidden ones are left out."""
    yield folder
    for path in folders_in(folder)[:MOST_FOLDERS] if depth else ():
        if not path.name.startswith(reader().HIDDEN):
            yield from folders_below(path, depth - 1)


def lone_labels(
    images: tuple[Path, ...], labels: Path, suffix: str, others: tuple[str, ...] = ()
) -> str:
    """Returns a note on files in a folder of labels, but for `others`, that no image
    has; "" without such."""
    folders = {image.parent for image in images} | {labels}
    stems = {image.stem for folder in folders for image in images_in(folder)}
    files = (path for path in entries(labels) if path.suffix.lower() == suffix)
    alone = [x for x in files if x.stem not in stems and x.name not in others]
    return (
        f"{number_of(len(alone), 'file')} without an image, as {alone[0]}"
        if alone
        else ""
    )


def unlabeled(images: tuple[Path, ...], folder: Path, labels: Path, suffix: str) -> str:
    """Returns a note on images of a folder that have no file of labels; "" without
    such."""
    paths = (labels / x.relative_to(folder).with_suffix(suffix) for x in images)
    alone = [x for x, path in zip(images, paths) if not os.path.isfile(path)]
    return (
        f"{number_of(len(alone), 'image')} without labels, as {alone[0]}"
        if alone
        else ""
    )
