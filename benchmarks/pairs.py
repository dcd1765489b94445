"""Interleaved pairs of measurements: the noise of a shared machine meets both alike.

Costs are processor seconds (user and system), which other processes disturb far less
than the clock on the wall.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence

PAIRS = 20
RESAMPLES = 2000  # number of resamples of the bootstrap

Measure = Callable[[], float]  # runs once and returns its cost


def parser(description: str | None) -> argparse.ArgumentParser:
    """The flags of every benchmark."""
    arguments = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument(
        "--pairs", type=int, default=PAIRS, help="interleaved pairs (default 20)"
    )
    return arguments


def interleave(
    first: Measure, second: Measure, pairs: int
) -> tuple[list[float], list[float]]:
    """Costs of both, measured in turn; who begins alternates, a warm-up is dropped."""
    first(), second()
    costs: tuple[list[float], list[float]] = ([], [])
    for index in range(pairs):
        for side in (0, 1) if index % 2 == 0 else (1, 0):
            costs[side].append((first, second)[side]())
    return costs


def ratios(first: Sequence[float], second: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(first, second, strict=True)]


def differences(first: Sequence[float], second: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(first, second, strict=True)]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the median, the same in every run."""
    rng = random.Random(0)
    medians = sorted(
        statistics.median(rng.choices(values, k=len(values))) for _ in range(RESAMPLES)
    )
    return medians[RESAMPLES // 40], medians[-RESAMPLES // 40 - 1]


def report(
    label: str,
    values: Sequence[float],
    unit: str = "x",
    at_most: float | None = None,
    at_least: float | None = None,
) -> bool:
    """Print median, interval and bar in one line; whether the median keeps the bar."""
    median, (low, high) = statistics.median(values), interval(values)
    kept, bar = True, ""
    if at_most is not None:
        kept, bar = median <= at_most, f"at most {at_most:g}"
    if at_least is not None:
        kept, bar = median >= at_least, f"at least {at_least:g}"
    verdict = "" if not bar else f"  bar {bar}: {'kept' if kept else 'MISSED'}"
    spread = f"[{low:.3f}, {high:.3f}]"
    line = f"{label:<46} {median:8.3f} {unit:<7} {spread:<18}{verdict}"
    print(line.rstrip(), flush=True)
    return kept


def command_cost(command: Sequence[str], **options) -> float:
    """Processor seconds of a command and its children; it must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def cost(run: Callable[[], object]) -> float:
    """Processor seconds of a call, over all threads of this process."""
    start = time.process_time()
    run()
    return time.process_time() - start
