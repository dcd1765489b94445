"""What every backbone's table says, whatever its family."""

from __future__ import annotations

from dataclasses import dataclass

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LEVELS = 5  # that every written-out backbone has; those above are added one by one


@dataclass(frozen=True, kw_only=True)
class Table:
    name: str  # in the job
    title: str  # in texts
    class_name: str  # in the emitted code
    timm: str  # timm's model of the same structure
    weights: str | None  # timm's name and tag of ImageNet weights; None: timm has none
    stem: int  # channels of the first convolution
    first: str  # its module, which meets the image's channels
    mean: tuple[float, ...] = IMAGENET_MEAN  # that the weights expect
    std: tuple[float, ...] = IMAGENET_STD
    classifier: tuple[str, ...]  # modules of timm's that no level needs
