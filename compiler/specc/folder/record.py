"""The record of an output folder: what specc last emitted there, in one file.

`.specc/manifest.json` holds the resolved job and the text of each file, a line for a
line. So git merges it as it merges the files themselves. The lines are in Base64, each
behind a check, so that a search and replace over a repository does not reach them. The
record is committed with the folder, and changes only when the output does. It tells
whether a file on disk is as it was emitted, or edited by the user.

Before, in format 1, it held the SHA-256 of each file, and `pristine/` the texts. Such
a record is read, and the next build replaces it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from specc.diagnostics import fail
from specc.folder.merge import sides_of
from specc.folder.texts import bare

FORMAT = 2
HOME = ".specc"
MANIFEST = f"{HOME}/manifest.json"
PRISTINE = f"{HOME}/pristine"  # copies of the emitted files, in format 1

# `-text`: if git changed the line ends, each merge would have to.
_ATTRIBUTES = b"* linguist-generated -diff -text\n"
_CHECK = 3  # bytes before each line, which make four characters of Base64

Reader = Callable[[str], "bytes | None"]  # a path in the folder to the bytes there


@dataclass(frozen=True)
class Record:
    """The emitted text of each file, with the line ends of Unix, and the resolved job.

    A text is None where the record has lost it: the file counts as edited.
    """

    texts: dict[str, bytes | None]
    job: dict | None


EMPTY = Record({}, None)


def exists(folder: Path) -> bool:
    """Returns whether specc has written this folder."""
    return (folder / MANIFEST).is_file()


def is_lost(folder: Path, known: Sequence[Record]) -> bool:
    """Returns whether the folder has a record that tells nothing."""
    return not known and exists(folder)


def read(folder: Path) -> Record:
    """Returns the folder's record; `EMPTY` if there is none or it is damaged.

    With a damaged record nothing is known about the files, so each file that differs
    counts as edited. Raises JobError E407 if a newer specc wrote it.
    """
    return next(iter(sides(folder)), EMPTY)


def sound(folder: Path) -> Record:
    """Returns the folder's record. Raises JobError E407, and E416 unless it tells which
    job was built."""
    found = read(folder)
    if found.texts.get("job.json") is None:
        fail(
            "E416",
            f"the record of `{folder}` is damaged",
            help="`specc build` writes the folder and its record anew; edits of yours "
            "stay",
        )
    return found


def sides(folder: Path) -> tuple[Record, ...]:
    """Returns the records in the manifest: one; two if markers of a merge stand in it;
    none if it is missing or damaged. Raises JobError E407."""
    read_file = reader_of(folder)
    data = read_file(MANIFEST)
    if data is None:
        return ()
    found = (parse(side, read_file) for side in sides_of(data) or (data,))
    records = [record for record in found if record]
    return tuple(records[:1] if records[1:] == records[:1] else records)


def reader_of(folder: Path) -> Reader:
    """Returns a reader of files on disk."""

    def read_file(path: str) -> bytes | None:
        try:
            return (folder / path).read_bytes()
        except OSError:
            return None

    return read_file


def parse(data: bytes, read_file: Reader) -> Record | None:
    """Returns the record in a manifest; None if it is damaged. `read_file` reads the
    copies of format 1. Raises JobError E407."""
    try:
        manifest = json.loads(data)
        version, files, job = manifest["format"], manifest["files"], manifest["job"]
        if isinstance(version, int) and version > FORMAT:
            _refuse_newer(version)
        if not all(map(_is_inside, files)):
            return None
        if version == FORMAT:
            texts = dict(_unpacked(data))
        else:
            texts = {path: _copy(read_file, path, hash) for path, hash in files.items()}
        return Record(texts, job)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def emitted(folder: Path, path: str) -> bool:
    """Returns whether the last build emitted a file.

    Where the record is damaged, or a merge of git left two that differ in it, the disk
    tells.
    """
    found = {path in record.texts for record in sides(folder)}
    if len(found) == 1:
        return found.pop()
    return exists(folder) and (folder / path).is_file()


def pristine(folder: Path, path: str) -> str:
    """Returns the text that was emitted as `path`; empty if the record lacks it."""
    return (pristine_bytes(folder, path) or b"").decode(errors="replace")


def pristine_bytes(folder: Path, path: str) -> bytes | None:
    """Returns the same as bytes; None if the record lacks it."""
    return read(folder).texts.get(path)


def record_of(files: dict[str, bytes], job: dict) -> dict[str, bytes]:
    """Returns the files below `.specc/` that record these files."""
    texts = {path: _packed(bare(files[path])) for path in sorted(files)}
    manifest = {"format": FORMAT, "files": texts, "job": job}
    data = json.dumps(manifest, indent=0, ensure_ascii=False) + "\n"
    return {f"{HOME}/.gitattributes": _ATTRIBUTES, MANIFEST: data.encode()}


def old_copies(folder: Path) -> list[str]:
    """Returns the files that only a record of format 1 needs."""
    found = (folder / PRISTINE).rglob("*")
    return [x.relative_to(folder).as_posix() for x in found if not x.is_dir()]


def _packed(text: bytes) -> list[str]:
    """Returns a text as words, one for each line. The last one is empty: all lines of
    the manifest end alike, and git merges lines that are added at the end."""
    lines = text.splitlines(keepends=True)
    return [*(base64.b64encode(_check(x) + x).decode() for x in lines), ""]


@lru_cache(maxsize=8)
def _unpacked(data: bytes) -> tuple[tuple[str, bytes], ...]:
    """Returns path and text of each file in a manifest. Raises ValueError where a line
    was changed."""
    files = json.loads(data)["files"]
    return tuple((path, b"".join(map(_line, words))) for path, words in files.items())


def _line(word: str) -> bytes:
    data = base64.b64decode(word, validate=True)
    check, line = data[:_CHECK], data[_CHECK:]
    if word and check != _check(line):
        raise ValueError("a line of the record was changed")
    return line


def _check(line: bytes) -> bytes:
    return zlib.crc32(line).to_bytes(4, "big")[-_CHECK:]


def _copy(read_file: Reader, path: str, hash: str) -> bytes | None:
    """Returns a copy of format 1; None if it is not the file that was emitted."""
    data = read_file(f"{PRISTINE}/{path}")
    known = data is not None and hashlib.sha256(data).hexdigest() == hash
    return bare(data) if known else None


def _refuse_newer(version: int) -> None:
    fail(
        "E407",
        f"a newer specc wrote the folder: its record has format {version}, this specc "
        f"writes format {FORMAT}",
        help="update specc, or build into another folder with -o",
    )


def _is_inside(path: str) -> bool:
    """Returns whether a path of a record, which may come from anywhere, stays inside
    the folder."""
    pure = PurePosixPath(path)
    safe = not pure.is_absolute() and ".." not in pure.parts and "\\" not in path
    return safe and bool(pure.parts) and not path.startswith(HOME) and path[1:2] != ":"
