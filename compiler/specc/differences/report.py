"""A comparison as text, as JSON, and as Markdown for a comment on a pull request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from specc.differences.changes import Change, Comparison
from specc.differences.classes import Class, Effect
from specc.differences.fields import Field
from specc.differences.lines import spans

SHOWN = 6  # most tensors that are listed by name
COLORS = {
    Class.COSMETIC: "bright_black",
    Class.RECIPE: "cyan",
    Class.COMPATIBLE: "green",
    Class.BREAKING: "yellow",
    Class.INTERFACE: "red",
}
WIDTH = len(Class.INTERFACE.title)


def as_text(found: Comparison, together: dict[str, list[int]], color: bool) -> str:
    def paint(kind: Class) -> str:
        title = f"{kind.title:{WIDTH}}"
        return click.style(title, fg=COLORS.get(kind)) if color else title

    lines = [f"{found.old.label} -> {found.new.label}: {found.effect.kind.title}"]
    for change in _ordered(found):
        lines += ["", f"{paint(change.effect.kind)}  {change.pointer}"]
        before, after = _shown(change.old), _shown(change.new)
        margin = " " * (WIDTH + 2)
        lines.append(f"{margin}{before} -> {after}")
        notes = (
            change.effect.reasons if change.alone else ["together with other fields"]
        )
        lines += [f"{margin}{note}" for note in notes]
        lines += [f"{margin}{note}" for note in _tensors(change.effect) if change.alone]
        lines += [f"{margin}{path}:{spans(n)}" for path, n in change.lines.items()]
    if together:
        lines += ["", "emitted lines that follow from several of these fields"]
        lines += [f"  {path}:{spans(numbers)}" for path, numbers in together.items()]
    if found.model:
        width = max(len(what) for what, _, _ in found.model)
        lines += ["", "model"]
        lines += [f"  {what:{width}}  {a} -> {b}" for what, a, b in found.model]
    if found.effect.reasons or _tensors(found.effect):
        lines += ["", "all together"]
        lines += [f"  {note}" for note in found.effect.reasons + _tensors(found.effect)]
    return "\n".join(lines) + "\n"


def as_markdown(found: Comparison, together: dict[str, list[int]]) -> str:
    def cell(value: object) -> str:
        text = str(value).replace("\\", "\\\\").replace("|", "\\|")
        return f"`{text.replace('`', chr(39))}`" if text else ""

    lines = [f"### {found.new.job.name}: **{found.effect.kind.title}**", ""]
    lines += [f"{cell(found.old.label)} → {cell(found.new.label)}", ""]
    if found.changes:
        lines += [
            "| class | field | before | after | emitted lines |",
            "|---|---|---|---|---|",
        ]
    for change in _ordered(found):
        places = "; ".join(f"{path}:{spans(n)}" for path, n in change.lines.items())
        cells = [change.pointer, _shown(change.old), _shown(change.new), places]
        row = " | ".join(map(cell, cells))
        lines.append(f"| {change.effect.kind.title} | {row} |")
    notes = found.effect.reasons + _tensors(found.effect)
    if notes:
        lines += ["", *(f"- {cell(note)}" for note in notes)]
    if found.model:
        lines += ["", "| model | before | after |", "|---|---|---|"]
        lines += [
            f"| {cell(what)} | {cell(a)} | {cell(b)} |" for what, a, b in found.model
        ]
    if together:
        places = "; ".join(f"{path}:{spans(n)}" for path, n in together.items())
        lines += ["", f"From several fields together: {cell(places)}"]
    return "\n".join(lines) + "\n"


def as_json(found: Comparison, together: dict[str, list[int]]) -> str:
    value = {
        "old": found.old.label,
        "new": found.new.label,
        "class": found.effect.kind.title,
        "effect": _effect(found.effect),
        "changes": [_change(change) for change in _ordered(found)],
        "model": [{"what": w, "old": a, "new": b} for w, a, b in found.model],
        "together": together,
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _ordered(found: Comparison) -> list[Change]:
    """Returns the changes, the gravest first."""
    return sorted(found.changes, key=lambda change: -change.effect.kind)


def _change(change: Change) -> dict[str, Any]:
    return {
        "pointer": change.pointer,
        "class": change.effect.kind.title,
        "alone": change.alone,
        "old": _field(change.old),
        "new": _field(change.new),
        "effect": _effect(change.effect),
        "lines": change.lines,
    }


def _field(field: Field | None) -> dict[str, Any] | None:
    return None if field is None else {"value": field.value, "origin": field.origin}


def _effect(effect: Effect) -> dict[str, list[str]]:
    names = ("reasons", "new", "dropped", "reshaped", "redefined")
    return {name: getattr(effect, name) for name in names}


def _tensors(effect: Effect) -> list[str]:
    words = {
        "new": effect.new,
        "dropped": effect.dropped,
        "other shape": effect.reshaped,
        "other meaning": effect.redefined,
    }
    found = []
    for word, keys in words.items():
        more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
        if keys:
            found.append(f"{word}: {', '.join(keys[:SHOWN])}{more}")
    return found


def _shown(field: Field | None) -> str:
    if field is None:
        return "none"
    text = json.dumps(field.value, ensure_ascii=False)
    text = text if len(text) <= 70 else f"{text[:67]}..."
    return f"{text} ({field.origin})"


REPORTS: dict[str, Callable] = {"json": as_json, "markdown": as_markdown}
