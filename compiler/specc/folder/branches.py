"""The record of a folder in the middle of a merge by git.

Where two branches built different jobs, git merges the record as it merges the files,
or leaves markers in both. Either way the record tells what both branches emitted. Where
the user took one branch's record instead, or none, git still has both.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from specc.folder import record
from specc.folder.merge import CannotMerge, merge, sides_of
from specc.folder.record import Reader, Record

_MERGED = {  # the commit that git merges -> the commit at which the branches parted
    "MERGE_HEAD": ("merge-base", "HEAD", "MERGE_HEAD"),
    "CHERRY_PICK_HEAD": ("rev-parse", "CHERRY_PICK_HEAD^"),
    "REBASE_HEAD": ("rev-parse", "REBASE_HEAD^"),
}


def known(folder: Path) -> tuple[Record, ...]:
    """Returns the records of what was emitted into a folder: one; more where a merge
    left several; none if there is none or it is damaged. Raises JobError E407."""
    found = record.sides(folder)
    theirs = _merged_commit(folder)
    if not theirs:
        return found
    data = record.reader_of(folder)(record.MANIFEST)
    both = [_reader(folder, commit) for commit in ("HEAD", theirs)]
    manifests = [read_file(record.MANIFEST) for read_file in both]
    whole = [one for one in found if None not in one.texts.values()]
    if len(whole) == len(found) == 1 and data not in manifests:
        return found  # git merged the record, or a build mended it
    parted = _git(folder, *_MERGED[theirs]) or b""
    before = _reader(folder, parted.decode().strip())
    sides = [_record(read_file) for read_file in (*both, before)]
    if sides[0] is None or sides[1] is None:
        return found
    ours, theirs_too, base = (side or record.EMPTY for side in sides)
    merged = _merged(ours, base, theirs_too)
    # A record that equals that of one branch may be a build's as well as git's.
    return (*merged, *whole) if len(found) == 1 else merged


def _merged(ours: Record, base: Record, theirs: Record) -> tuple[Record, ...]:
    """Returns the record that git would leave, as two where conflicts would stand."""
    one, other = {}, {}
    for path in {*ours.texts, *theirs.texts}:
        texts = [side.texts.get(path) for side in (ours, base, theirs)]
        for side, text in zip((one, other), _merged_text(path, *texts)):
            if text is not None or path in ours.texts and path in theirs.texts:
                side[path] = text
    if one == other:
        return (Record(one, ours.job),)
    return Record(one, ours.job), Record(other, theirs.job)


def _merged_text(
    path: str, ours: bytes | None, base: bytes | None, theirs: bytes | None
) -> tuple[bytes | None, bytes | None]:
    if ours == theirs or base == theirs:
        return ours, ours
    if base == ours:
        return theirs, theirs
    if ours is None or theirs is None:
        return ours, theirs
    try:
        data = merge(path, ours, base or b"", theirs).data
    except CannotMerge:
        return ours, theirs
    return sides_of(data) or (data, data)


def _record(read_file: Reader) -> Record | None:
    data = read_file(record.MANIFEST)
    return None if data is None else record.parse(data, read_file)


def _reader(folder: Path, commit: str) -> Reader:
    def read_file(path: str) -> bytes | None:
        return _git(folder, "cat-file", "blob", f"{commit}:./{path}")

    return read_file


def _merged_commit(folder: Path) -> str:
    """Returns the name of the commit that git is merging; empty if it is at rest."""
    home = _git_folder(folder)
    names = [name for name in _MERGED if home and (home / name).is_file()]
    if names == ["REBASE_HEAD"]:  # git leaves it behind
        going_on = [home / "rebase-merge", home / "rebase-apply"]
        names = names if any(map(Path.is_dir, going_on)) else []
    return next(iter(names), "")


def _git_folder(folder: Path) -> Path | None:
    for place in (folder.absolute(), *folder.absolute().parents):
        home = place / ".git"
        if home.is_dir():
            return home
        if home.is_file():  # a linked worktree or a submodule has this
            text = home.read_text("utf-8", errors="replace")
            return place / text.removeprefix("gitdir:").strip()
    return None


def _git(folder: Path, *arguments: str) -> bytes | None:
    """Returns what git prints; None if it fails or is not installed."""
    try:
        call = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(call, capture_output=True)
    except OSError:
        return None
    return None if done.returncode else done.stdout
