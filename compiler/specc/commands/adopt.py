"""`specc adopt`: compiles a folder's job, has it recorded, and reports each file."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specc.commands.flags import FORM

if TYPE_CHECKING:
    from specc.folder.adopt import Adopted


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@FORM
def adopt(folder: Path, form: str) -> int:
    """Take over a folder whose record was lost.

    FOLDER holds a job.json and what specc once emitted for it, but no usable `.specc/`.
    What this version of specc emits for the job is recorded there; all that differs
    counts as your edit, which the next `specc build` merges. Nothing else is written.

    \b
    specc adopt src/detector
    """
    from specc.build import compile_job
    from specc.commands.jobs import say_findings
    from specc.diagnostics import JobError, fail
    from specc.folder import adopt as folders
    from specc.folder.jobfiles import Wanted, open_job
    from specc.folder.output import output_of
    from specc.plan.extras import CONTRACT, INIT

    if folder.is_file():
        help = f"give its folder: `specc adopt {folder.parent}`"
        fail("E401", f"`{folder}` is a file", help=help)
    wanted = Wanted((folder / CONTRACT).is_file(), (folder / INIT).is_file())
    file = open_job(str(folder / "job.json"), folder, False, wanted)
    try:
        compiled = compile_job(file.data, file.extras)
    except JobError as error:
        say_findings(error.diagnostics, file.data, file.path)
        return 1
    adopted = folders.adopt(output_of(file, compiled))
    _say(folder, file.name, adopted, folders.recorded_in_git(folder), form)
    return 0


def _say(folder: Path, name: str, adopted: Adopted, commit: str, form: str) -> None:
    if form == "json":
        told = asdict(adopted) | {"folder": str(folder), "recorded_in": commit}
        click.echo(json.dumps(told))
    else:
        click.echo(f"{click.style(name, bold=True)}: {folder} is adopted")
        remarks = {
            "emitted": "",
            "edited": " (all that differs counts as your edit)",
            "missing": " (counts as deleted by you)",
        }
        for verb, paths in asdict(adopted).items():
            if paths:
                click.echo(f"  {verb:9}  {', '.join(paths)}{remarks[verb]}")
        if adopted.edited or adopted.missing:
            job, place = (shlex.quote(str(x)) for x in (folder / "job.json", folder))
            click.echo(
                f"to take specc's text of them all: specc build --force {job} -o {place}"
            )
    if commit:
        place = shlex.quote(str(folder / ".specc"))
        click.echo(
            f"git has a record of what was emitted, in {commit}; it tells your edits "
            f"from specc's changes: git checkout {commit} -- {place}",
            err=True,
        )
