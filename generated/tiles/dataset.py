"""The dataset: its annotations, read and checked.

A dataset is a folder with `images/`, and beside it:

    metadata.yaml
        task: anomaly detection
        masks: masks/  # white where an image is anomalous; or none
        annotations: annotations.yaml
    annotations.yaml
        image.jpg: normal or anomalous

`null` leaves an image out.
"""

import functools
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from files import (
    HIDDEN,
    MOST_PIXELS,
    BrokenImage,
    below,
    image_size,
    is_image,
    noted,
    read_yaml,
    tell,
)

TRAIN, VALIDATION = "tiles/train", "tiles/val"  # below --data
MASK_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")  # Pillow's, of masks
MOST_BROKEN, BROKEN_SHARE = 10, 0.01  # training images; a run ends above both limits


class Inspection(NamedTuple):
    """What is known of an image."""

    anomalous: bool
    mask: Path | None  # white where it is anomalous


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, Inspection]


# ---- Reading: whatever is wrong is named before training begins ----


def read_datasets(root: Path) -> tuple[list[Sample], list[Sample]]:
    """The samples to train on, and those to validate on."""
    training = read_dataset(root / TRAIN, training=True)
    validation = read_dataset(root / VALIDATION)
    return without(training, validation, root / TRAIN), validation


def one_per_image(samples: list, problems: list, counts: Counter) -> list[Sample]:
    """A sample for each file, with the labels of all that lead to it."""
    known = {}
    for sample in samples:
        one = known.setdefault(file_of(sample), sample)
        if one is sample:
            continue
        counts["images named more than once, taken for one"] += 1
        labels = one.labels | sample.labels
        try:
            labels["defects"] = same("defects", one, sample)
        except ValueError as error:
            problems.append((sample.path, error))
        known[file_of(sample)] = one._replace(labels=labels)
    return list(known.values())


def read_dataset(folder: Path, training: bool = False) -> list[Sample]:
    """The labelled images of a dataset; ends with a list of what is wrong, if any.

    A set to train on needs neither annotations nor masks.
    """
    annotations = read_inspections(folder, training)
    samples, problems, counts = [], [], Counter()
    for name, given in sorted(annotations.items()):
        if given is None:
            counts["images left out: null"] += 1
            continue
        try:
            path = below(folder / "images", name)
            height, width = image_size(path)
            labels = {"defects": parse_inspection(given, height, width)}
        except ValueError as error:
            problems.append((name, error))
        else:
            samples.append(Sample(path, height, width, labels))
    samples = one_per_image(samples, problems, counts)
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
        raise SystemExit(f"{where}: {len(problems)} problems{lines}{more}")
    tell(where, counts)
    if not samples:
        raise SystemExit(f"{where}: no labelled images")


def without(training: list, validation: list, where: Path) -> list[Sample]:
    """The samples to train on, but for images to validate on."""
    held_out = set(map(file_of, validation))
    kept = [sample for sample in training if file_of(sample) not in held_out]
    if not kept:
        what = "every image is in the validation set, too: name another set, or leave"
        raise SystemExit(f"{where}: {what} `validation` out, which holds some out")
    what = "images left out, as they are in the validation set, too"
    tell(where, Counter({what: len(training) - len(kept)}))
    return kept


def file_of(sample: Sample) -> str:
    """Where the file of a sample is, all symbolic links followed."""
    folder, name = os.path.split(sample.path)
    if os.path.islink(sample.path):
        return os.path.realpath(sample.path)
    return os.path.join(real_folder(folder), name)


@functools.cache
def real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def same(head: str, one: Sample, other: Sample, names: Sequence = ()) -> object:
    """The label of an image that has two; ValueError if they contradict each other."""
    label, further = one.labels[head], other.labels[head]
    if label != further:
        both = [repr(names[x] if names else x) for x in (label, further)]
        words = " and ".join(both)
        raise ValueError(f"labels of one image contradict: its {head} is {words:.200}")
    return label


