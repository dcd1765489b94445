"""`specc why` and `specc where`: find the folder or the job, and print the answer."""

from __future__ import annotations

import os
from pathlib import Path

import click

from specc.diagnostics import JobError, fail
from specc.folder import record
from specc.folder.jobfiles import JobFile, open_job
from specc.origins import answers, report
from specc.origins.folders import JOB, Folder, asked
from specc.origins.reach import TESTED, Reach


def why(place: str, form: str) -> int:
    """Prints what lines follow from. Raises JobError E416, E418."""
    lines = asked(place)
    folder = Folder(lines.folder, tested=lines.path in TESTED)
    found = answers.why(lines, folder)
    show = report.why_json if form == "json" else report.why_text
    click.echo(show(lines, found), nl=False)
    return 0


def where(pointer: str, target: str, form: str) -> int:
    """Prints what follows from a field. Raises JobError E401, E416 to E418, and the
    findings of a job that is wrong."""
    home = Path(target) if os.path.isdir(target) else None
    if home and not record.exists(home):
        help = "give a job, or a folder that `specc build` wrote, with its `.specc`"
        fail("E416", f"`{home}` has no record of specc", help=help)
    file = None if home else open_job(target, None, several=False)
    home = home or _built(file)
    if home:
        folder = Folder(home)
        found = answers.where(pointer, folder.reach, folder.recorded, folder)
    else:
        found = _of_job(pointer, file)
    show = report.where_json if form == "json" else report.where_text
    click.echo(show(home, found), nl=False)
    return 0


def _built(file: JobFile) -> Path | None:
    """Returns the folder that was built from a job as it is, if there is one."""
    if file.folder and record.pristine_bytes(file.folder, JOB) == file.data:
        return file.folder
    return None


def _of_job(pointer: str, file: JobFile) -> list[answers.Reached]:
    """Returns what a field reaches in the files that a build would write. Raises
    JobError with the findings of the job."""
    try:
        reach = Reach(file.data, file.extras)
    except JobError as error:
        first = error.diagnostics[0]
        fail(
            "E418",
            f"the job `{file.path}` is wrong",
            note=f"{first.code}: {first.message}",
            help=f"`specc check {file.path}` shows all findings",
        )

    def written(path: str) -> str:
        from specc.emit.format import format_files  # black takes long to import

        return format_files({path: reach.base.cut.text(path)})[path]

    return answers.where(pointer, reach, written, None)
