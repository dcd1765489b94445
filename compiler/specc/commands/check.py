"""`specc check`: says what is wrong with jobs, and mends what is certain."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import click

from specc.commands.jobs import reported
from specc.commands.report import harmless
from specc.diagnostics import Diagnostic, JobError
from specc.folder import jobfiles
from specc.language.load import load
from specc.language.patch import parts_of, patched
from specc.language.validate import shown
from specc.mending.mend import Made, Mended
from specc.words import number_of

LONGEST = 60  # most characters of a value in a line about an edit


def check(
    paths: Sequence[str], form: str, fix: bool = False, unsafe: bool = False
) -> int:
    """Reports every finding about every job; with `fix` after the edits that are
    certain, with `unsafe` after the likely ones too."""
    reports, wrong = [], False
    for path in paths:
        text, is_wrong = _fixed(path, form, unsafe) if fix else _checked(path, form)
        reports += [text] if text else []
        wrong |= is_wrong
    between = "\n" if form == "text" else ""
    click.echo(between.join(reports), nl=False)
    return int(wrong)


def _checked(path: str, form: str) -> tuple[str, bool]:
    """Returns the report on a job, and whether anything is wrong."""
    data = None
    try:
        data = jobfiles.read(path)
        findings = _findings(data)
    except JobError as error:
        findings = error.diagnostics
    text = _said(findings, data, path, form)
    count = sum(1 for one in findings if one.edit and one.edit.certain)
    if form == "text" and count:
        verb = "edits are" if count > 1 else "edit is"
        text += f"{count} {verb} certain: specc check --fix {shlex.quote(path)}\n"
    return text, any(one.is_error for one in findings)


def _findings(data: bytes) -> list[Diagnostic]:
    """Returns the findings about a job, with such edits called certain that are."""
    from specc.build import analyze

    try:
        return _proven(data, analyze(data)[2])
    except JobError as error:
        return _proven(data, error.diagnostics)


def _proven(data: bytes, findings: list[Diagnostic]) -> list[Diagnostic]:
    from specc.mending.mend import proven

    is_sure = any(one.edit and one.edit.certain for one in findings)
    return proven(data, findings) if is_sure else findings


def _fixed(path: str, form: str, unsafe: bool) -> tuple[str, bool]:
    """Mends a job, and returns the report on it, and whether anything is wrong."""
    from specc.analysis.analyze import findings_of
    from specc.mending.files import refuse_unwritable, replace_job
    from specc.mending.mend import mend

    data = None
    try:
        data = jobfiles.read(path)
        mended = mend(data, unsafe)
    except JobError as error:
        return reported(error.diagnostics, data, path, form), True
    refused: list[Diagnostic] = []
    try:
        if mended.made:
            refuse_unwritable(path)
            replace_job(path, data, mended.data)
    except JobError as error:
        refused = error.diagnostics
        mended = Mended(data, (), findings_of(data))
    text = reported(refused, None, path, form) if refused else ""
    findings = _proven(mended.data, shown(mended.left))
    edits = "".join(_edits(mended, path, form))
    rest = "" if refused and not findings else _said(findings, mended.data, path, form)
    return edits + text + rest, any(x.is_error for x in [*refused, *findings])


def _said(findings: list[Diagnostic], data: bytes | None, path: str, form: str) -> str:
    if findings:
        return reported(findings, data, path, form)
    return f"{path}: ok\n" if form == "text" else ""


def _edits(mended: Mended, path: str, form: str) -> Iterator[str]:
    """Yields what was changed: a line an operation, or the finding as JSON."""
    if form == "text" and mended.made:
        count = len(mended.made)
        yield f"{path}: {number_of(count, 'edit')}\n"
    for made in mended.made:
        if form == "json":
            yield reported([made.finding], made.before, path, form, applied=True)
            continue
        sure = "" if made.finding.edit.certain else "  (likely)"
        for line in _lines(made):
            yield f"  {made.finding.code}  {harmless(line)}{sure}\n"


def _lines(made: Made) -> Iterator[str]:
    """Yields a line for each operation of an edit."""
    value = load(made.before).value
    for operation in made.patch:
        place, op = operation["path"], operation["op"]
        if op == "move":
            yield f"{operation['from']} -> {place}"
        elif op == "add":
            yield f"{place}: {_short(operation['value'])}"
        elif op == "remove":
            yield f"{place}: {_short(_at(value, place))} is removed"
        else:
            old, new = _at(value, place), operation["value"]
            yield f"{place}: {_short(old)} -> {_short(new)}"
        value = patched(value, [operation])


def _at(value: Any, pointer: str) -> Any:
    for part in parts_of(pointer):
        if isinstance(value, list):
            value = value[int(part)]
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
