"""The dataset: its annotations, read and checked.

A dataset is a folder with `images/`, and beside it:

    metadata.yaml
        task: regression
        range: [LOWEST, HIGHEST]
        annotations: annotations.yaml
    annotations.yaml
        image.jpg: NUMBER

`null` leaves an image out.
"""

import functools
import itertools
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from files import BrokenImage, below, image_size, noted, read_yaml, say, tell
from model import RANGE

TRAIN, VALIDATION = "houses/train", "houses/val"  # below --data
MOST_BROKEN, BROKEN_SHARE = 10, 0.01  # training images; a run ends above both limits


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, float]


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
            labels["price"] = same("price", one, sample)
        except ValueError as error:
            problems.append((sample.path, error))
        known[file_of(sample)] = one._replace(labels=labels)
    return list(known.values())


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
        say(f"{head}: in no image to {use} on, {told}")


def read_dataset(folder: Path, training: bool = False) -> list[Sample]:
    """The labelled images of a dataset; ends with a list of what is wrong, if any."""
    annotations = read_numbers(folder, RANGE)
    samples, problems, counts = [], [], Counter()
    for name, given in sorted(annotations.items()):
        if given is None:
            counts["images left out: null"] += 1
            continue
        try:
            path = below(folder / "images", name)
            height, width = image_size(path)
            labels = {"price": parse_number(given, RANGE)}
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


def read_numbers(folder: Path, limits: tuple[float, float]) -> dict:
    """Numbers by image, once the dataset's range is known to be the job's."""
    path, entry = entry_with_range(folder, "regression", list(limits))
    return annotations_of(path, entry)


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


def annotations_of(path: Path, entry: dict) -> dict:
    """What an entry of this file of metadata says of each image, by its name."""
    try:
        path = below(path.parent, entry.get("annotations"))
    except ValueError as error:
        raise SystemExit(f"{path}: annotations: {error}") from None
    annotations = read_yaml(path)
    if not isinstance(annotations, dict):
        raise SystemExit(f"{path}: does not map images to annotations")
    return {str(name): value for name, value in annotations.items()}


# ---- One image and its labels ----


def parse_number(given: object, limits: tuple[float, float]) -> float:
    """An image's number, perhaps as text; ValueError where it is none, or lies outside
    the range."""
    try:
        number = float(given)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"not a number: {given!r:.100}") from None
    lowest, highest = limits
    if isinstance(given, bool) or not lowest <= number <= highest:
        raise ValueError(
            f"{given!r:.100} lies outside the range of {lowest}..{highest}"
        )
    return number
