"""Writes a mended job in the place of the old one, all of it or nothing."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from specc.diagnostics import fail

_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def refuse_unwritable(path: str) -> None:
    """Raises JobError E431 unless a job is a file that may be replaced."""
    place = Path(path)
    if place.is_symlink():
        target = os.path.realpath(place)
        _refuse(path, "it is a symbolic link", f"name the file itself: `{target}`")
    try:
        mode = place.stat().st_mode
    except OSError as error:
        _refuse(path, _reason(error), "check it again")
    if not stat.S_ISREG(mode):
        _refuse(path, "it is no regular file", "save the job in a file")
    if not mode & _WRITE or not os.access(place, os.W_OK):
        _refuse(path, "it is read-only", f"make it writable: chmod u+w {path}")
    if not os.access(place.parent, os.W_OK | os.X_OK):
        _refuse(path, "its folder is read-only", "copy the job to another folder")


def replace_job(path: str, old: bytes, new: bytes) -> None:
    """Puts `new` in the place of a job that was read as `old`, with its permissions.

    Raises JobError E431, or E432 where the file is not `old` any more; the job is then
    as it was.
    """
    refuse_unwritable(path)
    place = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{place.name}-", dir=place.parent)
    except OSError as error:
        _refuse(path, _reason(error), "make room, or copy the job to another folder")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(new)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, stat.S_IMODE(place.stat().st_mode))
        if place.read_bytes() != old:
            fail(
                "E432",
                f"the job `{path}` has changed since it was read",
                help="nothing is written: check it again",
            )
        os.replace(name, place)
    except OSError as error:
        _refuse(path, _reason(error), "make room, or copy the job to another folder")
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def _refuse(path: str, why: str, help: str):
    fail("E431", f"cannot write the job `{path}`: {why}", help=help)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
