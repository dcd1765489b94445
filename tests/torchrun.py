"""Emitted scripts under torchrun, with processes of one thread each on this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from runs import PATIENCE, one_core

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone")

# Else restarted processes find the addresses of those before them (PyTorch 2.13).
FRESH_STORE = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def arguments(script: Path, *flags: object, restarts=0, processes=2) -> list[str]:
    count = ("--nproc-per-node", processes, "--max-restarts", restarts)
    return [*map(str, (*TORCHRUN, *count, script, *flags))]


def start(script: Path, *flags: object, restarts=0, processes=2) -> subprocess.Popen:
    return subprocess.Popen(
        arguments(script, *flags, restarts=restarts, processes=processes),
        cwd=script.parent.parent,
        env=one_core() | FRESH_STORE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def torchrun(script: Path, *flags: object, restarts=0, processes=2, code=0) -> str:
    """Runs to the end; returns all that was said."""
    process = start(script, *flags, restarts=restarts, processes=processes)
    said, _ = process.communicate(timeout=2 * PATIENCE)
    assert process.returncode == code, said
    return said
