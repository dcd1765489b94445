"""The record of an output folder: what specc last emitted there, in `.specc/`.

`manifest.json` holds the resolved job and the SHA-256 of each file, `pristine/` the text of
each. Both are committed with the folder, and change only when the output does. Against
them a file on disk is known to be as emitted, or edited by the user.
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

# `-text`: with line ends changed by git, the hashes would no longer fit.
_ATTRIBUTES = b"* linguist-generated -diff -text\n"


@dataclass(frozen=True)
class Record:
    """What a folder's manifest says: the hash of each emitted file, and the job."""

    files: dict[str, str]  # path -> SHA-256
    job: dict | None


EMPTY = Record({}, None)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def exists(folder: Path) -> bool:
    """Whether specc has written this folder."""
    return (folder / MANIFEST).is_file()


def read(folder: Path) -> Record:
    """The folder's record; `EMPTY` if there is none or it is damaged.

    With a damaged record (the markers of a merge, say) nothing is known about the files,
    so each that differs counts as edited. Raises JobError E407 if a newer specc wrote it.
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
    """Whether the last build emitted a file; where the manifest is damaged, as by the
    markers of a merge, the pristine copy tells."""
    known = read(folder)
    copy = folder / PRISTINE / path
    return path in known.files or (known is EMPTY and copy.is_file())


def pristine(folder: Path, path: str) -> str:
    """The text that was emitted as `path`; empty if the record lacks it."""
    data = pristine_bytes(folder, path) or b""
    return data.decode(errors="replace")


def pristine_bytes(folder: Path, path: str) -> bytes | None:
    """What was emitted as `path`; None if the record lacks it."""
    try:
        return (folder / PRISTINE / path).read_bytes()
    except OSError:
        return None


def manifest_of(files: dict[str, bytes], job: dict) -> bytes:
    hashes = {path: digest(files[path]) for path in sorted(files)}
    manifest = {"format": FORMAT, "job": job, "files": hashes}
    return (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()


def record_of(files: dict[str, bytes], job: dict) -> dict[str, bytes]:
    """The files below `.specc/` for an output of these files, the manifest last."""
    copies = {PRISTINE + path: data for path, data in files.items()}
    attributes = {".specc/.gitattributes": _ATTRIBUTES}
    return attributes | copies | {MANIFEST: manifest_of(files, job)}


def _is_sound(files: object) -> bool:
    """A record may come from anywhere: its paths must stay inside the folder."""
    return isinstance(files, dict) and all(
        isinstance(hash, str) and _is_inside(path) for path, hash in files.items()
    )


def _is_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    safe = not pure.is_absolute() and ".." not in pure.parts and "\\" not in path
    return (
        safe and bool(pure.parts) and not path.startswith(".specc") and path[1:2] != ":"
    )
