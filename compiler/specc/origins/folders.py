"""Emitted folders: their recorded texts, and the way from a line on disk to a recorded
one."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import Path

from specc.diagnostics import JobError, fail
from specc.folder import record
from specc.folder.jobfiles import extras_of
from specc.origins.reach import Reach
from specc.words import did_you_mean, listed

JOB = "job.json"
PLACE = re.compile(r"(.+):([0-9]{1,9})(?:-([0-9]{1,9}))?")
BUILD = "`specc build` writes the folder and its record anew"


@dataclass(frozen=True)
class Asked:
    """A file of an emitted folder, and lines of it on disk, from 1."""

    folder: Path
    path: str
    first: int
    last: int


def asked(place: str) -> Asked:
    """Returns the lines of `FILE:LINE` or `FILE:FIRST-LAST`. Raises JobError E416."""
    found = PLACE.fullmatch(place)
    if not found:
        help = "give a file and a line, such as `detector/train.py:120`, or lines: `:120-140`"
        fail("E416", f"`{place}` names no line of a file", help=help)
    file, first = Path(found[1]), int(found[2])
    last = int(found[3] or first)
    if first < 1 or last < first:
        help = "lines count from 1, and the first comes first"
        fail("E416", f"`{place}` names no lines", help=help)
    if not file.is_file():
        why = "it is a folder" if file.is_dir() else "there is no such file"
        fail("E416", f"cannot read `{file}`: {why}", help="give an emitted file")
    home = next((x for x in file.absolute().parents if record.exists(x)), None)
    if home is None:
        help = (
            "ask about a file of a folder that `specc build` wrote, with its `.specc`"
        )
        fail("E416", f"no folder around `{file}` has a record of specc", help=help)
    path = file.absolute().relative_to(home).as_posix()
    shown = file.parents[path.count("/")]
    return Asked(shown, path, first, last)


class Folder:
    """An emitted folder. The job is the recorded one, from which the texts came; its
    tests are rendered, too, if `tested`."""

    def __init__(self, home: Path, tested: bool = True):
        """Raises JobError E407, E416."""
        self.home, self.tested, self.files = home, tested, record.sound(home).texts

    @cached_property
    def reach(self) -> Reach:
        """Raises JobError E418 where this specc refuses the recorded job."""
        data = record.pristine_bytes(self.home, JOB) or b""
        try:
            extras = extras_of(self.home)
            return Reach(data, replace(extras, tests=extras.tests and self.tested))
        except JobError as error:
            first = error.diagnostics[0]
            fail(
                "E418",
                f"this version of specc refuses the job that `{self.home}` was built from",
                note=f"{first.code}: {first.message}",
                help=f"mend `{self.home / JOB}`, then build",
            )

    def recorded(self, path: str) -> str:
        """Returns the emitted text. Raises JobError E416 for a file that is none."""
        if path == JOB:
            help = "ask the other way round: `specc where POINTER FOLDER`"
            fail("E416", f"`{self.home / path}` is the job itself", help=help)
        if path not in self.files or record.pristine_bytes(self.home, path) is None:
            known = sorted(self.files)
            help = did_you_mean(path, known) or f"it wrote {listed(known)}"
            fail("E416", f"specc did not write `{self.home / path}`", help=help)
        if path not in self.reach.files:
            fail(
                "E418",
                f"this version of specc does not emit `{self.home / path}`",
                help=BUILD,
            )
        return record.pristine(self.home, path)

    def on_disk(self, path: str) -> list[str]:
        """Returns the lines of a file, as it is now; none where it was deleted."""
        try:
            return (
                (self.home / path).read_bytes().decode("utf-8", "replace").splitlines()
            )
        except OSError:
            return []


class Edits:
    """The lines on disk and the recorded lines that they came from, by indices."""

    def __init__(self, recorded: list[str], disk: list[str]):
        before, after = map(_plain, recorded), map(_plain, disk)
        matcher = SequenceMatcher(None, list(before), list(after), autojunk=False)
        self.same: dict[int, int] = {}  # line on disk -> recorded line
        self.replaced: dict[int, list[int]] = {}  # edited line -> recorded lines
        self.kept: dict[int, int] = {}  # recorded line -> line on disk
        for tag, i, i2, j, j2 in matcher.get_opcodes():
            if tag == "equal":
                self.same |= zip(range(j, j2), range(i, i2))
                self.kept |= zip(range(i, i2), range(j, j2))
            elif tag == "replace" and i2 - i == j2 - j:
                self.replaced |= {j + k: [i + k] for k in range(j2 - j)}
            else:
                self.replaced |= {k: list(range(i, i2)) for k in range(j, j2)}


def _plain(line: str) -> str:
    """Returns a line without spaces at its end, which mean nothing."""
    return line.rstrip()
