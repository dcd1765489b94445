"""The dataset: its annotations, read and checked.

A dataset is a folder with one folder of images for each category.
"""

import functools
import itertools
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from model import CATEGORIES

TRAIN = "flowers"  # path below --data
VALIDATION_SHARE = 0.1  # share of images held out for validation
NUMBERS = {name: number for number, name in enumerate(CATEGORIES)}
MOST_BROKEN, BROKEN_SHARE = 10, 0.01  # broken training images; above both, a run ends
MOST_PIXELS = 200_000_000  # larger images are refused: decompression bombs
real_path = functools.cache(os.path.realpath)  # path without links


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, int]


# ---- Reading: whatever is wrong is named before training begins ----


def read_datasets(root: Path) -> tuple[list[Sample], list[Sample]]:
    """Returns the samples to train on, and those to validate on: always the same
    ones."""
    samples = read_dataset(root / TRAIN, training=True)
    held_out = max(1, round(VALIDATION_SHARE * len(samples)))
    if held_out == len(samples):
        raise SystemExit(f"{root / TRAIN}: too few images to hold some out")
    order = np.random.default_rng(0).permutation(len(samples)).tolist()
    validation, training = sorted(order[:held_out]), sorted(order[held_out:])
    return [samples[i] for i in training], [samples[i] for i in validation]


def one_per_image(samples: list, problems: list, counts: Counter) -> list[Sample]:
    """Merges samples of one file, reached by several names or links, into one."""
    known = {}
    for sample in samples:
        one = known.setdefault(file_of(sample), sample)
        if one is sample:
            continue
        counts["images named more than once, taken for one"] += 1
        labels = [x.labels["flower"] for x in (one, sample)]
        if labels[0] != labels[1]:
            words = " and ".join(repr(CATEGORIES[label]) for label in labels)
            what = "labels of one image contradict: its flower is " + f"{words:.200}"
            problems.append((sample.path, ValueError(what)))
    return list(known.values())


def read_samples(root: Path) -> list[list[Sample]]:
    """Returns the samples to train on, and those to validate on; ends the run where a
    set has too few labels."""
    sets = [*read_datasets(root)]
    for use, samples in zip(("train", "validate"), sets):
        check_labels(samples, use, "flower", CATEGORIES, lambda x: [x])
    return sets


def check_labels(samples: list, use: str, head: str, names: tuple, kinds: Callable):
    """Ends the run where a head's labels hold too few kinds to learn from, or to be
    measured by; tells which of its names never occur."""
    labels = [sample.labels[head] for sample in samples]
    found = set(itertools.chain.from_iterable(map(kinds, labels)))
    if len(found) < (2 if use == "train" else 1):
        what = f"{len(found)} (images to {use} on: {len(labels)})"
        raise SystemExit(f"{head}: too few kinds of labels, {what}")
    if missing := [name for i, name in enumerate(names) if i not in found]:
        told = f"{len(missing)} of {len(names)}: {', '.join(missing[:9])}"
        say(f"{head}: in no image to {use} on, {told}")


def read_dataset(folder: Path, training: bool = False) -> list[Sample]:
    """Returns the images of a dataset; ends the run if any is wrong."""
    samples, problems, counts = [], [], Counter()
    classes = images_by_class(folder, counts)
    names = {name.strip() for name in classes}
    compare_categories(folder, "categories", names, NUMBERS)
    for given, path in ((x, path) for x in sorted(classes) for path in classes[x]):
        category = str(given).strip()
        if category not in NUMBERS:
            counts[f"what the job does not name, left out: {category:.60}"] += 1
            continue
        try:
            height, width = image_size(path)
            labels = {"flower": NUMBERS[category]}
        except ValueError as error:
            problems.append((path.relative_to(folder), error))
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
        raise SystemExit(f"{where}: problems: {len(problems)}{lines}{more}")
    tell(where, counts)
    if not samples:
        raise SystemExit(f"{where}: no labeled images")


def file_of(sample: Sample) -> str:
    """Returns the path of the image after resolving symbolic links."""
    folder, name = os.path.split(sample.path)
    if os.path.islink(sample.path):
        return os.path.realpath(sample.path)
    return os.path.join(real_path(folder), name)


def images_by_class(folder: Path, counts: Counter) -> dict[str, list[Path]]:
    """Returns images by the folder, inside this one at any depth, that holds them."""
    if not folder.is_dir():
        raise SystemExit(f"{folder}: no such folder")
    classes = {}
    for place, images in images_below(folder, counts):
        if place == folder:
            counts["images left out: in no folder of a category"] += len(images)
        elif images:
            classes.setdefault(place.relative_to(folder).parts[0], []).extend(images)
    others = [x for x in folder.iterdir() if x.is_dir() and x.name not in classes]
    for place in others:
        if not place.name.startswith(HIDDEN):
            if any(files for _, _, files in os.walk(place)):
                counts["folders left out: without images of a category"] += 1
            else:  # a category of which nothing is there
                classes[place.name] = []
    return classes


def compare_categories(path: Path, key: str, dataset: set[str], known: dict[str, int]):
    """Ends the run if job and dataset each have names that the other one lacks."""
    others, missing = sorted(dataset - known.keys()), sorted(known.keys() - dataset)
    if others and missing:
        raise SystemExit(
            f"{path}: the {key} differ from the job's\n"
            f"  only in the dataset: {', '.join(others)}\n"
            f"  only in the job: {', '.join(missing)}"
        )


# ---- Files, read with care: nothing of it depends on the task ----


SUFFIXES = (  # image files that OpenCV and Pillow read
    ".avif .bmp .gif .jfif .jp2 .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp"
).split()
HIDDEN = ".", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "specc-"  # how hidden names begin
OWN_FILES = {"resolved.json", "metrics.jsonl", "predictions.json"}  # specc writes them


def images_below(folder: Path, counts: Counter) -> Iterator[tuple]:
    """Returns each folder from this one down, and its images. Links are followed; what
    systems, tools and specc itself leave beside images is left out, and counted."""
    for place, folders, files in os.walk(folder, followlinks=True):
        own = place != str(folder) and OWN_FILES & set(files)
        above = map(os.path.realpath, Path(place).parents)
        if own or os.path.islink(place) and os.path.realpath(place) in above:
            what = "written by specc" if own else "links to one that they are in"
            counts[f"folders left out: {what}"] += 1
            folders.clear()
            continue
        files = [x for x in files if os.path.splitext(x)[1].lower() in SUFFIXES]
        shown = [name for name in files if not name.startswith(HIDDEN)]
        counts["hidden files left out"] += len(files) - len(shown)
        hidden = [name for name in folders if name.startswith(HIDDEN)]
        counts["hidden folders left out"] += len(hidden)
        folders[:] = sorted(set(folders) - set(hidden))
        yield Path(place), [Path(place, name) for name in sorted(shown)]


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
