"""The fields that the tables of all families of backbones share."""

from __future__ import annotations

from dataclasses import dataclass

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LEVELS = 5  # levels of a written-out backbone; higher ones are added one by one


@dataclass(frozen=True, kw_only=True)
class Table:
    name: str  # name in the job
    title: str  # name in texts
    class_name: str  # name of the emitted class
    timm: str  # timm's model of the same structure
    weights: str | None  # timm's name and tag of ImageNet weights; None: timm has none
    stem: int  # output channels of the first convolution
    first: str  # module of the first convolution, which reads the image
    mean: tuple[float, ...] = IMAGENET_MEAN  # the weights expect these statistics
    std: tuple[float, ...] = IMAGENET_STD
    classifier: tuple[str, ...]  # modules of timm's model that no level needs
