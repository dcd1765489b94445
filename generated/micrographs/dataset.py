"""The dataset: its annotations, read and checked.

A dataset is a folder with `images/`; whatever else it holds is not needed.
"""

import functools
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from files import HIDDEN, BrokenImage, below, image_size, is_image, noted, tell

TRAIN = "micrographs/unlabelled"  # below --data
VALIDATION_SHARE = 0.1  # of it is held out
MOST_BROKEN, BROKEN_SHARE = 10, 0.01  # training images; a run ends above both limits


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, None]


# ---- Reading: whatever is wrong is named before training begins ----


def read_datasets(root: Path) -> tuple[list[Sample], list[Sample]]:
    """The samples to train on, and those to validate on: always the same ones."""
    samples = read_dataset(root / TRAIN, training=True)
    held_out = max(1, round(VALIDATION_SHARE * len(samples)))
    if held_out == len(samples):
        raise SystemExit(f"{root / TRAIN}: too few images to hold some out")
    order = np.random.default_rng(0).permutation(len(samples)).tolist()
    validation, training = sorted(order[:held_out]), sorted(order[held_out:])
    return [samples[i] for i in training], [samples[i] for i in validation]


def one_per_image(samples: list, problems: list, counts: Counter) -> list[Sample]:
    """A sample for each file, with the labels of all that lead to it."""
    known = {}
    for sample in samples:
        one = known.setdefault(file_of(sample), sample)
        if one is sample:
            continue
        counts["images named more than once, taken for one"] += 1
    return list(known.values())


def read_dataset(folder: Path, training: bool = False) -> list[Sample]:
    """The labelled images of a dataset; ends with a list of what is wrong, if any."""
    annotations = read_images(folder)
    samples, problems, counts = [], [], Counter()
    for name, given in sorted(annotations.items()):
        try:
            path = below(folder / "images", name)
            height, width = image_size(path)
            labels = {"texture": None}
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


def file_of(sample: Sample) -> str:
    """Where the file of a sample is, all symbolic links followed."""
    folder, name = os.path.split(sample.path)
    if os.path.islink(sample.path):
        return os.path.realpath(sample.path)
    return os.path.join(real_folder(folder), name)


@functools.cache
def real_folder(folder: str) -> str:
    return os.path.realpath(folder)


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


# ---- One image and its labels ----
