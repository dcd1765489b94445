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

import functools
import itertools
import json
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

TRAIN, VALIDATION = "bccd/train", "bccd/val"  # paths below --data
NUMBERS = {name: number for number, name in enumerate(CATEGORIES)}
MOST_BROKEN, BROKEN_SHARE = 10, 0.01  # broken training images; above both, a run ends
MOST_PIXELS = 200_000_000  # larger images are refused: decompression bombs
MOST_VALUES = 50_000_000  # rejects YAML bombs
real_path = functools.cache(os.path.realpath)  # path without links


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
    """Returns the samples to train on, and those to validate on."""
    training = read_dataset(root / TRAIN, training=True)
    validation = read_dataset(root / VALIDATION)
    return without(training, validation, root / TRAIN), validation


def one_per_image(samples: list, counts: Counter) -> list[Sample]:
    """Merges samples of one file, reached by several names or links, into one."""
    known = {}
    for sample in samples:
        one = known.setdefault(file_of(sample), sample)
        if one is sample:
            continue
        counts["images named more than once, taken for one"] += 1
        label = joined([one.labels["cells"], sample.labels["cells"]], counts)
        known[file_of(sample)] = one._replace(labels={"cells": label})
    return list(known.values())


def read_samples(root: Path) -> list[list[Sample]]:
    """Returns the samples to train on, and those to validate on; ends the run where a
    set has too few labels."""
    sets = [*read_datasets(root)]
    for use, samples in zip(("train", "validate"), sets):
        check_labels(
            samples, use, "cells", CATEGORIES, lambda x: x.classes[x.boxes.max(1) > 1]
        )
    return sets


def check_labels(samples: list, use: str, head: str, names: tuple, kinds: Callable):
    """Ends the run where a head's labels hold too few kinds to learn from, or to be
    measured by; tells which of its names never occur."""
    labels = [sample.labels[head] for sample in samples]
    found = set(itertools.chain.from_iterable(map(kinds, labels)))
    if not found:
        what = f"0 (images to {use} on: {len(labels)})"
        raise SystemExit(f"{head}: too few kinds of labels, {what}")
    if missing := [name for i, name in enumerate(names) if i not in found]:
        told = f"{len(missing)} of {len(names)}: {', '.join(missing[:9])}"
        say(f"{head}: in no image to {use} on, {told}")


def read_dataset(folder: Path, training: bool = False) -> list[Sample]:
    """Returns the labeled images of a dataset; ends the run if any is wrong."""
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
            problems.append((name, error))
        else:
            samples.append(Sample(path, height, width, labels))
    samples = one_per_image(samples, counts)
    report(folder, samples, problems, counts, training)
    return samples


def report(where: Path, samples: list, problems: list, counts: Counter, training=False):
    """Ends the program if a dataset has problems, which are names and errors; says what
    was mended or left out, in a set to train on a few broken images, too."""
    broken = [x for x in problems if isinstance(x[1], BrokenImage)]
    if training and len(broken) <= max(MOST_BROKEN, BROKEN_SHARE * len(samples)):
        problems = [x for x in problems if x not in broken]
        counts.update(f"left out: {name}: {error}" for name, error in broken)
    if problems:
        lines = "".join(f"\n  {name}: {error}" for name, error in problems[:20])
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise SystemExit(f"{where}: problems: {len(problems)}{lines}{more}")
    tell(where, counts)
    if not samples:
        raise SystemExit(f"{where}: no labeled images")


def without(training: list, validation: list, where: Path) -> list[Sample]:
    """Removes images of the validation set from the training samples."""
    held_out = set(map(file_of, validation))
    kept = [sample for sample in training if file_of(sample) not in held_out]
    if training and not kept:
        what = "every image is in the validation set, too: name another set, or leave"
        raise SystemExit(f"{where}: {what} `validation` out, which holds some out")
    what = "images left out, as they are in the validation set, too"
    tell(where, Counter({what: len(training) - len(kept)}))
    return kept


def file_of(sample: Sample) -> str:
    """Returns the path of the image after resolving symbolic links."""
    folder, name = os.path.split(sample.path)
    if os.path.islink(sample.path):
        return os.path.realpath(sample.path)
    return os.path.join(real_path(folder), name)


def joined(parts: list, counts: Counter) -> NamedTuple:
    """Concatenates objects; drops duplicates."""
    boxes = [tuple(box) for part in parts for box in part.boxes.tolist()]
    if len(parts) == 1 and len({*boxes}) == len(boxes):
        return parts[0]
    columns = [np.concatenate(x) for x in zip(*parts)]
    rows = zip(*(x.tolist() for x in columns))
    kept = sorted({str(row): place for place, row in enumerate(rows)}.values())
    counts["equal objects left out"] += len(boxes) - len(kept)
    return type(parts[0])(*(x[kept] for x in columns))


