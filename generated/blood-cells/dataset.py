"""The dataset: its annotations, read and checked.

A dataset is a folder with `images/`, and beside it:

    metadata.yaml
        task: object detection
        categories: [NAME, ...]
        annotations: annotations.yaml
    annotations.yaml
        image.jpg: [{category: NAME, bbox: [left, top, right, bottom]}, ...]

`null` leaves an image out, `[]` is one without objects.
"""

import itertools
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, NamedTuple

import numpy as np
import yaml
from PIL import Image

from model import CATEGORIES

TRAIN, VALIDATION = "bccd/train", "bccd/val"  # below --data
NUMBERS = {name: number for number, name in enumerate(CATEGORIES)}
MOST_PIXELS = 200_000_000  # of an image; a bomb has more
MOST_VALUES = 50_000_000  # of a file of annotations, likewise


class Objects(NamedTuple):
    """The objects of one image."""

    boxes: np.ndarray  # (G, 4) left, top, right, bottom in pixels
    classes: np.ndarray  # (G,) indices into the categories


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, Objects]


# ---- Reading: whatever is wrong is named before training begins ----


def read_datasets(root: Path) -> tuple[list[Sample], list[Sample]]:
    """The samples to train on, and those to validate on."""
    return read_dataset(root / TRAIN), read_dataset(root / VALIDATION)


def check_labels(
    samples: list, use: str, head: str, names: tuple, kinds: Callable, least: int
):
    """Ends the run where a head's labels hold too few kinds to learn from, or to be
    measured by; tells which of its names never occur."""
    labels = [sample.labels[head] for sample in samples if head in sample.labels]
    found = set(itertools.chain.from_iterable(map(kinds, labels)))
    if len(found) < (least if use == "train" else 1):
        what = f"{len(found)} kinds of labels in {len(labels)} images to {use} on"
        raise SystemExit(f"{head}: {what}, too few")
    if missing := [name for i, name in enumerate(names) if i not in found]:
        told = f"{len(missing)} of {len(names)}: {', '.join(missing[:9])}"
        print(f"{head}: in no image to {use} on, {told}", file=sys.stderr)


def read_dataset(folder: Path) -> list[Sample]:
    """The labelled images of a dataset; ends with a list of what is wrong, if any."""
    annotations = read_annotations(folder, "object detection", "categories", NUMBERS)
    samples, problems, counts = [], [], Counter()
    for name, given in sorted(annotations.items()):
        if given is None:
            counts["images left out: null"] += 1
            continue
        try:
            path = below(folder / "images", name)
            height, width = image_size(path)
            labels = {"cells": parse_objects(given, NUMBERS, height, width, counts)}
        except ValueError as error:
            problems.append(f"{name}: {error}")
        else:
            samples.append(Sample(path, height, width, labels))
    report(folder, samples, problems, counts)
    return samples


def report(where: Path, samples: list, problems: list[str], counts: Counter):
    """Ends the program if a dataset has problems; says what was mended or left out."""
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems[:20])
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise SystemExit(f"{where}: {len(problems)} problems{lines}{more}")
    told = [f"{where}: {what}: {n}\n" for what, n in sorted(counts.items()) if n]
    more = f"{where}: and {len(told) - 20} more such lines\n" if len(told) > 20 else ""
    print(*told[:20], more, sep="", end="", file=sys.stderr)
    if not samples:
        raise SystemExit(f"{where}: no labelled images")


def read_annotations(folder: Path, task: str, key: str, known: dict[str, int]) -> dict:
    """Annotations by image, once the dataset's names, under `key`, fit the job's."""
    return annotations_of(*described(folder, task, key, known))


def described(folder: Path, task: str, key: str, known: dict) -> tuple[Path, dict]:
    """The file of metadata, and its entry for a task with names that fit the job's."""
    path, entries = entries_of(folder, task)
    # Entries of one task differ in their names: the one nearest to the job's is meant.
    entry = max(entries, key=lambda e: len(known.keys() & names_of(path, e, key)))
    compare_categories(path, key, names_of(path, entry, key), known)
    return path, entry


def names_of(path: Path, entry: dict, key: str) -> set[str]:
    names = entry.get(key)
    if not isinstance(names, list):
        raise SystemExit(f"{path}: `{key}` is not a list of names")
    return {str(name) for name in names}


def entries_of(folder: Path, task: str) -> tuple[Path, list[dict]]:
    """The file of metadata, and its entries for a task: one or more."""
    paths = folder / "metadata.yaml", folder / "metadata.json"
    path = next(filter(os.path.exists, paths), paths[0])
    entries = read_yaml(path)
    entries = entries if isinstance(entries, list) else [entries]
    entries = [entry for entry in entries if isinstance(entry, dict)]
    entries = [e for e in entries if str(e.get("task")).replace("_", " ") == task]
    if not entries:
        raise SystemExit(f"{path}: no entry with `task: {task}`")
    return path, entries


