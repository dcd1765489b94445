"""The backbone's part of the plan: what all families share, and who plans each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from specc.backbones import table_of
from specc.backbones.resnet import ResNet
from specc.cost import Summary
from specc.job import Job
from specc.plan_maps import maps_type, span
from specc.plan_resnet import plan_resnet
from specc.plan_source import Line
from specc.plan_timm import plan_timm
from specc.timm_models import TimmModel

IMAGENET_CHANNELS = 3
FAMILIES = {  # type of the table -> what only its template says
    ResNet: plan_resnet,
    TimmModel: plan_timm,
}


@dataclass(frozen=True)
class BackbonePlan:
    template: str
    class_name: str  # ResNet18
    made: str  # levels as text: 1..5
    layers: tuple[Line, ...]
    steps: tuple[Line, ...]
    returned: tuple[str, ...]  # c3, c4, c5
    returns: str
    returns_type: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    family: dict[str, Any]  # what the templates of the family ask for besides


def plan_backbone(job: Job, summary: Summary) -> BackbonePlan:
    image = (job.data.channels, *job.data.resolution)
    table = table_of(job.backbone.name, image)
    returned = tuple(f"c{level}" for level in summary.backbone_returned)
    return BackbonePlan(
        made=span(summary.backbone_levels),
        returned=returned,
        returns=", ".join(returned),
        returns_type=maps_type(returned),
        mean=_of_channels(table.mean, job.data.channels),
        std=_of_channels(table.std, job.data.channels),
        **FAMILIES[type(table)](table, summary),
    )


def _of_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Per channel of the image: for grey ones the mean over the colors."""
    if channels == IMAGENET_CHANNELS:
        return values
    return (round(sum(values) / len(values), 3),) * channels
