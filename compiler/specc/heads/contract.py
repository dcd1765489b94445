"""The records of a task for test_contract.py, the tests that `specc build --tests`
emits.

Texts are expressions of the emitted code; in it `net` is the module model.py, and
`number`, `height` and `width` are the index and the size of an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from specc.job import Head
from specc.source import literal

Shape = tuple[int, ...]

FEW, MANY = 5, 25  # images of a set; odd, so that two processes get unequal shares
PREDICTED = 70, 110  # height and width of the images that `predict` is tested with


@dataclass(frozen=True)
class HeadContract:
    """The shapes and properties of results that a head promises."""

    # Shapes of the results of `predict` for an image of size PREDICTED.
    found: Mapping[str, Shape]
    # Further results where a head of the job asks for the points of objects.
    points: Mapping[str, Shape] = field(default_factory=dict)
    kept: tuple[str, ...] = ()  # outputs of the model that `predict` returns unchanged
    masks: bool = False  # whether `predict` returns a mask of each object that it found
    pictures: tuple[str, ...] = ()  # outputs that `predict` resizes to the image
    # Output -> attribute of the model's outputs, if it differs from the name.
    outputs: Mapping[str, str] = field(default_factory=dict)
    images: int = FEW  # FEW or MANY, enough for metrics of an untrained head
    tells: bool = True  # whether some metric of an untrained head is neither 0 nor 1


@dataclass(frozen=True)
class Annotations:
    """Expressions that make legal annotations for a task."""

    label: str  # label of an image, as in native annotations
    coco: str = "contract/coco"  # template that writes the dataset as COCO
    listed: str = ""  # label in other formats, if it differs from the native one
    mapped: str = ""  # writes the map of an image to `place`, in the format maps
    names: str = ""  # names in the annotations, if they are not the head's
    category: str = ""  # category of all instances, where names are of keypoints
    corners: str = ""  # polygon of an `item`, where YOLO's labels are no boxes
    things: str = ""  # list of the names that are things, in panoptic tasks
    whole: bool = True  # whether labels use all that annotations for the task can say
    # Further keys of the entry in metadata.yaml.
    entry: Mapping[str, str] = field(default_factory=dict)


def colors_of(head: Head, names: str) -> str:
    """Returns the expression of the names' colors in maps: the job's, if the head has
    any."""
    if hasattr(head, "colors"):
        return f"colors_of({literal(head.name)})"
    return f"some_colors({names})"
