"""`specc compare`: metrics of several runs, and the fields in which they differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from specc.commands.report import harmless
from specc.differences.fields import flat
from specc.runs.charts import chart
from specc.runs.page import curves, of_runs, write_page
from specc.runs.run import TRAIN, Run, read_run, say_left_out
from specc.words import clip, figure

ABSENT = "-"  # stands in tables for a metric or a field that a run lacks
# What last.pt says of a run that its job does not, and may change a result.
OF_A_RUN = ("seed", "max_iterations", "processes", "training images")
OF_A_RUN += ("validation images",)


def compare(folders: Sequence[Path], form: str, output: Path | None) -> int:
    """Prints the comparison, and writes a page of it. Raises JobError E405, E448."""
    runs = [read_run(folder) for folder in folders]
    for run in runs:
        say_left_out(run)
    facts = compared(runs)
    if output:
        _write(output, runs, facts)
    click.echo(json.dumps(facts, indent=2) if form == "json" else _text(facts))
    if output and form == "text":
        click.echo(f"wrote {output}")
    return 0


def _write(path: Path, runs: Sequence[Run], facts: dict[str, Any]) -> None:
    """Writes the page. Raises JobError E405."""
    names = labels([one["run"] for one in facts["runs"]])
    metrics, fields = tables(facts)
    loss = chart("loss", of_runs(runs, names, TRAIN, "loss"), log=True)
    write_page(
        path,
        "runs/compare.html.jinja",
        title=f"Runs: {', '.join(names)}",
        metrics=metrics,
        fields=fields,
        charts=[loss, *curves(runs, names)],
    )


def compared(runs: Sequence[Run]) -> dict[str, Any]:
    """Returns metrics by run, which run is best by each, and the fields that differ."""
    names = dict.fromkeys(name for run in runs for name in run.metrics)
    known = all(run.state.get("run") for run in runs)  # each has its last.pt
    return {
        "runs": [_facts(run) for run in runs],
        "metrics": {name: [run.metrics.get(name) for run in runs] for name in names},
        "best": {name: _best(runs, name) for name in names},
        "fields": _different([_fields(run, known) for run in runs]),
    }


def _facts(run: Run) -> dict[str, Any]:
    return {
        "run": str(run.folder),
        "job": run.job["name"],
        "iterations": run.rows[-1]["iteration"],
        "best_iteration": run.best_iteration,
        "elapsed_seconds": run.state.get("elapsed_seconds"),
        "chosen_by": run.chosen_by,
        "left_out_lines": run.left_out,
    }


def _best(runs: Sequence[Run], metric: str) -> list[int]:
    """Returns the places of the runs that are best by a metric; none of a single run,
    and none where all are alike."""
    known = {
        i: run.metrics[metric] for i, run in enumerate(runs) if metric in run.metrics
    }
    if len(set(known.values())) < 2:
        return []
    lower = any(run.is_lower_better(metric) for run in runs)
    best = min(known.values()) if lower else max(known.values())
    return [place for place, value in known.items() if value == best]


def _fields(run: Run, of_run: bool) -> dict[str, Any]:
    """Returns pointer -> value of the resolved job, its heads by their names, and what
    last.pt says `of_run`. Names of jobs say nothing of results."""
    job = {key: value for key, value in run.job.items() if key != "name"}
    heads = {one["name"]: one for one in run.job["model"]["heads"]}
    found = flat(job | {"model": run.job["model"] | {"heads": heads}})
    facts = run.state["run"] if of_run else {}
    return found | {name: facts[name] for name in OF_A_RUN if name in facts}


def _different(sides: list[dict[str, Any]]) -> dict[str, list[Any]]:
    pointers = dict.fromkeys(pointer for side in sides for pointer in side)
    rows = {pointer: [side.get(pointer) for side in sides] for pointer in pointers}
    return {
        pointer: values
        for pointer, values in rows.items()
        if any(value != values[0] for value in values)
    }


# ---- Tables ----


def tables(facts: dict[str, Any]) -> tuple[list[list[str]], list[list[str]]]:
    """Returns the rows of metrics, in which * marks the best, and those of fields, both
    below the names of the runs."""
    runs = facts["runs"]
    titles = ["", *labels([one["run"] for one in runs])]
    metrics = [titles]
    metrics.append(["iterations", *(str(one["iterations"]) for one in runs)])
    metrics.append(["best at", *(_plain(one["best_iteration"]) for one in runs)])
    metrics.append(["minutes", *(_minutes(one["elapsed_seconds"]) for one in runs)])
    for name, values in facts["metrics"].items():
        best = facts["best"][name]
        cells = (_figure(x) + " *" * (i in best) for i, x in enumerate(values))
        metrics.append([name, *cells])
    fields = [titles]
    for pointer, values in facts["fields"].items():
        fields.append([pointer, *(_plain(value) for value in values)])
    return metrics, fields


def labels(paths: list[str]) -> list[str]:
    """Returns the last parts of paths, or the paths where these are not unlike."""
    short = [Path(path).name for path in paths]
    return short if len({*short}) == len(paths) else paths


def _text(facts: dict[str, Any]) -> str:
    metrics, fields = tables(facts)
    parts = [_aligned(metrics)]
    if len(facts["runs"]) > 1:
        parts.append(_aligned(fields) if fields[1:] else "no field of the jobs differs")
    if any(facts["best"].values()):
        parts.append("* the best of its row")
    return "\n\n".join(parts)


def _aligned(rows: list[list[str]]) -> str:
    rows = [[harmless(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    )


def _figure(value: float | None) -> str:
    return ABSENT if value is None else figure(value)


def _minutes(seconds: float | None) -> str:
    return ABSENT if seconds is None else f"{seconds / 60:.1f}"


def _plain(value: Any) -> str:
    if value is None:
        return ABSENT
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return clip(text)
