"""What a task brings to test_contract.py, the tests that `specc build --tests` emits.

Texts are expressions of the emitted code; in it `net` is the module model.py, and
`number`, `height` and `width` are those of an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from specc.job import Head
from specc.source import literal

Shape = tuple[int, ...]

FEW, MANY = 5, 25  # images of a set; odd, so that two processes cannot halve them
PREDICTED = 70, 110  # height and width of the images that `predict` is tested with


@dataclass(frozen=True)
class HeadContract:
    """What a head promises."""

    found: Mapping[str, Shape]  # what `predict` finds in an image of size PREDICTED
    cells: Mapping[str, Shape] = field(
        default_factory=dict
    )  # more that it finds where some head wants to know cells
    kept: tuple[str, ...] = ()  # outputs of the model that it returns as they are
    pictures: tuple[str, ...] = ()  # outputs that it returns at the image's own size
    outputs: Mapping[str, str] = field(
        default_factory=dict
    )  # attributes, if unlike names
    images: int = FEW  # FEW or MANY: so that its metrics tell right from wrong
    tells: bool = True  # whether they do: some metric is neither 0 nor 1


@dataclass(frozen=True)
class Annotations:
    """How annotations for a task are made: any legal ones."""

    label: str  # of an image, in the words of native annotations
    coco: str = "contract/coco"  # template that writes the dataset in this format
    listed: str = ""  # the label in other formats than the native one, if unlike it
    names: str = ""  # in the annotations, if they are not those of the head
    category: str = ""  # of all instances, if the names are of their keypoints
    corners: str = ""  # of an `item`, where YOLO's labels are polygons, not boxes
    things: str = ""  # a list of the names that are things, if the task tells them
    whole: bool = True  # whether they tell all that annotations for the task could
    entry: Mapping[str, str] = field(
        default_factory=dict
    )  # in metadata.yaml: what is unlike the task, its names and a file of annotations


def colors_of(head: Head, names: str) -> str:
    """The colors of names in maps: the job's, where the head has some."""
    if hasattr(head, "colors"):
        return f"colors_of({literal(head.name)})"
    return f"some_colors({names})"
