"""`specc adopt`: a folder whose record was lost gets one again."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from specc.diagnostics import fail
from specc.folder import record
from specc.folder.branches import known
from specc.folder.commit import recover
from specc.folder.judge import Output, read_file
from specc.folder.texts import is_same
from specc.folder.write import put


@dataclass(frozen=True)
class Adopted:
    """The files of an adopted folder, as relative paths."""

    emitted: tuple[str, ...]  # they mean what specc emits for the job
    edited: tuple[str, ...]
    missing: tuple[str, ...]


def adopt(output: Output) -> Adopted:
    """Record what specc emits for the folder's job, so that all that differs counts as
    an edit of the user. No file but the record is written.

    Raises JobError: E404 something is in the way, E405 the system refuses, E407 a newer
    specc wrote the folder, E436 nothing there was emitted, E437 there is a record.
    """
    folder = output.folder
    recover(folder)
    if known(folder):
        fail(
            "E437",
            f"`{folder}` has its record, so there is nothing to adopt",
            help=f"`specc build {folder / 'job.json'} -o {folder}` merges and mends",
        )
    adopted = _sorted_out(output)
    if {*adopted.emitted, *adopted.edited} <= {"job.json"}:
        fail(
            "E436",
            f"`{folder}` holds no file that specc emits for its job",
            help=f"`specc build {folder / 'job.json'} -o {folder}` writes them",
        )
    put(folder, record.record_of(output.files, output.job), record.old_copies(folder))
    return adopted


def recorded_in_git(folder: Path) -> str:
    """Returns the last commit of git that holds a record of the folder; empty if none
    does."""
    place = record.MANIFEST
    call = ["git", "log", "-1", "--diff-filter=AM", "--format=%h", "--", place]
    try:
        done = subprocess.run(call, cwd=folder, capture_output=True, encoding="utf-8")
    except OSError:
        return ""
    return "" if done.returncode else done.stdout.strip()


def _sorted_out(output: Output) -> Adopted:
    found: dict[str, list[str]] = {"emitted": [], "edited": [], "missing": []}
    for path in sorted(output.files):
        disk = read_file(output.folder, path)
        if disk is None:
            kind = "missing"
        else:
            kind = "emitted" if is_same(path, disk, output.files[path]) else "edited"
        found[kind].append(path)
    return Adopted(**{kind: tuple(paths) for kind, paths in found.items()})
