"""A run as its folder tells it: job, metrics over the iterations, the best ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

from specc.diagnostics import fail
from specc.language.schema import head
from specc.runs.checkpoint import NoCheckpoint, read_checkpoint

METRICS, BEST, LAST = "metrics.jsonl", "best.pt", "last.pt"
TRAIN, VALIDATION = "train", "validation"  # values of "split" in metrics.jsonl


@dataclass(frozen=True)
class Run:
    """A run; ``rows`` are the lines of metrics.jsonl, ``metrics`` those of best.pt."""

    folder: Path
    job: dict[str, Any]  # resolved
    rows: tuple[dict[str, Any], ...]
    metrics: dict[str, float]
    state: dict[str, Any]  # last.pt without its tensors; empty where there is none
    left_out: int  # number of lines of metrics.jsonl that were cut short

    @property
    def best_iteration(self) -> int | None:
        """The iteration of best.pt; None where the log has no such validation."""
        for row in self.of_split(VALIDATION):
            if {name: row.get(name) for name in self.metrics} == self.metrics:
                return row["iteration"]
        return None

    @property
    def chosen_by(self) -> str:
        """The metric that chooses best.pt, "<head>/<metric>"."""
        return self.job["trainer"]["best"]

    def of_split(self, split: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["split"] == split]

    def series(self, split: str) -> dict[str, list[tuple[float, float]]]:
        """Returns for each value that is logged its points (iteration, value)."""
        found: dict[str, list[tuple[float, float]]] = {}
        for row in self.of_split(split):
            for name, value in row.items():
                if name not in ("iteration", "split") and _is_number(value):
                    found.setdefault(name, []).append((row["iteration"], value))
        return found

    def is_lower_better(self, metric: str) -> bool:
        """Whether a metric, "<head>/<metric>", is an error or a distance."""
        name, _, what = metric.partition("/")
        tasks = {one["name"]: one["task"] for one in self.job["model"]["heads"]}
        lower = head(tasks[name]).get("x-lower-is-better", ()) if name in tasks else ()
        return what in lower


def read_run(folder: Path) -> Run:
    """Returns the run in a folder. Raises JobError E448."""
    if not folder.is_dir():
        help = "name the --output of a train.py, such as runs/NAME"
        fail("E448", f"there is no folder `{folder}`", help=help)
    rows, left_out = _rows(folder)
    best = _checkpoint(folder / BEST)
    state = _checkpoint(folder / LAST) if (folder / LAST).exists() else {}
    try:
        job = json.loads(best["job"])
        metrics = {name: float(value) for name, value in best["metrics"].items()}
        assert job["name"] and job["model"]["heads"] and job["trainer"]["best"]
        assert all("name" in one for one in job["model"]["heads"])
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError):
        _refuse(folder, f"its {BEST} holds no resolved job with metrics")
    return Run(folder, job, tuple(rows), metrics, state, left_out)


def say_left_out(run: Run) -> None:
    """Tells of lines of the log that are cut short."""
    if run.left_out:
        lines = "a line" if run.left_out == 1 else f"{run.left_out} lines"
        where = f"{run.folder}: {METRICS}"
        click.echo(f"{where}: {lines} cut short, left out", err=True)


def _rows(folder: Path) -> tuple[list[dict[str, Any]], int]:
    """Returns the lines of the log that are whole, and how many are not: a run that is
    going on, or was killed, may have written a part of the last one."""
    try:
        lines = (folder / METRICS).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        _refuse(folder, f"it has no {METRICS} that can be read")
    rows = [row for row in map(_row, lines) if row]
    if not any(row["split"] == VALIDATION for row in rows):
        _refuse(folder, "no validation is in its log: the first has not ended yet")
    return rows, len(lines) - len(rows)


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
        assert isinstance(row["iteration"], int) and isinstance(row["split"], str)
        return row
    except (ValueError, LookupError, TypeError, AssertionError):
        return None


def _checkpoint(path: Path) -> dict[str, Any]:
    """Raises JobError E448."""
    try:
        return read_checkpoint(path)
    except FileNotFoundError:
        _refuse(path.parent, f"it has no {path.name}")
    except OSError as error:
        _refuse(path.parent, f"its {path.name} cannot be read: {error.strerror}")
    except NoCheckpoint:
        _refuse(path.parent, f"its {path.name} is no whole checkpoint of train.py")


def _refuse(folder: Path, why: str) -> NoReturn:
    help = f"name a folder that holds {METRICS} and {BEST}: a run after a validation"
    fail("E448", f"`{folder}` is no run that can be read: {why}", help=help)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
