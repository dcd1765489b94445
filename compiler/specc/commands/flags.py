"""Flags that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

FORM = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for tools.",
)
FINDINGS = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="For people, for tools, or as annotations of a GitHub workflow.",
)
BELOW = click.option(
    "--data",
    "root",
    metavar="ROOT",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where the paths in a job begin, as for train.py.  [default: this folder]",
)
LABELS = click.option(
    "--labels",
    metavar="NAME",
    help="Of several annotations the ones meant: a file or folder that metadata.yaml "
    "names, or a column of a CSV file.",
)
