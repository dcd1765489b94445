"""The dataset: its annotations, read and checked.

A dataset is a folder with `images/`; whatever else it holds is not needed.
"""

import os
import sys
from collections import Counter
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

TRAIN = "micrographs/unlabelled"  # below --data
VALIDATION_SHARE = 0.1  # of it is held out
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")  # of images
MOST_PIXELS = 200_000_000  # of an image; a bomb has more


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, None]


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


def read_dataset(folder: Path) -> list[Sample]:
    """The labelled images of a dataset; ends with a list of what is wrong, if any."""
    annotations = read_images(folder)
    samples, problems, counts = [], [], Counter()
    for name, given in sorted(annotations.items()):
        try:
            path = below(folder / "images", name)
            height, width = image_size(path)
            labels = {"texture": None}
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


def read_images(folder: Path) -> dict[str, str]:
    """All images of a folder: they need no annotations, and are their own."""
    try:
        files = sorted((folder / "images").iterdir())
    except OSError as error:
        raise SystemExit(f"{folder}: no images: {error}") from None
    return {file.name: file.name for file in files if file.suffix.lower() in SUFFIXES}


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
