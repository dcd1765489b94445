"""The plan of test_contract.py: what its tests expect, and how its copy is made small.

A task's share is a function here, which gives a `HeadContract`, and the labels that it may
have, in `templates/contract/<task>_labels.py.jinja`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import networkx as nx

from specc.cost import Summary, divisor, summarize
from specc.graph import Shape, build_graph, prune
from specc.job import Head, Job
from specc.plan_heads import HeadPlan
from specc.plan_source import Line, literal, mapping
from specc.plan_train import plan_train
from specc.schema import part
from specc.timm_models import is_timm

BATCH = 2  # images; of one a norm could not learn over a single cell
FEW, MANY = 5, 25  # images of a set; odd, so that two processes cannot halve them
HELD_OUT = 0.6  # of the images, where validation has no set of its own: again odd
LEAST, AS_IN_THE_JOB = "the least that all levels allow", "as the job has them"
OF_A_SET = "a set; two processes cannot halve them"
OF_ALL = "which 3/5 are held out; two processes cannot halve these"
PIXELS = {  # by channels: shape of an image file's pixels
    1: "(height, width)",
    3: "(height, width, 3)",
    4: "(height, width, 4)",
}


@dataclass(frozen=True)
class HeadContract:
    """A head's share. Texts are expressions of the emitted code; in it `net` is the
    module model.py, and `number`, `height` and `width` are those of an image."""

    name: str
    names: str  # of its categories
    label: str  # of an image, in the words of native annotations
    metadata: str  # its entry in metadata.yaml
    found: dict[str, Shape]  # what `predict` finds in an image
    images: int = FEW  # of a set, so that metrics tell right from wrong
    tells: bool = True  # whether so many are enough


@dataclass(frozen=True)
class ContractPlan:
    size: str  # of the copy's images
    size_note: str
    batch: int  # of them in a step
    small: dict[str, dict[str, Any]]  # constants of the copy, by file
    images: int  # of each set
    images_note: str
    sets: tuple[str, ...]  # that the job names
    format: str  # template that writes the dataset
    pixels: str
    labels: tuple[str, ...]  # templates, one a task
    heads: tuple[HeadContract, ...]
    only: HeadContract  # of formats that hold one kind of label
    given: str  # labels of an image by head
    metadata: str  # of metadata.yaml
    apart: bool  # whether names of categories stand in files of their own
    sizes: str  # where labels need them, the names that a made image's go to
    tells: bool
    parameters: int
    shape: Shape  # of a batch of images
    outputs: tuple[Line, ...]  # of the model, each with the shape of a batch
    found: dict[str, dict[str, Shape]]
    state: tuple[tuple[str, Shape], ...]
    left_out: str  # a call of train.py that needs a file of weights
    environment: dict[str, str]


def plan_contract(
    job: Job, graph: nx.DiGraph, heads: tuple[HeadPlan, ...]
) -> ContractPlan:
    summary = _smallest(job, graph)
    shares = tuple(_TASKS[h.task](h, head) for h, head in zip(heads, job.heads))
    images, sets = max(share.images for share in shares), _sets(job)
    whole, train = len(sets) == 1 and images > FEW, plan_train(job)
    sized = any("height" in share.label for share in shares)
    compiles = {"TORCH_COMPILE_DISABLE": "1"} if job.trainer.compile else {}
    height, width = summary.resolution
    return ContractPlan(
        size=f"{height}x{width}",
        size_note=AS_IN_THE_JOB if is_timm(job.backbone.name) else LEAST,
        batch=BATCH * (job.trainer.accumulation or 1),
        small=_small(job, summary, sets),
        images=3 * images if whole else images,
        images_note=OF_A_SET if len(sets) > 1 else OF_ALL,
        sets=sets,
        format=f"contract/{job.data.format}.py.jinja",
        pixels=PIXELS[job.data.channels],
        labels=tuple(
            f"contract/{task}_labels.py.jinja"
            for task in dict.fromkeys(head.task for head in heads)
        ),
        heads=shares,
        only=shares[0],
        given=mapping((share.name, share.label) for share in shares),
        metadata=f"[{', '.join(share.metadata for share in shares)}]",
        apart=any(head.categories_in_file for head in heads),
        sizes="height, width = " if sized else "",
        tells=any(share.tells for share in shares),
        parameters=summary.parameters,
        shape=(BATCH, job.data.channels, height, width),
        outputs=_outputs(summary, heads),
        found={share.name: share.found for share in shares},
        state=tuple(summary.state.items()),
        left_out=train["initialize"] if train["initializes"] else "",
        environment={"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""} | compiles,
    )


def _smallest(job: Job, graph: nx.DiGraph) -> Summary:
    """The job at the least resolution that the schema allows and all its levels.

    A model of timm keeps the resolution that it was asked about.
    """
    if is_timm(job.backbone.name):
        return summarize(job, graph)
    live = prune(graph)
    least = part("data")["properties"]["resolution"]["items"]["minimum"]
    side = max(least, divisor(live), 2 ** max(node.level for node in live))
    small = replace(job, data=replace(job.data, resolution=(side, side)))
    return summarize(small, build_graph(small))


def _sets(job: Job) -> tuple[str, ...]:
    suffix = ".json" if job.data.format == "coco" else ""
    names = ("train",) if job.data.validation is None else ("train", "validation")
    return tuple(name + suffix for name in names)


def _small(
    job: Job, summary: Summary, sets: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    trainer = job.trainer
    dataset = {"TRAIN, VALIDATION": sets}
    if len(sets) == 1:
        dataset = {"TRAIN": sets[0], "VALIDATION_SHARE": HELD_OUT}
    # A run that follows the clock is never the same twice.
    clock = {} if trainer.max_hours is None else {"MAX_HOURS": 1_000_000}
    return {
        "model.py": {"HEIGHT, WIDTH": summary.resolution},
        "dataset.py": dataset,
        "data.py": {"BATCH_SIZE": BATCH * (trainer.accumulation or 1)},
        "train.py": {"VALIDATIONS": 3} | clock,
    }


def _outputs(summary: Summary, heads: tuple[HeadPlan, ...]) -> tuple[Line, ...]:
    lines = []
    for head in heads:
        output = f"outputs[{literal(head.name)}]" if len(heads) > 1 else "outputs"
        for name, shape in summary.outputs[head.name].items():
            source = output if head.output_type == "Tensor" else f"{output}.{name}"
            lines.append(Line(source, literal((BATCH, *shape))))
    return tuple(lines)


# ---- Tasks ----


def _object_detection(plan: HeadPlan, head: Head) -> HeadContract:
    names, most = f"net.{plan.constant}", head.max_detections
    return HeadContract(
        **_named(plan, names),
        label=f"some_objects(number, {names}, height, width)",
        found={
            "boxes": (most, 4),
            "scores": (most,),
            "classes": (most,),
            "count": (),
        },
    )


def _multiclass_classification(plan: HeadPlan, head: Head) -> HeadContract:
    names, count = f"net.{plan.constant}", len(head.categories)
    # With more categories than images a model may well be always wrong.
    tells = 1 < count < MANY
    return HeadContract(
        **_named(plan, names),
        label=f"some_category(number, {names})",
        found={"probabilities": (count,), "category": ()},
        images=MANY if tells else FEW,
        tells=tells,
    )


def _named(plan: HeadPlan, names: str) -> dict[str, str]:
    """What heads with categories have in common."""
    entry = f'"categories": [*{names}], "annotations": {literal(plan.name + ".yaml")}'
    metadata = f'{{"task": {literal(plan.native_task)}, {entry}}}'
    return {"name": plan.name, "names": names, "metadata": metadata}


_TASKS: dict[str, Callable[[HeadPlan, Head], HeadContract]] = {
    "object_detection": _object_detection,
    "multiclass_classification": _multiclass_classification,
}
