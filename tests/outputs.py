"""Outputs to write, and what a folder holds after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from specc.diagnostics import JobError
from specc.folder.judge import Output

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
