"""Outputs to write, and what a folder holds after it."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from specc.diagnostics import JobError
from specc.folder.judge import Output
from specc.folder.write import write

JOB = b'{"name": "cells"}\n'


def output(folder: Path, source: Path, job: dict | None = None, **texts: str) -> Output:
    """An output of `model.py`, ... from `model="text"`, and of the job."""
    files = {f"{name}.py": text.encode() for name, text in texts.items()}
    return Output(folder, files | {"job.json": JOB}, job or {"name": "cells"}, source)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder: bytes of files, None for folders."""
    return {
        path.relative_to(folder).as_posix(): (
            None if path.is_dir() else path.read_bytes()
        )
        for path in sorted(folder.rglob("*"))
    }


def refusal(expected: str, action, *arguments, **flags):
    """The single diagnostic, of this code, with which a call is refused."""
    with pytest.raises(JobError) as caught:
        action(*arguments, **flags)
    (finding,) = caught.value.diagnostics
    assert finding.code == expected
    assert finding.help
    return finding


# ---- Kills ----


def killed(wanted: Output, function: str, step: int) -> bool:
    """Build in another process, which ends at that call of a function of `os` at once,
    as by SIGKILL; False if it was not reached."""
    child = os.fork()
    if child == 0:
        real, calls = getattr(os, function), itertools.count()

        def die(*arguments, **options):
            if next(calls) == step:
                os._exit(9)
            return real(*arguments, **options)

        setattr(os, function, die)
        write(wanted)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def emitted(folder: Path) -> dict[str, bytes | None]:
    """Returns the files of the folder, but for those that are staged."""
    found = tree(folder) if folder.exists() else {}
    return {path: x for path, x in found.items() if not path.startswith(".specc-")}
