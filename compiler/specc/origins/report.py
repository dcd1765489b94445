"""Answers as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from itertools import groupby
from pathlib import Path
from typing import Any

from specc.differences.lines import spans
from specc.origins.answers import (
    BLANK,
    EVERY_JOB,
    TOGETHER,
    YOURS,
    Line,
    Reached,
)
from specc.origins.fields import Option
from specc.origins.folders import Asked
from specc.origins.sources import template_text

COLUMNS = 88
VALUE = 60  # most characters of a value
WORDS = {
    BLANK: "a blank line",
    YOURS: "yours: added by hand",
    EVERY_JOB: "in every job",
    TOGETHER: "from no field alone: no other value of one field changes it",
}


def why_text(place: Asked, lines: list[Line]) -> str:
    """Returns the answer, with lines of one origin together."""
    blocks = []
    for _, group in groupby(lines, key=_origin):
        same = list(group)
        file = place.folder / place.path
        shown = [f"{file}:{line.number}  {line.text}".rstrip() for line in same]
        blocks.append("\n".join([*shown, *_about(same[0], same)]))
    return "\n\n".join(blocks) + "\n"


def _origin(line: Line) -> tuple:
    """Returns all that the answers of two lines must share to be one."""
    pointers = tuple(one.pointer for one in line.fields)
    inner = tuple(file for file, _ in line.places)
    return (line.kind, line.is_edited, pointers, inner, tuple(line.conditions))


def _about(line: Line, same: list[Line]) -> list[str]:
    shown = []
    if line.is_edited and line.recorded:
        numbers = sorted({x for one in same for x in one.recorded})
        lines = f"line{'s' * (len(numbers) > 1)} {spans(numbers)}"
        shown.append(f"  edited: in place of {lines} of the record, which came")
    if line.kind in WORDS:
        shown.append(f"  {WORDS[line.kind]}")
    for option in line.fields:
        shown += _field(option)
    numbers: dict[str, list[int]] = {}
    for one in same:
        for file, number in one.places:
            numbers.setdefault(file, []).append(number)
    for index, (file, found) in enumerate(numbers.items()):
        word = "included by" if index else "part" if _is_part(file) else "template"
        shown.append(f"  {word} templates/{file}:{spans(sorted(set(found)))}")
    for file, number in line.conditions:
        text = template_text(file, number)
        shown.append(f"  under {text} templates/{file}:{number}")
    rules = dict.fromkeys(rule for one in same for rule in one.rules)
    return shown + [f"  made by {rule}" for rule in rules]


def _is_part(file: str) -> bool:
    return file.startswith("heads/")


def _field(option: Option) -> list[str]:
    rule = f", by {option.rule}" if option.rule else ""
    value = json.dumps(option.value, ensure_ascii=False)
    value = value if len(value) <= VALUE else f"{value[: VALUE - 3]}..."
    margin = " " * 6
    text = textwrap.wrap(option.description, COLUMNS - len(margin))
    head = f"  {option.pointer}: {value} ({option.origin}{rule})"
    return [head, *(margin + row for row in text)]


def why_json(place: Asked, lines: list[Line]) -> str:
    value = {
        "folder": str(place.folder),
        "file": place.path,
        "lines": [
            {
                "line": line.number,
                "text": line.text,
                "recorded": line.recorded,
                "edited": line.is_edited,
                "kind": line.kind,
                "fields": [_field_json(option) for option in line.fields],
                "templates": [_place(*one) for one in line.places],
                "conditions": [
                    _place(*one) | {"text": template_text(*one)}
                    for one in line.conditions
                ],
                "rules": line.rules,
            }
            for line in lines
        ],
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _place(file: str, line: int) -> dict[str, Any]:
    return {"file": f"templates/{file}", "line": line}


def _field_json(option: Option) -> dict[str, Any]:
    return {
        "pointer": option.pointer,
        "value": option.value,
        "origin": option.origin,
        "description": option.description,
        **({"rule": option.rule} if option.rule else {}),
    }


def where_text(home: Path | None, found: list[Reached]) -> str:
    blocks = []
    for one in found:
        rows = [
            f"  {home / path if home else path}:{spans(numbers)}"
            for path, numbers in one.lines.items()
        ]
        rows += [
            f"  {path}: {count} of its lines you have edited"
            for path, count in one.lost.items()
        ]
        if not rows:
            rows = [f"  {_nothing(one)}"]
        if one.adds:
            rows.append(f"  other values add lines to {', '.join(one.adds)}")
        blocks.append("\n".join([*_field(one.option), *rows]))
    return "\n\n".join(blocks) + "\n"


def _nothing(one: Reached) -> str:
    if not one.is_free:
        return "no line: no other value of this field alone gives a valid job"
    if one.adds:
        return "no line as it is"
    return "no line: what reads it are checks, or other values of the job outweigh it"


def where_json(home: Path | None, found: list[Reached]) -> str:
    value = {
        "folder": str(home) if home else None,
        "fields": [
            {
                **_field_json(one.option),
                "lines": one.lines,
                "edited": one.lost,
                "adds": one.adds,
                "alone": one.is_free,
            }
            for one in found
        ],
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
