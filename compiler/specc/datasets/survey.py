"""What is in a dataset: sizes, classes, broken and doubled images, as plain values."""

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

THREADS = 4  # decoders; each holds one image
SETS = ("training", "validation")


@dataclass
class Images:
    """What decoding showed; every image is decoded once, for all jobs."""

    pixels: dict[Path, str] = field(default_factory=dict)  # a hash of what it shows
    broken: dict[Path, str] = field(default_factory=dict)  # why


@dataclass(frozen=True)
class Labels:
    """What one head learns from, by set: how often each name occurs, and numbers (values,
    or lengths of texts). ``unit`` says what is counted."""

    unit: str
    counts: dict[str, Counter]
    numbers: dict[str, list[float]]
    broken: tuple[str, ...] = ()  # maps that cannot be decoded


def decode(emitted: Emitted, samples: Iterable, images: Images) -> None:
    """Decode what is not known yet."""
    new = {s.path: s for s in samples if s.path not in images.pixels | images.broken}

    def look(sample: Any) -> tuple[Path, str, str]:
        try:
            pixels = emitted.data.read_image(sample, sample.height, sample.width)
        except (
            Exception
        ) as error:  # decoders raise many kinds of errors on broken files
            return sample.path, "", " ".join(str(error).split()) or "cannot be decoded"
        content = hashlib.blake2b(pixels.tobytes(), digest_size=16)
        return sample.path, f"{pixels.shape}{content.hexdigest()}", ""

    with ThreadPoolExecutor(THREADS) as pool:
        for path, content, problem in pool.map(look, new.values()):
            if problem:
                images.broken[path] = problem
            else:
                images.pixels[path] = content


def doubled(reading: Reading, images: Images) -> dict[str, list[list[str]]]:
    """Groups of images with equal pixels: across the sets, and within training."""
    groups: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name in SETS:
        for sample in getattr(reading, name):
            if sample.path in images.pixels:
                groups[images.pixels[sample.path]][name].add(str(sample.path))
    found = {"between": [], "within": []}
    for group in groups.values():
        if len(group) > 1:
            found["between"].append(sorted(group["training"] | group["validation"]))
        elif len(group.get("training", ())) > 1:
            found["within"].append(sorted(group["training"]))
    return found


def sizes_of(samples: list) -> dict[str, Any]:
    """Least, median and greatest of heights, widths and aspect ratios."""
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


def labels_of(emitted: Emitted, reading: Reading, head: Any) -> Labels:
    """What a head's labels hold."""
    counts = {name: Counter() for name in SETS}
    numbers: dict[str, list[float]] = {name: [] for name in SETS}
    broken, unit = [], "images"
    for name in SETS:
        for sample in getattr(reading, name):
            label = sample.labels.get(head.name)
            try:
                unit = _count(emitted, head, sample, label, counts[name], numbers[name])
            except ValueError as error:
                broken.append(str(error))
    return Labels(unit, counts, numbers, tuple(broken))


def _count(
    emitted: Emitted,
    head: Any,
    sample: Any,
    label: Any,
    counts: Counter,
    numbers: list[float],
) -> str:
    """Count one label; returns the unit. Raises ValueError for a broken map."""
    if label is None:
        return "images"
    label = label.labelled() if hasattr(label, "labelled") else label
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
    """A map: of categories, or of depths, of which the nearest, the median and the
    farthest are noted."""
    import numpy as np

    if values.dtype.kind == "f":
        known = values[values >= 0]
        numbers += np.quantile(known, (0, 0.5, 1)).tolist() if known.size else []
        return "maps"
    found, pixels = np.unique(values[values >= 0], return_counts=True)
    for index, count in zip(found.tolist(), pixels.tolist()):
        counts[head.categories[index]] += count
    return "pixels"
