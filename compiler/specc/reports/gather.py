"""Gathers what a report shows, in a process of its own (see command.py).

`python gather.py SETUP FILE` runs the folder's evaluate.py, and writes the facts to
FILE as JSON; where evaluate.py refuses, FILE holds what it says as "refused".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from specc.reports.heads import facts_of
from specc.reports.pictures import Drawing, pictured
from specc.reports.plots import plot_of
from specc.scores.found import Found, find


def gather(setup: dict[str, Any]) -> dict[str, Any]:
    """Raises SystemExit as evaluate.py does."""
    folder, weights, root = (Path(setup[x]) for x in ("folder", "weights", "root"))
    if setup["test"] and '"--test"' not in (folder / "evaluate.py").read_text("utf-8"):
        raise SystemExit(f"the job of {folder} names no test set")
    how = {x: setup[x] for x in ("device", "workers", "test")}
    found = find(folder, weights, root, **how)
    job = json.loads((folder / "resolved.json").read_text("utf-8"))
    drawing = Drawing(folder, found)
    heads = {}
    for head in job["model"]["heads"]:
        name = head["name"]
        heads[name] = facts_of(found, head, setup["min_score"])
        drawing.from_score(heads[name].pop("min_score"))
        heads[name]["plot"] = plot_of(found, head, drawing)
        heads[name]["pictures"] = pictured(found, head, drawing, root, setup["images"])
    return {
        "images": len(found.samples),
        "metrics": _measured(found),
        "heads": heads,
    }


def _measured(found: Found) -> dict[str, float]:
    metrics = found.score(found.samples, found.evidence)
    return {name: float(value) for name, value in metrics.items()}


def main(setup: str, target: str) -> None:
    try:
        facts = gather(json.loads(setup))
    except click.ClickException as error:
        facts = {"refused": error.message}
    except SystemExit as refusal:
        if not isinstance(refusal.code, str):
            raise
        facts = {"refused": refusal.code}  # one line or several
    Path(target).write_text(json.dumps(facts), "utf-8")


if __name__ == "__main__":
    sys.path.pop(0)  # this folder: a module of the job may have the name of one here
    main(*sys.argv[1:])
