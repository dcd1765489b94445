"""The dataset: its annotations, read and checked.

A dataset is a folder with `images/`, and beside it:

    metadata.yaml
      - task: multilabel classification
        labels: [NAME, ...]
        annotations: annotations1.yaml
      - task: multiclass classification
        categories: [NAME, ...]
        ordered: true
        annotations: annotations2.yaml
    annotations1.yaml
        image.jpg: [NAME, ...]
    annotations2.yaml
        image.jpg: NAME

`null` is no label, `[]` is one without labels.
An image trains the heads that it has labels for.
"""

import functools
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from files import BrokenImage, below, image_size, noted, read_yaml, say, tell
from model import TAGS_LABELS, TRAFFIC_CATEGORIES

TRAIN = "streets"  # below --data
VALIDATION_SHARE = 0.2  # of it is held out
TAGS_NUMBERS = {name: number for number, name in enumerate(TAGS_LABELS)}
TRAFFIC_NUMBERS = {name: number for number, name in enumerate(TRAFFIC_CATEGORIES)}
MOST_BROKEN, BROKEN_SHARE = 10, 0.01  # training images; a run ends above both limits


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, np.ndarray | int]


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
        labels = one.labels | sample.labels
        try:
            if "tags" in one.labels.keys() & sample.labels.keys():
                labels["tags"] = np.maximum(one.labels["tags"], sample.labels["tags"])
            if "traffic" in one.labels.keys() & sample.labels.keys():
                labels["traffic"] = same("traffic", one, sample, TRAFFIC_CATEGORIES)
        except ValueError as error:
            problems.append((sample.path, error))
        known[file_of(sample)] = one._replace(labels=labels)
    return list(known.values())


def check_constant(samples: list[Sample], use: str, head: str, names: tuple[str, ...]):
    """Ends the run where all images to train on have the same labels; tells which ones
    every image has."""
    labels = [sample.labels[head] for sample in samples if head in sample.labels]
    if use == "train" and not np.ptp(labels, 0).any():
        raise SystemExit(
            f"{head}: all {len(labels)} images to {use} on have the same labels"
        )
    if always := [name for name, of_all in zip(names, np.all(labels, 0)) if of_all]:
        told = f"{len(always)} of {len(names)}: {', '.join(always[:9])}"
        say(f"{head}: in every image to {use} on, {told}")


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
    """The images labelled for some head; ends with a list of what is wrong, if any."""
    annotations = {
        "tags": read_annotations(
            folder, "multilabel classification", "labels", TAGS_NUMBERS
        ),
        "traffic": read_annotations(
            folder, "multiclass classification", "categories", TRAFFIC_NUMBERS
        ),
    }
    samples, problems, counts = [], [], Counter()
    for name in sorted(set().union(*annotations.values())):
        given = {head: images.get(name) for head, images in annotations.items()}
        if not any(label is not None for label in given.values()):
            counts["images left out: null"] += 1
            continue
        try:
            path = below(folder / "images", name)
            height, width = image_size(path)
            labels = {}
            if given["tags"] is not None:
                labels["tags"] = parse_labels(given["tags"], TAGS_NUMBERS, counts)
            if given["traffic"] is not None and is_named(
                given["traffic"], TRAFFIC_NUMBERS, counts
            ):
                labels["traffic"] = parse_category(given["traffic"], TRAFFIC_NUMBERS)
        except ValueError as error:
            problems.append((name, error))
        else:
            samples.append(Sample(path, height, width, labels))
    samples = one_per_image([x for x in samples if x.labels], problems, counts)
    count_labels(samples, annotations, problems, counts)
    report(folder, samples, problems, counts, training)
    return samples


def is_named(given: object, known: dict[str, int], counts: Counter) -> bool:
    """Whether a name in an annotation is one of the job's; others are counted."""
    name = str(given).strip()
    if name not in known:
        counts[f"what the job does not name, left out: {name:.60}"] += 1
    return name in known


def count_labels(
    samples: list[Sample], heads: Iterable[str], problems: list, counts: Counter
):
    """Counts the images without a label for a head; it needs one with a label."""
    for head in heads:
        missing = sum(head not in sample.labels for sample in samples)
        counts[f"images without a label for {head}"] = missing
        if samples and missing == len(samples):
            problems.append((head, ValueError("no image has a label")))


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


def same(head: str, one: Sample, other: Sample, names: Sequence = ()) -> object:
    """The label of an image that has two; ValueError if they contradict each other."""
    label, further = one.labels[head], other.labels[head]
    if label != further:
        both = [repr(names[x] if names else x) for x in (label, further)]
        words = " and ".join(both)
        raise ValueError(f"labels of one image contradict: its {head} is {words:.200}")
    return label


def read_annotations(folder: Path, task: str, key: str, known: dict[str, int]) -> dict:
    """Annotations by image, once the dataset's names, under `key`, fit the job's."""
    return annotations_of(*described(folder, task, key, known))


def described(folder: Path, task: str, key: str, known: dict) -> tuple[Path, dict]:
    """The file of metadata, and its entry for a task with names that fit the job's."""
    path, entries = entries_of(folder, task)
    # Entries of one task differ in their names: the one nearest to the job's is meant.
    entry = max(entries, key=lambda e: len(known.keys() & names_of(path, e, key)))
    compare_categories(path, key, names_of(path, entry, key), known)
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


def names_of(path: Path, entry: dict, key: str) -> set[str]:
    """Names as they stand in the file, but for spaces at their ends."""
    names = entry.get(key)
    if not isinstance(names, list):
        raise SystemExit(f"{path}: `{key}` is not a list of names")
    return {str(name).strip() for name in names}


# ---- One image and its labels ----


def parse_category(given: object, known: dict[str, int]) -> int:
    """Index of an image's category; ValueError where the job has none of that name."""
    category = known.get(str(given).strip())
    if category is None:
        raise ValueError(f"not a category of the job: {given!r:.100}")
    return category


def parse_labels(given: object, known: dict[str, int], counts: Counter) -> np.ndarray:
    """Which labels an image has, 0 or 1 each."""
    if not isinstance(given, list):
        raise ValueError(f"not a list of labels: {given!r:.100}")
    present = np.zeros(1 + max(known.values()), np.float32)
    for name in (str(name).strip() for name in given):
        if is_named(name, known, counts):
            present[known[name]] = 1
    return present
