"""The two sides of a comparison: jobs in files, in folders, or in commits of git."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx

from specc.build import analyze
from specc.diagnostics import JobError, fail
from specc.differences.fields import Field, fields_of
from specc.folder import jobfiles
from specc.graph.cost import Summary, summarize
from specc.job import Job

HEAD = "HEAD"


@dataclass(frozen=True)
class Side:
    """A job, resolved, with its graph."""

    label: str  # the place of the job, for titles
    given: dict[str, Any]  # the job as it is written
    job: Job
    graph: nx.DiGraph
    summary: Summary
    fields: dict[str, Field]

    @property
    def data(self) -> bytes:
        return json.dumps(self.given).encode()


def side(place: str) -> Side:
    """Returns a side: a job file, a folder with a job.json, or `REV:path` of git.

    Raises JobError, of which the findings name no place in a file.
    """
    return side_of(place, _bytes(place))


def side_of(label: str, data: bytes) -> Side:
    """Returns the side of a job's bytes. Raises JobError."""
    job, graph, findings = analyze(data)
    errors = [finding for finding in findings if finding.is_error]
    if errors:
        raise JobError(errors)
    given = json.loads(data)
    fields = fields_of(job, given)
    return Side(label, given, job, graph, summarize(job, graph), fields)


def committed(place: str) -> str:
    """Returns `HEAD:path` of a job on disk. Raises JobError E412."""
    path = Path(place, "job.json") if os.path.isdir(place) else Path(place)
    return f"{HEAD}:./{path.as_posix()}" if not path.is_absolute() else _absolute(path)


def _absolute(path: Path) -> str:
    what = f"`{path.parent}` is in no repository of git"
    said = _git(path.parent, "rev-parse", "--show-toplevel", missing=what)
    top = Path(os.fsdecode(said).rstrip("\n")).resolve()
    return f"{HEAD}:{path.resolve().relative_to(top).as_posix()}"


def _bytes(place: str) -> bytes:
    """Raises JobError E401, E412."""
    if os.path.isdir(place):
        return jobfiles.read(os.path.join(place, "job.json"))
    revision, colon, path = place.partition(":")
    if colon and not os.path.exists(place) and len(revision) > 1:
        what = f"git has no `{place}`"
        return _git(Path(), "show", place, missing=what)
    return jobfiles.read(place)


def _git(folder: Path, *arguments: str, missing: str) -> bytes:
    """Returns what git prints. Raises JobError E412, `missing` with git's reason."""
    try:
        call = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(call, capture_output=True)
    except OSError:
        fail("E412", "git is not installed", help="name two files or folders instead")
    if done.returncode:
        said = os.fsdecode(done.stderr).strip().splitlines() or ["no reason given"]
        help = (
            "name a revision and a path that git has, such as HEAD~1:job.json, or two"
        )
        fail("E412", missing, note=said[0], help=f"{help} files or folders")
    return done.stdout
