"""The passes that find what is wrong with a job, from its bytes to its levels."""

from __future__ import annotations

from typing import Any

import networkx as nx

from specc.analysis.readings import readings
from specc.checks.levels import check
from specc.checks.values import inconsistencies
from specc.diagnostics import Diagnostic, JobError
from specc.graph.levels import build_graph
from specc.job import Job
from specc.language.load import Source, load
from specc.language.validate import shown, validate
from specc.resolve import resolved

# Two heads of one name would be one component of the graph.
_NO_GRAPH = {"E301", "E308"}


def analyze(data: bytes) -> tuple[Job, nx.DiGraph, list[Diagnostic]]:
    """Runs the passes that find what is wrong with a job, and no others.

    Findings stand in the order of the file. Raises JobError with those of all passes
    where the job has none of its levels, or none that are worth building.
    """
    source = load(data)
    if refused := validate(source):
        raise JobError(shown(_in_order(refused, source) + _read_on(source, refused)))
    job, graph, contradictions, levels = _passes(source.value)
    if contradictions or graph is None:
        raise JobError(_in_order([*contradictions, *levels], source))
    return job, graph, _in_order(levels, source)


def findings_of(data: bytes) -> list[Diagnostic]:
    """Returns all findings about a job, however many. Raises JobError where the file
    holds no job."""
    source = load(data)
    if refused := validate(source):
        return refused + _read_on(source, refused)
    _, _, contradictions, levels = _passes(source.value)
    return _in_order([*contradictions, *levels], source)


def _read_on(source: Source, refused: list[Diagnostic]) -> list[Diagnostic]:
    """Returns what the later passes find in a job that the schema refuses: what holds
    however the refused values are meant, and is not about them."""
    doubtful = [_owner(one) for one in refused if not one.edit or not one.edit.certain]
    found: list[Diagnostic] | None = None
    for value in readings(source.value, refused):
        *_, contradictions, levels = _passes(value)
        said = [*contradictions, *levels]
        found = said if found is None else [one for one in found if one in said]
        if not found:
            break
    kept = [
        one
        for one in found or ()
        if not any(one.path[: len(path)] == path for path in doubtful)
    ]
    return _in_order(kept, source)


def _owner(finding: Diagnostic) -> tuple:
    """Returns the path of all that is in doubt where a finding is: the whole object
    where it says what the object is."""
    path = finding.path
    return path[:-1] if path[-1:] in (("task",), ("kind",)) else path


def _passes(
    value: Any,
) -> tuple[Job, nx.DiGraph | None, list[Diagnostic], list[Diagnostic]]:
    """Returns a valid job, its graph (None where it has none), and the findings of
    both kinds of checks."""
    job = resolved(value)
    contradictions = inconsistencies(job, value)
    if any(one.code in _NO_GRAPH for one in contradictions):
        return job, None, contradictions, []
    try:
        graph = build_graph(job)
    except JobError as error:
        return job, None, contradictions, error.diagnostics
    return job, graph, contradictions, check(job, graph)


def _in_order(findings: list[Diagnostic], source: Source) -> list[Diagnostic]:
    return sorted(findings, key=lambda finding: source.locate(finding.path)[:2])
