"""Findings about a job: plain values, collected by every pass and shown together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

Path = tuple[str | int, ...]  # path in the job: ("model", "heads", 0, "top_level")


class Step(NamedTuple):
    """One change of a job at ``path``: a value is put there (``put``), moved there from
    ``source``, or, where there is neither, removed."""

    path: Path
    value: Any = None
    put: bool = False
    source: Path = ()


def put(path: Path, value: Any) -> Step:
    """Returns the step that gives the option at `path` a value, whether it has one
    already or not."""
    return Step(path, value, put=True)


def drop(path: Path) -> Step:
    """Returns the step that removes what stands at `path`."""
    return Step(path)


def move(source: Path, path: Path) -> Step:
    """Returns the step that moves a value, as it is written, to another path."""
    return Step(path, source=source)


@dataclass(frozen=True)
class Edit:
    """Steps that mend a finding. The edit is ``certain`` where the job can have meant
    nothing else, so that nobody needs to be asked."""

    steps: tuple[Step, ...]
    certain: bool = False


def certain(*steps: Step) -> Edit:
    """Returns an edit that may be made without asking."""
    return Edit(steps, certain=True)


def likely(*steps: Step) -> Edit:
    """Returns an edit that mends the finding, where another one may be meant."""
    return Edit(steps)


def pointer_of(path: Path) -> str:
    """Returns the JSON Pointer (RFC 6901) of a path, `/model/heads/0`."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return "".join(f"/{part}" for part in parts)


@dataclass(frozen=True)
class Diagnostic:
    """One finding: a fact with both sides, its place, and an edit that mends it.

    ``code`` begins with E1 (the file and its schema), E2 (the level graph), E3 (trainer
    and data), E4 (files and folders) or W (a warning). ``message`` is one lower-case line without a full stop;
    names from the job stand in backticks. ``path`` points at the value in the job;
    ``position`` (line, column, both from 1) is set only where no value exists to point
    at (broken JSON). ``at_key``: the key at ``path`` is what is wrong, not its value.
    ``note`` adds a fact, ``help`` an edit the user can make, in words; ``edit`` is the
    same edit for programs, where it can be told.
    """

    code: str
    message: str
    path: Path = ()
    help: str = ""
    note: str = ""
    position: tuple[int, int] | None = None
    at_key: bool = False
    edit: Edit | None = None

    @property
    def is_error(self) -> bool:
        return self.code.startswith("E")

    @property
    def pointer(self) -> str:
        """JSON Pointer (RFC 6901) of the value, `/model/heads/0`."""
        return pointer_of(self.path)


class JobError(Exception):
    """The job is wrong: carries every finding of the pass that could not go on.

    ``data`` and ``path`` are the job and its place, where a command that reads several
    files says to which one the findings belong; see `job_at`.
    """

    def __init__(self, diagnostics: list[Diagnostic]):
        super().__init__("; ".join(f"{d.code}: {d.message}" for d in diagnostics))
        self.diagnostics = diagnostics
        self.data: bytes | None = None
        self.path = ""


@contextmanager
def job_at(path: str, data: bytes) -> Iterator[None]:
    """Marks the findings that leave the block as those of the job `data` at `path`."""
    try:
        yield
    except JobError as error:
        if error.data is None:
            error.data, error.path = data, path
        raise


def fail(code: str, message: str, **facts) -> NoReturn:
    """Raises a :class:`JobError` with a single diagnostic."""
    raise JobError([Diagnostic(code, message, **facts)])
