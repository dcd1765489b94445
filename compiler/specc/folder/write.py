"""Writes the output folder: all or nothing, only changed files, no edit of a user lost.

Each file is judged by three texts: recorded (emitted by the last build), on disk, and
new. Files that must change are staged inside the folder, then moved in one by one; if a
move fails, the moves before it are undone.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from specc.diagnostics import fail
from specc.folder import record

FORCED = {"conflict": "write", "keep": "write"}  # verdict -> verdict with --force


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
    """The outcome of a build: relative paths, each emitted or dropped file in one
    list."""

    written: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()  # files that the user edited, untouched


def write(output: Output, force: bool = False) -> Written:
    """Brings the folder up to date; with `force`, the user's edits are overwritten.

    Raises JobError, and leaves the folder as it was: E402 a folder that specc did not
    write, E403 edits in the way, E404 something else in the way, E405 the system
    refuses, E407 a newer specc wrote the folder.
    """
    folder = output.folder
    try:
        refuse_foreign(output)
        verdicts = judge(output)
        if force:
            verdicts = {path: FORCED.get(v, v) for path, v in verdicts.items()}
        conflicts = _with(verdicts, "conflict")
        if conflicts:
            _refuse_conflicts(folder, conflicts)
        new = _new_files(output, verdicts)
        old = [*_with(verdicts, "remove"), *_old_copies(output)]
        if new or old:
            _check_room(folder, [*new, *old])
            _commit(folder, new, old)
    except OSError as error:
        _refuse_system(folder, error)
    return Written(
        written=_with(verdicts, "write"),
        unchanged=_with(verdicts, "same"),
        removed=_with(verdicts, "remove"),
        kept=_with(verdicts, "keep", "orphan"),
    )


def _with(verdicts: dict[str, str], *kinds: str) -> tuple[str, ...]:
    return tuple(path for path, verdict in verdicts.items() if verdict in kinds)


def judge(output: Output) -> dict[str, str]:
    """Returns the verdict on each file: write, same, remove; if edited: keep, orphan,
    conflict.

    An edit is kept where the new text is the recorded one, an orphan where the job no
    longer emits the file, and in conflict where specc has another text to write.
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
    edited = disk is not None and record.digest(disk) != recorded
    if new is None:
        return "" if disk is None else "orphan" if edited else "remove"
    if disk == new:
        return "same"
    if not edited:
        return "write"
    return "keep" if record.digest(new) == recorded else "conflict"


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


def _new_files(output: Output, verdicts: dict[str, str]) -> dict[str, bytes]:
    """Returns the files that must be moved in, in this order, with the record.

    A first build moves the manifest in first: if the build is killed, the next build
    recognizes the folder. A later build moves the manifest last: a file that was not
    reached still counts as emitted, never as edited.
    """
    files = {path: output.files[path] for path, v in verdicts.items() if v == "write"}
    copies = {
        path: data
        for path, data in record.record_of(output.files, output.job).items()
        if read_file(output.folder, path) != data
    }
    if record.exists(output.folder):
        return files | copies
    return dict(reversed(copies.items())) | files


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


def _commit(folder: Path, new: dict[str, bytes], old: list[str]) -> None:
    """Stages all files, then moves them in. After any failure the folder is as
    before."""
    with ExitStack() as made:
        _make_folders(folder, made)
        with _staging(folder) as staging:
            for path, data in new.items():
                _store(staging / "new" / path, data)
            for path in [*new, *old]:
                _back_up(folder / path, staging / "old" / path)
            _move(folder, staging, [*new], old)
        made.pop_all()
    _drop_empty_folders(folder, old)


def _move(folder: Path, staging: Path, new: list[str], old: list[str]) -> None:
    with ExitStack() as undo:
        for path in new:
            _make_folders((folder / path).parent, undo)
            undo.callback(_restore, folder / path, staging / "old" / path)
            _take_mode(folder / path, staging / "new" / path)
            os.replace(staging / "new" / path, folder / path)
        for path in old:
            undo.callback(_restore, folder / path, staging / "old" / path)
            os.unlink(folder / path)
        undo.pop_all()


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Yields a hidden folder on the same file system, so that every move is a
    rename."""
    staging = Path(tempfile.mkdtemp(prefix=".specc-", dir=folder))
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _make_folders(folder: Path, undo: ExitStack) -> None:
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir()
        undo.callback(_remove_folder, place)


def _remove_folder(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _store(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _back_up(path: Path, copy: Path) -> None:
    if path.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def _take_mode(path: Path, staged: Path) -> None:
    if path.exists():
        shutil.copymode(path, staged)


def _restore(path: Path, copy: Path) -> None:
    """Undoes one move, whether or not it took place; a rename needs no disk space."""
    if copy.exists():
        os.replace(copy, path)
    else:
        path.unlink(missing_ok=True)


def _drop_empty_folders(folder: Path, removed: list[str]) -> None:
    for path in removed:
        for place in (folder / path).parents:
            if place == folder:
                break
            _remove_folder(place)


def _refuse_conflicts(folder: Path, paths: tuple[str, ...]) -> None:
    note = f"edited since specc wrote them: {_listed(paths, len(paths))}"
    if record.read(folder) is record.EMPTY:
        note += f"; the record `{record.MANIFEST}` is missing or damaged"
    fail(
        "E403",
        f"the build would overwrite your edits of {len(paths)} file"
        f"{'s' if len(paths) > 1 else ''} in `{folder}`",
        note=note,
        help="move the edited files away, build into another folder with -o, or give up "
        "the edits with --force",
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
