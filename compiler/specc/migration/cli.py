"""The flags of `specc migrate`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("weights", type=click.Path(path_type=Path))
@click.argument("job")
@click.option(
    "-o",
    "output",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The weights to write.",
)
@click.option(
    "--rename",
    "renames",
    metavar="OLD=NEW",
    multiple=True,
    help="A category, keypoint, token, label or head that has a new name.",
)
def migrate(weights: Path, job: str, output: Path, renames: tuple[str, ...]) -> int:
    """Carry weights over to another job, matched by names, never by places.

    WEIGHTS is a best.pt or last.pt; JOB a job file, a folder, or `REV:path` of git.
    Categories, keypoints, labels, tokens and identities that both have keep their
    outputs; what is new is drawn at random.

    \b
    specc migrate runs/cells/best.pt job.json -o start.pt
    specc migrate old.pt job.json -o start.pt --rename rbc=red_cell
    """
    from specc.migration.command import migrate

    return migrate(weights, job, output, renames)
