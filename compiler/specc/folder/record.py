"""The record of an output folder: what specc last emitted there, in `.specc/`.

`manifest.json` holds the resolved job and the SHA-256 of each file, `pristine/` the
text of each. Both are committed with the folder, and change only when the output does.
They tell whether a file on disk is as it was emitted, or edited by the user.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from specc.diagnostics import fail

FORMAT = 1
MANIFEST = ".specc/manifest.json"
PRISTINE = ".specc/pristine/"

# `-text`: if git changed the line ends, the hashes would no longer match.
_ATTRIBUTES = b"* linguist-generated -diff -text\n"


@dataclass(frozen=True)
class Record:
    """The manifest of a folder: the hash of each emitted file, and the resolved job."""

    files: dict[str, str]  # path -> SHA-256
    job: dict | None


EMPTY = Record({}, None)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def exists(folder: Path) -> bool:
    """Returns whether specc has written this folder."""
    return (folder / MANIFEST).is_file()


def read(folder: Path) -> Record:
    """Returns the folder's record; `EMPTY` if there is none or it is damaged.

    With a damaged record (say, by the markers of a merge) nothing is known about the
    files, so each file that differs counts as edited. Raises JobError E407 if a newer
    specc wrote it.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        version, files, job = manifest["format"], manifest["files"], manifest["job"]
    except (OSError, ValueError, TypeError, KeyError):
        return EMPTY
    if isinstance(version, int) and version > FORMAT:
        fail(
            "E407",
            f"`{folder}` was written by a newer specc: its record has format {version}, "
            f"this specc writes format {FORMAT}",
            help="update specc, or build into another folder with -o",
        )
    return Record(files, job) if _is_sound(files) else EMPTY


def emitted(folder: Path, path: str) -> bool:
    """Returns whether the last build emitted a file. Where the manifest is damaged, say
    by the markers of a merge, the pristine copy of the file tells."""
    known = read(folder)
    copy = folder / PRISTINE / path
    return path in known.files or (known is EMPTY and copy.is_file())


def pristine(folder: Path, path: str) -> str:
    """Returns the text that was emitted as `path`; empty if the record lacks it."""
    data = pristine_bytes(folder, path) or b""
    return data.decode(errors="replace")


def pristine_bytes(folder: Path, path: str) -> bytes | None:
    """Returns the bytes emitted as `path`; None if the record lacks them."""
    try:
        return (folder / PRISTINE / path).read_bytes()
    except OSError:
        return None


def manifest_of(files: dict[str, bytes], job: dict) -> bytes:
    hashes = {path: digest(files[path]) for path in sorted(files)}
    manifest = {"format": FORMAT, "job": job, "files": hashes}
    return (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()


def record_of(files: dict[str, bytes], job: dict) -> dict[str, bytes]:
    """Returns the files below `.specc/` that record these files, the manifest last."""
    copies = {PRISTINE + path: data for path, data in files.items()}
    attributes = {".specc/.gitattributes": _ATTRIBUTES}
    return attributes | copies | {MANIFEST: manifest_of(files, job)}


def _is_sound(files: object) -> bool:
    """Returns whether all paths of a record, which may come from anywhere, stay inside
    the folder."""
    return isinstance(files, dict) and all(
        isinstance(hash, str) and _is_inside(path) for path, hash in files.items()
    )


def _is_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    safe = not pure.is_absolute() and ".." not in pure.parts and "\\" not in path
    return (
        safe and bool(pure.parts) and not path.startswith(".specc") and path[1:2] != ":"
    )