def read_annotations(folder: Path, task: str, key: str, known: dict[str, int]) -> dict:
    """Loads annotations by image name; checks the names listed under `key`."""
    path, entries = entries_of(folder, task)
    # Entries of one task differ in their names: the one nearest to the job's is meant.
    entry = max(entries, key=lambda e: len(known.keys() & names_of(path, e, key)))
    compare_categories(path, key, names_of(path, entry, key), known)
    return annotations_of(path, entry)


def entries_of(folder: Path, task: str) -> tuple[Path, list[dict]]:
    """Returns the file of metadata, and its entries for a task: one or more."""
    paths = folder / "metadata.yaml", folder / "metadata.json"
    path = next((x for x in paths if os.path.exists(x)), paths[0])
    entries = read_yaml(path)
    entries = entries if isinstance(entries, list) else [entries]
    entries = [entry for entry in entries if isinstance(entry, dict)]
    entries = [e for e in entries if str(e.get("task")).replace("_", " ") == task]
    if not entries:
        raise SystemExit(f"{path}: no entry with `task: {task}`")
    return path, entries


def annotations_of(path: Path, entry: dict) -> dict:
    """Loads the annotations that an entry of metadata.yaml refers to, by image name."""
    try:
        path = below(path.parent, entry.get("annotations"))
    except ValueError as error:
        raise SystemExit(f"{path}: annotations: {error}") from None
    annotations = read_yaml(path)
    if not isinstance(annotations, dict):
        raise SystemExit(f"{path}: does not map images to annotations")
    return {str(name): value for name, value in annotations.items()}


def compare_categories(path: Path, key: str, dataset: set[str], known: dict[str, int]):
    """Ends the run if job and dataset each have names that the other one lacks."""
    others, missing = sorted(dataset - known.keys()), sorted(known.keys() - dataset)
    if others and missing:
        raise SystemExit(
            f"{path}: the {key} differ from the job's\n"
            f"  only in the dataset: {', '.join(others)}\n"
            f"  only in the job: {', '.join(missing)}"
        )


def names_of(path: Path, entry: dict, key: str) -> set[str]:
    """Returns the names listed in an entry, stripped of spaces."""
    names = entry.get(key)
    if not isinstance(names, list):
        raise SystemExit(f"{path}: `{key}` is not a list of names")
    return {str(name).strip() for name in names}


# ---- One image and its labels ----


def parse_objects(
    given: object, known: dict[str, int], height: int, width: int, counts: Counter
) -> Objects:
    """Returns the objects of an image, clipped to it; ValueError names a wrong one."""
    if not isinstance(given, list):
        raise ValueError(f"not a list of objects: {given!r:.100}")
    sides, classes = [], []
    for item in given:
        try:
            name = str(item["category"]).strip()
            left, top, right, bottom = map(float, item["bbox"])
        except (KeyError, TypeError, ValueError, OverflowError):
            wanted = "a category of the job with a bbox of four numbers"
            raise ValueError(f"not {wanted}: {item!r:.200}") from None
        if name not in known:
            counts[f"what the job does not name, left out: {name:.60}"] += 1
            continue
        sides.append((left, top, right, bottom))
        classes.append(known[name])
    classes = np.array(classes, np.int64)
    with np.errstate(over="ignore"):  # too large numbers become infinite
        boxes = np.array(sides, np.float32).reshape(-1, 4)
    visible = boxes.clip(0, np.float32([width, height, width, height]))
    clipped = (abs(visible - boxes) > 0.5).any(1)  # half a pixel may come from rounding
    empty = (visible[:, :2] >= visible[:, 2:]).any(1)
    if (visible != boxes).any() or empty.any():
        ordered = np.isfinite(boxes).all(1) & (boxes[:, :2] <= boxes[:, 2:]).all(1)
        inside = (boxes[:, :2] < [width, height]).all(1) & (boxes[:, 2:] > 0).all(1)
        if (wrong := np.flatnonzero(~ordered | ~inside)).size:
            outside = f"a box outside the {width}x{height} image"
            what = outside if ordered[wrong[0]] else "not left, top, right, bottom"
            raise ValueError(f"{what}: {np.asarray(sides[wrong[0]]).tolist()}")
        counts["boxes clipped to their image"] += int(clipped.sum())
        counts["boxes without area left out"] += int(empty.sum())
        visible, classes = (x[~empty] for x in (visible, classes))
    tiny = len(visible) > 0 and bool(visible.max() <= 1)
    counts["images with boxes in the first pixel alone, as if in fractions"] += tiny
    return joined([Objects(visible, classes)], counts)


# ---- Files, read with care: nothing of it depends on the task ----


SUFFIXES = (  # image files that OpenCV and Pillow read
    ".avif .bmp .gif .jfif .jp2 .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp"
).split()


