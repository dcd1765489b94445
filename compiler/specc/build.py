"""The driver: a job's bytes through all passes, front to back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass

from specc.analysis.analyze import analyze
from specc.diagnostics import Diagnostic, JobError
from specc.graph.cost import Summary, summarize
from specc.job import Job
from specc.plan.extras import PLAIN, Extras

_POOL_FROM = 4  # number of jobs below which a second process costs more than it saves


@dataclass(frozen=True)
class Compiled:
    """A compiled job: ``files`` maps relative paths to formatted text."""

    job: Job
    files: dict[str, str]
    warnings: tuple[Diagnostic, ...]
    summary: Summary
    model_class: str  # top class of model.py, constructed without arguments


def compile_job(data: bytes, extras: Extras = PLAIN) -> Compiled:
    """Runs all passes but the last, which writes.

    Raises JobError with every finding.
    """
    # The back end brings jinja2 and black; `specc check` must not wait for them.
    from specc.emit.format import format_files
    from specc.emit.render import render
    from specc.plan.page import plan

    job, graph, findings = analyze(data)
    if any(finding.is_error for finding in findings):
        raise JobError(findings)
    summary = summarize(job, graph)
    page = plan(job, graph, extras, summary)
    files = format_files(render(page))
    return Compiled(job, files, tuple(findings), summary, page.model_class)


def compile_many(
    jobs: Sequence[bytes], extras: Sequence[Extras] | None = None
) -> Iterator[Compiled | list[Diagnostic]]:
    """Compiles jobs; yields, in their order, a Compiled or the JobError of each.

    `extras` has the form of each job's folder; None: all folders are plain.
    """
    extras = extras or [PLAIN] * len(jobs)
    workers = min(_processors(), len(jobs) // (_POOL_FROM // 2))
    if len(jobs) < _POOL_FROM or workers < 2:
        yield from map(_attempt, jobs, extras)
        return
    chunk = max(1, min(8, len(jobs) // (2 * workers)))
    with ProcessPoolExecutor(workers, initializer=_ignore_interrupt) as pool:
        yield from pool.map(_attempt, jobs, extras, chunksize=chunk)


def as_values(job: Job) -> dict:
    """Returns the resolved job as plain JSON values, as the record keeps it."""
    values = asdict(job)
    if job.data.augmentation:
        values["data"]["augmentation"] = job.data.augmentation.used()
    return json.loads(json.dumps(values))


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
    """Ignores Ctrl-C in a worker: it reaches every process of the group, and only the
    main process answers."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
