"""Moves files into a folder, all or none, even if the process is killed.

What must change is staged inside the folder. Then one rename makes the staged files the
commit: from there on the folder is to become the new one. The files are put in place
one by one, and the commit is removed. A failure puts back what was there; after a kill
the next build finds the commit, and completes it.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Collection
from contextlib import ExitStack, suppress
from pathlib import Path, PurePosixPath

from specc.diagnostics import fail

COMMIT = ".specc-commit"
_STAGING = ".specc-staging-"
_REMOVED = "removed.json"


def commit(folder: Path, new: dict[str, bytes], old: list[str]) -> None:
    """Write the files of `new`, remove those of `old`. On any failure, and on Ctrl-C,
    the folder is as it was."""
    with ExitStack() as undo:
        _make_folders(folder, undo)
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder))
        undo.callback(shutil.rmtree, staging, ignore_errors=True)
        for path, data in new.items():
            _store(staging / "new" / path, data)
        _store(staging / _REMOVED, json.dumps(old).encode())
        for path in [*new, *old]:
            _back_up(folder / path, staging / "old" / path)
        commit = folder / COMMIT
        os.rename(staging, commit)
        undo.callback(_give_up, commit)
        for path in [*new, *old]:
            _make_folders((folder / path).parent, undo)
            undo.callback(_restore, folder / path, commit / "old" / path)
            _put(folder, path, new)
        done = _retire(commit)
        undo.pop_all()
    shutil.rmtree(done, ignore_errors=True)
    _drop_empty_folders(folder, old)


def is_pending(folder: Path) -> bool:
    """Whether a build of the folder was killed as it put files in place."""
    return (folder / COMMIT).is_dir()


def recover(folder: Path) -> tuple[str, ...] | None:
    """Complete a commit that was killed; None if there was none. What a build staged
    that was killed before its commit is removed.

    Returns the names of copies of files that were edited since, by the user.
    """
    for staging in folder.glob(f"{_STAGING}*"):
        shutil.rmtree(staging, ignore_errors=True)
    if not is_pending(folder):
        return None
    commit = folder / COMMIT
    new, old = _staged(commit)
    spared = [_spare(folder, path) for path in [*new, *old] if _is_edited(folder, path)]
    for path in [*new, *old]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        _put(folder, path, new)
    shutil.rmtree(_retire(commit), ignore_errors=True)
    _drop_empty_folders(folder, old)
    return tuple(spared)


def _staged(commit: Path) -> tuple[list[str], list[str]]:
    """Returns the paths that a commit moves in and those that it removes.

    A folder may come from anywhere: raises JobError E404 unless all of them stay inside.
    """
    found = [path for path in (commit / "new").rglob("*") if not path.is_dir()]
    new = [path.relative_to(commit / "new").as_posix() for path in found]
    try:
        old = json.loads((commit / _REMOVED).read_bytes())
        sound = all(_stays_inside(commit.parent, path) for path in [*new, *old])
    except (OSError, ValueError, TypeError):
        sound = False
    if not sound or any(path.is_symlink() for path in found):
        fail(
            "E404",
            f"`{commit}` is no commit that specc left",
            help="look at what is in it, then delete it, and build again",
        )
    return new, old


def _stays_inside(folder: Path, path: str) -> bool:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or path[1:2] == ":":
        return False
    places = (folder, *(folder / part for part in pure.parents), folder / pure)
    return not any(place.is_symlink() for place in places[1:])


def free_name(folder: Path, path: str, taken: tuple[str, ...] = ()) -> str:
    """A name for a copy of a file: FILE.orig, FILE.orig.2, ..., the first that is
    free."""
    names = itertools.chain(
        [f"{path}.orig"], (f"{path}.orig.{i}" for i in itertools.count(2))
    )
    return next(x for x in names if x not in taken and not os.path.lexists(folder / x))


def _is_edited(folder: Path, path: str) -> bool:
    """Whether a file is neither as it was before the commit nor as it is to be."""
    place, commit = folder / path, folder / COMMIT
    if not place.is_file():
        return False
    sides = (commit / side / path for side in ("old", "new"))
    known = [side.read_bytes() for side in sides if side.is_file()]
    return place.read_bytes() not in known


def _spare(folder: Path, path: str) -> str:
    name = free_name(folder, path)
    shutil.copy2(folder / path, folder / name)
    return name


def _put(folder: Path, path: str, new: Collection[str]) -> None:
    """One file into its place, or out of it. The staged one stays, so that what is half
    done can be done again."""
    place, staged = folder / path, folder / COMMIT / "new" / path
    if path not in new:
        place.unlink(missing_ok=True)
        return
    if place.exists():
        shutil.copymode(place, staged)
    copy = folder / COMMIT / "copy"
    shutil.copy2(staged, copy)
    os.replace(copy, place)


def _retire(commit: Path) -> Path:
    """Rename a commit, which ends it at once; returns what remains to be deleted."""
    done = commit.with_name(f"{_STAGING}{secrets.token_hex(4)}")
    os.rename(commit, done)
    return done


def _give_up(commit: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(_retire(commit), ignore_errors=True)


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


def _restore(path: Path, copy: Path) -> None:
    """Undo one move, whether or not it took place; a rename needs no room on the
    disk."""
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
