"""The flags of `specc annotations`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("predictions", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "target",
    type=click.Choice(["coco", "yolo", "csv", "labelme"]),
    required=True,
    help="The format to write.",
)
@click.option(
    "-o",
    "output",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder to write, which is empty or not there yet.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Of the scores of what is written.",
)
@click.option("--head", metavar="NAME", help="Of several heads the one that is meant.")
@click.option(
    "--job",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The job, whose order categories then have.  [default: those that were found, "
    "by name]",
)
@click.option(
    "--root",
    metavar="ROOT",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where relative paths of images begin.  [default: this folder]",
)
@click.option("--copy", "copied", is_flag=True, help="Copy images instead of linking.")
def annotations(predictions: Path, target: str, output: Path, **options) -> int:
    """Write predictions as annotations that labeling tools read.

    PREDICTIONS is the predictions.json of predict.py: boxes, quadrilaterals, masks (as
    outlines), keypoints; as csv and labelme also categories and labels of images, as
    csv numbers and texts.

    \b
    specc annotations predictions/predictions.json --format coco -o next
    specc annotations predictions.json --format yolo --threshold 0.3 -o next --copy
    """
    from specc.annotations.command import annotate

    return annotate(predictions, target, output, **options)
