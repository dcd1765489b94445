"""`specc build --check`: finds stale files and edited files of an output folder."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from specc.folder import record
from specc.folder.branches import known
from specc.folder.commit import is_pending
from specc.folder.judge import (
    Output,
    bases_of,
    is_edited,
    is_same_file,
    judge,
    paths_of,
    read_file,
)
from specc.folder.merge import fault_of, markers
from specc.folder.owner import refuse_foreign, refuse_other_job
from specc.folder.record import Record
from specc.folder.texts import bare


@dataclass(frozen=True)
class Comparison:
    """The differences between a fresh output, the record and the disk.

    ``stale`` maps the files whose new text is not the recorded one to a unified diff;
    ``gone`` lists files that the user deleted, ``edited`` those that the user changed,
    and ``conflicts`` those of them that are stale too. ``unfinished`` has the places,
    "path:line", where markers of a merge stand, or where an edited file cannot be read;
    ``killed`` says that a build was killed as it put files in place, ``lost`` that the
    record is damaged: each file that differs from its new text then counts as edited.
    """

    stale: dict[str, str]
    gone: tuple[str, ...]
    edited: tuple[str, ...]
    conflicts: tuple[str, ...]
    unfinished: tuple[str, ...] = ()
    killed: bool = False
    lost: bool = False

    def is_current(self, strict: bool = False) -> bool:
        """Returns whether `--check` passes; with `strict`, an edited file fails too."""
        due = self.stale or self.unfinished or self.killed
        return not (due or (strict and (self.edited or self.gone)))


def compare(output: Output) -> Comparison:
    """Compares, and writes nothing. Raises JobError E402, E404, E407, E438 as `write`
    does."""
    before, recorded = known(output.folder), record.sides(output.folder)
    if not is_pending(output.folder):
        refuse_foreign(output, before)
    refuse_other_job(output, before)
    verdicts = judge(output, before)
    paths = sorted({*output.files, *paths_of(before)})
    if is_same_file(output.folder / "job.json", output.source):
        paths.remove("job.json")  # the input itself cannot be older than its output
    lost = record.is_lost(output.folder, before)
    if lost:
        due = [path for path in paths if verdicts.get(path) in ("write", "merge")]
        stale = dict.fromkeys([*due, record.MANIFEST], "")
    else:
        stale = _stale(output, recorded, paths, verdicts)
    edited = tuple(
        path
        for path in paths
        if verdicts.get(path) != "same" and _is_edited(output, before, path)
    )
    return Comparison(
        stale=stale,
        gone=tuple(path for path in paths if verdicts.get(path) == "gone"),
        edited=edited,
        conflicts=tuple(path for path in paths if verdicts.get(path) == "merge"),
        unfinished=tuple(x for path in edited for x in _unfinished(output, path)),
        killed=is_pending(output.folder),
        lost=lost,
    )


def _stale(
    output: Output,
    recorded: Sequence[Record],
    paths: list[str],
    verdicts: dict[str, str],
) -> dict[str, str]:
    """Returns path -> diff of what a build changes."""
    stale = {
        path: _diff(output, recorded, path)
        for path in paths
        if _is_stale(output, recorded, path) or verdicts.get(path) == "write"
    }
    if not stale and [one.job for one in recorded] != [output.job]:
        stale[record.MANIFEST] = _job_diff(output, recorded)
    return stale


def _unfinished(output: Output, path: str) -> list[str]:
    data = read_file(output.folder, path) or b""
    if lines := markers(data):
        return [f"{path}:{line}" for line in lines]
    line, fault = fault_of(path, data)
    return [f"{path}:{line}: {fault}"] if fault else []


def _is_stale(output: Output, recorded: Sequence[Record], path: str) -> bool:
    new, bases = output.files.get(path), bases_of(recorded, path)
    return bool(bases) if new is None else bases != [bare(new)]


def _is_edited(output: Output, before: Sequence[Record], path: str) -> bool:
    disk = read_file(output.folder, path)
    return disk is not None and is_edited(path, bases_of(before, path), disk)


def _diff(output: Output, recorded: Sequence[Record], path: str) -> str:
    old = next(iter(bases_of(recorded, path)), None) or b""
    return _unified(
        path, old.decode(errors="replace"), output.files.get(path, b"").decode()
    )


def _job_diff(output: Output, recorded: Sequence[Record]) -> str:
    """Returns a diff of the resolved jobs; of each other where a merge left two."""
    old, new = (
        json.dumps({"job": job}, indent=2, ensure_ascii=False) + "\n"
        for job in (recorded[-1].job if recorded else None, output.job)
    )
    return _unified(record.MANIFEST, old, new)


def _unified(path: str, old: str, new: str) -> str:
    lines = difflib.unified_diff(
        old.splitlines(keepends=True),
        new.splitlines(keepends=True),
        f"{path} (as built)",
        f"{path} (as the job says now)",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
