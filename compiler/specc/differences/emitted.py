"""A folder compared with what this version of specc would emit for its own job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from specc.build import compile_job
from specc.diagnostics import job_at
from specc.differences.lines import added
from specc.differences.sides import Side, side, side_of
from specc.folder import jobfiles, record
from specc.folder.jobfiles import open_job
from specc.folder.output import output_of
from specc.folder.texts import is_same


def changes_of(folder: Path) -> dict[str, Any]:
    """Returns the fields whose resolved value this version changes, and the emitted
    lines that it changes, by file. Raises JobError."""
    known = record.sound(folder)
    file = open_job(str(folder / "job.json"), folder, False)
    with job_at(file.path, file.data):
        compiled = compile_job(file.data, file.extras)
    output = output_of(file, compiled)
    lines = {}
    for path, text in compiled.files.items():
        former = record.pristine(folder, path)
        if former != text:
            lines[path] = sorted(added(former, text))
    gone = [path for path in known.texts if path not in output.files]
    return {
        "fields": _fields(known.job or {}, output.job),
        "lines": lines,
        "no_longer_emitted": gone,
    }


def edited_job(folder: Path) -> tuple[Side, Side] | None:
    """Returns the job that was built and the one on disk, where they differ in more
    than their layout. Raises JobError."""
    built = record.sound(folder).texts["job.json"]
    path = folder / "job.json"
    if is_same("job.json", built, jobfiles.read(str(path))):
        return None
    label = f"{folder} as built"
    with job_at(label, built):
        return side_of(label, built), side(str(path))


def _fields(before: Any, after: Any, pointer: str = "") -> dict[str, list]:
    """Returns pointer -> values before and after, where they differ."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return {} if before == after else {pointer or "/": [before, after]}
    found = {}
    for key in dict.fromkeys([*before, *after]):
        found |= _fields(before.get(key), after.get(key), f"{pointer}/{key}")
    return found
