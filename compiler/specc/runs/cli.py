"""The flags of `specc compare` and `specc sweep`."""

from __future__ import annotations

from pathlib import Path

import click

from specc.commands.flags import FORM


@click.command()
@click.argument(
    "runs",
    metavar="RUN...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@click.option(
    "-o",
    "output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write a page with the curves too, such as compare.html.",
)
@FORM
def compare(runs: tuple[Path, ...], output: Path | None, form: str) -> int:
    """Say how runs differ: in the metrics of best.pt, and in the fields of their jobs.

    RUN is the folder to which train.py wrote.

    \b
    specc compare runs/cells runs/cells-wide
    specc compare runs/* -o compare.html
    """
    from specc.runs.compare import compare

    return compare(runs, form, output)


@click.command()
@click.argument("job")
@click.option(
    "--set",
    "given",
    metavar="FIELD=VALUE,...",
    multiple=True,
    required=True,
    help="A field and its values, once for each field; all combinations are written.",
)
@click.option(
    "-o",
    "output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder of the jobs.  [default: NAME-sweep]",
)
@click.option("--force", is_flag=True, help="Overwrite jobs that differ.")
def sweep(job: str, given: tuple[str, ...], output: Path | None, force: bool) -> int:
    """Write the jobs of a grid: one for each combination of the values of fields.

    Their names tell the values, and each is checked; nothing is written where one of
    them is wrong. A head is named, or counted from 0.

    \b
    specc sweep job.json --set trainer.optimizer.learning_rate=1e-3,3e-4
    specc sweep job.json --set data.resolution=[256,256],[384,384] -o sizes
    """
    from specc.runs.sweep import sweep

    return sweep(job, given, output, force)
