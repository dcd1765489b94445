"""Writes the output folder: all or nothing, only changed files, no edit of a user lost.

Each file is judged by three texts: as recorded (what specc emitted last time), on disk,
and new. Where both the user and the job have changed it, git merges the texts. What
must change is moved in as one commit.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from specc.diagnostics import fail
from specc.folder import record
from specc.folder.branches import known
from specc.folder.commit import commit, free_name, recover
from specc.folder.judge import (
    Output,
    bases_of,
    judge,
    read_file,
    refuse_clash,
    unmerged,
)
from specc.folder.merge import (
    CannotMerge,
    Merged,
    fault_of,
    markers,
    merge,
    merge_nearest,
    merge_sides,
)
from specc.folder.owner import refuse_foreign, refuse_other_job
from specc.folder.record import Record
from specc.folder.texts import bare, dressed, is_same
from specc.words import number_of

LOST = f"the record `{record.MANIFEST}` is missing or damaged"
FORCED = {"merge": "write", "keep": "write", "gone": "write"}  # verdicts under --force


@dataclass(frozen=True)
class Written:
    """The outcome of a build, as relative paths. Every emitted or dropped file is in
    one of the lists up to ``gone``."""

    written: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()  # edited by the user, and left as they are
    dropped: tuple[str, ...] = ()  # kept files that the job no longer emits
    merged: tuple[str, ...] = ()  # edited by the user and changed by the job
    conflicts: tuple[str, ...] = ()  # "path:line" of each conflict
    faults: tuple[str, ...] = ()  # edited, as "path:line: why it cannot be read"
    gone: tuple[str, ...] = ()  # deleted by the user
    not_landed: tuple[str, ...] = ()  # deleted files that the job changes
    copies: tuple[str, ...] = ()  # "path.orig" of what was replaced by force

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left for the user to decide."""
        return not (self.conflicts or self.faults)

    @property
    def edited(self) -> tuple[str, ...]:
        """The files that differ from what specc emits."""
        places = _paths(self.conflicts) | {x.partition(":")[0] for x in self.faults}
        return tuple(sorted({*self.kept, *self.merged, *places}))


def write(output: Output, force: bool = False, dry_run: bool = False) -> Written:
    """Bring the folder up to date, and merge what the user edited and the job changes.

    With `force` the new texts replace edited files, of which copies are kept; with
    `dry_run` nothing is written. Raises JobError, and leaves the folder as it was: E402
    a folder that specc did not write, E403 edits that cannot be merged, E404 something
    else in the way, E405 the system refuses, E407 a newer specc wrote the folder, E411
    a merge is not finished, E438 the folder of another job.
    """
    folder = output.folder
    try:
        spared = () if dry_run else recover(folder) or ()
        before = known(folder)
        refuse_foreign(output, before)
        refuse_other_job(output, before)
        verdicts = judge(output, before)
        copies: dict[str, bytes] = {}
        if force:
            edited = [path for path, v in verdicts.items() if v in ("merge", "keep")]
            copies = _copies_of(folder, edited)
            verdicts = {path: FORCED.get(v, v) for path, v in verdicts.items()}
        merged = _merge_all(output, before, _with(verdicts, "merge"))
        new = copies | _new_files(output, before, verdicts, merged)
        old = [*_with(verdicts, "remove"), *record.old_copies(folder)]
        written = _account(output, before, verdicts, merged, (*spared, *copies))
        if dry_run:
            _check_room(folder, [*new, *old])
        elif new or old:
            put(folder, new, old)
    except OSError as error:
        _refuse_system(folder, error)
    return written


def put(folder: Path, new: dict[str, bytes], old: list[str]) -> None:
    """Move files in, and others out, as one commit. Raises JobError E404, E405."""
    try:
        _check_room(folder, [*new, *old])
        commit(folder, new, old)
    except OSError as error:
        _refuse_system(folder, error)


def _account(
    output: Output,
    before: Sequence[Record],
    verdicts: dict[str, str],
    merged: dict[str, Merged],
    copies: tuple[str, ...],
) -> Written:
    gone = _with(verdicts, "gone")
    plain = {path for path in merged if merged[path].data == _fresh(output, path)}
    same = {
        path
        for path, one in merged.items()
        if not one.conflicts and one.data == read_file(output.folder, path)
    }
    lines = {path: one.conflicts for path, one in merged.items()}
    kept = tuple(sorted({*_with(verdicts, "keep", "orphan"), *same}))
    standing = {path: x for path in kept if (x := unmerged(output.folder, path))}
    faults = {path: one.fault for path, one in merged.items() if one.fault}
    for path in _with(verdicts, "keep"):
        line, why = fault_of(path, read_file(output.folder, path) or b"")
        if why and path not in standing:
            standing[path], faults[path] = (line,), why
    places = {
        path: [f"{path}:{line}" for line in found]
        for path, found in (lines | standing).items()
    }
    mended = {record.MANIFEST} if record.is_lost(output.folder, before) else {*()}
    return Written(
        written=tuple(sorted({*_with(verdicts, "write"), *plain, *mended})),
        unchanged=_with(verdicts, "same"),
        removed=_with(verdicts, "remove"),
        kept=tuple(path for path in kept if path not in standing),
        dropped=_with(verdicts, "orphan"),
        merged=tuple(
            path
            for path, one in merged.items()
            if not one.conflicts and path not in plain | same
        ),
        conflicts=tuple(
            x for path, found in places.items() for x in found if path not in faults
        ),
        faults=tuple(f"{places[path][0]}: {why}" for path, why in faults.items()),
        gone=gone,
        not_landed=tuple(
            path
            for path in gone
            if bases_of(before, path) != [bare(output.files[path])]
        ),
        copies=copies,
    )


