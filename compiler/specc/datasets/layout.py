"""Lays out a job as text: short values on one line, long lists filled line by line."""

from __future__ import annotations

import json
from typing import Any

COLUMNS = 88


def job_text(job: dict[str, Any]) -> str:
    """Returns JSON as a person would lay it out."""
    lines = [f"  {_member(key, value, 2)}" for key, value in job.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _member(key: str, value: Any, indent: int) -> str:
    name = _quoted(key)
    return f"{name}: {_laid_out(value, indent, indent + len(name) + 2)}"


def _laid_out(value: Any, indent: int, used: int) -> str:
    """Returns the text of a value; `used` columns of its first line are taken, and one
    more by a comma."""
    short = _quoted(value)
    if used + len(short) < COLUMNS or not isinstance(value, (dict, list)):
        return short
    inner, outer = " " * (indent + 2), " " * indent
    if isinstance(value, dict):
        items = [_member(key, item, indent + 2) for key, item in value.items()]
    elif any(isinstance(item, dict) for item in value):
        items = [_laid_out(item, indent + 2, indent + 2) for item in value]
    else:
        return f"[\n{_filled([_quoted(item) for item in value], inner)}\n{outer}]"
    brackets = "{}" if isinstance(value, dict) else "[]"
    body = f",\n{inner}".join(items)
    return f"{brackets[0]}\n{inner}{body}\n{outer}{brackets[1]}"


def _filled(items: list[str], margin: str) -> str:
    """Returns items side by side, as many as a line holds."""
    lines = [margin + items[0]]
    for item in items[1:]:
        if len(lines[-1]) + len(item) + 3 > COLUMNS:
            lines[-1] += ","
            lines.append(margin + item)
        else:
            lines[-1] += f", {item}"
    return "\n".join(lines)


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
