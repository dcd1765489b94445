"""The flags of `specc import`."""

from __future__ import annotations

from pathlib import Path

import click

IMPORTED = [
    *("object_detection", "quadrilateral_detection", "keypoint_detection"),
    *("multiclass_classification", "multilabel_classification"),
    *("scene_text_recognition", "instance_segmentation", "semantic_segmentation"),
    "depth_estimation",
]


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "output",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder to write, which is empty or not there yet.",
)
@click.option(
    "--from",
    "form",
    metavar="FORMAT",
    help="Datumaro's name of the layout, such as cvat.  [default: recognized]",
)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    type=click.Choice(IMPORTED),
    help="What to write, once for each.  [default: all that the annotations say]",
)
@click.option(
    "--python",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A Python that has datumaro.  [default: one that specc installs in its cache]",
)
@click.option("--copy", "copied", is_flag=True, help="Copy images instead of linking.")
def import_(
    source: Path,
    output: Path,
    form: str | None,
    tasks: tuple[str, ...],
    python: Path | None,
    copied: bool,
) -> int:
    """Bring a dataset from another layout into the native one, by datumaro.

    For layouts that `specc init` does not read itself: CVAT's XML, LabelMe, Mapillary,
    KITTI, WIDER face, MPII, CelebA and many more. Sets are kept; what has no
    counterpart is told and counted.

    \b
    specc import cvat-export -o traffic
    specc import faces --from wider_face --copy -o faces-native
    """
    from specc.imports.command import import_dataset

    return import_dataset(source, output, form, tasks, python, copied)
