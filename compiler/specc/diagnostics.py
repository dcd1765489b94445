"""Findings about a job: plain values, collected by every pass and shown together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

Path = tuple[str | int, ...]  # path in the job: ("model", "heads", 0, "top_level")


@dataclass(frozen=True)
class Diagnostic:
    """One finding: a fact with both sides, its place, and an edit that mends it.

    ``code`` begins with E1 (the file and its schema), E2 (the level graph), E3 (trainer
    and data), E4 (files and folders) or W (a warning). ``message`` is one lower-case line without a full stop;
    names from the job stand in backticks. ``path`` points at the value in the job;
    ``position`` (line, column, both from 1) is set only where no value exists to point
    at (broken JSON). ``at_key``: the key at ``path`` is what is wrong, not its value.
    ``note`` adds a fact, ``help`` an edit the user can make.
    """

    code: str
    message: str
    path: Path = ()
    help: str = ""
    note: str = ""
    position: tuple[int, int] | None = None
    at_key: bool = False

    @property
    def is_error(self) -> bool:
        return self.code.startswith("E")

    @property
    def pointer(self) -> str:
        """JSON Pointer (RFC 6901) of the value, `/model/heads/0`."""
        return "".join(
            f"/{str(p).replace('~', '~0').replace('/', '~1')}" for p in self.path
        )


class JobError(Exception):
    """The job is wrong: carries every finding of the pass that could not go on."""

    def __init__(self, diagnostics: list[Diagnostic]):
        super().__init__("; ".join(f"{d.code}: {d.message}" for d in diagnostics))
        self.diagnostics = diagnostics


def fail(code: str, message: str, **facts) -> NoReturn:
    """Raises a :class:`JobError` with a single diagnostic."""
    raise JobError([Diagnostic(code, message, **facts)])
