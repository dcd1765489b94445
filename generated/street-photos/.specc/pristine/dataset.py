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
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from files import BrokenImage, below, image_size, noted, read_yaml, tell
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
    parts = [samples[i] for i in training], [samples[i] for i in validation]
    check_parts(*parts, root / TRAIN)
    return parts


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


def check_parts(training: list[Sample], held_out: list[Sample], where: Path):
    """Ends the run where a head has labels in one part alone."""
    heads = sorted({head for sample in training + held_out for head in sample.labels})
    for part, what in ((training, "to train on"), (held_out, "held out")):
        for head in heads:
            if not any(head in sample.labels for sample in part):
                raise SystemExit(f"{where}: no image {what} has a label for {head}")


def read_dataset(folder: Path, training: bool = False) -> list[Sample]:
    """The images labelled for some head; ends with a list of what is wrong, if any."""
    annotations = {
        "tags": read_annotations(
            folder, "multilabel classification", "labels", TAGS_LABELS
        ),
        "traffic": read_annotations(
            folder, "multiclass classification", "categories", TRAFFIC_CATEGORIES
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
                labels["tags"] = parse_labels(given["tags"], TAGS_NUMBERS)
            if given["traffic"] is not None:
                labels["traffic"] = parse_category(given["traffic"], TRAFFIC_NUMBERS)
        except ValueError as error:
            problems.append((name, error))
        else:
            samples.append(Sample(path, height, width, labels))
    samples = one_per_image(samples, problems, counts)
    count_labels(samples, annotations, problems, counts)
    report(folder, samples, problems, counts, training)
    return samples


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


def read_annotations(folder: Path, task: str, key: str, names: tuple[str, ...]) -> dict:
    """Annotations by image, once the dataset's names, under `key`, are the job's."""
    return annotations_of(*described(folder, task, key, names))


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


def parse_category(given: object, known: dict[str, int]) -> int:
    """Index of an image's category; ValueError where the job has none of that name."""
    category = known.get(str(given).strip())
    if category is None:
        raise ValueError(f"not a category of the job: {given!r:.100}")
    return category


def parse_labels(given: object, known: dict[str, int]) -> np.ndarray:
    """Which labels an image has, 0 or 1 each; ValueError names one of no meaning."""
    if not isinstance(given, list):
        raise ValueError(f"not a list of labels: {given!r:.100}")
    present = np.zeros(len(known), np.float32)
    for name in (str(name).strip() for name in given):
        if name not in known:
            raise ValueError(f"not a label of the job: {name!r:.100}")
        present[known[name]] = 1
    return present
