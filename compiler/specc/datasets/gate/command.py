"""The flags of `specc data`; datasets/data.py does the work."""

from __future__ import annotations

from pathlib import Path

import click

from specc.commands.flags import BELOW, FORM, LABELS


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@BELOW
@click.option(
    "-o",
    "output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder for the pictures.  [default: specc-data/NAME]",
)
@click.option("--task", help="Of a dataset: what to look at.  [default: all it holds]")
@LABELS
@FORM
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "never"]),
    default="error",
    show_default=True,
    help="The least severe finding that makes the exit code 1: training refuses errors.",
)
@click.option(
    "--augmented",
    is_flag=True,
    help="Draw what augmentation makes of training images and their labels, too.",
)
@click.option(
    "--lock",
    metavar="FILE",
    type=click.Path(path_type=Path),
    is_flag=False,
    flag_value="",
    help="Write counts, categories, sizes and fingerprints of a job's dataset; as the "
    "last flag without FILE: to data.lock.json beside the job.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Compare with the lock, and draw nothing: exit 1 if anything has changed.",
)
def data(
    path: Path,
    root: Path,
    output: Path | None,
    task: str | None,
    labels: str | None,
    form: str,
    fail_on: str,
    augmented: bool,
    lock: Path | None,
    check: bool,
) -> int:
    """Say what is in a dataset, or in that of a job, and draw it.

    Counts, sizes, balance, broken and doubled images, and such as training knows
    already; for a job also what its levels make of the objects, and what to change.
    Every image is decoded once.

    \b
    specc data job.json
    specc data traffic -o looked-at
    specc data --format json --fail-on warning job.json
    specc data job.json --lock
    specc data job.json --check
    """
    from specc.datasets import data as datasets

    return datasets.data(
        path, root, output, task, labels, form, fail_on, lock, check, augmented
    )
