"""Whether time and memory of a training step stay flat over the run.

    python benchmarks/step_flat.py --iterations 400

Runs the emitted train.py (the demo's job) and compares the last third of its steps
with the second; the first third is left to allocators and caches.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import torch
from emitted import build_demo, train
from pairs import parser, ratios, report

TIME_BAR = 1.03
MEMORY_BAR = 1.02
PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    arguments = parser(__doc__)
    arguments.add_argument("--iterations", type=int, default=240)
    options = arguments.parse_args()
    if options.iterations < 3 * (options.pairs + 1):
        arguments.error(f"{options.pairs} pairs need more iterations")
    torch.set_num_threads(1)
    clock: list[float] = []
    memory: list[float] = []

    def before_step(_model, _images) -> None:
        clock.append(time.process_time())
        memory.append(resident())

    with tempfile.TemporaryDirectory() as scratch:
        code = build_demo(Path(scratch))
        flags = ["--workers", "1", "--threads", "1"]
        train(code, options.iterations, before_step, lambda _: None, flags)
    steps = [after - before for before, after in zip(clock, clock[1:])]
    third = len(steps) // 3
    time_growth = ratios(steps[-third:], steps[third : 2 * third])
    memory_growth = ratios(memory[-third:], memory[third : 2 * third])
    report("step, second third", steps[third : 2 * third], "s")
    report("step, last third", steps[-third:], "s")
    kept = [
        report("time, last / second third", time_growth, at_most=TIME_BAR),
        report("memory, last / second third", memory_growth, at_most=MEMORY_BAR),
    ]
    return 0 if all(kept) else 1


def resident() -> float:
    """Resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * PAGE / 1e6


if __name__ == "__main__":
    sys.exit(main())
