"""Findings of `specc build --check`, for tools and for annotations on GitHub."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from specc.diagnostics import Diagnostic
from specc.folder import record
from specc.folder.compare import Comparison
from specc.folder.jobfiles import JobFile

COUNTED = "all that differs from what specc writes counts as your edit: {}"


def findings_of(
    file: JobFile, compared: Comparison, strict: bool
) -> Iterator[tuple[str, Diagnostic]]:
    """Yields (path of the file, finding in it); nothing where the check passes."""
    why = _why_due(file, compared)
    if why:
        merges = ", ".join(compared.conflicts)
        note = f"the build will merge your edits of {merges}" if merges else ""
        yield file.path, Diagnostic(
            "E439",
            f"the folder `{file.folder}` {why}",
            note=COUNTED.format(merges) if compared.lost and merges else note,
            help=f"run `{mending(file, compared)}`, and commit what it writes",
        )
    for place in compared.unfinished:
        yield _unfinished(file, place)
    if strict and compared.is_current() and not compared.is_current(strict):
        changed = ", ".join((*compared.edited, *compared.gone))
        yield file.path, Diagnostic(
            "E439",
            f"the folder `{file.folder}` is not as specc wrote it: {changed}",
            note="--strict fails for files that were edited or deleted",
            help="take the edits back, or leave out --strict",
        )


def mending(file: JobFile, compared: Comparison) -> str:
    """Returns the command after which the folder is up to date."""
    if compared.lost and compared.conflicts:
        return f"specc adopt {shlex.quote(str(file.folder))}"
    return f"specc build {shlex.quote(file.path)}"


def _why_due(file: JobFile, compared: Comparison) -> str:
    """Returns why a build is due; empty where none is."""
    if not record.exists(file.folder):
        return "is not built yet"
    if compared.killed:
        return "is half written: a build of it was killed"
    if compared.lost:
        return f"has a damaged record, `{record.MANIFEST}`"
    if compared.stale:
        return f"is stale: a build changes {', '.join(compared.stale)}"
    return ""


def _unfinished(file: JobFile, place: str) -> tuple[str, Diagnostic]:
    """Returns the finding of a place, `path:line` or `path:line: fault`."""
    place, _, fault = place.partition(": ")
    path, _, line = place.rpartition(":")
    blamed = str(file.folder / path)
    position = (int(line), 1)
    if not fault:
        return blamed, Diagnostic(
            "E411",
            f"`{blamed}` is half merged: a marker of a conflict stands here",
            help="choose what is to stay, and delete the markers",
            position=position,
        )
    return blamed, Diagnostic(
        "E440",
        f"`{blamed}` was edited, and cannot be read: {fault}",
        help="mend the line, or take back the edit",
        position=position,
    )
