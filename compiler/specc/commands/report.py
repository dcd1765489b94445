"""Findings to text: for people, for programs (JSON lines), for GitHub's annotations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from unicodedata import category, combining, east_asian_width

from click import style

from specc.diagnostics import Diagnostic
from specc.language.load import Source, Span
from specc.language.patch import patch_of
from specc.words import number_of

WIDEST = 100  # most columns of a source line that are shown
BEFORE = 40  # most characters that are shown before the span
_TAB = "    "
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def report(
    diagnostics: Sequence[Diagnostic],
    source: Source | None,
    filename: str,
    format: str = "text",
    color: bool = False,
    applied: bool = False,
) -> str:
    """Returns all findings as one text, which ends in a newline; empty without
    findings.

    ``format`` is text (source line, underlined, and a summary), json (one object a
    line) or github (one workflow command a line). Nothing from the job reaches a
    terminal unescaped. Without `source` the findings name no place in a job: they are
    about the output folder, or about a file as a whole or at their ``position``.
    ``applied``: the findings are those of edits that were made, in the job before.
    """
    if not diagnostics:
        return ""
    if format == "json":
        return _lines(_as_json(one, source, filename, applied) for one in diagnostics)
    if format == "github":
        return _lines(_as_command(one, source, filename) for one in diagnostics)
    paint = style if color else _plain
    blocks = [_block(one, source, filename, paint) for one in diagnostics]
    return "\n".join([*blocks, _lines([summary(diagnostics)])])


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    errors = sum(one.is_error for one in diagnostics)
    counts = (("error", errors), ("warning", len(diagnostics) - errors))
    words = [number_of(n, name) for name, n in counts if n]
    return ", ".join(words)


def _lines(lines) -> str:
    return "".join(f"{line}\n" for line in lines)


def _plain(text: str, **_) -> str:
    return text


def _span(one: Diagnostic, source: Source | None) -> Span:
    if source is None:
        return Span(*(one.position or (1, 1)), 1)
    if one.position is not None:
        return Span(*one.position, _token_length(*one.position, source))
    return source.locate_key(one.path) if one.at_key else source.locate(one.path)


def _token_length(line: int, column: int, source: Source) -> int:
    """Returns the length of the word or text that begins at a position, at least 1."""
    rest = source.lines[line - 1][column - 1 :] if line <= len(source.lines) else ""
    if rest.startswith('"'):
        end = rest.find('"', 1)
        return end + 1 if end > 0 else len(rest.rstrip())
    length = next((i for i, c in enumerate(rest) if c in ' \t\r"{}[],:'), len(rest))
    return max(1, length)


# ---- text ----


def _block(one: Diagnostic, source: Source | None, filename: str, paint) -> str:
    span = _span(one, source)
    severity, tint = ("error", "red") if one.is_error else ("warning", "yellow")
    number = str(span.line)
    margin = " " * len(number)
    head = paint(f"{severity}[{one.code}]", fg=tint, bold=True)
    lines = [f"{head}: {harmless(one.message)}"]
    if source:
        bar = paint("|", fg="blue", bold=True)
        place = f"{harmless(filename)}:{span.line}:{span.column}"
        pointer = f"  {harmless(one.pointer)}" if one.pointer else ""
        text, marks = _excerpt(source, span)
        lines += [
            f"{margin}{paint('-->', fg='blue', bold=True)} {place}{pointer}",
            f"{margin} {bar}",
            f"{paint(number, fg='blue', bold=True)} {bar} {text}".rstrip(),
            f"{margin} {bar} {paint(marks, fg=tint, bold=True)}",
        ]
    for name, fact in (("note", one.note), ("help", one.help)):
        if fact:
            lines.append(f"{margin} = {paint(name, bold=True)}: {harmless(fact)}")
    return _lines(lines)


def _excerpt(source: Source, span: Span) -> tuple[str, str]:
    """Returns the source line, cut to WIDEST columns, and the marks under the span."""
    line = source.lines[span.line - 1] if span.line <= len(source.lines) else ""
    line = line.removesuffix("\r")
    at = span.column - 1
    start = max(0, at - BEFORE) if len(line) > WIDEST else 0
    end = min(len(line), start + WIDEST)
    left = "..." if start else ""
    before = left + harmless(line[start:at])
    marked = harmless(line[at : min(end, at + span.length)])
    after = harmless(line[at + span.length : end]) + ("..." if end < len(line) else "")
    marks = " " * _width(before) + "^" * max(1, _width(marked))
    return before + marked + after, marks


def harmless(text: str) -> str:
    """Returns the text with all invisible characters escaped, so that a terminal shows
    them and obeys none."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char == "\t":
        return _TAB
    if category(char) in _UNPRINTABLE:
        return char.encode("unicode_escape").decode("ascii")
    return char


def _width(text: str) -> int:
    """Returns the number of columns that a text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1
        for char in text
    )


# ---- for programs ----


def _as_json(
    one: Diagnostic, source: Source | None, filename: str, applied: bool
) -> str:
    span = _span(one, source)
    patch = patch_of(one.edit, source.value if source else None)
    return json.dumps(
        {
            "code": one.code,
            "severity": "error" if one.is_error else "warning",
            "message": one.message,
            "file": filename,
            "line": span.line,
            "column": span.column,
            "length": span.length,
            "pointer": one.pointer,
            "note": one.note,
            "help": one.help,
            "patch": patch,
            "certain": bool(patch and one.edit.certain),
            "applied": applied,
        }
    )


def _as_command(one: Diagnostic, source: Source, filename: str) -> str:
    """https://docs.github.com/actions/reference/workflow-commands-for-github-actions"""
    span = _span(one, source)
    command = "error" if one.is_error else "warning"
    values = {"file": filename, "line": span.line, "col": span.column}
    values["title"] = f"specc {one.code}"
    properties = ",".join(f"{key}={_property(str(v))}" for key, v in values.items())
    facts = [
        one.message,
        one.note and f"note: {one.note}",
        one.help and f"help: {one.help}",
    ]
    return f"::{command} {properties}::{_message(chr(10).join(filter(None, facts)))}"


def _message(text: str) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return harmless(text)


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
