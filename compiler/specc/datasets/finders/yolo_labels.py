"""Files of labels of YOLO: where those of images are, and the tasks that they serve."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specc.datasets.files import Unplaced, entries, loose, read_text
from specc.datasets.finders.yolo_poses import keypoints
from specc.datasets.parts import reader
from specc.words import number_of

LOOKED_AT = 200  # most files of labels that are read to find their task


@dataclass(frozen=True)
class Labels:
    """The folder of a set's labels, and whether YOLO looks for them there."""

    folder: Path
    usual: bool


def without_labels(path: Path, images: tuple[Path, ...], first: Path) -> Unplaced:
    what = (
        f"none of {number_of(len(images), 'image')} has a label, looked for as {first}"
    )
    help = "bring the files of labels there"
    for other in entries(first.parent):
        if loose(other.name.split(".")[0]) == loose(first.stem):
            help = f"rename {other.name} to {first.name}, and the others so"
            break
    return Unplaced(f"{path}: {what}", help)


def lines_of(path: Path) -> list[str]:
    """Returns the lines of a file of labels that are not empty; none without a file."""
    lines = read_text(path).splitlines() if os.path.exists(path) else []
    return [line for line in lines if line.strip()]


def files_of(
    folder: Path, images: tuple[Path, ...], labels: Labels | None
) -> Iterator[Path]:
    """Yields the file of labels of each image, in a folder."""
    for image in images:
        if labels is None or labels.usual:
            yield reader().labels_path(image)
        else:
            yield labels.folder / image.relative_to(folder).with_suffix(".txt")


def tasks_of_labels(
    path: Path,
    images: tuple[Path, ...],
    entry: dict,
    categories: list[str],
    labels: Labels | None = None,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the tasks of YOLO's labels, with options. Polygons, which are masks too,
    have more than four numbers; where all have four corners, they may be
    quadrilaterals."""
    yield "object_detection", {"categories": categories}
    if entry.get("kpt_shape") is not None:
        yield "keypoint_detection", keypoints(path, entry)
        return  # lines with keypoints hold no polygons
    files = files_of(path, images[:LOOKED_AT], labels)
    numbers = [len(line.split()) - 1 for file in files for line in lines_of(file)]
    if not numbers or numbers[0] <= 4:
        return
    yield "instance_segmentation", {"categories": categories}
    if set(numbers) == {8}:
        yield "quadrilateral_detection", {"categories": categories}
