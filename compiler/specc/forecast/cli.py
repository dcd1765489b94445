"""The flags of `specc forecast`."""

from __future__ import annotations

from pathlib import Path

import click

from specc.commands.flags import BELOW, FORM


@click.command()
@click.argument("job")
@BELOW
@click.option("--device", help="cuda or cpu.  [default: cuda where there is one]")
@click.option("--workers", type=click.IntRange(min=0), help="As for train.py.")
@click.option("--threads", type=click.IntRange(min=1), help="As for train.py.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=20.0,
    show_default=True,
    help="Spent on steps and a validation; slow steps take longer.",
)
@FORM
def forecast(job: str, root: Path, form: str, **options) -> int:
    """Say how long a job will train here, and how much memory that takes.

    Runs some steps and a part of a validation of the code that the job makes, on its
    own images, and writes nothing. What does not fit into memory is tried with half
    the batch; what would fit, or train faster, is told as edits of the job.

    \b
    specc forecast job.json --data /data
    """
    from specc.datasets.files import require

    require("numpy", "cv2", "PIL", "yaml", "torch")
    from specc.forecast.command import forecast

    return forecast(job, root, form, **options)
