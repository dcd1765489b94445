"""A folder compared with what this version of specc would emit for its own job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from specc.build import as_values, compile_job
from specc.differences.lines import added
from specc.folder import record
from specc.folder.jobfiles import open_job


def changes_of(folder: Path) -> dict[str, Any]:
    """Returns the fields whose resolved value this version changes, and the emitted
    lines that it changes, by file. Raises JobError."""
    file = open_job(str(folder / "job.json"), folder, False)
    known, compiled = record.read(folder), compile_job(file.data, file.extras)
    lines = {}
    for path, text in compiled.files.items():
        former = record.pristine(folder, path)
        if former != text:
            lines[path] = sorted(added(former, text))
    emitted = {*compiled.files, "job.json"}
    gone = [path for path in known.files if path not in emitted]
    return {
        "fields": _fields(known.job or {}, as_values(compiled.job)),
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
