"""The fast path: a build that would change nothing is known from hashes alone.

After a build, a stamp in the user's cache says what went in (the job's bytes, specc
itself) and what stands in the output folder. While all of it still holds, the next
build imports none of the passes. A cache that cannot be read or written only costs
time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from specc import __version__
from specc.diagnostics import Diagnostic
from specc.plan.extras import PLAIN, Extras
from specc.resources import PACKAGE, template_folder

# Libraries of which other releases may give other text or other findings.
_LIBRARIES = ("black", "jinja2", "jsonschema", "networkx", "timm", "torch")


@dataclass(frozen=True)
class Stamp:
    """The report of the last build of a folder."""

    parameters: int
    kept: tuple[str, ...]  # files that the user edited
    warnings: tuple[Diagnostic, ...]
    conversions: tuple[str, ...] = ()  # conversions of annotations, a line a head
    gone: tuple[str, ...] = ()  # files that the user deleted


def find(folder: Path, data: bytes, extras: Extras = PLAIN) -> Stamp | None:
    """Returns the stamp of the folder, if building these bytes in this form again would
    change nothing, else None."""
    try:
        stored = json.loads(_place(folder).read_bytes())
        if stored["inputs"] != _inputs(data, extras) or stored["files"] != _hashes(
            folder, stored["files"]
        ):
            return None
        warnings = [
            Diagnostic(**dict(warning, path=tuple(warning["path"])))
            for warning in stored["warnings"]
        ]
        kept, conversions = tuple(stored["kept"]), tuple(stored["conversions"])
        said = (kept, tuple(warnings), conversions, tuple(stored["gone"]))
        return Stamp(stored["parameters"], *said)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def leave(
    folder: Path,
    data: bytes,
    files: list[str],
    stamp: Stamp,
    extras: Extras = PLAIN,
) -> None:
    """Records that `data` was built into `folder`, which now holds these files."""
    with suppress(OSError):
        hashes = _hashes(folder, files)
        stored = {"inputs": _inputs(data, extras), "files": hashes} | asdict(stamp)
        place = _place(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=place.parent, delete=False, encoding="utf-8"
        ) as file:
            json.dump(stored, file)
        os.replace(file.name, place)


def _place(folder: Path) -> Path:
    home = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(home) if os.path.isabs(home) else Path.home() / ".cache"
    key = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()
    return cache / "specc" / f"{key[:32]}.json"


def _hashes(folder: Path, files) -> dict[str, str]:
    """The SHA-256 of each file; "" for one that the user deleted."""
    return {path: _digest(folder / path) for path in files}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _inputs(data: bytes, extras: Extras) -> str:
    parts = [__version__, sys.version, hashlib.sha256(data).hexdigest(), repr(extras)]
    parts += [_trace(path) for path in _own_files()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _own_files() -> list[Path]:
    """Returns specc's sources, templates and schema, and one file of each library."""
    templates = template_folder()
    files = []
    for home in (PACKAGE, templates, templates.parent / "schema"):
        files += [path for path in sorted(home.rglob("*")) if path.suffix != ".pyc"]
    specs = [find_spec(name) for name in _LIBRARIES]
    return files + [Path(spec.origin) for spec in specs if spec and spec.origin]


def _trace(path: Path) -> str:
    """Returns the size and the time of a file, which show an edit of specc itself."""
    status = path.stat()
    if path.is_dir():
        return f"{path}/"
    return f"{path} {status.st_size} {status.st_mtime_ns}"
