"""The commands on job files: they read the files, run the passes, report the
outcome."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from specc import resources
from specc.diagnostics import Diagnostic, JobError
from specc.folder import jobfiles, stamps
from specc.folder.commit import is_pending
from specc.folder.jobfiles import JobFile, Wanted


def graph(path: str, form: str) -> int:
    """`specc graph`: the levels of one job; its findings go to stderr."""
    from specc.build import analyze
    from specc.commands import show
    from specc.graph.cost import summarize
    from specc.graph.diagram import mermaid
    from specc.graph.drawing import svg

    data = jobfiles.read(path)
    try:
        job, levels, findings = analyze(data)
    except JobError as error:
        say_findings(error.diagnostics, data, path)
        return 1
    say_findings(findings, data, path)
    if any(finding.is_error for finding in findings):
        return 1
    views = {
        "table": lambda: show.table(summarize(job, levels)),
        "mermaid": lambda: mermaid(levels),
        "svg": lambda: svg(levels),
        "json": lambda: show.as_json(levels, summarize(job, levels)),
    }
    click.echo(views[form](), nl=False)
    return 0


def build(
    paths: Sequence[str],
    out: Path | None,
    wanted: Wanted,
    verify: bool,
    force: bool,
    dry_run: bool,
) -> int:
    """`specc build`: bring each job's folder up to date."""
    files, wrong = _job_files(paths, out, wanted)
    due = []
    for file in files:
        stamp = None
        if file.folder and not verify and not is_pending(file.folder):
            stamp = stamps.find(file.folder, file.data, file.extras)
        if stamp is None or (force and (stamp.kept or stamp.gone)):
            due.append(file)
        else:
            _say_built(file, stamp)
    if due:
        how = Building(verify, force, dry_run, hint=len(paths) == 1)
        wrong |= _build_due(due, how)
    return int(wrong)


def build_check(
    paths: Sequence[str],
    out: Path | None,
    wanted: Wanted,
    strict: bool,
    verify: bool,
    form: str,
) -> int:
    """`specc build --check`: would a build change anything?"""
    from specc.commands.due import findings_of
    from specc.folder.compare import compare
    from specc.folder.output import output_of

    files, wrong = _job_files(paths, out, wanted, form)
    for file, outcome in _compiled(files):
        if isinstance(outcome, list):
            _tell(outcome, file.data, file.path, form)
            wrong = True
            continue
        if verify:
            _verify(outcome)
        try:
            comparison = compare(output_of(file, outcome))
        except JobError as error:
            _tell(error.diagnostics, None, file.path, form)
            wrong = True
            continue
        if form == "text":
            _say_compared(file, comparison, strict)
        else:
            for path, finding in findings_of(file, comparison, strict):
                _tell([finding], None, path, form)
        wrong |= not comparison.is_current(strict)
    return int(wrong)


def explain(code: str | None) -> int:
    """`specc explain`: one page, or the list of all."""
    pages = {name.removesuffix(".md"): name for name in resources.names("explain")}
    if code is None:
        for name in pages.values():
            title = resources.read_text(f"explain/{name}").splitlines()[0]
            click.echo(title.lstrip("# "))
        return 0
    if code.upper() not in pages:
        import difflib

        typed = code.upper().replace("O", "0")  # codes have no letter O
        near = difflib.get_close_matches(typed, pages, n=1, cutoff=0)
        raise click.ClickException(
            f"there is no code `{code}`; did you mean {near[0]}? "
            "`specc explain` lists all"
        )
    click.echo(resources.read_text(f"explain/{pages[code.upper()]}").rstrip("\n"))
    return 0


def schema() -> int:
    """`specc schema`: the whole JSON Schema as one document."""
    import json

    from specc.language.schema import bundled

    click.echo(json.dumps(bundled(), indent=2, ensure_ascii=False))
    return 0


def say_findings(
    findings: Iterable[Diagnostic], data: bytes | None = None, path: str = ""
) -> None:
    """Prints findings to stderr; without `data`, the findings name no place in a
    job."""
    findings = list(findings)
    if findings:
        text = reported(findings, data, path, "text", color=_is_colored("stderr"))
        click.echo(text, nl=False, err=True)


