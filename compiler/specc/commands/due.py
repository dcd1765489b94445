"""Findings of `specc build --check`, for tools and for annotations on GitHub."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from specc.diagnostics import Diagnostic
from specc.folder import record
from specc.folder.compare import Comparison
from specc.folder.jobfiles import JobFile


def findings_of(
    file: JobFile, compared: Comparison, strict: bool
) -> Iterator[tuple[str, Diagnostic]]:
    """Yields (path of the file, finding in it); nothing where the check passes."""
    why = _why_due(file, compared)
    if why:
        build = f"run `specc build {shlex.quote(file.path)}`"
        merges = ", ".join(compared.conflicts)
        yield file.path, Diagnostic(
            "E439",
            f"the folder `{file.folder}` {why}",
            note=f"the build will merge your edits of {merges}" if merges else "",
            help=f"{build}, and commit what it writes",
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


def _why_due(file: JobFile, compared: Comparison) -> str:
    """Returns why a build is due; empty where none is."""
    if not record.exists(file.folder):
        return "is not built yet"
    if compared.killed:
        return "is half written: a build of it was killed"
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
