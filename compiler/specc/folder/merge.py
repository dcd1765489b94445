"""Three texts of a file to one, by git: as recorded, as the user edited it, and as new.

A merge without conflict has both sides' changes. Else the conflicts stand in the text
between git's markers, with the recorded lines in the middle (diff3).
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_OPEN = re.compile(rb"^<{7} ", re.MULTILINE)
_MARKER = re.compile(rb"^(<{7} |>{7} |\|{7} )", re.MULTILINE)
_SIDES = ("yours", "as specc wrote it before", "as the job says now")


class CannotMerge(Exception):
    """Why git cannot merge the texts, as a phrase."""


@dataclass(frozen=True)
class Merged:
    """The text, and the lines, from 1, at which conflicts or faults in it stand."""

    data: bytes
    conflicts: tuple[int, ...]
    fault: str = ""  # why the text cannot be read, where it has no conflict


def merge(path: str, ours: bytes, base: bytes, theirs: bytes) -> Merged:
    """Merge the changes from `base` to `ours` and those to `theirs`. Raises
    CannotMerge."""
    if b"\0" in ours:
        raise CannotMerge("it is no text any more")
    if is_crlf(ours):  # an editor or git changed the line ends, not the lines
        base, theirs = _as_crlf(base), _as_crlf(theirs)
    data = _by_git(path, ours, base, theirs)
    conflicts = lines_of(_OPEN, data)
    line, fault = (0, "") if conflicts else fault_of(path, data)
    return Merged(data, conflicts or ((line,) if fault else ()), fault)


def markers(data: bytes) -> tuple[int, ...]:
    """The lines, from 1, at which conflicts of a merge still begin or end."""
    return lines_of(_MARKER, data)


def fault_of(path: str, data: bytes) -> tuple[int, str]:
    """The line at which Python or JSON cannot be read, and why; 0 and "" if all can."""
    try:
        if path.endswith(".py"):
            ast.parse(data)
        elif path.endswith(".json"):
            json.loads(data)
    except SyntaxError as error:
        return error.lineno or 1, error.msg
    except json.JSONDecodeError as error:
        return error.lineno, error.msg
    except ValueError as error:  # no UTF-8, say
        return 1, str(error)
    return 0, ""


def is_crlf(data: bytes) -> bool:
    """Whether all lines of a text end as on Windows."""
    return b"\r\n" in data and data.count(b"\r\n") == data.count(b"\n")


def _as_crlf(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def lines_of(pattern: re.Pattern, data: bytes) -> tuple[int, ...]:
    """The lines, from 1, at which a pattern is found."""
    found = pattern.finditer(data)
    return tuple(data.count(b"\n", 0, match.start()) + 1 for match in found)


def _by_git(path: str, ours: bytes, base: bytes, theirs: bytes) -> bytes:
    git = shutil.which("git")
    if git is None:
        raise CannotMerge("git, which merges them, is not installed")
    with tempfile.TemporaryDirectory() as folder:
        texts = {"ours": ours, "base": base, "theirs": theirs}
        for name, data in texts.items():
            Path(folder, name).write_bytes(data)
        labels = [word for side in _SIDES for word in ("-L", f"{path} ({side})")]
        done = subprocess.run(
            [git, "merge-file", "-p", "--diff3", *labels, *texts],
            cwd=folder,
            capture_output=True,
        )
    if not 0 <= done.returncode < 128:  # git counts conflicts up to 127
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise CannotMerge(said[-1] if said else f"git ended with {done.returncode}")
    return done.stdout
