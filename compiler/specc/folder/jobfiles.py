"""Job files on the command line: read once, and each given its output folder."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from specc.diagnostics import fail
from specc.folder import record


@dataclass(frozen=True)
class JobFile:
    """A job's bytes as read; ``name`` and ``folder`` are empty in a job that is wrong.

    ``tests`` says whether the folder gets a contract.
    """

    path: str  # as the user wrote it
    data: bytes
    name: str
    folder: Path | None
    tests: bool


def open_job(
    path: str, out: Path | None, several: bool, tests: bool | None = None
) -> JobFile:
    """Read a job and find its output folder. Raises JobError E401, E407.

    Unless `tests` says otherwise, a folder that was built with a contract keeps one.
    """
    data = read(path)
    name = _name(data)
    folder = _folder(path, name, out, several) if name else None
    if tests is None:
        tests = folder is not None and record.keeps_contract(folder)
    return JobFile(path, data, name, folder, tests)


def read(path: str) -> bytes:
    """The bytes of a job file. Raises JobError E401."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        if os.path.isdir(path) and os.path.exists(os.path.join(path, "job.json")):
            help = f"give the file: `{os.path.join(path, 'job.json')}`"
        else:
            help = "give the path of a job file, such as `job.json`"
        fail("E401", f"cannot read the job `{path}`: {reason}", help=help)


def refuse_shared_folders(files: Sequence[JobFile]) -> None:
    """Raise JobError E406 if two jobs would be written to one folder."""
    owners: dict[str, JobFile] = {}
    for file in files:
        if file.folder is None:
            continue
        owner = owners.setdefault(os.path.realpath(file.folder), file)
        if owner is not file:
            fail(
                "E406",
                f"`{owner.path}` and `{file.path}` would both be written to "
                f"`{file.folder}`",
                help="give the jobs different names, or build them one at a time with -o",
            )


def _name(data: bytes) -> str:
    """The job's name, without any pass; empty where the passes will find fault."""
    try:
        name = json.loads(data)["name"]
        return name if re.fullmatch("[a-z][a-z0-9_-]*", name) else ""
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _folder(path: str, name: str, out: Path | None, several: bool) -> Path:
    if out is not None:
        return out / name if several else out
    own = Path(os.path.abspath(path)).parent
    is_own = own.name == name and not _holds_data(own)
    return Path(path).parent if is_own else Path("generated", name)


def _holds_data(folder: Path) -> bool:
    """Whether folders stand in it and specc has not written it: of a dataset, say."""
    inner = (path for path in folder.iterdir() if path.is_dir())
    written = record.exists(folder)
    return not written and any(not path.name.startswith(".") for path in inner)
