"""Fresh Python processes that can import specc, installed or not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from specc.resources import PACKAGE


def environment(**changes: str) -> dict[str, str]:
    """This process's environment, its import path, and changes. Processes keep the
    bytecode of specc for those after them, whatever the environment says of it."""
    paths = os.pathsep.join([str(PACKAGE.parent), *sys.path])
    own = {k: x for k, x in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return own | {"PYTHONPATH": paths} | changes


def python(
    *arguments: str, cwd: Path | None = None, **changes: str
) -> subprocess.CompletedProcess:
    """Run Python; `changes` are environment variables."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment(**changes),
        capture_output=True,
        text=True,
    )
