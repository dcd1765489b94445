"""The name of a starting job, and the paths in it."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import click

from specc.diagnostics import JobError
from specc.folder import jobfiles
from specc.language.load import LARGEST_FILE
from specc.language.schema import part

LONGEST = part("common")["$defs"]["name"]["maxLength"]


def free_name(dataset: str, task: str, out: Path) -> str:
    """Returns a name of dataset and task, with a number where a job here has that name,
    or a run: unless it is that of the job that is overwritten."""
    ending = "-" + task.replace("_", "-")
    whole = dataset[: LONGEST - len(ending) - 4].rstrip("-_") + ending
    taken = {
        _name_in(file)
        for folder in {Path(), out.parent}
        for file in folder.glob("*.json")
        if os.path.abspath(file) != os.path.abspath(out)
    }
    for number in itertools.count(1):
        name = f"{whole}-{number}" if number > 1 else whole
        folders = (Path("generated", name), Path("runs", name))
        if name == _name_in(out):
            return name
        if name not in taken and not any(map(os.path.lexists, folders)):
            return name


def _name_in(file: Path) -> str:
    """Returns the name of the job in a file; empty where it holds none."""
    try:
        if os.path.getsize(file) <= LARGEST_FILE:
            return jobfiles.open_job(str(file), None, False).name
    except (OSError, JobError):
        pass
    return ""


def path_in_job(path: str, root: Path | None) -> str:
    """Returns a path as seen from the root; without one a path is kept, unless it
    begins at the root of the machine and leads below this folder.

    Raises BadParameter where it does not lead below the root.
    """
    if root is None and not os.path.isabs(path):
        return path
    for form in (os.path.abspath, os.path.realpath):
        below = os.path.relpath(form(path), form(root or Path()))
        if below.split(os.sep)[0] != os.pardir:
            return Path(below).as_posix()
    if root is None:
        return path
    raise click.BadParameter(f"`{path}` is not below --root {root}")
