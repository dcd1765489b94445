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
from specc.diagnostics import JobError, fail, job_at
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
    """Returns a side: a job file, or a folder with a job.json, on disk or in a commit of
    git as `REV:path`. Raises JobError."""
    data, path = _read(place)
    with job_at(path, data):
        return side_of(place, data)


def side_of(label: str, data: bytes) -> Side:
    """Returns the side of a job's bytes. Raises JobError, of which the findings name no
    file."""
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


def _read(place: str) -> tuple[bytes, str]:
    """Returns a job and its path. Raises JobError E401, E412."""
    if os.path.isdir(place):
        place = os.path.join(place, "job.json")
        return jobfiles.read(place), place
    revision, colon, path = place.partition(":")
    if not colon or os.path.exists(place) or len(revision) < 2:
        return jobfiles.read(place), place
    what = f"git has no `{place}`"
    if path in (".", ".."):  # git takes these for folders with a slash alone
        place += "/"
    if _git(Path(), "cat-file", "-t", place, missing=what).strip() == b"tree":
        place += "job.json" if place.endswith((":", "/")) else "/job.json"
        what = f"git has no `{place}`"
    return _git(Path(), "cat-file", "blob", place, missing=what), place


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
