"""The dataset: its annotations, read and checked.

A dataset is a folder with `images/`, and beside it:

    metadata.yaml
        task: depth estimation
        range: [nearest, farthest]
        annotations: maps/
    maps/
        image.png: grey, 8 or 16 bits: 0 unknown, 1 the farthest, 255 or 65535 nearest

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
from model import FARTHEST, NEAREST

TRAIN, VALIDATION = "rgbd/train", "rgbd/val"  # below --data
DEPTH_MODES = ("L", "I;16", "I;16B", "I")  # Pillow's, of grey with 8 or 16 bits
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
            labels["depth"] = same("depth", one, sample)
        except ValueError as error:
            problems.append((sample.path, error))
        known[file_of(sample)] = one._replace(labels=labels)
    return list(known.values())


def read_dataset(folder: Path, training: bool = False) -> list[Sample]:
    """The labelled images of a dataset; ends with a list of what is wrong, if any."""
    annotations = read_depth_maps(folder, NEAREST, FARTHEST)
    samples, problems, counts = [], [], Counter()
    for name, given in sorted(annotations.items()):
        try:
            path = below(folder / "images", name)
            height, width = image_size(path)
            labels = {"depth": parse_map(given, height, width, DEPTH_MODES)}
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


def read_depth_maps(folder: Path, nearest: float, farthest: float) -> dict[str, Path]:
    """Maps by image, once the dataset's range of depth is known to be the job's."""
    return maps_of(
        folder, *entry_with_range(folder, "depth estimation", [nearest, farthest])
    )


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


def entry_with_range(folder: Path, task: str, ours: list) -> tuple[Path, dict]:
    """The file of metadata, and its entry for a task with the job's range."""
    path, entries = entries_of(folder, task)
    for entry in entries:
        try:
            if [*map(float, entry.get("range"))] == ours:
                return path, entry
        except (TypeError, ValueError):  # no numbers at all
            pass
    theirs = " and ".join(str(entry.get("range")) for entry in entries)
    raise SystemExit(f"{path}: the range is {theirs:.200}, the job's is {ours}")


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
