"""The verdict on each file of an output folder, by three texts: as recorded, on
disk, and new."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from specc.diagnostics import fail
from specc.folder.merge import markers
from specc.folder.record import Record
from specc.folder.texts import bare, is_same

ATTRIBUTES = ".gitattributes"  # a user's own one stays


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


def judge(output: Output, known: Sequence[Record]) -> dict[str, str]:
    """The verdict on each file: write, same, remove; if edited: keep, orphan, merge;
    gone if the user deleted it.

    An edit is kept where the new text is the recorded one, an orphan where the job no
    longer emits the file, and merged where specc has another text to write. A file that
    differs from the recorded one in its form alone is not edited.
    """
    verdicts = {}
    for path in sorted({*output.files, *paths_of(known)}):
        disk, new = read_file(output.folder, path), output.files.get(path)
        verdict = _verdict(path, bases_of(known, path), disk, new)
        if verdict:
            verdicts[path] = verdict
    return verdicts


def paths_of(known: Sequence[Record]) -> set[str]:
    """Returns the paths of all files that were emitted."""
    return {path for record in known for path in record.texts}


def bases_of(known: Sequence[Record], path: str) -> list[bytes | None]:
    """Returns the texts of a file that were emitted: one; two where a merge of git left
    both; none if it was not. None stands for a text that is lost."""
    texts = [record.texts[path] for record in known if path in record.texts]
    return list(dict.fromkeys(texts))


def is_edited(path: str, bases: Sequence[bytes | None], disk: bytes) -> bool:
    """Returns whether a file means something else than what was emitted."""
    return not any(base is not None and is_same(path, disk, base) for base in bases)


def _verdict(
    path: str, bases: Sequence[bytes | None], disk: bytes | None, new: bytes | None
) -> str:
    """Returns the verdict on one file; empty: nothing to do."""
    if disk is None:
        return "" if new is None else "gone" if bases else "write"
    if new is None:
        return "orphan" if is_edited(path, bases, disk) else "remove"
    text = bare(new)
    if bare(disk) == text:
        return "same"
    if bare(disk) in bases:
        return "write"
    if is_same(path, disk, text):
        return "same"
    if not is_edited(path, bases, disk):
        return "write"
    if not bases:
        return "keep" if path == ATTRIBUTES else "merge"
    return "keep" if all(base == text for base in bases) else "merge"


def unmerged(folder: Path, path: str) -> tuple[int, ...]:
    """The lines of a file on disk at which markers of a merge stand."""
    return markers(read_file(folder, path) or b"")


def read_file(folder: Path, path: str) -> bytes | None:
    """Returns the bytes on disk, None if there is no such file.

    Raises JobError E404, OSError.
    """
    place = folder / path
    if not os.path.lexists(place):
        return None
    if not place.is_file():
        kind = "a folder" if place.is_dir() else "not a plain file"
        refuse_clash(folder, path, f"it is {kind}")
    return place.read_bytes()


def is_same_file(path: Path, other: Path) -> bool:
    """Returns whether both paths name one existing file."""
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def refuse_clash(folder: Path, path: str, why: str) -> None:
    """Raises E404."""
    fail(
        "E404",
        f"specc cannot write `{folder / path}`: {why}",
        help="move this away, or choose another folder with -o",
    )
