"""A folder compared with what this version of specc would emit for its own job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from specc.build import compile_job
from specc.differences.lines import added
from specc.folder import record
from specc.folder.jobfiles import open_job
from specc.folder.output import output_of


def changes_of(folder: Path) -> dict[str, Any]:
    """Returns the fields whose resolved value this version changes, and the emitted
    lines that it changes, by file. Raises JobError."""
    file = open_job(str(folder / "job.json"), folder, False)
    known, compiled = record.read(folder), compile_job(file.data, file.extras)
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


def _fields(before: Any, after: Any, pointer: str = "") -> dict[str, list]:
    """Returns pointer -> values before and after, where they differ."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return {} if before == after else {pointer or "/": [before, after]}
    found = {}
    for key in dict.fromkeys([*before, *after]):
        found |= _fields(before.get(key), after.get(key), f"{pointer}/{key}")
    return found
