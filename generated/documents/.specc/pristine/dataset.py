"""The dataset: its annotations, read and checked.

A dataset is a folder with `images/`, and beside it:

    metadata.yaml
        task: quadrilateral detection
        categories: [NAME, ...]
        annotations: annotations.yaml
    annotations.yaml
        image.jpg: [{category: NAME, quadrilateral: [[x, y], ... four]}, ...]

`null` leaves an image out, `[]` is one without objects.
"""

import functools
import itertools
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from files import BrokenImage, below, image_size, noted, read_yaml, say, tell
from model import CATEGORIES

TRAIN = "documents"  # below --data
VALIDATION_SHARE = 0.1  # of it is held out
NUMBERS = {name: number for number, name in enumerate(CATEGORIES)}
MOST_BROKEN, BROKEN_SHARE = 10, 0.01  # training images; a run ends above both limits


class Quadrilaterals(NamedTuple):
    """The objects of one image."""

    corners: np.ndarray  # (G, 4, 2) x, y in pixels; outside where the image cuts it off
    boxes: np.ndarray  # (G, 4) left, top, right, bottom of what is inside
    classes: np.ndarray  # (G,) indices into the categories


def hulls(corners: np.ndarray) -> np.ndarray:
    """Boxes (G, 4) around corners (G, 4, 2)."""
    return np.concatenate([corners.min(1), corners.max(1)], 1)


def triangles(corners: np.ndarray) -> list[np.ndarray]:
    """Two that make up a quadrilateral (4, 2), cut along a diagonal inside it; none if
    it has no area, or its sides cross."""
    for a, b, c, d in (corners, np.roll(corners, 1, 0)):
        halves = [np.float32([a, b, c]), np.float32([a, c, d])]
        if signed_area(halves[0]) * signed_area(halves[1]) > 0:
            return halves
    return []


def signed_area(triangle: np.ndarray) -> float:
    """Positive if its corners go clockwise (y points down)."""
    (ax, ay), (bx, by) = triangle[1:] - triangle[0]
    return float(ax * by - ay * bx) / 2


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, Quadrilaterals]


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
        labels["pages"] = joined([one.labels["pages"], sample.labels["pages"]], counts)
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
    annotations = read_annotations(
        folder, "quadrilateral detection", "categories", NUMBERS
    )
    samples, problems, counts = [], [], Counter()
    for name, given in sorted(annotations.items()):
        if given is None:
            counts["images left out: null"] += 1
            continue
        try:
            path = below(folder / "images", name)
            height, width = image_size(path)
            labels = {
                "pages": parse_quadrilaterals(given, NUMBERS, height, width, counts)
            }
        except ValueError as error:
            problems.append((name, error))
        else:
            samples.append(Sample(path, height, width, labels))
    samples = one_per_image(samples, problems, counts)
    report(folder, samples, problems, counts, training)
    return samples


def is_named(given: object, known: dict[str, int], counts: Counter) -> bool:
    """Whether a name in an annotation is one of the job's; others are counted."""
    name = str(given).strip()
    if name not in known:
        counts[f"what the job does not name, left out: {name:.60}"] += 1
    return name in known


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


def joined(parts: list, counts: Counter) -> NamedTuple:
    """The objects of all parts, equal ones once."""
    pairs = zip(*parts)
    columns = [
        np.concatenate(x) if hasattr(x[0], "dtype") else sum(x, ()) for x in pairs
    ]
    objects = type(parts[0])(*columns)
    if len({*map(bytes, objects.boxes)}) == len(objects.boxes):
        return objects
    rows = zip(*(x.tolist() if hasattr(x, "dtype") else x for x in columns))
    kept = sorted({str(row): place for place, row in enumerate(rows)}.values())
    counts["equal objects left out"] += len(objects.boxes) - len(kept)
    chosen = (
        x[kept] if hasattr(x, "dtype") else tuple(x[i] for i in kept) for x in columns
    )
    return type(objects)(*chosen)


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


FAR = 1e12  # pixels; sides of polygons are exact up to there


def cut(polygon: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """What of a polygon (N, 2) lies between `low` and `high`, x and y each: itself if
    all of it does, else one with corners where its sides cross these limits."""
    for axis, limit, sign in ((0, low, 1), (1, low, 1), (0, high, -1), (1, high, -1)):
        depth = sign * (polygon[:, axis] - limit[axis])
        if (depth >= 0).all():
            continue
        after, beyond = np.roll(polygon, -1, 0), np.roll(depth, -1)
        crosses = (depth < 0) != (beyond < 0)
        share = depth / np.where(crosses, depth - beyond, 1)
        crossings = polygon + share[:, None] * (after - polygon)
        crossings[:, axis] = limit[axis]  # whatever the rounding
        both = np.stack([polygon, crossings], 1)
        polygon = both[np.stack([depth >= 0, crosses], 1)]
    return polygon


def parse_quadrilaterals(
    given: object, known: dict[str, int], height: int, width: int, counts: Counter
) -> Quadrilaterals:
    """The quadrilaterals of an image; ValueError says which one is wrong."""
    if not isinstance(given, list):
        raise ValueError(f"not a list of objects: {given!r:.100}")
    corners, boxes, classes = [], [], []
    for item in given:
        try:
            name = str(item["category"]).strip()
            four = np.array(
                [[float(x), float(y)] for x, y in item["quadrilateral"]], np.float32
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            wanted = "a category of the job with a quadrilateral of four x, y"
            raise ValueError(f"not {wanted}: {item!r:.200}") from None
        if not is_named(name, known, counts):
            continue
        if four.shape != (4, 2) or not (abs(four) < FAR).all():
            raise ValueError(f"not four corners x, y: {item['quadrilateral']!r:.200}")
        if not triangles(four):
            what = "without area, or with sides that cross"
            raise ValueError(f"{what}: {item['quadrilateral']}")
        seen = cut(four.astype(float), np.zeros(2), np.array([width, height]))
        if not len(seen) or not np.ptp(seen, 0).all():
            raise ValueError(
                f"outside the {width}x{height} image: {item['quadrilateral']}"
            )
        corners.append(four)
        boxes.append([*seen.min(0), *seen.max(0)])
        classes.append(known[name])
    corners = np.array(corners, np.float32).reshape(-1, 4, 2)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    classes = np.array(classes, np.int64)
    return joined([Quadrilaterals(corners, boxes, classes)], counts)