def _paths(places: tuple[str, ...]) -> set[str]:
    return {place.rpartition(":")[0] for place in places}


def _with(verdicts: dict[str, str], *kinds: str) -> tuple[str, ...]:
    return tuple(path for path, verdict in verdicts.items() if verdict in kinds)


def _merge_all(
    output: Output, before: Sequence[Record], paths: Sequence[str]
) -> dict[str, Merged]:
    """Returns the files merged by git. Raises JobError E403, E411."""
    folder = output.folder
    merged, refused = {}, {}
    for path in paths:
        disk = read_file(folder, path) or b""
        bases = bases_of(before, path)
        try:
            if not bases or None in bases:
                whose = "it is yours, and specc has one of that name to write"
                raise CannotMerge(whose if before and not bases else LOST)
            merged[path] = _merge_one(output, path, disk, bases)
        except CannotMerge as reason:
            refused[path] = str(reason)
    if refused:
        _refuse_edits(folder, refused)
    return merged


def _merge_one(
    output: Output, path: str, disk: bytes, bases: Sequence[bytes]
) -> Merged:
    """Returns one file merged. Raises CannotMerge, JobError E411."""
    lines = markers(disk)
    if not lines:
        return merge_nearest(path, disk, bases, output.files[path])
    merged = merge_sides(path, disk, bases, output.files[path])
    return merged or _refuse_unfinished(output.folder, path, lines)


def _copies_of(folder: Path, paths: Sequence[str]) -> dict[str, bytes]:
    """The contents of files, by names for copies of them that are still free."""
    copies: dict[str, bytes] = {}
    for path in paths:
        copies[free_name(folder, path)] = read_file(folder, path) or b""
    return copies


def _new_files(
    output: Output,
    before: Sequence[Record],
    verdicts: dict[str, str],
    merged: dict[str, Merged],
) -> dict[str, bytes]:
    """Returns the files that must be moved in, with the record."""
    files = {path: _text(output, before, path) for path in _with(verdicts, "write")}
    files |= {
        path: one.data
        for path, one in merged.items()
        if one.data != read_file(output.folder, path)
    }
    copies = record.record_of(output.files, output.job)
    return files | {
        path: data
        for path, data in copies.items()
        if read_file(output.folder, path) != data
    }


def _text(output: Output, before: Sequence[Record], path: str) -> bytes:
    """Returns the new text of a file that is not edited; where a formatter laid it out
    anew, in that layout as far as git can merge it."""
    disk, new = read_file(output.folder, path), output.files[path]
    bases = [x for x in bases_of(before, path) if x is not None]
    if disk is not None and bare(disk) not in bases:
        for base in bases:
            with suppress(CannotMerge):
                merged = merge(path, disk, base, new, relayout=False)
                if not merged.conflicts and is_same(path, merged.data, new):
                    return merged.data
    return _fresh(output, path)


def _fresh(output: Output, path: str) -> bytes:
    """Returns the new text of a file, with the line ends that it has on disk."""
    disk, new = read_file(output.folder, path), output.files[path]
    return new if disk is None else dressed(bare(new), disk)


def _check_room(folder: Path, paths: list[str]) -> None:
    """Raises E404 where a link, or a file in place of a folder, is in the way, or a
    name that differs only in case."""
    names = os.listdir(folder) if folder.is_dir() else []
    for path in paths:
        parts = Path(path).parts
        for end in range(1, len(parts) + 1):
            place = folder.joinpath(*parts[:end])
            if place.is_symlink():
                refuse_clash(folder, path, f"`{place}` is a link")
            if end < len(parts) and os.path.lexists(place) and not place.is_dir():
                refuse_clash(folder, path, f"`{place}` is a file")
        for name in [] if os.path.lexists(folder / parts[0]) else names:
            if name.casefold() == parts[0].casefold():
                why = "differs in case alone, and is the same file on other systems"
                refuse_clash(folder, path, f"`{folder / name}` {why}")


def _refuse_unfinished(folder: Path, path: str, lines: tuple[int, ...]) -> None:
    places = ", ".join(f"`{folder / path}:{line}`" for line in lines[:5])
    fail(
        "E411",
        f"`{folder / path}` is half merged: markers of a conflict stand at {places}",
        help="choose in the file what is to stay, delete the markers, and build again; "
        "or give up the edits of all files with --force, which keeps copies",
    )


def _refuse_edits(folder: Path, why: dict[str, str]) -> None:
    by_reason: dict[str, list[str]] = {}
    for path, reason in why.items():
        by_reason.setdefault(reason, []).append(f"`{path}`")
    parts = (f"{', '.join(paths)}: {reason}" for reason, paths in by_reason.items())
    adopt = f"`specc adopt {folder}` writes the record anew and keeps your edits; or "
    fail(
        "E403",
        f"cannot merge your edits of {number_of(len(why), 'file')} in "
        f"`{folder}` with what the job says now",
        note="; ".join(parts),
        help=adopt * (LOST in by_reason)
        + "move the edited files away, build into another folder with -o, or give up "
        "the edits with --force, which keeps copies",
    )


def _refuse_system(folder: Path, error: OSError) -> None:
    reasons = {
        errno.ENOSPC: "free some space, or choose a folder on another disk with -o",
        errno.EDQUOT: "free some space, or choose a folder on another disk with -o",
        errno.ENAMETOOLONG: "choose a shorter path with -o",
    }
    fail(
        "E405",
        f"cannot write to `{folder}`: {(error.strerror or str(error)).lower()}",
        note="the folder is as it was before",
        help=reasons.get(error.errno, "choose a folder that you may write to with -o"),
    )
