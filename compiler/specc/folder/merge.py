"""Three texts of a file to one, by git: as recorded, as the user edited it, and as new.

A merge without conflict has both sides' changes. Else the conflicts stand in the text
between git's markers, with the recorded lines in the middle (diff3).
"""

from __future__ import annotations

import ast
import io
import json
import re
import shutil
import subprocess
import tempfile
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from specc.folder.texts import bare, dressed

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


def merge(
    path: str, ours: bytes, base: bytes, theirs: bytes, relayout: bool = True
) -> Merged:
    """Merge the changes from `base` to `ours` and those to `theirs`; the line ends are
    those of `ours`. With `relayout` Python of another layout than specc's is merged in
    specc's if it is in conflict otherwise. Raises CannotMerge."""
    if b"\0" in ours:
        raise CannotMerge("it is no text any more")
    texts = (bare(ours), bare(base), bare(theirs))
    data = _by_git(path, *texts)
    if relayout and _OPEN.search(data) and path.endswith(".py"):
        data = _in_one_layout(path, texts) or data
    conflicts = lines_of(_OPEN, data)
    line, fault = (0, "") if conflicts else fault_of(path, data)
    places = conflicts or ((line,) if fault else ())
    return Merged(dressed(data, ours), places, fault)


def merge_nearest(
    path: str, ours: bytes, bases: Sequence[bytes], theirs: bytes
) -> Merged:
    """Merge with that of several bases that gives no conflict; of those, or else of
    all, with the one that `ours` is most like. Raises CannotMerge."""
    lines = set(bare(ours).splitlines())
    nearest = sorted(bases, key=lambda base: len(lines ^ set(base.splitlines())))
    results = [merge(path, ours, base, theirs) for base in nearest]
    return next((one for one in results if not one.conflicts), results[0])


def merge_sides(
    path: str, ours: bytes, bases: Sequence[bytes], theirs: bytes
) -> Merged | None:
    """Merge a text in which markers of git stand.

    If either side of all conflicts gives the same text, then no edit of the user is
    in conflict: both sides were emitted. Else returns None. Raises CannotMerge.
    """
    sides = sides_of(bare(ours))
    if sides is None:
        return None
    one, other = (merge_nearest(path, side, bases, theirs) for side in sides)
    if one.conflicts or one.data != other.data:
        return None
    return Merged(dressed(one.data, ours), ())


def sides_of(data: bytes) -> tuple[bytes, bytes] | None:
    """Returns the two texts between which the markers of a merge leave the choice; None
    if there are no markers, or not those that belong together."""
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    found, place = False, "outside"
    steps = {
        ("outside", b"<<<<<<< "): "ours",
        ("ours", b"||||||| "): "base",
        ("ours", b"======="): "theirs",
        ("base", b"======="): "theirs",
        ("theirs", b">>>>>>> "): "outside",
    }
    for line in data.splitlines(keepends=True):
        marker = line.rstrip(b"\n") if line.startswith(b"=======") else line[:8]
        if following := steps.get((place, marker)):
            found, place = True, following
            continue
        if place in ("outside", "ours"):
            sides[0].append(line)
        if place in ("outside", "theirs"):
            sides[1].append(line)
    if not found or place != "outside":
        return None
    return b"".join(sides[0]), b"".join(sides[1])


def markers(data: bytes) -> tuple[int, ...]:
    """Returns the lines, from 1, at which conflicts of a merge still begin; those of
    all markers, where some lack their counterpart."""
    return lines_of(_MARKER if sides_of(bare(data)) is None else _OPEN, data)


def fault_of(path: str, data: bytes) -> tuple[int, str]:
    """The line at which Python or JSON cannot be read, and why; 0 and "" if all can."""
    try:
        if path.endswith(".py"):
            data.decode(tokenize.detect_encoding(io.BytesIO(data).readline)[0])
            ast.parse(data)  # does not look at the encoding of comments
        elif path.endswith(".json"):
            json.loads(data)
    except SyntaxError as error:
        return error.lineno or 1, error.msg
    except json.JSONDecodeError as error:
        return error.lineno, error.msg
    except UnicodeDecodeError as error:
        return data.count(b"\n", 0, error.start) + 1, str(error)
    except (ValueError, RecursionError) as error:
        return 1, str(error)
    return 0, ""


def lines_of(pattern: re.Pattern, data: bytes) -> tuple[int, ...]:
    """The lines, from 1, at which a pattern is found."""
    found = pattern.finditer(data)
    return tuple(data.count(b"\n", 0, match.start()) + 1 for match in found)


def _in_one_layout(path: str, texts: Sequence[bytes]) -> bytes | None:
    """Returns the merge of the three texts in one layout, if the user's text has
    another one and only that was in conflict; else None."""
    import black

    from specc.emit.format import MODE

    # Without "magic" commas the layout depends on nothing but the code.
    plain = black.Mode(MODE.target_versions, magic_trailing_comma=False)
    try:
        ours, *others = (text.decode() for text in texts)
        if black.format_str(ours, mode=MODE) == ours:
            return None
        same = [black.format_str(text, mode=plain) for text in (ours, *others)]
    except (black.InvalidInput, SyntaxError, ValueError):
        return None
    data = _by_git(path, *(text.encode() for text in same))
    return None if _OPEN.search(data) else data


def _by_git(path: str, ours: bytes, base: bytes, theirs: bytes) -> bytes:
    git = shutil.which("git")
    if git is None:
        raise CannotMerge("git, which merges them, is not installed")
    with tempfile.TemporaryDirectory() as folder:
        texts = {"ours": ours, "base": base, "theirs": theirs}
        for name, data in texts.items():
            Path(folder, name).write_bytes(data)
        labels = [word for side in _SIDES for word in ("-L", f"{path} ({side})")]
        call = [git, "merge-file", "-p", "--diff3", *labels, *texts]
        try:
            done = subprocess.run(call, cwd=folder, capture_output=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CannotMerge(f"git, which merges them, does not run: {reason}")
    if not 0 <= done.returncode < 128:  # git counts conflicts up to 127
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise CannotMerge(said[-1] if said else f"git ended with {done.returncode}")
    if not done.stdout and ours and theirs:  # no two texts have nothing as their merge
        raise CannotMerge("git, which merges them, gives an empty text")
    return done.stdout
