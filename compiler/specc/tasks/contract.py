"""What a task brings to test_contract.py, the tests that `specc build --tests` emits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Shape = tuple[int, ...]

FEW, MANY = 5, 25  # images of a set; odd, so that two processes cannot halve them
PREDICTED = 70, 110  # height and width of the images that `predict` is tested with


@dataclass(frozen=True)
class HeadContract:
    """One head's share. Texts are expressions of the emitted code; in it `net` is the
    module model.py, and `number`, `height` and `width` are those of an image."""

    label: str  # of an image, in the words of native annotations; any legal one
    found: Mapping[str, Shape]  # what `predict` finds in an image of size PREDICTED
    sections: tuple[str, ...]  # templates of the functions that `label` calls
    outputs: Mapping[str, str] = field(
        default_factory=dict
    )  # attributes, if unlike names
    coco: str = "contract/coco"  # template that writes the dataset in this format
    listed: tuple[str, tuple[str, ...]] | None = (
        None  # label and sections in other formats than the native one, if unlike these
    )
    polygons: bool = False  # whether the labels of these are polygons, not boxes
    things: str = ""  # indices of categories that are things, if it has some
    metadata: str = (
        ""  # its entry in metadata.yaml; "": its task, names and annotations
    )
    images: int = FEW  # FEW or MANY: so that its metrics tell right from wrong
    tells: bool = True  # whether they do: some metric is neither 0 nor 1
