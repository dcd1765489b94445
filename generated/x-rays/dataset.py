"""The dataset: its annotations, read and checked.

A dataset is a folder with `images/`; whatever else it holds is not needed.
"""

import functools
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

TRAIN = "x-rays"  # path below --data
VALIDATION_SHARE = 0.1  # share of images held out for validation
GROUP = "([^/_]+)_[0-9]+[.]"  # images whose paths match alike stay on one side
FEWEST_GROUPS = 1  # least number held out, and trained on
MOST_BROKEN, BROKEN_SHARE = 10, 0.01  # broken training images; above both, a run ends
MOST_PIXELS = 200_000_000  # larger images are refused: decompression bombs
real_path = functools.cache(os.path.realpath)  # path without links


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, None]


# ---- Reading: whatever is wrong is named before training begins ----


def read_datasets(root: Path) -> tuple[list[Sample], list[Sample]]:
    """Returns the samples to train on, and those to validate on, always the same ones:
    all images of a group are on one side."""
    samples = read_dataset(root / TRAIN, training=True)
    groups = [group_of(sample, root) for sample in samples]
    held_out = hold_out(groups, root / TRAIN)
    pairs = list(zip(samples, groups))
    training = [sample for sample, group in pairs if group not in held_out]
    return training, [sample for sample, group in pairs if group in held_out]


def hold_out(groups: list[str], where: Path) -> set[str]:
    """Groups, drawn by a fixed seed, with about VALIDATION_SHARE of the images."""
    sizes = Counter(groups)
    names = sorted(sizes)
    if len(names) < 2 * FEWEST_GROUPS:
        raise SystemExit(f"{where}: cannot hold {FEWEST_GROUPS} out of {names}")
    wanted, taken, held_out = VALIDATION_SHARE * len(groups), 0, []
    for index in np.random.default_rng(0).permutation(len(names)).tolist():
        if taken + sizes[names[index]] / 2 <= wanted:  # the group brings it nearer
            held_out.append(names[index])
            taken += sizes[names[index]]
    smallest = sorted(set(names) - set(held_out), key=lambda name: (sizes[name], name))
    held_out += smallest[: max(0, FEWEST_GROUPS - len(held_out))]
    return set(held_out[: len(names) - FEWEST_GROUPS])


def group_of(sample: Sample, root: Path) -> str:
    """Returns the group of an image: the text that GROUP matches in its path below
    `root`."""
    path = Path(os.path.relpath(sample.path, root)).as_posix()
    found = re.search(GROUP, path)
    if not found or not found[1]:
        raise SystemExit(f"{sample.path}: {GROUP!r} finds no group in {path}")
    return found[1]


def one_per_image(samples: list, counts: Counter) -> list[Sample]:
    """Merges samples of one file, reached by several names or links, into one."""
    known = {}
    for sample in samples:
        known.setdefault(file_of(sample), sample)
    counts["images named more than once, taken for one"] = len(samples) - len(known)
    return list(known.values())


def read_dataset(folder: Path, training: bool = False) -> list[Sample]:
    """Returns the images of a dataset; ends the run if any is wrong."""
    try:
        paths = listed_images(folder / "images")
    except ValueError as error:
        raise SystemExit(f"{folder}: no images: {error}") from None
    samples, problems, counts = [], [], Counter()
    for path in paths:
        try:
            height, width = image_size(path)
            samples.append(Sample(path, height, width, {"picture": None}))
        except ValueError as error:
            problems.append((path.name, error))
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
        raise SystemExit(f"{where}: no images")


def file_of(sample: Sample) -> str:
    """Returns the path of the image after resolving symbolic links."""
    folder, name = os.path.split(sample.path)
    if os.path.islink(sample.path):
        return os.path.realpath(sample.path)
    return os.path.join(real_path(folder), name)


def listed_images(folder: Path) -> list[Path]:
    """Returns the images in a folder, none of those below it; says what is left out."""
    if not os.path.isdir(folder):
        raise ValueError(f"no such folder: {folder}")
    images, counts = [], Counter()
    for path in sorted(folder.iterdir()):
        if path.name.startswith(HIDDEN):
            counts["hidden files and folders left out"] += 1
        elif path.suffix.lower() in SUFFIXES:
            images.append(path)
        elif path.is_dir():
            counts["folders in it left out"] += 1
    tell(folder, counts)
    return images


# ---- Files, read with care: nothing of it depends on the task ----


SUFFIXES = (  # image files that OpenCV and Pillow read
    ".avif .bmp .gif .jfif .jp2 .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp"
).split()
HIDDEN = ".", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "specc-"  # how hidden names begin


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
