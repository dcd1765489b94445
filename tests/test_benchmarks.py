"""Benchmarks of the loop end with what they measured; how much that is, is not tested."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from runs import PATIENCE, one_core

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.mark.parametrize(
    ("script", "flags", "measured"),
    [
        pytest.param(
            *("step_flat", ("--iterations", "6"), "memory, last / second third"),
            marks=pytest.mark.soak,
        ),
        pytest.param(*("step_overhead", (), "loop / bare"), marks=pytest.mark.soak),
    ],
)
def test_a_benchmark_of_the_loop_reports(script, flags, measured):
    done = subprocess.run(
        [sys.executable, f"{script}.py", "--pairs", "1", *flags],
        cwd=FOLDER,
        env=one_core(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode in (0, 1), done.stderr  # 1: a bar is missed
    assert any(line.startswith(measured) for line in done.stdout.splitlines())