def _tell(
    findings: Sequence[Diagnostic], data: bytes | None, path: str, form: str
) -> None:
    """Prints findings: to stderr for people, to stdout for tools."""
    if form == "text":
        say_findings(findings, data, path)
    else:
        click.echo(reported(findings, data, path, form), nl=False)


def _job_files(
    paths: Sequence[str], out: Path | None, wanted: Wanted, form: str = "text"
) -> tuple[list[JobFile], bool]:
    """Returns the jobs that could be read, and whether any could not; none where two
    would be written to one folder."""
    files, wrong = [], False
    for path in paths:
        try:
            files.append(jobfiles.open_job(path, out, len(paths) > 1, wanted))
        except JobError as error:
            _tell(error.diagnostics, None, path, form)
            wrong = True
    try:
        return jobfiles.one_for_each_folder(files), wrong
    except JobError as error:
        _tell(error.diagnostics, None, paths[0], form)
        return [], True


@dataclass(frozen=True)
class Building:
    """The flags of a build, and whether it ends with a hint at what comes next."""

    verify: bool
    force: bool
    dry_run: bool
    hint: bool


def _build_due(files: list[JobFile], how: Building) -> bool:
    """Builds the jobs that no stamp knows. Returns whether anything was wrong."""
    wrong = False
    for file, outcome in _compiled(files):
        if isinstance(outcome, list):
            say_findings(outcome, file.data, file.path)
            wrong = True
            continue
        if how.verify:
            _verify(outcome)
        try:
            wrong |= not _write(file, outcome, how)
        except JobError as error:
            say_findings(error.diagnostics)
            wrong = True
    return wrong


def _compiled(files: list[JobFile]) -> Iterable[tuple]:
    """Yields each job with its Compiled, or with the JobError that says why not."""
    from specc.build import compile_many

    jobs, extras = [file.data for file in files], [file.extras for file in files]
    return zip(files, compile_many(jobs, extras))


def _write(file: JobFile, compiled, how: Building) -> bool:
    """Write one folder; whether nothing is left for the user to decide."""
    from specc.folder import record
    from specc.folder.output import output_of
    from specc.folder.write import write
    from specc.heads.conversions import in_words

    output = output_of(file, compiled)
    written = write(output, how.force, how.dry_run)
    stamp = stamps.Stamp(
        compiled.summary.parameters,
        tuple(sorted({*written.kept, *written.merged} - {*written.dropped})),
        tuple(replace(one, edit=None) for one in compiled.warnings),
        tuple(in_words(compiled.job)),
        written.gone,
    )
    if written.is_clean and not how.dry_run:
        recorded = record.record_of(output.files, output.job)
        paths = [*output.files, *recorded]
        stamps.leave(file.folder, file.data, paths, stamp, file.extras)
    _say_built(file, stamp, written, how.dry_run)
    if "model.py" in written.edited:
        _say_model(file, compiled, written, how)
    if how.hint and written.written and written.is_clean and not how.dry_run:
        _say_next(file)
    return written.is_clean


def _verify(compiled) -> None:
    from specc.commands.verify import verify

    verify(compiled)


def _say_model(file: JobFile, compiled, written, how: Building) -> None:
    """An edited model.py may not be the level graph's any more."""
    if not how.verify:
        click.echo("  model.py is edited: `--verify` compares it with the level graph")
        return
    if how.dry_run or not written.is_clean:
        return
    from specc.commands.verify import differences_of

    for difference in differences_of(compiled, file.folder / "model.py"):
        click.echo(f"warning: {file.folder / 'model.py'}: {difference}", err=True)


