"""The dataset: its annotations, read and checked.

A dataset is a folder with `images/`, and beside it:

    metadata.yaml
        task: semantic segmentation
        categories: [NAME, ...]
        colors: {NAME: [red, green, blue], ...}
        annotations: maps/
    maps/
        image.png: each pixel in the color of its category, black where unknown

A map has the stem of its image; it may be smaller.
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
from model import CATEGORIES

TRAIN, VALIDATION = "camvid/train", "camvid/val"  # below --data
# of the categories in maps; black is unknown
COLORS = (
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (60, 40, 222),
    (128, 128, 1),
    (192, 128, 128),
    (64, 64, 128),
    (64, 1, 128),
    (64, 64, 1),
    (1, 128, 192),
)
COLOR_MODES = ("RGB", "RGBA", "P", "L", "1")  # Pillow's, of maps that have colors
MOST_BROKEN, BROKEN_SHARE = 10, 0.01  # training images; a run ends above both limits


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, Path]


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
            labels["street"] = same("street", one, sample)
        except ValueError as error:
            problems.append((sample.path, error))
        known[file_of(sample)] = one._replace(labels=labels)
    return list(known.values())


def read_dataset(folder: Path, training: bool = False) -> list[Sample]:
    """The labelled images of a dataset; ends with a list of what is wrong, if any."""
    annotations = read_class_maps(folder, "semantic segmentation", CATEGORIES, COLORS)
    samples, problems, counts = [], [], Counter()
    for name, given in sorted(annotations.items()):
        try:
            path = below(folder / "images", name)
            height, width = image_size(path)
            labels = {"street": parse_map(given, height, width, COLOR_MODES)}
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
    what = "images left out, as they are in the validation set, too"
    report(where, kept, [], Counter({what: len(training) - len(kept)}))
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


def read_class_maps(
    folder: Path, task: str, names: tuple[str, ...], colors: tuple
) -> dict[str, Path]:
    """Maps by image, once the dataset's categories and colors are known to be the
    job's."""
    path, entry = described(folder, task, "categories", names)
    theirs, wrong = entry.get("colors"), []
    if not isinstance(theirs, dict):
        raise SystemExit(f"{path}: `colors` does not map categories to colors")
    theirs = {str(name).strip(): color for name, color in theirs.items()}
    for name, color in zip(names, colors):
        if theirs.get(name) != list(color):
            wrong.append(f"{name}: {theirs.get(name)}, in the job {list(color)}")
    if wrong:
        lines = "".join(f"\n  {line}" for line in wrong)
        raise SystemExit(f"{path}: the colors differ from the job's{lines}")
    return maps_of(folder, path, entry)


def maps_of(folder: Path, path: Path, entry: dict) -> dict[str, Path]:
    """The map of each image, which has its stem, in the folder that the entry names.

    Either without the other is there too: it is named among the problems.
    """
    try:
        maps = below(folder, entry.get("annotations"))
        files = {file.stem: file for file in listed_images(maps)}
        images = {file.name: file.stem for file in listed_images(folder / "images")}
    except ValueError as error:
        raise SystemExit(f"{path}: annotations: {error}") from None
    alone = {files[stem].name: files[stem] for stem in files.keys() - images.values()}
    return alone | {k: files.get(v, maps / f"{v}.png") for k, v in images.items()}


def listed_images(folder: Path) -> list[Path]:
    """The images in a folder, none of those below it; says what is left out."""
    if not os.path.isdir(folder):
        raise ValueError(f"no such folder: {folder}")
    images, counts = [], Counter()
    for path in sorted(folder.iterdir()):
        if path.name.startswith(HIDDEN):
            counts["hidden files and folders left out"] += 1
        elif is_image(path.name):
            images.append(path)
        elif path.is_dir():
            counts["folders in it left out"] += 1
    tell(folder, counts)
    return images


def described(folder: Path, task: str, key: str, names: tuple) -> tuple[Path, dict]:
    """The file of metadata, and its entry for a task with these names."""
    path, entries = entries_of(folder, task)
    # Entries of one task differ in their names: the one nearest to the job's is meant.
    entry = max(entries, key=lambda e: len(set(names) & names_of(path, e, key)))
    compare_names(path, key, names_of(path, entry, key), set(names))
    return path, entry


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


def compare_names(path: Path, key: str, dataset: set[str], job: set[str]):
    if dataset != job:
        raise SystemExit(
            f"{path}: the {key} differ from the job's\n"
            f"  only in the dataset: {', '.join(sorted(dataset - job)) or 'none'}\n"
            f"  only in the job: {', '.join(sorted(job - dataset)) or 'none'}"
        )


def names_of(path: Path, entry: dict, key: str) -> set[str]:
    """Names as they stand in the file, but for spaces at their ends."""
    names = entry.get(key)
    if not isinstance(names, list):
        raise SystemExit(f"{path}: `{key}` is not a list of names")
    return {str(name).strip() for name in names}


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