def annotations_of(path: Path, entry: dict) -> dict:
    """What an entry of this file of metadata says of each image, by its name."""
    try:
        path = below(path.parent, entry.get("annotations"))
    except ValueError as error:
        raise SystemExit(f"{path}: annotations: {error}") from None
    annotations = read_yaml(path)
    if not isinstance(annotations, dict):
        raise SystemExit(f"{path}: does not map images to annotations")
    return {str(name): value for name, value in annotations.items()}


def read_yaml(path: Path) -> object:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), SafeLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None


class SafeLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Without bombs: by aliases of aliases a few lines stand for billions of values."""

    def construct_document(self, node: yaml.Node):
        values = count_values(node, {})
        if values > MOST_VALUES:
            raise ValueError(f"holds {values:,} values, the limit is {MOST_VALUES:,}")
        return super().construct_document(node)


def count_values(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """The values in a node with every alias written out."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if node not in known:
        known[node] = MOST_VALUES  # if it holds itself
        pairs = isinstance(node, yaml.MappingNode)
        parts = itertools.chain.from_iterable(node.value) if pairs else node.value
        known[node] = 1 + sum(count_values(part, known) for part in parts)
    return known[node]


def below(folder: Path, name: object) -> Path:
    """A path that the dataset names; it may not lead out of its folder, on any system.

    Links are followed: whoever could place one could place the file itself.
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise ValueError(f"not a file name: {name!r:.100}")
    path = PureWindowsPath(name)  # knows both separators, and drives
    if path.anchor or ".." in path.parts:
        raise ValueError(f"leads out of {folder}")
    return folder / name


def compare_categories(path: Path, key: str, dataset: set[str], known: dict[str, int]):
    """Ends the run where each has names that the other lacks: one may be misspelt."""
    others, found = sorted(dataset - known.keys()), {known.get(x) for x in dataset}
    missing = [name for name, place in known.items() if place not in found]
    if others and missing:
        raise SystemExit(
            f"{path}: the {key} differ from the job's\n"
            f"  only in the dataset: {', '.join(others)}\n"
            f"  only in the job: {', '.join(missing)}"
        )


# ---- One image and its labels ----

Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # beyond it Pillow warns of bombs


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image as it is shown, by its header."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise ValueError(f"{width}x{height} pixels, more than {MOST_PIXELS:,}")
            orientation = orientation_of(image)
    except FileNotFoundError:
        raise ValueError("no such image") from None
    except Exception as error:  # a broken file can raise nearly anything
        raise ValueError(f"not an image: {error}") from None
    return (width, height) if orientation >= 5 else (height, width)


def parse_objects(
    given: object, known: dict[str, int], height: int, width: int, counts: Counter
) -> Objects:
    """The objects of an image, clipped to it; ValueError says which one is wrong."""
    if not isinstance(given, list):
        raise ValueError(f"not a list of objects: {given!r:.100}")
    boxes, classes = [], []
    for item in given:
        try:
            name = str(item["category"])
            left, top, right, bottom = (float(side) for side in item["bbox"])
            box = np.array([left, top, right, bottom], np.float32)
        except (KeyError, TypeError, ValueError, OverflowError):
            wanted = "a category of the job with a bbox of four numbers"
            raise ValueError(f"not {wanted}: {item!r:.200}") from None
        if name not in known:
            counts[f"what the job does not name, left out: {name:.60}"] += 1
            continue
        if not (np.isfinite(box).all() and left <= right and top <= bottom):
            raise ValueError(f"not left, top, right, bottom: {item['bbox']}")
        if left >= width or top >= height or right <= 0 or bottom <= 0:
            what = f"a box outside the {width}x{height} image: {item['bbox']}"
            raise ValueError(what)
        visible = np.clip(box, 0, [width, height, width, height])
        counts["boxes clipped to their image"] += bool((visible != box).any())
        if (visible[2:] > visible[:2]).all():
            boxes.append(visible)
            classes.append(known[name])
        else:
            counts["boxes without area left out"] += 1
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Objects(boxes, np.array(classes, np.int64))


def orientation_of(image: Image.Image) -> int:
    """EXIF's, 1 to 8, as OpenCV follows it: not XMP's, and not that of an AVIF."""
    if image.format == "TIFF" and image.tag_v2.get(0x0112) in range(5, 9):
        raise ValueError("a rotated TIFF, which OpenCV does not decode")
    data = b"" if image.format == "AVIF" else image.info.get("exif", b"")
    exif = Image.Exif()
    exif.load(exif_of_png(image.fp) if image.format == "PNG" else data)
    orientation = exif.get(0x0112, 1) & 0xFFFF
    return orientation if orientation in range(1, 9) else 1


def exif_of_png(file: BinaryIO) -> bytes:
    """The EXIF of a PNG, which may follow the pixels: Pillow would decode them."""
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            return file.read(min(length, 1 << 16))
        file.seek(length + 4, os.SEEK_CUR)  # behind the checksum
    return b""
