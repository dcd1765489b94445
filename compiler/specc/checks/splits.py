"""Rules on the column of a table that tells its sets apart: E398."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import combinations
from typing import Any

from specc.checks.layout import Fault
from specc.checks.tables import path_of_layout
from specc.diagnostics import Diagnostic
from specc.job import HeadData, Job, source_of
from specc.plan.tables import layout_of
from specc.words import quoted

SETS = {"train": "training", "validation": "validation", "test": "test"}


def splits(job: Job, given: dict) -> list[Diagnostic]:
    """E398: each set of a table with a column that tells sets apart has rows of its
    own."""
    findings: dict[tuple, Diagnostic] = {}
    for index, head in enumerate(job.heads):
        source = source_of(job, head)
        if source.format != "csv":
            continue
        layout = {k: v for k, v in asdict(layout_of(source)).items() if v is not None}
        for key, message, help in _faults(layout, source):
            path = (*path_of_layout(given, index), key)
            findings.setdefault(path, Diagnostic("E398", message, path, help=help))
    return list(findings.values())


def _faults(layout: dict[str, Any], source: HeadData) -> Iterator[Fault]:
    for name, title in SETS.items():
        key, is_there = f"{name}_rows", getattr(source, name) is not None
        if key in layout and "split" not in layout:
            message = f"`{key}` is not read where the layout lacks `split`"
            yield key, message, f"name the column by `split`, or remove `{key}`"
        elif key in layout and not is_there:
            message = f"`{key}` is of a {title} set, which the job lacks"
            yield key, message, f"remove `{key}`, or name the table by `{name}`"
        elif "split" in layout and is_there and key not in layout:
            message = f"nothing says which rows are of the {title} set"
            column = quoted(layout["split"])
            yield "split", message, f"write its value in {column} as `{key}`"
    for one, other in combinations(SETS, 2):
        places = [
            (getattr(source, name), layout.get(f"{name}_rows")) for name in (one, other)
        ]
        if "split" in layout and None not in places[0] and places[0] == places[1]:
            message = f"the {SETS[one]} set and the {SETS[other]} set are the same rows"
            help = "name another value, or another table"
            yield f"{other}_rows", message, help
