"""Findings about a dataset: codes, severities, and when they end `specc data` with 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from specc.words import number_of

SEVERITIES = {"D1": "error", "D2": "warning", "D3": "note"}  # beginning of a code
FAIL_ON = {"error": ("error",), "warning": ("error", "warning"), "never": ()}


@dataclass(frozen=True)
class Finding:
    """A fact, and an edit (pointer into the job -> value), or else advice in words.

    ``code`` begins with D1 where training would refuse the dataset, with D2 for a
    warning and with D3 for a note. ``count`` tells how many images, objects or names it
    is about, ``files`` names them.
    """

    code: str
    kind: str
    message: str
    help: str
    count: int = 1
    edits: tuple[tuple[str, Any], ...] = ()
    files: tuple[str, ...] = ()

    @property
    def severity(self) -> str:
        return SEVERITIES[self.code[:2]]

    @property
    def is_error(self) -> bool:
        return self.severity == "error"


def fails(findings: Iterable[Finding], fail_on: str) -> bool:
    """Returns whether one of the findings is as severe as `fail_on`, or more."""
    return any(finding.severity in FAIL_ON[fail_on] for finding in findings)


def counted(items: Sequence, what: str) -> str:
    return f"{number_of(len(items), what)} {'is' if len(items) == 1 else 'are'}"
