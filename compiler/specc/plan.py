"""What the templates say, as plain values: names, shapes, constants, leaf expressions.

Every decision is taken here, so that the templates only loop and test booleans. Strings
of the job stay values (the `py` filter writes them); the expressions built here are made
of names that specc chose and numbers, never of such strings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import networkx as nx

from specc.cost import Summary, summarize
from specc.job import Job
from specc.plan_data import plan_data
from specc.plan_heads import HeadPlan, plan_heads
from specc.plan_model import BackbonePlan, NeckPlan, plan_backbone, plan_neck
from specc.plan_text import cost_line, level_table, markdown_rows, title_of
from specc.plan_train import plan_train


@dataclass(frozen=True)
class Plan:
    """One job's page. ``values`` holds what `data`, `train` and the texts need."""

    name: str
    model_class: str
    several: bool  # heads, and so a dictionary of outputs
    backbone: BackbonePlan
    neck: NeckPlan | None
    heads: tuple[HeadPlan, ...]
    values: dict[str, Any]

    def context(self) -> dict[str, Any]:
        """The variables of the templates."""
        own = {
            f.name: getattr(self, f.name) for f in fields(self) if f.name != "values"
        }
        return own | self.values


def plan(job: Job, graph: nx.DiGraph) -> Plan:
    """The page of a job whose graph passed all checks."""
    summary = summarize(job, graph)
    neck = plan_neck(job, summary)
    backbone = plan_backbone(job, summary)
    heads = plan_heads(job, summary, neck)
    several = len(heads) > 1
    values = {
        **_texts(job, summary),
        **_model_values(job, heads, summary, backbone, neck),
        **plan_data(job, heads),
        **plan_train(job),
    }
    return Plan(job.name, _model_class(heads), several, backbone, neck, heads, values)


def _texts(job: Job, summary: Summary) -> dict[str, Any]:
    return {
        "title": title_of(job),
        "table": level_table(summary),
        "readme_rows": markdown_rows(summary),
        "cost": cost_line(summary),
        "output": f"runs/{job.name}",
        "requirements": _requirements(job),
    }


def _model_values(
    job: Job,
    heads: tuple[HeadPlan, ...],
    summary: Summary,
    backbone: BackbonePlan,
    neck: NeckPlan | None,
) -> dict[str, Any]:
    detectors = tuple(head for head in heads if head.detects)
    classifiers = tuple(head for head in heads if head.classifies)
    tasks = tuple(dict.fromkeys(head.task for head in heads))
    several, whole = len(heads) > 1, job.backbone.resize_input
    mean, std = backbone.mean, backbone.std
    return {
        "detectors": detectors,
        "classifiers": classifiers,
        "boxes": bool(detectors),
        "classifies": bool(classifiers),
        "head_sections": [f"heads/{task}.py.jinja" for task in tasks],
        "loss_sections": [f"losses/{task}.py.jinja" for task in tasks],
        "decode_sections": [f"decoders/{task}.py.jinja" for task in tasks],
        "height": summary.resolution[0],
        "width": summary.resolution[1],
        "size_note": f"{'' if whole else 'training '}images are letterboxed to this size",
        "resize_input": whole,
        "divisor": summary.divisor,
        "channels": job.data.channels,
        "mean": mean,
        "std": std,
        "pad": tuple(round(255 * value) for value in mean),
        "returns_type": "dict" if several else heads[0].output_type,
        "returns": "each head's output by its name" if several else heads[0].returns,
        "forward_lines": _forward(backbone, neck, several),
        "weighted": any(head.loss_weight != 1 for head in heads),
        "loss_weights": {head.name: head.loss_weight for head in heads},
        "weighted_value": _weighted(heads),
        "decoded": _mapping((head.name, head.decode) for head in heads),
        "placed_labels": _placed(heads, bool(detectors)),
        "in_own_pixels": "in their own pixels" if detectors else "of any size",
        "times_ratio": " * ratio.to(images.device)" if whole else "",
    }


def _weighted(heads: tuple[HeadPlan, ...]) -> str:
    if all(head.loss_weight == 1 for head in heads):
        return "value"
    if len(heads) > 1:
        return "weights[head] * value"
    return f"{heads[0].loss_weight!r} * value"


def _mapping(items: Iterable[tuple[str, str]]) -> str:
    """A dictionary's source from names of heads (safe by the schema) and expressions."""
    return "{" + ", ".join(f"{name!r}: {value}" for name, value in items) + "}"


def _placed(heads: tuple[HeadPlan, ...], positions: bool) -> str:
    if not positions:
        return "sample.labels"
    return _mapping((head.name, head.place) for head in heads)


def _model_class(heads: tuple[HeadPlan, ...]) -> str:
    return heads[0].model_class if len(heads) == 1 else "Network"


def _forward(backbone: BackbonePlan, neck: NeckPlan | None, several: bool) -> list[str]:
    """The model's graph: one line for one head, else a line for each component."""
    if several:
        lines = [f"{', '.join(backbone.returned)} = self.backbone(images)"]
        if neck:
            read = ", ".join(neck.inputs)
            lines.append(f"{', '.join(neck.returned)} = self.neck({read})")
        return lines
    maps = f"{backbone.star}self.backbone(images)"
    if neck:
        maps = f"{neck.star}self.neck({maps})"
    return [f"return self.head({maps})"]


def _requirements(job: Job) -> list[str]:
    wanted = ["matplotlib", "numpy", "opencv-python-headless", "pillow"]
    wanted += ["tensorboard", "torch>=2.4", "tqdm"]
    if job.data.format == "native":
        wanted.append("PyYAML")
    if any(head.task == "object_detection" for head in job.heads):
        wanted.append("faster-coco-eval")
    return sorted(wanted, key=str.lower)
