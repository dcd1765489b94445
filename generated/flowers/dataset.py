"""The dataset: its annotations, read and checked.

A dataset is a folder with one folder of images for each category.
"""

import itertools
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from model import CATEGORIES

TRAIN = "flowers"  # below --data
VALIDATION_SHARE = 0.1  # of it is held out
NUMBERS = {name: number for number, name in enumerate(CATEGORIES)}
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")  # of images
MOST_PIXELS = 200_000_000  # of an image; a bomb has more


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, int]


# ---- Reading: whatever is wrong is named before training begins ----


def read_datasets(root: Path) -> tuple[list[Sample], list[Sample]]:
    """The samples to train on, and those to validate on: always the same ones."""
    samples = read_dataset(root / TRAIN)
    held_out = max(1, round(VALIDATION_SHARE * len(samples)))
    if held_out == len(samples):
        raise SystemExit(f"{root / TRAIN}: too few images to hold some out")
    order = np.random.default_rng(0).permutation(len(samples)).tolist()
    validation, training = sorted(order[:held_out]), sorted(order[held_out:])
    return [samples[i] for i in training], [samples[i] for i in validation]


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
    """The images of a dataset; ends with a list of what is wrong, if anything is."""
    if not folder.is_dir():
        raise SystemExit(f"{folder}: no such folder")
    names = {path.name for path in folder.iterdir() if path.is_dir()}
    compare_categories(folder, "categories", names, NUMBERS)
    samples, problems, counts = [], [], Counter()
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() not in SUFFIXES:
            continue
        given = path.parent.name
        if (other := str(given)) not in NUMBERS:
            counts[f"what the job does not name, left out: {other:.60}"] += 1
            continue
        try:
            height, width = image_size(path)
            labels = {"flower": parse_category(given, NUMBERS)}
        except ValueError as error:
            problems.append(f"{path.relative_to(folder)}: {error}")
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


def parse_category(given: object, known: dict[str, int]) -> int:
    """Index of an image's category; ValueError where the job has none of that name."""
    if str(given) not in known:
        raise ValueError(f"not a category of the job: {given!r:.100}")
    return known[str(given)]


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
