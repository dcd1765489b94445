"""The flags of `specc report`."""

from __future__ import annotations

from pathlib import Path

import click

from specc.commands.flags import BELOW, FORM


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--code",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="The folder that `specc build` wrote.  [default: the one of the run's job, in "
    "this folder, in generated/, or above RUN]",
)
@BELOW
@click.option("--test", is_flag=True, help="On the test set, where the job names one.")
@click.option(
    "--images",
    metavar="N",
    type=click.IntRange(0, 200),
    default=8,
    show_default=True,
    help="Best and worst predictions that are shown, of each.",
)
@click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    help="Of objects in the confusion matrix.  [default: that of the best F1]",
)
@click.option("--device", help="cuda or cpu.  [default: cuda where there is one]")
@click.option("--workers", type=int, help="Processes that read images.")
@click.option(
    "-o",
    "output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The page.  [default: RUN/report.html]",
)
@FORM
def report(
    run: Path, code: Path | None, output: Path | None, form: str, **options
) -> int:
    """Write a page on a run: curves, metrics, the best and the worst predictions.

    RUN is the folder to which train.py wrote. The folder's evaluate.py predicts the
    validation images with best.pt, in a process of its own. The page is one file, and
    needs no network.

    \b
    specc report runs/cells
    specc report runs/cells --code detector --data /data --images 20 -o cells.html
    """
    from specc.reports.command import report

    return report(run, code, output, form, **options)