def _say_built(
    file: JobFile, stamp: stamps.Stamp, written=None, dry_run: bool = False
) -> None:
    say_findings(stamp.warnings, file.data, file.path)
    changed = written and (
        written.written or written.removed or written.merged or not written.is_clean
    )
    state = "" if changed else ", up to date"
    state = f"{state}; nothing is written" if dry_run else state
    name = click.style(file.name, bold=True)
    click.echo(f"{name}: {file.folder}{state} ({stamp.parameters:,} parameters)")
    _say_list("converts", stamp.conversions)
    if not written:
        _say_list("kept", stamp.kept, " (edited by you)")
        return
    if changed:
        _say_list("wrote", written.written)
        _say_list("removed", written.removed)
        if written.unchanged:
            click.echo(f"  {'unchanged':9}  {_count(written.unchanged, 'file')}")
    kept = [path for path in written.kept if path not in written.dropped]
    _say_list("kept", kept, " (edited by you)")
    _say_list("left", written.dropped, " (edited by you; specc does not write it now)")
    _say_list("merged", written.merged, " (your edits, and what the job changes)")
    _say_list("copied", written.copies, " (what was there before)")
    _say_list("deleted", written.not_landed, " (by you, so a change has not landed)")
    _say_unfinished(file, written)


def _say_unfinished(file: JobFile, written) -> None:
    """Prints to stderr where the user has to decide, and how to go on."""
    then = f"then: specc build --check {shlex.quote(file.path)}"
    for place in written.conflicts:
        click.echo(f"conflict: {file.folder / place}", err=True)
    if written.conflicts:
        click.echo(
            "  your edits and the new text meet there: choose what is to stay, delete "
            f"the markers, {then}",
            err=True,
        )
    for place in written.faults:
        click.echo(f"unreadable: {file.folder / place}", err=True)
    if written.faults:
        click.echo(
            f"  with your edits the file cannot be read: mend it, {then}", err=True
        )


def _say_list(verb: str, paths: Sequence[str], remark: str = "") -> None:
    if paths:
        click.echo(f"  {verb:9}  {', '.join(paths)}{remark}")


def _say_next(file: JobFile) -> None:
    requirements = shlex.quote(str(file.folder / "requirements.txt"))
    click.echo(f"next: pip install -r {requirements}")
    if package := file.extras.package:
        home = shlex.quote(str(file.folder.parent))
        click.echo(f"      in {home}: python -m {package}.train")
    else:
        click.echo(f"      python {shlex.quote(str(file.folder / 'train.py'))}")


def _say_compared(file: JobFile, comparison, strict: bool) -> None:
    from specc.commands.due import mending
    from specc.folder import record

    name = f"{click.style(file.name, bold=True)}: {file.folder}"
    if not record.exists(file.folder):
        click.echo(f"{name} is not built yet: specc build {shlex.quote(file.path)}")
        return
    faults = [place for place in comparison.unfinished if ": " in place]
    places = [place for place in comparison.unfinished if place not in faults]
    state = "half merged" if places else "unreadable" if faults else "up to date"
    state = "stale" if comparison.stale or comparison.killed else state
    click.echo(f"{name} is {state}")
    if comparison.killed:
        click.echo("  a build was killed: the next one completes it")
    if comparison.lost:
        command = mending(file, comparison)
        click.echo(f"  the record {record.MANIFEST} is damaged: {command} mends it")
    _say_list("deleted", comparison.gone, " (by you)")
    _say_list("edited", comparison.edited)
    _say_list(
        "merge due", comparison.conflicts, " (edited, and the job changes it too)"
    )
    _say_list("conflict", places)
    _say_list("faults", faults)
    if strict and comparison.is_current() and not comparison.is_current(strict):
        click.echo("  --strict fails: files were edited or deleted by you")
    for diff in comparison.stale.values():
        for line in diff.splitlines():
            color = {"+": "green", "-": "red", "@": "cyan"}.get(line[0])
            click.echo(click.style(line, fg=color))


def reported(
    findings: Sequence[Diagnostic],
    data: bytes | None,
    path: str,
    form: str,
    color: bool | None = None,
    applied: bool = False,
) -> str:
    """Returns findings as text for a person or a program; see `report`."""
    from specc.commands.report import report
    from specc.language.load import load, unread

    source = None
    if data is not None:
        try:
            source = load(data)
        except JobError:
            source = unread(data)
    color = _is_colored("stdout") if color is None else color
    return report(findings, source, path, form, color, applied)


def _is_colored(stream: str) -> bool:
    no_color = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not no_color and getattr(sys, stream).isatty()


def _count(items: Sequence, what: str) -> str:
    return f"{len(items)} {what}{'' if len(items) == 1 else 's'}"
