"""`specc build --check`: finds stale files and edited files of an output folder."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from specc.folder import record
from specc.folder.commit import is_pending
from specc.folder.merge import fault_of, markers
from specc.folder.write import Output, is_same, judge, read_file, refuse_foreign


@dataclass(frozen=True)
class Comparison:
    """The differences between a fresh output, the record and the disk.

    ``stale`` maps the files whose new text is not the recorded one to a unified diff;
    ``gone`` lists files that the user deleted, ``edited`` those that the user changed,
    and ``conflicts`` those of them that are stale too. ``unfinished`` has the places,
    "path:line", where markers of a merge stand, or where an edited file cannot be read;
    ``killed`` says that a build was killed as it put files in place.
    """

    stale: dict[str, str]
    gone: tuple[str, ...]
    edited: tuple[str, ...]
    conflicts: tuple[str, ...]
    unfinished: tuple[str, ...] = ()
    killed: bool = False

    def is_current(self, strict: bool = False) -> bool:
        """Returns whether `--check` passes; with `strict`, an edited file fails too."""
        due = self.stale or self.unfinished or self.killed
        return not (due or (strict and (self.edited or self.gone)))


def compare(output: Output) -> Comparison:
    """Compares, and writes nothing. Raises JobError E402, E404, E407 as `write`
    does."""
    if not is_pending(output.folder):
        refuse_foreign(output)
    verdicts = judge(output)
    known = record.read(output.folder)
    paths = sorted(output.files.keys() | known.files.keys())
    if is_same(output.folder / "job.json", output.source):
        paths.remove("job.json")  # the input itself cannot be older than its output
    stale = {
        path: _diff(output, path) for path in paths if _is_stale(output, known, path)
    }
    if not stale and known.job != output.job:
        stale[record.MANIFEST] = _manifest_diff(output)
    edited = tuple(path for path in paths if _is_edited(output, known, path))
    return Comparison(
        stale=stale,
        gone=tuple(path for path in paths if verdicts.get(path) == "gone"),
        edited=edited,
        conflicts=tuple(path for path in paths if verdicts.get(path) == "merge"),
        unfinished=tuple(x for path in edited for x in _unfinished(output, path)),
        killed=is_pending(output.folder),
    )


def _unfinished(output: Output, path: str) -> list[str]:
    data = read_file(output.folder, path) or b""
    if lines := markers(data):
        return [f"{path}:{line}" for line in lines]
    line, fault = fault_of(path, data)
    return [f"{path}:{line}: {fault}"] if fault else []


def _is_stale(output: Output, known: record.Record, path: str) -> bool:
    new = output.files.get(path)
    return new is None or known.files.get(path) != record.digest(new)


def _is_edited(output: Output, known: record.Record, path: str) -> bool:
    disk = read_file(output.folder, path)
    return disk is not None and record.digest(disk) != known.files.get(path)


def _diff(output: Output, path: str) -> str:
    old = record.pristine(output.folder, path)
    return _unified(path, old, output.files.get(path, b"").decode())


def _manifest_diff(output: Output) -> str:
    new = record.manifest_of(output.files, output.job).decode()
    old = read_file(output.folder, record.MANIFEST) or b""
    return _unified(record.MANIFEST, old.decode(errors="replace"), new)


def _unified(path: str, old: str, new: str) -> str:
    lines = difflib.unified_diff(
        old.splitlines(keepends=True),
        new.splitlines(keepends=True),
        f"{path} (as built)",
        f"{path} (as the job says now)",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
