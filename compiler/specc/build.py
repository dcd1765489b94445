"""The driver: a job's bytes through all passes, front to back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass

import networkx as nx

from specc.checks.levels import check
from specc.checks.values import inconsistencies
from specc.diagnostics import Diagnostic, JobError
from specc.graph.cost import Summary, summarize
from specc.graph.levels import build_graph
from specc.job import Job
from specc.language.load import Source, load
from specc.plan.extras import PLAIN, Extras
from specc.resolve import resolve

_POOL_FROM = 4  # jobs; for fewer, a second process costs more than it saves


@dataclass(frozen=True)
class Compiled:
    """What became of one job: ``files`` maps relative paths to formatted text."""

    job: Job
    files: dict[str, str]
    warnings: tuple[Diagnostic, ...]
    summary: Summary
    model_class: str  # the top class of model.py; takes no arguments


def analyse(data: bytes) -> tuple[Job, nx.DiGraph, list[Diagnostic]]:
    """The passes that find what is wrong with a job, and nothing else.

    Findings stand in the order of the file. Raises JobError.
    """
    source = load(data)
    job = resolve(source)
    if findings := inconsistencies(job, source.value):
        raise JobError(_in_order(findings, source))
    graph = build_graph(job)
    return job, graph, _in_order(check(job, graph), source)


def compile_job(data: bytes, extras: Extras = PLAIN) -> Compiled:
    """All passes but the last, which writes.

    Raises JobError with every finding.
    """
    # The back end brings jinja2 and black; `specc check` must not wait for them.
    from specc.emit.format import format_files
    from specc.emit.render import render
    from specc.plan.page import plan

    job, graph, findings = analyse(data)
    if any(finding.is_error for finding in findings):
        raise JobError(findings)
    page = plan(job, graph, extras)
    files = format_files(render(page))
    summary = summarize(job, graph)
    return Compiled(job, files, tuple(findings), summary, page.model_class)


def compile_many(
    jobs: Sequence[bytes], extras: Sequence[Extras] | None = None
) -> Iterator[Compiled | list[Diagnostic]]:
    """Compile each job; yields, in order, what became of it or what is wrong with it.

    `extras` has the form of each job's folder; None: all are plain.
    """
    extras = extras or [PLAIN] * len(jobs)
    workers = min(_processors(), len(jobs) // (_POOL_FROM // 2))
    if len(jobs) < _POOL_FROM or workers < 2:
        yield from map(_attempt, jobs, extras)
        return
    chunk = max(1, min(8, len(jobs) // (2 * workers)))
    with ProcessPoolExecutor(workers, initializer=_ignore_interrupt) as pool:
        yield from pool.map(_attempt, jobs, extras, chunksize=chunk)


def _in_order(findings: list[Diagnostic], source: Source) -> list[Diagnostic]:
    return sorted(findings, key=lambda finding: source.locate(finding.path)[:2])


def as_values(job: Job) -> dict:
    """The resolved job as JSON would give it back: the form of the record."""
    return json.loads(json.dumps(asdict(job)))


def _attempt(data: bytes, extras: Extras) -> Compiled | list[Diagnostic]:
    try:
        return compile_job(data, extras)
    except JobError as error:
        return error.diagnostics


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _ignore_interrupt() -> None:
    """Ctrl-C reaches every process of the group: only the first one answers."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
