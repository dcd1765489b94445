"""Rounds in which engines run in turn, and what they say of each against the first."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from statistics import fmean, median

from specc.bench.workers import Worker
from specc.words import number_of

ROUND = 0.2  # seconds that an engine runs in a round, and at least one call
RESAMPLES = 2000  # number of resamples of the bootstrap

# By engine: in each round the mean seconds of a call; shorter where an engine failed
Means = dict[str, list[float]]


def measure(
    workers: Sequence[Worker], batch: int, rounds: int, tell: Callable[[str], None]
) -> Means:
    """Returns the mean seconds of a call for each round and engine. Another engine
    begins each round, so that no one always runs on a core that is hot. `tell` is
    called with what begins, as it may take minutes."""
    means: Means = {}
    for worker in workers:
        if worker.runs:
            tell(f"{worker.name}: first calls, of {batch:,}")
        if _is_warm(worker, batch):
            means[worker.name] = []
    tell(number_of(rounds, "round"))
    for first in range(rounds):
        begins = first % len(workers)
        for worker in (*workers[begins:], *workers[:begins]):
            if worker.name in means and worker.runs:
                seconds = worker.seconds(batch, ROUND)
                means[worker.name] += [fmean(seconds)] if seconds else []
    return {name: of_rounds for name, of_rounds in means.items() if of_rounds}


def _is_warm(worker: Worker, batch: int) -> bool:
    """Runs the first calls, which compile and allocate, and are not counted. Returns
    whether the engine can run them."""
    return all(worker.runs and worker.seconds(batch, budget=0) for _ in range(3))


def ratio(of: Sequence[float], to: Sequence[float]) -> dict[str, float]:
    """Returns the median of the ratios of the same round, and its 95 % interval."""
    ratios = [one / other for one, other in zip(of, to)]
    low, high = interval(ratios)
    return {"median": median(ratios), "low": low, "high": high}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Returns the 95 % interval of the median by a percentile bootstrap, whose draws
    are always the same."""
    draws = random.Random(0)
    medians = sorted(
        median(draws.choices(values, k=len(values))) for _ in range(RESAMPLES)
    )
    aside = RESAMPLES // 40  # 2.5 % on each side
    return medians[aside], medians[-1 - aside]
