"""Jobs whose contract is tested, and ways to emit one and to run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from emitted_jobs import compile_raw, write
from runs import SCENE, one_core

from specc import cli
from specc.plan.extras import CONTRACT, Extras

PATIENCE = 600  # seconds until a contract counts as stuck
JOB = {
    "name": "scenes",
    "data": {"train": "train", "validation": "val", "resolution": [64, 96]},
    "model": {"backbone": {"top_level": 3}, "heads": [SCENE]},
}


def emit(job: dict, folder: Path) -> Path:
    folder.mkdir()
    return write(compile_raw(json.dumps(job).encode(), Extras(tests=True)), folder)


def contract(folder: Path, *arguments: str) -> tuple[int, str]:
    """Runs it as its users do: exit code, and what was said."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, CONTRACT, *arguments],
        cwd=folder,
        env=one_core(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout


def build(*arguments: str) -> int:
    return cli.run_cli(["build", *arguments])
