"""Measures steps and a validation of an emitted train.py, in a process of its own.

`python measure.py FOLDER SECONDS FLAGS` prints one line of JSON; FLAGS are keywords of
`train.main` in JSON. It imports nothing of specc, as the emitted code does not.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

LEAST_STEPS = 3  # are measured, however long they take
OUT_OF_MEMORY = 4  # exit code
SHARE = 0.6  # fraction of the seconds in which steps are measured


class Enough(Exception):
    """The steps have been measured."""


class Steps:
    """Stands between the loader and the loop of train.py, and reads the clock."""

    def __init__(self, seconds: float):
        self.seconds, self.waits, self.times = seconds, [], []
        self.last = None

    def timed(self, batches: Iterator) -> Iterator:
        """Yields batches; raises Enough once the steps have taken the seconds."""
        began = time.perf_counter()
        while True:
            asked = time.perf_counter()
            if len(self.times) >= LEAST_STEPS and asked - began > self.seconds:
                raise Enough
            batch = next(batches)
            given = time.perf_counter()
            self.waits.append(given - asked)
            self.last = given
            yield batch
            self.times.append(time.perf_counter() - asked)


def waited(device: str) -> None:
    """Waits for a GPU, which works behind the clock of the loop."""
    if device != "cpu":
        import torch

        torch.cuda.synchronize()


def steady(values: list[float]) -> list[float]:
    """Leaves out the first steps, in which libraries and caches warm up."""
    return values[min(2, len(values) - 1) :]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def peak_memory(device: str) -> int:
    """Returns bytes: of the GPU, or of this process and the largest of its workers."""
    if device != "cpu":
        import torch

        return torch.cuda.max_memory_reserved()
    import resource

    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    return sum(resource.getrusage(kind).ru_maxrss for kind in kinds) * unit


def memory_of(device: str) -> int | None:
    """Returns the bytes of memory of the device; None where they are not known."""
    if device != "cpu":
        import torch

        return torch.cuda.get_device_properties(device).total_memory
    names = ("SC_PAGE_SIZE", "SC_PHYS_PAGES")
    if not set(names) <= os.sysconf_names.keys():
        return None
    return os.sysconf(names[0]) * os.sysconf(names[1])


def measure(folder: Path, seconds: float, given: dict) -> dict:
    sys.path.insert(0, str(folder))
    train = importlib.import_module("train")
    read, batches = train.read_samples, train.training_batches
    safety = importlib.import_module("safety")
    device = vars(safety.arguments(given, max_iterations=1))["device"]
    began, sizes = time.perf_counter(), {}

    def known(*arguments: object) -> tuple:
        training, validation = read(*arguments)
        sizes.update(training=len(training), validation=len(validation))
        sizes["start"] = time.perf_counter() - began
        return training, validation[: sizes.get("most")]

    steps = Steps(SHARE * seconds)
    train.read_samples = known
    train.training_batches = lambda *x, **y: steps.timed(batches(*x, **y))
    with tempfile.TemporaryDirectory() as output:
        try:
            train.main(**given, output=f"{output}/steps")
        except Enough:
            waited(device)
        step = mean(steady(steps.times))
        # A forward pass and its metrics take about as long as half a step.
        images = (1 - SHARE) * seconds / step * 2 * safety.BATCH_SIZE
        sizes["most"] = max(safety.BATCH_SIZE, int(images))
        one = Steps(seconds=float("inf"))
        train.training_batches = lambda *x, **y: one.timed(batches(*x, **y))
        train.main(**given | {"max_iterations": 1}, output=f"{output}/validation")
        ended = time.perf_counter()
    judged = min(sizes["most"], sizes["validation"])
    return {
        "device": device,
        "seconds_to_start": sizes["start"],
        "seconds_a_step": step,
        "seconds_waiting": mean(steady(steps.waits)),
        "seconds_a_validation": max(0.0, ended - one.last - step),
        "images_validated": judged,
        "training_images": sizes["training"],
        "validation_images": sizes["validation"],
        "peak_memory": peak_memory(device),
        "memory": memory_of(device),
        "steps_measured": len(steps.times),
    }


def main(folder: str, seconds: str, flags: str) -> None:
    try:
        found = measure(Path(folder), float(seconds), json.loads(flags))
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
    except RuntimeError as error:  # torch raises it, on a GPU as a class of its own
        if "out of memory" in str(error) or "can't allocate memory" in str(error):
            sys.exit(OUT_OF_MEMORY)
        raise
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
