"""Engines in processes of their own, which time what they are asked to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("engine.py")
PATIENCE = 10  # seconds until an engine that was told to end is ended


@dataclass(frozen=True)
class Engine:
    """An engine by its name in tables, and the setup that engine.py reads."""

    name: str
    kind: str
    file: Path | None = None


class Worker:
    """The process of one engine. `skipped` says why it cannot run, `failed` how it
    broke; both are empty in one that runs."""

    def __init__(self, engine: Engine, setup: dict[str, Any]):
        self.name, self.version = engine.name, ""
        self.skipped = self.failed = ""
        self._errors = tempfile.TemporaryFile("w+", errors="replace")
        setup = setup | {"kind": engine.kind, "file": str(engine.file or "")}
        threads = {"OMP_NUM_THREADS": str(setup["threads"])}
        self._process = subprocess.Popen(
            [sys.executable, "-B", str(SCRIPT), json.dumps(setup)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | threads,
        )
        self._read()

    @property
    def runs(self) -> bool:
        return not (self.skipped or self.failed)

    def seconds(self, batch: int, budget: float) -> list[float]:
        """Returns the seconds of each call within the budget, of seconds too, and of
        one at least; none where a call fails."""
        try:
            print(
                json.dumps({"batch": batch, "budget": budget}),
                file=self._process.stdin,
                flush=True,
            )
        except OSError:  # the process has ended
            self.failed = self._said()
            return []
        return self._read().get("seconds", [])

    def end(self) -> None:
        """Ends the process, which may be computing."""
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE if self.runs else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"failed": self._said()}
        self.version = answer.get("version", self.version)
        self.skipped = answer.get("skipped", self.skipped)
        self.failed = answer.get("failed", self.failed)
        return answer

    def _said(self) -> str:
        """Returns the last line that a process that ended has printed, or how it
        ended."""
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        if code < 0:
            return f"the process was ended by signal {-code}"
        return lines[-1][:300] if lines else f"the process ended with exit code {code}"
