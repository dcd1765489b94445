"""The dataset: its annotations, read and checked.

A dataset is a folder with one folder of images for each identity.
"""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image

from model import IDENTITIES

TRAIN, VALIDATION = "zebras/known", "zebras/new"  # below --data
NUMBERS = {name: number for number, name in enumerate(IDENTITIES)}
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")  # of images
MOST_PIXELS = 200_000_000  # of an image; a bomb has more


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, str]


# ---- Reading: whatever is wrong is named before training begins ----


def read_datasets(root: Path) -> tuple[list[Sample], list[Sample]]:
    """The samples to train on, and those to validate on."""
    return read_dataset(root / TRAIN, training=True), read_dataset(root / VALIDATION)


def check_identities(samples: list[Sample], use: str, head: str):
    """Ends the run where no identity has two images, of which one finds the other;
    tells how many have a single one."""
    images = Counter(sample.labels[head] for sample in samples if head in sample.labels)
    alone = sum(count == 1 for count in images.values())
    told = f"{head}: {alone} of {len(images)} identities to {use} on have one image"
    if alone == len(images):
        raise SystemExit(told)
    if alone:
        print(told, file=sys.stderr)


def read_dataset(folder: Path, training: bool = False) -> list[Sample]:
    """The images of a dataset; ends with a list of what is wrong, if anything is.

    A set to train on must have the identities of the job, any other may have others.
    """
    if not folder.is_dir():
        raise SystemExit(f"{folder}: no such folder")
    names = {path.name for path in folder.iterdir() if path.is_dir()}
    if training:
        compare_names(folder, "identities", names, set(IDENTITIES))
    samples, problems, counts = [], [], Counter()
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() not in SUFFIXES:
            continue
        given = path.parent.name
        try:
            height, width = image_size(path)
            labels = {"animal": parse_identity(given, NUMBERS, training)}
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
            if width * height > MOST_PIXELS:
                raise ValueError(f"{width}x{height} pixels, more than {MOST_PIXELS:,}")
            orientation = orientation_of(image)
    except FileNotFoundError:
        raise ValueError("no such image") from None
    except Exception as error:  # a broken file can raise nearly anything
        raise ValueError(f"not an image: {error}") from None
    return (width, height) if orientation >= 5 else (height, width)


def parse_identity(given: object, known: dict[str, int], training: bool) -> str:
    """The name of an identity; ValueError if it is trained on and none of the job's."""
    if training and str(given) not in known:
        raise ValueError(f"not an identity of the job: {given!r:.100}")
    if not isinstance(given, (str, int, float)):
        raise ValueError(f"not the name of an identity: {given!r:.100}")
    return str(given)


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
