"""Makes the edits of findings until none is left that helps."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from specc.analysis.analyze import findings_of
from specc.diagnostics import Diagnostic
from specc.language.load import load
from specc.language.patch import Patch, Unpatchable, patch_of, patched
from specc.language.rewrite import rewritten

MOST_ROUNDS = 20  # an edit may make room for another
MOST_TRIES = 60  # trials of a round, each with a part of the edits


class Made(NamedTuple):
    """An edit that was made: the finding that it mends, and the job before."""

    finding: Diagnostic
    patch: Patch
    before: bytes


@dataclass(frozen=True)
class Mended:
    """A job after its edits: the file, the edits in their order, and what is left."""

    data: bytes
    made: tuple[Made, ...]
    left: list[Diagnostic]


class _State(NamedTuple):
    data: bytes
    findings: list[Diagnostic]
    made: tuple[Made, ...] = ()


Choice = Callable[[Diagnostic], bool]


def mend(data: bytes, unsafe: bool = False) -> Mended:
    """Makes the certain edits of a job, with `unsafe` the likely ones too.

    Each edit is kept only if fewer findings stand after it and none that was not there
    before. Raises JobError where the file holds no job.
    """
    state = _State(data, findings_of(data))
    for _ in range(MOST_ROUNDS):
        better = _round(state, _is_certain)
        if better is None and unsafe:
            better = _chain(state) or _round(state, lambda finding: True)
        if better is None:
            break
        state = better
    return Mended(state.data, state.made, state.findings)


def proven(data: bytes, findings: list[Diagnostic]) -> list[Diagnostic]:
    """Returns the findings, with only such edits called certain of which each, made
    alone, mends its finding and brings no other."""
    is_all = all(one.code != "E130" for one in findings)
    state = _State(data, findings if is_all else findings_of(data))
    return [
        (
            replace(one, edit=replace(one.edit, certain=False))
            if _is_certain(one) and _alone(state, one) is None
            else one
        )
        for one in findings
    ]


def _is_certain(finding: Diagnostic) -> bool:
    return finding.edit is not None and finding.edit.certain


def _round(state: _State, chosen: Choice) -> _State | None:
    """Makes all chosen edits that help. Returns None where none does."""
    edits = [one for one in state.findings if one.edit and chosen(one)]
    after = _made(state, edits, itertools.count())
    return after if len(after.made) > len(state.made) else None


def _made(state: _State, edits: list[Diagnostic], tries: Iterator[int]) -> _State:
    """Makes edits together where that helps, else those of each half that help."""
    if not edits or next(tries) >= MOST_TRIES:
        return state
    if len(edits) == 1:
        return _alone(state, edits[0]) or state
    together = _edited(state, edits)
    if together and _is_better(together, state):
        return together
    middle = len(edits) // 2
    state = _made(state, edits[:middle], tries)
    return _made(state, edits[middle:], tries)


def _chain(state: _State) -> _State | None:
    """Makes all edits again and again: a likely edit may show what was hidden, which
    has an edit too. Returns None unless the end is better than the beginning."""
    now = state
    for _ in range(MOST_ROUNDS):
        edits = [one for one in now.findings if one.edit]
        following = _edited(now, edits)
        if following is None:
            break
        now = following
        if _is_better(now, state):
            return now
    return None


def _alone(state: _State, finding: Diagnostic) -> _State | None:
    """Returns the job with one edit; None if its finding stays, or another comes."""
    after = _edited(state, [finding])
    if after is None or not _is_better(after, state):
        return None
    key = _key(finding)
    gone = _count(after.findings)[key] < _count(state.findings)[key]
    return after if gone else None


def _edited(state: _State, edits: list[Diagnostic]) -> _State | None:
    """Returns the job with those edits that still fit; None without any."""
    data, made = state.data, []
    value = load(data).value
    for finding in edits:
        patch = patch_of(finding.edit, value)
        if patch and (after := _applied(value, patch)) is not None:
            made.append(Made(finding, patch, data))
            data, value = rewritten(data, patch), after
    if not made:
        return None
    assert load(data).value == value, "the text and the values differ"
    return _State(data, findings_of(data), (*state.made, *made))


def _applied(value: Any, patch: Patch) -> Any:
    try:
        return patched(value, patch)
    except Unpatchable:
        return None


def _is_better(after: _State, before: _State) -> bool:
    """Returns whether findings are gone, and none came."""
    new, old = _count(after.findings), _count(before.findings)
    return not new - old and new != old


def _count(findings: list[Diagnostic]) -> Counter:
    return Counter(map(_key, findings))


def _key(finding: Diagnostic) -> tuple:
    return finding.code, finding.path