def read_inspections(folder: Path, training: bool) -> dict:
    """The label and the mask of each image. In a set to train on all are normal without
    annotations; with some, anomalous images are left out."""
    path, (entry, *_) = entries_of(folder, "anomaly detection")
    if "annotations" in entry:
        labels = annotations_of(path, entry)
    elif training:
        labels = dict.fromkeys(read_images(folder), "normal")
    else:
        raise SystemExit(f"{path}: no `annotations`: which images are anomalous?")
    if training:
        normal = {name: x for name, x in labels.items() if x != "anomalous"}
        if left_out := len(labels) - len(normal):
            tell(path, Counter({"images left out: anomalous": left_out}))
        return {name: x if x is None else (x, None) for name, x in normal.items()}
    for label in ("normal", "anomalous"):
        if label not in labels.values():
            raise SystemExit(
                f"{path}: no image is {label}, validation needs both kinds"
            )
    masks = masks_of(folder, path, entry, labels)
    return {name: x if x is None else (x, masks[name]) for name, x in labels.items()}


def masks_of(folder: Path, path: Path, entry: dict, labels: dict) -> dict:
    """The mask of each image, which has its stem, in the folder that the entry names:
    each anomalous image has to have one, and no other. Without a folder none has."""
    if "masks" not in entry:
        return dict.fromkeys(labels)
    try:
        masks = below(folder, entry["masks"])
        files = {file.stem: file for file in listed_images(masks)}
    except ValueError as error:
        raise SystemExit(f"{path}: masks: {error}") from None
    missing = {
        name: masks / f"{Path(name).stem}.png"
        for name, label in labels.items()
        if label == "anomalous"
    }
    return {name: files.get(Path(name).stem, missing.get(name)) for name in labels}


def read_images(folder: Path) -> dict[str, str]:
    """All images of a folder: they need no annotations, and are their own."""
    try:
        files = listed_images(folder / "images")
    except ValueError as error:
        raise SystemExit(f"{folder}: no images: {error}") from None
    return {file.name: file.name for file in files}


def listed_images(folder: Path) -> list[Path]:
    """The images in a folder, none of those below it; says what is left out."""
    if not os.path.isdir(folder):
        raise ValueError(f"no such folder: {folder}")
    images, counts = [], Counter()
    for path in sorted(noted(folder).iterdir()):
        if path.name.startswith(HIDDEN):
            counts["hidden files and folders left out"] += 1
        elif is_image(path.name):
            images.append(path)
        elif path.is_dir():
            counts["folders in it left out"] += 1
    tell(folder, counts)
    return images


def entries_of(folder: Path, task: str) -> tuple[Path, list[dict]]:
    """The file of metadata, and its entries for a task: one or more."""
    paths = folder / "metadata.yaml", folder / "metadata.json"
    path = next(filter(os.path.exists, map(noted, paths)), paths[0])
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


# ---- One image and its labels ----


def parse_map(path: Path, height: int, width: int, modes: tuple[str, ...]) -> Path:
    """The file of an image's map, once its header is checked; it is decoded later.

    It may have another size than the image, but not another shape.
    """
    try:
        with Image.open(path) as image:
            columns, rows = image.size
            mode = image.mode
    except FileNotFoundError:
        raise ValueError(f"its map is missing: {path}") from None
    except Exception as error:  # a broken file can raise nearly anything
        raise ValueError(f"its map is not an image: {path}: {error}") from None
    if rows * columns > MOST_PIXELS:
        raise ValueError(f"its map has more than {MOST_PIXELS:,} pixels: {path}")
    if mode not in modes:
        raise ValueError(f"its map is {mode}, not {' or '.join(modes)}: {path}")
    # Both sides are rounded when a map is scaled down.
    if abs(rows * width - columns * height) >= width + height:
        sizes = f"{columns}x{rows}, the image {width}x{height}"
        raise ValueError(f"its map has another aspect ratio: {path} is {sizes}")
    return path


def parse_inspection(given: tuple, height: int, width: int) -> Inspection:
    """A label and a mask, once checked; the mask is decoded later."""
    label, mask = given
    if label not in ("normal", "anomalous"):
        raise ValueError(f"neither `normal` nor `anomalous`: {label!r:.100}")
    if mask and label == "normal":
        raise ValueError(f"it is normal, and has a mask: {mask}")
    if mask:
        parse_map(mask, height, width, MASK_MODES)
    return Inspection(label == "anomalous", mask)
