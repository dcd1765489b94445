"""The dataset: its annotations, read and checked.

A dataset is a folder with `images/`, and beside it:

    metadata.yaml
        task: scene text recognition
        tokens: TEXT, or [TOKEN, ...]
        annotations: annotations.yaml
    annotations.yaml
        image.jpg: TEXT, or [TOKEN, ...]

`null` leaves an image out, `""` is one without text.
"""

import functools
import itertools
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from files import BrokenImage, below, image_size, noted, read_yaml, say, tell
from model import MAX_TOKENS, TOKENS

TRAIN, VALIDATION = "plates/train", "plates/val"  # below --data
MOST_BROKEN, BROKEN_SHARE = 10, 0.01  # training images; a run ends above both limits


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, list[int]]


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
            labels["plate"] = same("plate", one, sample)
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
    annotations = read_texts(folder, TOKENS)
    samples, problems, counts = [], [], Counter()
    for name, given in sorted(annotations.items()):
        if given is None:
            counts["images left out: null"] += 1
            continue
        try:
            path = below(folder / "images", name)
            height, width = image_size(path)
            labels = {"plate": parse_text(given, TOKENS, MAX_TOKENS)}
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


def read_texts(folder: Path, names: tuple[str, ...]) -> dict:
    """Texts by image, once the dataset's tokens are known to be the job's."""
    path, entries = entries_of(folder, "scene text recognition")
    # Entries may differ in their tokens: the one nearest to the job's is meant.
    entry = max(entries, key=lambda e: len(set(names) & tokens_in(path, e)))
    compare_names(path, "tokens", tokens_in(path, entry), set(names))
    return annotations_of(path, entry)


def tokens_in(path: Path, entry: dict) -> set[str]:
    tokens = entry.get("tokens")
    if not isinstance(tokens, (str, list)):
        wanted = "a list, or a text in quotes"
        raise SystemExit(f"{path}: `tokens` is not {wanted}: {tokens!r:.100}")
    return {str(token) for token in tokens}


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


# ---- One image and its labels ----


def parse_text(given: object, names: tuple[str, ...], most: int) -> list[int]:
    """Indices of a text's tokens, then of its end, len(names), up to place `most`;
    ValueError says what is wrong."""
    if not isinstance(given, (str, list)):
        raise ValueError(f"not a text in quotes or a list of tokens: {given!r:.100}")
    tokens = [str(token) for token in given]
    unknown = [token for token in tokens if token not in names]
    if unknown:
        raise ValueError(
            f"not a token of the job: {unknown[0]!r:.100} in {given!r:.100}"
        )
    if len(tokens) > most:
        raise ValueError(f"{len(tokens)} tokens, the job's max_tokens is {most}")
    ends = [len(names)] * (most + 1 - len(tokens))
    return [names.index(token) for token in tokens] + ends


def text_of(indices: list[int], names: tuple[str, ...]) -> str:
    """The text of tokens by their indices, of which those of its end are left out."""
    return "".join(names[i] for i in indices if i < len(names))
