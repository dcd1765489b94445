"""The second epoch from the cache of decoded images against the first, which fills it.

    python benchmarks/cache_speed.py --images ../shared/data/bccd/train/images
    python benchmarks/cache_speed.py --rounds 20

The emitted loader (views, targets and batches) over 640x480 JPEGs at 256x256, without
workers. First and second epoch of one cache cannot be interleaved: each round has a
cache of its own, on a disk, and an epoch of the same job without a cache beside it.
Costs are processor seconds; the first epoch also waits for the disk, once for each
image, and its seconds on the wall are given too.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from emitted import FOLDER, load
from loader_speed import bits_per_pixel, draw_elsewhere, warm_heap
from pairs import cost, parser, ratios, report

IMAGES, BATCH = 128, 16
ROUNDS = 10
# Least speed of the second epoch against the first. With augmentation views are resized
# and recolored in every epoch: the gain depends on what the images cost to decode.
SETTINGS = {"augmentation off": (False, 5.0), "default augmentation": (None, None)}


def main() -> int:
    arguments = parser(__doc__)
    arguments.add_argument(
        "--images", type=Path, help="folder of JPEGs (default: drawn)"
    )
    arguments.add_argument("--rounds", type=int, default=ROUNDS, help="default 10")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        folder = options.images or draw_elsewhere(Path(scratch))
        paths = sorted(folder.glob("*.jpg"))
        paths = [*itertools.islice(itertools.cycle(paths), IMAGES)]
        warm_heap()
        kept = []
        for label, (augmentation, bar) in SETTINGS.items():
            job = Path(scratch) / label.replace(" ", "-")
            modules = build(job, augmentation, cache=str(job / "cache"))
            kept.append(compare(*modules, paths, label, options.rounds, bar))
    return 0 if all(kept) else 1


def build(folder: Path, augmentation, cache: str):
    """The dataset.py and data.py of the example with these options."""
    job = json.loads((FOLDER / "job.json").read_text())
    job["data"] |= {"augmentation": augmentation, "cache": cache}
    job["trainer"]["batch_size"] = BATCH
    del job["$schema"]
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-m", "specc.cli", "build", folder / "job.json"]
    command += ["-o", folder / "code"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    names = ("model", "cache", "dataset", "data")
    loaded = {name: load(folder / "code" / f"{name}.py") for name in names}
    return loaded["dataset"], loaded["data"]


def compare(
    dataset, data, paths: list[Path], label: str, rounds: int, bar: float | None
) -> bool:
    samples = [sample(dataset, path) for path in paths]
    print(
        f"{len(samples)} JPEGs of {bits_per_pixel(samples):.2f} bits a pixel, {label}"
    )
    folder, costs, waits = data.CACHE, {"none": [], "first": [], "second": []}, []
    for number in range(rounds + 1):  # the first round is a warm-up
        data.CACHE = folder / str(number)
        kept, _ = data.cached(samples, samples[:1], verbose=False)
        began = time.perf_counter()
        found = {
            "first": cost(lambda: epoch(data, kept, 0)),
            "waited": time.perf_counter() - began,
            "second": cost(lambda: epoch(data, kept, 1)),
            "none": cost(lambda: epoch(data, samples, 1)),
        }
        if number:
            waits.append(found.pop("waited"))
            for name, seconds in found.items():
                costs[name].append(seconds)
    names = {"none": "without a cache", "first": "first", "second": "second"}
    for name, words in names.items():
        report(f"epoch {words}", [len(samples) / s for s in costs[name]], "img/s")
    report("first epoch, on the wall", [len(samples) / s for s in waits], "img/s")
    report("second / without a cache", ratios(costs["none"], costs["second"]))
    speeds = ratios(costs["first"], costs["second"])
    return report("second / first", speeds, at_least=bar)


def epoch(data, samples: list, number: int) -> None:
    """All batches of an epoch, as train.py gets them."""
    first = number * len(samples) // BATCH
    batches = data.training_batches(samples, 0, first, 0, 1, 0)
    for _ in range(len(samples) // BATCH):
        next(batches)


def sample(dataset, path: Path):
    """An image with a few boxes."""
    height, width = dataset.image_size(path)
    boxes = np.float32([[x, x, x + 90, x + 80] for x in range(10, 330, 32)])
    objects = dataset.Objects(boxes, np.zeros(len(boxes), np.int64))
    return dataset.Sample(path, height, width, {"cells": objects})


if __name__ == "__main__":
    sys.exit(main())
