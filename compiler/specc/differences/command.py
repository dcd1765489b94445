"""`specc diff`: prints what a change of a job means."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from specc.differences.changes import compare
from specc.differences.classes import NAMED
from specc.differences.emitted import changes_of, edited_job
from specc.differences.lines import attribute, spans
from specc.differences.report import REPORTS, as_text
from specc.differences.sides import committed, side
from specc.folder import record


def diff(old: str, new: str | None, form: str, fail_on: str | None, lines: bool) -> int:
    """Returns 1 if the change is of the class `fail_on`, or graver. Raises JobError."""
    if new is None and record.exists(Path(old)):
        sides = edited_job(Path(old))
        if sides is None:
            return _own_job(Path(old), form, fail_on)
    else:
        before, after = (old, new) if new is not None else (committed(old), old)
        sides = side(before), side(after)
    found = compare(*sides)
    together = attribute(found) if lines and found.changes else {}
    if form == "text":
        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        click.echo(as_text(found, together, color), nl=False)
    else:
        click.echo(REPORTS[form](found, together), nl=False)
    return int(fail_on is not None and found.effect.kind >= NAMED[fail_on])


def _own_job(folder: Path, form: str, fail_on: str | None) -> int:
    """Prints what this version of specc changes in a folder of the same job; returns 1
    if that is anything, and `fail_on` is given."""
    found = changes_of(folder)
    changed = bool(found["fields"] or found["lines"] or found["no_longer_emitted"])
    if form == "json":
        click.echo(json.dumps({"folder": str(folder), **found}, indent=2))
        return int(changed and fail_on is not None)
    mark = "- " if form == "markdown" else "  "
    state = (
        "this version of specc would change" if changed else "nothing would change in"
    )
    click.echo(f"{state} {folder}")
    for pointer, (before, after) in found["fields"].items():
        click.echo(f"{mark}{pointer}: {json.dumps(before)} -> {json.dumps(after)}")
    for path, numbers in found["lines"].items():
        click.echo(f"{mark}{path}:{spans(numbers) or 'lines are gone'}")
    for path in found["no_longer_emitted"]:
        click.echo(f"{mark}{path}: no longer emitted")
    return int(changed and fail_on is not None)
