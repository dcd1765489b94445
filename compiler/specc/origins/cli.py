"""The flags of `specc why` and `specc where`."""

from __future__ import annotations

import click

from specc.commands.flags import FORM


@click.command()
@click.argument("place", metavar="FILE:LINE")
@FORM
def why(place: str, form: str) -> int:
    """Say which fields of the job made an emitted line, and by which template.

    FILE is a file of a folder that `specc build` wrote, edited or not. A field makes a
    line if another value of it alone changes the line.

    \b
    specc why detector/train.py:34
    specc why --format json detector/model.py:20-40
    """
    from specc.origins.command import why

    return why(place, form)


@click.command()
@click.argument("pointer")
@click.argument("target", metavar="JOB|FOLDER")
@FORM
def where(pointer: str, target: str, form: str) -> int:
    """Say which emitted lines follow from a field of the job.

    POINTER is a JSON Pointer, as `specc why` prints it; a head is named, or counted
    from 0. An object stands for all fields in it.

    \b
    specc where /trainer/batch_size detector
    specc where /model/heads/0/categories job.json
    """
    from specc.origins.command import where

    return where(pointer, target, form)
