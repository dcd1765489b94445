"""Measures steps and a validation of an emitted train.py, in a process of its own.

`python measure.py FOLDER SECONDS FLAGS` prints one line of JSON; FLAGS are keywords of
`train.main` in JSON, and the line is what train.py says where it refuses the dataset
(exit code 5). It imports nothing of specc, as the emitted code does not.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

LEAST_STEPS = 3  # are measured, however long they take
ENDLESS = {"max_iterations": 10**7}  # no validation comes between the measured steps
OUT_OF_MEMORY, REFUSED = 4, 5  # exit codes
SHARE = 0.6  # fraction of the seconds in which steps are measured


class Enough(Exception):
    """The steps have been measured."""


class Steps:
    """Stands between the loader and the loop of train.py, and reads the clock."""

    def __init__(self, seconds: float):
        self.seconds, self.waits, self.times = seconds, [], []

    def timed(self, batches: Iterator) -> Iterator:
        """Yields batches; raises Enough once the steps have taken the seconds."""
        began = time.perf_counter()
        while True:
            asked = time.perf_counter()
            if len(self.times) >= LEAST_STEPS and asked - began > self.seconds:
                raise Enough
            batch = next(batches)
            self.waits.append(time.perf_counter() - asked)
            try:
                yield batch
            finally:  # also where no other step follows
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


class Validation:
    """Reads when a validation of train.py begins, and the seconds in which it judges
    images; the others, for pictures and checkpoints, do not depend on their number."""

    def __init__(self, train: ModuleType):
        self.judging, self.began = 0.0, 0.0
        for name in ("calibrate", "evaluate"):
            if hasattr(train, name):
                setattr(train, name, self.timed(getattr(train, name)))
        told = train.Pace.validated

        def validated(pace: object, began: float) -> None:
            self.began = began
            told(pace, began)

        train.Pace.validated = validated

    def timed(self, judge: Callable) -> Callable:
        def judging(*arguments: object) -> object:
            began = time.perf_counter()
            judged = judge(*arguments)
            self.judging += time.perf_counter() - began
            return judged

        return judging


def part_of(samples: Sequence, most: int) -> Sequence:
    """Returns about so many samples from all over a set, or more where they would all
    be anomalous: by the normal ones train.py finds the score of an alarm."""
    step = max(1, -(-len(samples) // most))
    while step > 1 and not any(map(may_be_normal, samples[::step])):
        step //= 2
    return samples[::step]


def may_be_normal(sample: object) -> bool:
    labels = getattr(sample, "labels", {}).values()  # a task may have none
    return not any(getattr(label, "anomalous", False) for label in labels)


def reader_of(train: ModuleType) -> str:
    """Returns the name of the function that reads the samples for train.py: the one
    that checks the labels, where there are labels that can be checked as they are read.
    """
    checked = "read_samples"
    return checked if hasattr(train, checked) else "read_datasets"


class Sets:
    """Stands before the function that reads the samples for train.py, and counts them.
    Where `most` is set, only about so many are left to validate on."""

    def __init__(self, read: Callable):
        self.read, self.most, self.judged = read, None, 0
        self.training = self.validation = 0
        self.seconds = None  # a later call finds files in memory

    def __call__(self, *arguments: object) -> tuple[Sequence, Sequence]:
        began = time.perf_counter()
        training, validation = self.read(*arguments)
        if self.seconds is None:
            self.seconds = time.perf_counter() - began
        self.training, self.validation = len(training), len(validation)
        if self.most:
            validation = part_of(validation, self.most)
        self.judged = len(validation)
        return training, validation


def measure(folder: Path, seconds: float, given: dict) -> dict:
    sys.path.insert(0, str(folder))
    train = importlib.import_module("train")
    safety = importlib.import_module("safety")
    device = vars(safety.arguments(given, max_iterations=1))["device"]
    reader, batches = reader_of(train), train.training_batches
    sets, steps = Sets(getattr(train, reader)), Steps(SHARE * seconds)
    setattr(train, reader, sets)
    train.training_batches = lambda *x, **y: steps.timed(batches(*x, **y))
    with tempfile.TemporaryDirectory() as output:
        try:
            train.main(**given | ENDLESS, output=f"{output}/steps")
        except Enough:
            waited(device)
        step = mean(steady(steps.times))
        # A forward pass and its metrics take about as long as half a step.
        images = (1 - SHARE) * seconds / step * 2 * safety.BATCH_SIZE
        sets.most = max(safety.BATCH_SIZE, int(images))
        train.training_batches = batches
        validation = Validation(train)
        train.main(**given | {"max_iterations": 1}, output=f"{output}/validation")
        ended = time.monotonic()  # the clock of train.py
    return {
        "device": device,
        "seconds_to_start": sets.seconds,
        "seconds_a_step": step,
        "seconds_waiting": mean(steady(steps.waits)),
        "seconds_judging": validation.judging,
        "seconds_keeping": ended - validation.began - validation.judging,
        "images_validated": sets.judged,
        "training_images": sets.training,
        "validation_images": sets.validation,
        "peak_memory": peak_memory(device),
        "memory": memory_of(device),
        "steps_measured": len(steps.times),
    }


def main(folder: str, seconds: str, flags: str) -> None:
    try:
        found = measure(Path(folder), float(seconds), json.loads(flags))
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
    except SystemExit as refusal:
        if isinstance(refusal.code, str):  # for people, over one line or several
            print(json.dumps(refusal.code))
            sys.exit(REFUSED)
        raise
    except RuntimeError as error:  # torch raises it, on a GPU as a class of its own
        if "out of memory" in str(error) or "can't allocate memory" in str(error):
            sys.exit(OUT_OF_MEMORY)
        raise
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
