"""A small file that tells of a job's dataset, and what has changed since."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from specc.datasets.gate.looked import Looked
from specc.datasets.survey import SETS, labels_of, sizes_of
from specc.diagnostics import fail
from specc.words import number_of

NAME = "data.lock.json"
VERSION = 1
KEYS = {"lock", "fingerprint", "sets", "heads", "files"}
TEST = "test"  # name of a set that jobs may lack
LISTED = 20_000  # most images that are listed; of more a lock has counts alone
NAMED = 8  # most names in a line


def locked(looked: Looked) -> dict[str, Any]:
    """Returns the contents of a lock: counts, categories, sizes, and fingerprints of
    images with their labels."""
    heads = looked.emitted.job.heads
    names = (*SETS, TEST) if looked.reading.test else SETS
    files = {
        name: {_path(looked, s): _digest(s) for s in getattr(looked.reading, name)}
        for name in names
    }
    content = json.dumps(files, sort_keys=True).encode()
    return {
        "lock": VERSION,
        "name": looked.emitted.job.name,
        "fingerprint": hashlib.blake2b(content, digest_size=16).hexdigest(),
        "sets": {name: sizes_of(getattr(looked.reading, name)) for name in names},
        "heads": {head.name: _counts(looked, head) for head in heads},
        "files": files if sum(map(len, files.values())) <= LISTED else None,
    }


def _counts(looked: Looked, head: Any) -> dict[str, Any]:
    labels, counts = looked.labels[head.name], {**looked.labels[head.name].counts}
    if looked.reading.test:
        counts |= labels_of(looked.emitted, looked.reading, head, (TEST,)).counts
    counts = {name: dict(sorted(of.items())) for name, of in counts.items()}
    return {"task": head.task, "unit": labels.unit, "counts": counts}


def _path(looked: Looked, sample: Any) -> str:
    return Path(os.path.relpath(sample.path, looked.root)).as_posix()


def _digest(sample: Any) -> str:
    """Returns a fingerprint of an image's file and of its labels."""
    digest = hashlib.blake2b(sample.path.read_bytes(), digest_size=8)
    for part in _parts(sample.labels):
        digest.update(part)
    return digest.hexdigest()


def _parts(label: Any) -> Iterator[bytes]:
    """Yields the contents of labels as bytes: those of files, where labels name some."""
    if isinstance(label, Path):
        yield label.read_bytes()
    elif hasattr(label, "tobytes"):
        yield repr((label.shape, label.dtype.str)).encode() + label.tobytes()
    elif isinstance(label, dict):
        for key, value in label.items():
            yield repr(key).encode()
            yield from _parts(value)
    elif isinstance(label, (list, tuple)):
        for value in label:
            yield from _parts(value)
    else:
        yield repr(label).encode()


def save(path: Path, lock: dict[str, Any]) -> None:
    """Writes a lock, over another one at most. Raises JobError E405, E423."""
    if path.exists():
        load(path, "E423")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(lock, indent=1) + "\n", "utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fail("E405", f"cannot write `{path}`: {reason}", help="name another file")


def load(path: Path, code: str = "E428") -> dict[str, Any]:
    """Returns the lock in a file. Raises JobError with the code."""
    try:
        lock = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        fail(code, f"there is no `{path}`", help="write it by `specc data JOB --lock`")
    except (OSError, ValueError, RecursionError) as error:
        fail(code, f"`{path}` is no lock: {error}", help="name another file by --lock")
    if not isinstance(lock, dict) or lock.get("lock") != VERSION or KEYS - lock.keys():
        fail(code, f"`{path}` is no lock", help="name another file by --lock")
    return lock


def file_of(job: Path, given: Path | None) -> Path:
    """Returns the file of a job's lock: the given one, or else the one beside the job."""
    return given if given not in (None, Path()) else job.parent / NAME


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Returns lines that say what has changed since a lock was written."""
    if before["fingerprint"] == now["fingerprint"] and before["heads"] == now["heads"]:
        return []
    lines = []
    for name in _names(before, now):
        lines += _changed_set(name, before, now)
    for head in sorted(before["heads"].keys() | now["heads"].keys()):
        lines += _changed_head(head, before["heads"].get(head), now["heads"].get(head))
    return lines or ["images or labels have changed, and no count of them"]


def _names(*locks: dict) -> list[str]:
    """Returns the names of the sets in some of the locks."""
    return [*SETS, TEST] if any(TEST in lock["sets"] for lock in locks) else [*SETS]


def _changed_set(name: str, before: dict, now: dict) -> Iterator[str]:
    nothing = {"images": 0}
    old, new = (lock["sets"].get(name, nothing) for lock in (before, now))
    if old["images"] != new["images"]:
        are = "is" if old["images"] == 1 else "are"
        given = number_of(old["images"], "image")
        yield f"{name}: {given} {are} now {new['images']:,}"
    for key in ("height", "width"):
        if old.get(key) != new.get(key):
            yield f"{name}: {key} {_span(old.get(key))} is now {_span(new.get(key))}"
    if before["files"] is None or now["files"] is None:
        return
    files, others = (lock["files"].get(name, {}) for lock in (before, now))
    found = {
        "added": [path for path in others if path not in files],
        "removed": [path for path in files if path not in others],
        "changed, or their labels": [
            path for path in files if others.get(path, files[path]) != files[path]
        ],
    }
    for what, paths in found.items():
        if paths:
            yield f"{name}: {len(paths):,} {what}: {_some(paths)}"


def _changed_head(head: str, old: dict | None, new: dict | None) -> Iterator[str]:
    if old is None or new is None:
        yield f"head {head} is {'new' if old is None else 'gone'}"
        return
    for name in dict.fromkeys([*old["counts"], *new["counts"]]):
        counts, others = (Counter(x["counts"].get(name)) for x in (old, new))
        names = [key for key in {**counts, **others} if counts[key] != others[key]]
        told = [f"{key} {counts[key]:,} -> {others[key]:,}" for key in names]
        if told:
            yield f"{head}, {name}, {new['unit']} of each: {_some(told)}"


def _span(ends: list | None) -> str:
    return " .. ".join(f"{end:g}" for end in ends) if ends else "none"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
