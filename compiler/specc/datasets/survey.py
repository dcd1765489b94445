"""Surveys a dataset: sizes, classes, broken and doubled images, as plain values."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from specc.datasets.emitted import Emitted, Reading, words_of

THREADS = 4  # number of decoders, each of which holds one image
SMALL = 32  # side of a thumbnail, pixels
SETS = ("training", "validation")


@dataclass
class Images:
    """The outcome of decoding; every image is decoded once, for all jobs."""

    pixels: dict[Path, str] = field(default_factory=dict)  # image -> hash of its pixels
    small: dict[Path, Any] = field(default_factory=dict)  # image -> its `thumbnail`
    broken: dict[Path, str] = field(default_factory=dict)  # image -> error
    ending: set[Path] = field(default_factory=set)  # broken so that no run survives it


@dataclass(frozen=True)
class Labels:
    """Statistics of one head's labels, by set: how often each name occurs, in how many
    images, and numbers (values, or lengths of texts). ``unit`` says what is counted."""

    unit: str
    counts: dict[str, Counter]
    images: dict[str, Counter]
    numbers: dict[str, list[float]]
    broken: tuple[str, ...] = ()  # maps that cannot be decoded


def decode(emitted: Emitted, samples: Iterable, images: Images) -> None:
    """Decodes the images of samples that were not decoded yet."""
    new = {s.path: s for s in samples if s.path not in images.pixels | images.broken}

    def look(sample: Any) -> tuple[Path, str, Any, str]:
        try:
            pixels = emitted.data.read_image(sample, sample.height, sample.width)
        except Exception as error:  # a broken file can raise any exception
            problem = " ".join(str(error).split()) or "cannot be decoded"
            if not isinstance(error, emitted.data.ImageError):
                images.ending.add(sample.path)
            return sample.path, "", None, problem
        content = hashlib.blake2b(pixels.tobytes(), digest_size=16)
        digest = f"{pixels.shape}{content.hexdigest()}"
        return sample.path, digest, thumbnail(pixels), ""

    with ThreadPoolExecutor(THREADS) as pool:
        for path, content, small, problem in pool.map(look, new.values()):
            if problem:
                images.broken[path] = problem
            else:
                images.pixels[path], images.small[path] = content, small


def thumbnail(pixels: Any) -> Any:
    """Returns an image as the mean of its channels, (SMALL, SMALL) uint8."""
    import cv2
    import numpy as np

    small = cv2.resize(pixels, (SMALL, SMALL), interpolation=cv2.INTER_AREA)
    gray = small.reshape(SMALL, SMALL, -1).mean(2)
    if pixels.dtype != np.uint8:
        gray = gray * (255 / max(1.0, float(gray.max())))
    return gray.round().astype(np.uint8)


def equal(reading: Reading, images: Images, *names: str) -> list[list[str]]:
    """Returns groups of images with equal pixels: of each set that is named, one or
    several."""
    groups: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for name in names:
        for sample in getattr(reading, name):
            if pixels := images.pixels.get(sample.path):
                groups[pixels].setdefault(name, set()).add(str(sample.path))
    found = [
        sorted(set().union(*group.values()))
        for group in groups.values()
        if len(group) == len(names)
    ]
    return [group for group in found if len(group) > 1]


def sizes_of(samples: list) -> dict[str, Any]:
    """Returns least, median and greatest of heights, widths and aspect ratios."""
    if not samples:
        return {"images": 0}
    columns = {
        "height": [sample.height for sample in samples],
        "width": [sample.width for sample in samples],
        "aspect": [round(sample.width / sample.height, 3) for sample in samples],
    }
    return {"images": len(samples)} | {
        name: [min(values), median(values), max(values)]
        for name, values in columns.items()
    }


def labels_of(
    emitted: Emitted, reading: Reading, head: Any, names: tuple[str, ...] = SETS
) -> Labels:
    """Returns the statistics of a head's labels in the sets that are named."""
    counts, images = ({name: Counter() for name in names} for _ in range(2))
    numbers: dict[str, list[float]] = {name: [] for name in names}
    broken, unit = [], "images"
    for name in names:
        for sample in getattr(reading, name):
            label, own = sample.labels.get(head.name), Counter()
            if label is None:
                continue
            try:
                unit = _count(emitted, head, sample, label, own, numbers[name])
            except ValueError as error:
                broken.append(str(error))
            counts[name].update(own)
            images[name].update(own.keys())
    return Labels(unit, counts, images, numbers, tuple(broken))


def _count(
    emitted: Emitted,
    head: Any,
    sample: Any,
    label: Any,
    counts: Counter,
    numbers: list[float],
) -> str:
    """Counts one label; returns the unit. Raises ValueError for a broken map."""
    label = label.labeled() if hasattr(label, "labeled") else label
    if hasattr(label, "boxes"):
        names = getattr(head, "categories", ("instance",))
        classes = getattr(label, "classes", [0] * len(label.boxes))
        counts.update(names[int(index)] for index in classes)
        return "objects"
    words = words_of(emitted, sample)[head.name]
    if isinstance(words, dict):
        return _count_words(words, counts, numbers)
    return _count_pixels(words, head, counts, numbers)


def _count_words(words: dict, counts: Counter, numbers: list[float]) -> str:
    if "value" in words:
        numbers.append(float(words["value"]))
    elif "text" in words:
        numbers.append(len(words["text"]))
        counts.update(str(token) for token in words["text"])
        return "tokens"
    elif "labels" in words:
        counts.update(words["labels"])
    else:
        counts.update(
            str(words[key]) for key in ("category", "identity", "label") if key in words
        )
    return "images"


def _count_pixels(values: Any, head: Any, counts: Counter, numbers: list) -> str:
    """Counts the pixels of a map of categories, or notes the nearest, the median and
    the farthest of a map of depths."""
    import numpy as np

    if values.dtype.kind == "f":
        known = values[values >= 0]
        numbers += np.quantile(known, (0, 0.5, 1)).tolist() if known.size else []
        return "maps"
    found, pixels = np.unique(values[values >= 0], return_counts=True)
    for index, count in zip(found.tolist(), pixels.tolist()):
        counts[head.categories[index]] += count
    return "pixels"
