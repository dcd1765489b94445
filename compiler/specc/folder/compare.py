"""`specc build --check`: finds stale files and edited files of an output folder."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from specc.folder import record
from specc.folder.write import Output, is_same, judge, read_file, refuse_foreign


@dataclass(frozen=True)
class Comparison:
    """The differences between a fresh output, the record and the disk.

    ``stale`` maps the files whose new text is not the recorded one to a unified diff;
    ``missing`` lists files that are recorded but not there, ``edited`` those that the
    user changed, and ``conflicts`` those of them that are stale too.
    """

    stale: dict[str, str]
    missing: tuple[str, ...]
    edited: tuple[str, ...]
    conflicts: tuple[str, ...]

    def is_current(self, strict: bool = False) -> bool:
        """Returns whether `--check` passes; with `strict`, an edited file fails too."""
        return not (self.stale or self.missing or (strict and self.edited))


def compare(output: Output) -> Comparison:
    """Compares, and writes nothing. Raises JobError E402, E404, E407 as `write`
    does."""
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
    return Comparison(
        stale=stale,
        missing=tuple(path for path in paths if _is_missing(output, known, path)),
        edited=tuple(path for path in paths if _is_edited(output, known, path)),
        conflicts=tuple(path for path in paths if verdicts.get(path) == "conflict"),
    )


def _is_stale(output: Output, known: record.Record, path: str) -> bool:
    new = output.files.get(path)
    return new is None or known.files.get(path) != record.digest(new)


def _is_missing(output: Output, known: record.Record, path: str) -> bool:
    wanted = path in output.files and path in known.files
    return wanted and read_file(output.folder, path) is None


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
