"""The backbone's part of the plan: fields that all families share; their modules add
more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from specc.backbones import plan, table_of
from specc.graph.cost import Summary
from specc.job import Job
from specc.source import Line, maps_type, span

IMAGENET_CHANNELS = 3
_ADAPTED = {  # channels -> expression of the adapted first filters, comment
    1: (
        "state[first].sum(1, keepdim=True)",
        "A gray image stands for three equal channels.",
    ),
    4: (
        "state[first].repeat(1, 2, 1, 1)[:, :4] * (3 / 4)",
        "As timm does: the fourth band starts with the filters of red.",
    ),
}


@dataclass(frozen=True)
class BackbonePlan:
    template: str
    class_name: str  # such as ResNet18
    made: str  # levels as text: 1..5
    layers: tuple[Line, ...]
    steps: tuple[Line, ...]
    returned: tuple[str, ...]  # names of maps, such as c3, c4, c5
    returns: str
    returns_type: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    extra: bool  # whether it has levels above those of timm's model, named `down`
    frozen: str  # frozen levels as text; empty without any
    frozen_modules: str  # such as self.conv1, self.bn1
    left_out: tuple[str, ...]  # modules that only timm's whole model has
    first: str  # key of the filters that read the image
    adapted: str  # expression of filters for the job's channels; empty if they fit
    adapted_note: str
    family: dict[str, Any]  # further variables for the templates of the family

    @property
    def but_extra(self) -> str:
        """The condition on the name of a tensor that timm's weights should have."""
        return ' and not k.startswith("down")' * self.extra

    @property
    def extra_note(self) -> str:
        return "\n\n    Levels above those of timm's start anew.\n    " * self.extra


def plan_backbone(job: Job, summary: Summary) -> BackbonePlan:
    image = (job.data.channels, *job.data.resolution)
    table = table_of(job.backbone.name, image)
    said = plan(table, summary)
    adapted, adapted_note = _ADAPTED.get(job.data.channels, ("", ""))
    returned = tuple(f"c{level}" for level in summary.backbone_returned)
    return BackbonePlan(
        made=span(summary.backbone_levels),
        returned=returned,
        extra=any(line.name.startswith("down") for line in said["layers"]),
        returns=", ".join(returned),
        returns_type=maps_type(returned),
        mean=_of_channels(table.mean, job.data.channels),
        std=_of_channels(table.std, job.data.channels),
        adapted=adapted,
        adapted_note=adapted_note,
        **_frozen(job, said.pop("modules")),
        **said,
    )


def _frozen(job: Job, modules: dict[int, list[str]]) -> dict[str, str]:
    """Returns the frozen levels and the modules that make them."""
    frozen = tuple(k for k in sorted(modules) if k <= job.backbone.frozen_levels)
    names = [f"self.{module}" for k in frozen for module in modules[k]]
    return {
        "frozen": span(frozen) if frozen else "",
        "frozen_modules": ", ".join(names) + "," * (len(names) == 1),
    }


def _of_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Returns a value for each channel of the image: for one that is no color, the
    mean."""
    mean = round(sum(values) / len(values), 3)
    colors = values if channels >= IMAGENET_CHANNELS else ()
    return colors + (mean,) * (channels - len(colors))
