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
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

import numpy as np
import yaml
from PIL import Image

from model import CATEGORIES

TRAIN, VALIDATION = "shapes/train", "shapes/val"  # below --data
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


def read_dataset(folder: Path) -> list[Sample]:
    """The labelled images of a dataset; ends with a list of what is wrong, if any."""
    annotations = read_annotations(folder, "object detection", "categories", CATEGORIES)
    samples, problems, counts = [], [], Counter()
    for name, given in sorted(annotations.items()):
        if given is None:
            counts["images left out: null"] += 1
            continue
        try:
            path = below(folder / "images", name)
            height, width = image_size(path)
            labels = {"shapes": parse_objects(given, CATEGORIES, height, width, counts)}
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
    if not samples:
        raise SystemExit(f"{where}: no labelled images")
    for what, count in sorted(counts.items()):
        if count:
            print(f"{where}: {what}: {count}", file=sys.stderr)


def read_annotations(folder: Path, task: str, key: str, names: tuple[str, ...]) -> dict:
    """Annotations by image, once the dataset's names, under `key` in its metadata, are
    known to be the job's."""
    path, entry = described(folder, task, key, names)
    return annotations_of(path, entry)


def described(
    folder: Path, task: str, key: str, names: tuple[str, ...]
) -> tuple[Path, dict]:
    """The file of metadata, and its entry for a task with these names."""
    path, entries = entries_of(folder, task)
    # Entries of one task differ in their names: the one nearest to the job's is meant.
    entry = max(entries, key=lambda e: len(set(names) & names_of(path, e, key)))
    compare_names(path, key, names_of(path, entry, key), set(names))
    return path, entry


def names_of(path: Path, entry: dict, key: str) -> set[str]:
    names = entry.get(key)
    if not isinstance(names, list):
        raise SystemExit(f"{path}: `{key}` is not a list of names")
    return {str(name) for name in names}


def entries_of(folder: Path, task: str) -> tuple[Path, list[dict]]:
    """The file of metadata, and its entries for a task: one or more."""
    path = folder / "metadata.yaml"
    if not os.path.exists(path) and os.path.exists(path.with_suffix(".json")):
        path = path.with_suffix(".json")
    entries = read_yaml(path)
    entries = entries if isinstance(entries, list) else [entries]
    entries = [e for e in entries if isinstance(e, dict) and same(e.get("task"), task)]
    if not entries:
        raise SystemExit(f"{path}: no entry with `task: {task}`")
    return path, entries


def same(given: object, task: str) -> bool:
    return str(given).replace("_", " ") == task


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
        parts = node.value
        if isinstance(node, yaml.MappingNode):
            parts = itertools.chain.from_iterable(parts)
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


def compare_names(path: Path, key: str, dataset: set[str], job: set[str]):
    if dataset != job:
        raise SystemExit(
            f"{path}: the {key} differ from the job's\n"
            f"  only in the dataset: {', '.join(sorted(dataset - job)) or 'none'}\n"
            f"  only in the job: {', '.join(sorted(job - dataset)) or 'none'}"
        )


# ---- One image and its labels ----

Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # beyond it Pillow warns of bombs


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image as it is shown, by its header."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:  # before Pillow decodes a PNG for its EXIF
                raise ValueError(f"{width}x{height} pixels, more than {MOST_PIXELS:,}")
            turned = image.getexif().get(0x0112, 1) >= 5  # EXIF orientation
            kind = image.format
    except FileNotFoundError:
        raise ValueError("no such image") from None
    except Exception as error:  # a broken file can raise nearly anything
        raise ValueError(f"not an image: {error}") from None
    if turned and kind == "TIFF":
        raise ValueError("a rotated TIFF, which OpenCV does not decode")
    return (width, height) if turned else (height, width)


def parse_objects(
    given: object, names: tuple[str, ...], height: int, width: int, counts: Counter
) -> Objects:
    """The objects of an image, clipped to it; ValueError says which one is wrong."""
    if not isinstance(given, list):
        raise ValueError(f"not a list of objects: {given!r:.100}")
    boxes, classes = [], []
    for item in given:
        try:
            category = names.index(str(item["category"]))
            left, top, right, bottom = (float(side) for side in item["bbox"])
            box = np.array([left, top, right, bottom], np.float32)
        except (KeyError, TypeError, ValueError, OverflowError):
            wanted = "a category of the job with a bbox of four numbers"
            raise ValueError(f"not {wanted}: {item!r:.200}") from None
        if not (np.isfinite(box).all() and left <= right and top <= bottom):
            raise ValueError(f"not left, top, right, bottom: {item['bbox']}")
        if left >= width or top >= height or right <= 0 or bottom <= 0:
            raise ValueError(
                f"a box outside the {width}x{height} image: {item['bbox']}"
            )
        visible = np.clip(box, 0, [width, height, width, height])
        counts["boxes clipped to their image"] += bool((visible != box).any())
        if (visible[2:] > visible[:2]).all():
            boxes.append(visible)
            classes.append(category)
        else:
            counts["boxes without area left out"] += 1
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Objects(boxes, np.array(classes, np.int64))