def below(folder: Path, name: object) -> Path:
    """Returns a path that the dataset names; it may not lead out of its folder, on any
    system. Unless there is such a file, a backslash parts folders, and spaces at its
    ends do not count.

    Links are followed: whoever could place one could place the file itself.
    """
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise ValueError(f"not a file name: {name!r:.100}")
    plain = name.strip().replace("\\", "/")
    given = PureWindowsPath(plain)  # also splits off drive letters
    if given.anchor or ".." in given.parts:
        path = Path(os.path.abspath(folder / plain))
        known = os.name == "nt" or not given.drive
        home = os.path.abspath(folder)
        if not (known and path.is_relative_to(home)):
            raise ValueError(f"leads out of {home}: {name!r:.100}")
        return path
    return folder / (name if plain == name or os.path.exists(folder / name) else plain)


def read_yaml(path: Path) -> object:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".json":  # far faster than as YAML
            return json.loads(text)
        return yaml.load(text, SafeLoader)
    except (OSError, TypeError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None


def as_written(loader: yaml.Loader, node: yaml.Node) -> int | float | str:
    """Returns a number where Python would write it so. All else stays text, as it may
    be a name: `no`, 1e3, 0777, a date."""
    text = loader.construct_scalar(node)
    try:
        number = float(text) if "." in text else int(text)
    except ValueError:
        return text
    return number if str(number) == text else text


class SafeLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Refuses YAML bombs: nested aliases that expand to billions of values."""

    yaml_constructors = yaml.SafeLoader.yaml_constructors | {
        f"tag:yaml.org,2002:{kind}": as_written
        for kind in ("bool", "int", "float", "timestamp", "value")
    }

    def construct_document(self, node: yaml.Node):
        values = count_values(node, {})
        if values > MOST_VALUES:
            raise ValueError(f"holds {values:,} values, the limit is {MOST_VALUES:,}")
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.Node, deep: bool = False):
        keys = Counter(str(key.value) for key, _ in node.value)
        if len(keys) < len(node.value):
            line, twice = node.start_mark.line + 1, max(keys, key=keys.get)
            raise ValueError(f"{twice!r:.100} stands twice in the map at line {line}")
        return super().construct_mapping(node, deep)


def count_values(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """Counts the values in a node after expanding aliases."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if node not in known:
        known[node] = MOST_VALUES  # the node may contain itself
        pairs = isinstance(node, yaml.MappingNode)
        parts = itertools.chain.from_iterable(node.value) if pairs else node.value
        known[node] = 1 + sum(count_values(part, known) for part in parts)
    return known[node]


def tell(where: Path, counts: Counter):
    """Prints how often each repair or omission occurred, the 20 most frequent."""
    for what, count in sorted((+counts).most_common(20)):
        say(f"{where}: {what}: {count}")
    if len(+counts) > 20:
        say(f"{where}: and {len(+counts) - 20} more such lines")


def say(line: str):
    """Prints a line on the dataset, in one of several processes."""
    if os.environ.get("RANK", "0") == "0":
        print(line, file=sys.stderr)


def image_size(path: Path) -> tuple[int, int]:
    """Returns height and width after EXIF rotation, read from the header."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path) as image:
            (width, height), orientation = image.size, orientation_of(image)
    except Exception as error:  # decoders raise many kinds of errors on broken files
        if not os.path.isfile(path):
            raise ValueError(f"no such image: {path}") from None
        kind = ValueError if isinstance(error, ValueError) else BrokenImage
        raise kind(f"not an image: {error}") from None
    finally:  # whoever imports this module may have set a limit of their own
        Image.MAX_IMAGE_PIXELS = limit
    if width * height > MOST_PIXELS:
        raise ValueError(f"{width}x{height} pixels, more than {MOST_PIXELS:,}")
    return (width, height) if orientation >= 5 else (height, width)


class BrokenImage(ValueError):
    """The header of an image file cannot be read."""


def orientation_of(image: Image.Image) -> int:
    """Returns the orientation, 1 to 8, as OpenCV follows it: EXIF's, not in AVIF."""
    if image.format == "TIFF" and image.tag_v2.get(0x0112) in range(5, 9):
        raise ValueError("a rotated TIFF, which OpenCV does not decode")
    data = b"" if image.format == "AVIF" else image.info.get("exif", b"")
    exif = Image.Exif()
    exif.load(exif_of_png(image.fp) if image.format == "PNG" else data)
    orientation = exif.get(0x0112, 1) & 0xFFFF
    return orientation if orientation in range(1, 9) else 1


def exif_of_png(file: BinaryIO) -> bytes:
    """Reads EXIF of a PNG, which may follow the pixels that Pillow would decode."""
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            return file.read(min(length, 1 << 16))
        file.seek(length + 4, os.SEEK_CUR)  # skips the checksum
    return b""
