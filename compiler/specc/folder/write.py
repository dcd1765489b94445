"""Writes the output folder: all or nothing, only changed files, no edit of a user lost.

Each file is judged by three texts: as recorded (what specc emitted last time), on disk,
and new. Where both the user and the job have changed it, git merges the texts. What
must change is moved in as one commit.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from specc.diagnostics import fail
from specc.folder import record
from specc.folder.commit import commit, free_name, recover
from specc.folder.merge import CannotMerge, Merged, markers, merge

FORCED = {"merge": "write", "keep": "write", "gone": "write"}  # verdicts under --force


@dataclass(frozen=True)
class Output:
    """The files that a build wants in a folder.

    ``files`` maps relative POSIX paths to bytes and includes `job.json`; ``job`` is the
    resolved job as plain values; ``source`` is the job file that was built.
    """

    folder: Path
    files: dict[str, bytes]
    job: dict
    source: Path


@dataclass(frozen=True)
class Written:
    """The outcome of a build, as relative paths. Every emitted or dropped file is in
    one of the lists up to ``gone``."""

    written: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()  # edited by the user, and left as they are
    merged: tuple[str, ...] = ()  # edited by the user and changed by the job
    conflicts: tuple[str, ...] = ()  # "path:line" of each conflict
    faults: tuple[str, ...] = ()  # merged, as "path:line: why it cannot be read"
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
        return tuple(sorted({*self.kept, *self.merged, *_paths(self.conflicts)}))


def write(output: Output, force: bool = False, dry_run: bool = False) -> Written:
    """Bring the folder up to date, and merge what the user edited and the job changes.

    With `force` the new texts replace edited files, of which copies are kept; with
    `dry_run` nothing is written. Raises JobError, and leaves the folder as it was: E402
    a folder that specc did not write, E403 edits that cannot be merged, E404 something
    else in the way, E405 the system refuses, E407 a newer specc wrote the folder, E411
    a merge is not finished.
    """
    folder = output.folder
    try:
        spared = () if dry_run else recover(folder) or ()
        refuse_foreign(output)
        verdicts = judge(output)
        copies: dict[str, bytes] = {}
        if force:
            edited = [path for path, v in verdicts.items() if v in ("merge", "keep")]
            copies = _copies_of(folder, edited)
            verdicts = {path: FORCED.get(v, v) for path, v in verdicts.items()}
        merged = _merge_all(output, _with(verdicts, "merge"))
        new = copies | _new_files(output, verdicts, merged)
        old = [*_with(verdicts, "remove"), *_old_copies(output)]
        written = _account(output, verdicts, merged, (*spared, *copies))
        if (new or old) and not dry_run:
            _check_room(folder, [*new, *old])
            commit(folder, new, old)
    except OSError as error:
        _refuse_system(folder, error)
    return written


def _account(
    output: Output,
    verdicts: dict[str, str],
    merged: dict[str, Merged],
    copies: tuple[str, ...],
) -> Written:
    known = record.read(output.folder).files
    gone = _with(verdicts, "gone")
    lines = {path: one.conflicts for path, one in merged.items()}
    kept = _with(verdicts, "keep", "orphan")
    standing = {path: x for path in kept if (x := unmerged(output.folder, path))}
    faults = {path: one.fault for path, one in merged.items() if one.fault}
    places = {
        path: [f"{path}:{line}" for line in found]
        for path, found in (lines | standing).items()
    }
    return Written(
        written=_with(verdicts, "write"),
        unchanged=_with(verdicts, "same"),
        removed=_with(verdicts, "remove"),
        kept=tuple(path for path in kept if path not in standing),
        merged=tuple(path for path, one in merged.items() if not one.conflicts),
        conflicts=tuple(
            x for path, found in places.items() for x in found if path not in faults
        ),
        faults=tuple(f"{places[path][0]}: {why}" for path, why in faults.items()),
        gone=gone,
        not_landed=tuple(
            path for path in gone if known[path] != record.digest(output.files[path])
        ),
        copies=copies,
    )


def unmerged(folder: Path, path: str) -> tuple[int, ...]:
    """The lines of a file on disk at which markers of a merge stand."""
    return markers(read_file(folder, path) or b"")


def _paths(places: tuple[str, ...]) -> set[str]:
    return {place.rpartition(":")[0] for place in places}


def _with(verdicts: dict[str, str], *kinds: str) -> tuple[str, ...]:
    return tuple(path for path, verdict in verdicts.items() if verdict in kinds)


def judge(output: Output) -> dict[str, str]:
    """The verdict on each file: write, same, remove; if edited: keep, orphan, merge;
    gone if the user deleted it.

    An edit is kept where the new text is the recorded one, an orphan where the job no
    longer emits the file, and merged where specc has another text to write.
    """
    recorded = record.read(output.folder).files
    verdicts = {}
    for path in sorted(output.files.keys() | recorded.keys()):
        disk = read_file(output.folder, path)
        verdict = _verdict(recorded.get(path), disk, output.files.get(path))
        if verdict:
            verdicts[path] = verdict
    return verdicts


def _verdict(recorded: str | None, disk: bytes | None, new: bytes | None) -> str:
    """Returns the verdict on one file; `recorded` is a hash. Empty: nothing to do."""
    if disk is None:
        return "" if new is None else "gone" if recorded else "write"
    edited = record.digest(disk) != recorded
    if new is None:
        return "orphan" if edited else "remove"
    if disk == new:
        return "same"
    if not edited:
        return "write"
    return "keep" if record.digest(new) == recorded else "merge"


def _merge_all(output: Output, paths: Sequence[str]) -> dict[str, Merged]:
    """Returns the files merged by git. Raises JobError E403, E411."""
    folder, known = output.folder, record.read(output.folder)
    merged, refused = {}, {}
    for path in paths:
        disk = read_file(folder, path) or b""
        if lines := markers(disk):
            _refuse_unfinished(folder, path, lines)
        base = record.pristine_bytes(folder, path)
        if base is None or record.digest(base) != known.files.get(path):
            whose = "it is yours, and specc has one of that name to write"
            lost = f"the record `{record.MANIFEST}` is missing or damaged"
            refused[path] = lost if known is record.EMPTY else whose
            continue
        try:
            merged[path] = merge(path, disk, base, output.files[path])
        except CannotMerge as reason:
            refused[path] = str(reason)
    if refused:
        _refuse_edits(folder, refused)
    return merged


def _copies_of(folder: Path, paths: Sequence[str]) -> dict[str, bytes]:
    """The contents of files, by names for copies of them that are still free."""
    copies: dict[str, bytes] = {}
    for path in paths:
        copies[free_name(folder, path)] = read_file(folder, path) or b""
    return copies


def read_file(folder: Path, path: str) -> bytes | None:
    """Returns the bytes on disk, None if there is no such file.

    Raises JobError E404, OSError.
    """
    place = folder / path
    if not os.path.lexists(place):
        return None
    if not place.is_file():
        kind = "a folder" if place.is_dir() else "not a plain file"
        _refuse_clash(folder, path, f"it is {kind}")
    return place.read_bytes()


def refuse_foreign(output: Output) -> None:
    """Raises E402 if the folder holds a file that specc does not know.

    The job file, a schema for the editor and hidden files are allowed.
    """
    folder = output.folder
    if not folder.exists() or record.exists(folder):
        return
    if not folder.is_dir():
        fail(
            "E404",
            f"the output folder `{folder}` is a file",
            help="move the file away, or choose another folder with -o",
        )
    found = sorted(path for path in folder.iterdir() if not _is_harmless(path, output))
    if found:
        fail(
            "E402",
            f"the output folder `{folder}` is not empty, and specc did not write it",
            note=f"it holds {_listed([path.name for path in found])}",
            help="choose an empty folder with -o, or move these files away",
        )


def _is_harmless(path: Path, output: Output) -> bool:
    hidden = path.name.startswith(".")
    return hidden or path.name == "job.schema.json" or is_same(path, output.source)


def is_same(path: Path, other: Path) -> bool:
    """Returns whether both paths name one existing file."""
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def _new_files(
    output: Output, verdicts: dict[str, str], merged: dict[str, Merged]
) -> dict[str, bytes]:
    """Returns the files that must be moved in, with the record."""
    files = {path: output.files[path] for path, v in verdicts.items() if v == "write"}
    files |= {path: one.data for path, one in merged.items()}
    copies = record.record_of(output.files, output.job)
    return files | {
        path: data
        for path, data in copies.items()
        if read_file(output.folder, path) != data
    }


def _old_copies(output: Output) -> list[str]:
    dropped = record.read(output.folder).files.keys() - output.files.keys()
    copies = [record.PRISTINE + path for path in sorted(dropped)]
    return [path for path in copies if read_file(output.folder, path) is not None]


def _check_room(folder: Path, paths: list[str]) -> None:
    """Raises E404 where a link, or a file in place of a folder, is in the way."""
    for path in paths:
        parts = Path(path).parts
        for end in range(1, len(parts) + 1):
            place = folder.joinpath(*parts[:end])
            if place.is_symlink():
                _refuse_clash(folder, path, f"`{place}` is a link")
            if end < len(parts) and os.path.lexists(place) and not place.is_dir():
                _refuse_clash(folder, path, f"`{place}` is a file")


def _refuse_unfinished(folder: Path, path: str, lines: tuple[int, ...]) -> None:
    places = ", ".join(f"`{folder / path}:{line}`" for line in lines[:5])
    fail(
        "E411",
        f"`{folder / path}` is half merged: markers of a conflict stand at {places}",
        help="choose in the file what is to stay, delete the markers, and build again; "
        "or give up the edits of all files with --force, which keeps copies",
    )


def _refuse_edits(folder: Path, why: dict[str, str]) -> None:
    note = "; ".join(f"`{path}`: {reason}" for path, reason in why.items())
    fail(
        "E403",
        f"cannot merge your edits of {len(why)} file{'s' if len(why) > 1 else ''} in "
        f"`{folder}` with what the job says now",
        note=note,
        help="move the edited files away, build into another folder with -o, or give up "
        "the edits with --force, which keeps copies",
    )


def _refuse_clash(folder: Path, path: str, why: str) -> None:
    fail(
        "E404",
        f"specc cannot write `{folder / path}`: {why}",
        help="move this away, or choose another folder with -o",
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


def _listed(names: Sequence[str], limit: int = 5) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
