"""The dataset: its annotations, read and checked.

A dataset is a folder with `images/`, and beside it:

    metadata.yaml
        task: panoptic segmentation
        categories: [NAME, ...]
        things: [NAME, ...]
        colors: {NAME: [red, green, blue], ...}
        annotations: maps/
    maps/
        image.tif: each pixel in the color of its category; the number of its instance

A map has the stem of its image; it may be smaller.
Categories and instances are two pages of a file.
"""

import functools
import itertools
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageSequence
from faster_coco_eval.core import mask as coco_mask

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
from model import CATEGORIES, THINGS

TRAIN, VALIDATION = "shapes/train", "shapes/val"  # below --data
# of the categories in maps; black is unknown
COLORS = ((70, 70, 70), (220, 20, 60), (0, 130, 180), (250, 170, 30), (107, 142, 35))
MOST_BROKEN, BROKEN_SHARE = 10, 0.01  # training images; a run ends above both limits


class Instances(NamedTuple):
    """The instances of one image."""

    boxes: np.ndarray  # (G, 4) left, top, right, bottom in pixels: extents of the masks
    classes: np.ndarray  # (G,) indices into the categories
    masks: tuple[dict, ...]  # COCO's run lengths, {"size", "counts"}, of the image


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, Instances]


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
            labels["scene"] = same_segments(one.labels["scene"], sample.labels["scene"])
        except ValueError as error:
            problems.append((sample.path, error))
        known[file_of(sample)] = one._replace(labels=labels)
    return list(known.values())


def read_dataset(folder: Path, training: bool = False) -> list[Sample]:
    """The labelled images of a dataset; ends with a list of what is wrong, if any."""
    annotations = read_panoptic_maps(folder, CATEGORIES, COLORS, THINGS)
    samples, problems, counts = [], [], Counter()
    for name, given in sorted(annotations.items()):
        try:
            path = below(folder / "images", name)
            height, width = image_size(path)
            labels = {"scene": parse_panoptic(given, COLORS, THINGS, height, width)}
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


def joined(parts: list, counts: Counter) -> NamedTuple:
    """The objects of all parts, equal ones once."""
    pairs = zip(*parts)
    columns = [
        np.concatenate(x) if hasattr(x[0], "dtype") else sum(x, ()) for x in pairs
    ]
    objects = type(parts[0])(*columns)
    if len({*map(bytes, objects.boxes)}) == len(objects.boxes):
        return objects
    rows = zip(*(x.tolist() if hasattr(x, "dtype") else x for x in columns))
    kept = sorted({str(row): place for place, row in enumerate(rows)}.values())
    counts["equal objects left out"] += len(objects.boxes) - len(kept)
    chosen = (
        x[kept] if hasattr(x, "dtype") else tuple(x[i] for i in kept) for x in columns
    )
    return type(objects)(*chosen)


def read_panoptic_maps(
    folder: Path, names: tuple[str, ...], colors: tuple, things: Sequence[int]
) -> dict[str, Path]:
    """The file of each image's maps, once the dataset's categories, their colors and
    which of them are things are known to be as in the job."""
    path, entry = described(folder, "panoptic segmentation", "categories", names)
    if entry.get("things") is not None:
        ours = {names[thing] for thing in things}
        compare_names(path, "things", names_of(path, entry, "things"), ours)
    return read_class_maps(folder, "panoptic segmentation", names, colors)


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


def pages_of(
    path: Path, height: int, width: int, grey: int = 0
) -> Iterator[np.ndarray]:
    """The pages of a TIFF in RGB, but for the one of number `grey`; each has the shape
    of its image. One at a time, to spare memory."""
    try:
        with Image.open(noted(path), formats=["TIFF"]) as file:
            for number, page in enumerate(ImageSequence.Iterator(file), 1):
                check_shape(page.size, height, width)
                yield np.asarray(page if number == grey else page.convert("RGB"))
    except FileNotFoundError:
        raise ValueError(f"no file of its masks in {path.parent}") from None
    except Exception as error:  # a broken file can raise nearly anything
        raise ValueError(f"its masks, {path}: {error}") from None


def check_shape(size: tuple[int, int], height: int, width: int):
    """ValueError unless this size, width first, is that of the image or scaled."""
    if size[0] * size[1] > MOST_PIXELS:  # before it is decoded
        raise ValueError(f"more than {MOST_PIXELS:,} pixels")
    # Both sides are rounded when a mask is scaled down.
    if abs(size[1] * width - size[0] * height) >= width + height:
        sizes = f"{size[0]}x{size[1]}, the image {width}x{height}"
        raise ValueError(f"another aspect ratio: {sizes}")


def scaled(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A mask at the size of its image: of each pixel that where its center lies."""
    rows = (2 * np.arange(height) + 1) * len(mask) // (2 * height)
    columns = (2 * np.arange(width) + 1) * mask.shape[1] // (2 * width)
    return mask[rows[:, None], columns]


def instances_of(masks: list[dict], classes: list[int]) -> Instances:
    """Instances of encoded masks, each of which has a pixel at least."""
    boxes = coco_mask.toBbox(masks).reshape(-1, 4).astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    return Instances(boxes, np.array(classes, np.int64), tuple(masks))


def encoded(mask: np.ndarray) -> dict:
    """A mask (height, width) as run lengths: a hundred bytes or so."""
    return coco_mask.encode(np.asfortranarray(mask, np.uint8))


def parse_panoptic(
    path: Path, colors: tuple, things: Sequence[int], height: int, width: int
) -> Instances:
    """The segments of an image: of a thing each instance, of stuff each kind."""
    pages = list(itertools.islice(pages_of(path, height, width, grey=2), 3))
    if len(pages) != 2:
        wanted = "categories by color, and numbers of instances in grey"
        raise ValueError(f"{path}: not 2 pages: {wanted}")
    kinds, numbers = category_map(path, pages[0], colors), pages[1]
    if numbers.shape != kinds.shape or not np.issubdtype(numbers.dtype, np.integer):
        raise ValueError(f"{path}: page 2 is not grey, or not of the size of page 1")
    counted = np.isin(kinds, things)
    # A thing without a number is part of a crowd, of which nothing is learned.
    kinds = np.where(counted & (numbers == 0), -1, kinds)
    numbers = np.where(counted, numbers, 0).astype(np.int64)
    codes = scaled(numbers * (len(colors) + 1) + kinds + 1, height, width)
    masks, classes = [], []
    for code in np.unique(codes).tolist():
        kind = code % (len(colors) + 1) - 1
        if kind >= 0:
            masks.append(encoded(codes == code))
            classes.append(kind)
    return instances_of(masks, classes)


def same_segments(one: Instances, other: Instances) -> Instances:
    """Those of an image that has two annotations; ValueError where they differ."""
    if len(joined([one, other], Counter()).boxes) != len(one.boxes):
        raise ValueError("two annotations with different segments")
    return one


def category_map(path: Path, page: np.ndarray, colors: tuple) -> np.ndarray:
    """The index of each pixel's category by its color, -1 where black."""
    weights = [1 << 16, 1 << 8, 1]
    codes, known = page.astype(np.int64) @ weights, [0, *np.array(colors) @ weights]
    order = np.argsort(known)
    place = np.searchsorted(known, codes, sorter=order).clip(max=len(colors))
    index = order[place]
    unknown = np.array(known)[index] != codes
    if unknown.any():
        y, x = np.argwhere(unknown)[0].tolist()
        color = page[y, x].tolist()
        raise ValueError(f"{path}: no category has the color {color} at x {x}, y {y}")
    return index - 1
