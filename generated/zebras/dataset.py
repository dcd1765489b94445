"""The dataset: its annotations, read and checked.

A dataset is a folder with one folder of images for each identity.
"""

import functools
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from files import HIDDEN, BrokenImage, image_size, images_below, say, tell
from model import IDENTITIES

TRAIN, VALIDATION = "zebras/known", "zebras/new"  # below --data
NUMBERS = {name: number for number, name in enumerate(IDENTITIES)}
MOST_BROKEN, BROKEN_SHARE = 10, 0.01  # training images; a run ends above both limits


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, str]


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
            labels["animal"] = same("animal", one, sample)
        except ValueError as error:
            problems.append((sample.path, error))
        known[file_of(sample)] = one._replace(labels=labels)
    return list(known.values())


def check_identities(samples: list[Sample], use: str, head: str):
    """Ends the run where no identity has two images, of which one finds the other;
    tells how many have a single one."""
    images = Counter(sample.labels[head] for sample in samples if head in sample.labels)
    alone = sum(count == 1 for count in images.values())
    told = f"{head}: {alone} of {len(images)} identities to {use} on have one image"
    if alone == len(images):
        raise SystemExit(told)
    if alone:
        say(told)


def read_dataset(folder: Path, training: bool = False) -> list[Sample]:
    """The images of a dataset; ends with a list of what is wrong, if anything is.

    A set to train on must have the identities of the job, any other may have others.
    """
    samples, problems, counts = [], [], Counter()
    classes = images_by_class(folder, counts)
    names = {name.strip() for name in classes}
    if training:
        compare_names(folder, "identities", names, set(IDENTITIES))
    for given, path in ((x, path) for x in sorted(classes) for path in classes[x]):
        try:
            height, width = image_size(path)
            labels = {"animal": parse_identity(given, NUMBERS, training)}
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


def images_by_class(folder: Path, counts: Counter) -> dict[str, list[Path]]:
    """The images in each folder in a folder, at any depth, by that folder's name."""
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


def compare_names(path: Path, key: str, dataset: set[str], job: set[str]):
    if dataset != job:
        raise SystemExit(
            f"{path}: the {key} differ from the job's\n"
            f"  only in the dataset: {', '.join(sorted(dataset - job)) or 'none'}\n"
            f"  only in the job: {', '.join(sorted(job - dataset)) or 'none'}"
        )


# ---- One image and its labels ----


def parse_identity(given: object, known: dict[str, int], training: bool) -> str:
    """The name of an identity; ValueError if it is trained on and none of the job's."""
    if training and str(given).strip() not in known:
        raise ValueError(f"not an identity of the job: {given!r:.100}")
    if not isinstance(given, (str, int, float)):
        raise ValueError(f"not the name of an identity: {given!r:.100}")
    return str(given).strip()
