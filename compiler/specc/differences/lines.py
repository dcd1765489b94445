"""Emitted lines: those that a change of the job changes, and the fields they follow
from."""

from __future__ import annotations

from difflib import SequenceMatcher

from specc.build import compile_job
from specc.differences.changes import Comparison, with_field

LEFT_OUT = ("resolved.json",)  # the job itself, with every default


def attribute(comparison: Comparison) -> dict[str, list[int]]:
    """Fills in `lines` of each change: file -> numbers of new lines. Returns those that
    no field alone explains."""
    old, new = comparison.old, comparison.new
    before, after = _texts(old.data), _texts(new.data)
    fresh = {path: added(before.get(path, ""), text) for path, text in after.items()}
    fresh = {path: rows for path, rows in fresh.items() if rows}
    explained: set[tuple[str, int]] = set()
    for change in comparison.changes:
        changed = with_field(old, new, change.pointer)
        if changed is None or not fresh:
            continue
        alone = _texts(changed.data)
        for path, rows in fresh.items():
            texts = added(before.get(path, ""), alone.get(path, ""))
            known = set(texts.values())
            found = [number for number, text in rows.items() if text in known]
            if found:
                change.lines[path] = found
                explained |= {(path, number) for number in found}
    return {
        path: left
        for path, rows in fresh.items()
        if (left := [n for n in rows if (path, n) not in explained])
    }


def _texts(data: bytes) -> dict[str, str]:
    files = compile_job(data).files
    return {path: text for path, text in files.items() if path not in LEFT_OUT}


def added(old: str, new: str) -> dict[int, str]:
    """Returns the lines that are in `new` alone, by their numbers from 1."""
    before, after = old.splitlines(), new.splitlines()
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    return {
        number + 1: after[number]
        for tag, _, _, first, last in matcher.get_opcodes()
        if tag in ("insert", "replace")
        for number in range(first, last)
        if after[number].strip()
    }


def spans(numbers: list[int]) -> str:
    """Returns numbers of lines as text: 3, 7-9."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in found)
