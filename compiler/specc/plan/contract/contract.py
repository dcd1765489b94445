"""The plan of test_contract.py: what the tests expect, and how their copy is made
small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import networkx as nx

from specc.graph.cost import Summary, divisor, summarize
from specc.graph.levels import build_graph, prune
from specc.heads import tasks_of
from specc.heads.contract import FEW, PREDICTED
from specc.heads.task import Task
from specc.job import Head, Job
from specc.language.schema import part
from specc.plan.contract.data import (
    MadeDataset,
    made_places,
    parts_of,
    places_of,
    places_of_maps,
    plan_datasets,
    sets_of,
)
from specc.plan.heads import HeadPlan
from specc.plan.readers import Reader, readers_of
from specc.plan.split import head_of_identities
from specc.plan.train import plan_train
from specc.scope import Shape
from specc.source import Line, literal
from specc.timm.models import is_timm

BATCH = 2  # images of a batch; batch norm cannot train on one image of a single cell
ITERATIONS = 6  # number of steps of a run of the copy
HELD_OUT = 0.6  # share of images held out for validation; their number is odd again
LEAST, AS_IN_THE_JOB = "the least that all levels allow", "as the job has them"
OF_A_SET = "a set; two processes cannot halve them"
OF_SETS = "a set, and one more of the last: two processes cannot halve all"
OF_PARTS = "a set, of which 3/5 are held out where there is no other"
OF_PARTS_AND_SETS = "a set, one more of the last: an odd number is for validation"
OF_ALL = "which 3/5 are held out; two processes cannot halve these"
IDENTITIES = 11  # images of a set where whole identities are held out
OF_IDENTITIES = "identities, of which some are held out"
PIXELS = {  # channels -> shape of an image file's pixels
    1: "(height, width)",
    3: "(height, width, 3)",
    4: "(height, width, 4)",
}


@dataclass(frozen=True)
class ContractPlan:
    size: str  # size of the copy's images, as text
    size_note: str
    batch: int  # number of images in a step
    iterations: int  # number of steps of a run
    small: dict[str, dict[str, str]]  # module -> constants of the copy as source
    images: int  # number of images of each set
    images_note: str
    datasets: tuple[MadeDataset, ...]
    pixels: str
    apart: bool  # whether names of categories are in files of their own
    tells: bool
    parameters: int
    shape: Shape  # shape of a batch of images
    predicted: Shape  # shape of a batch for `predict`
    outputs: tuple[Line, ...]  # outputs of the model -> shapes for a batch
    found: dict[str, dict[str, Shape]]
    masked: tuple[str, ...]  # heads whose results have a mask of each object found
    state: tuple[tuple[str, Shape], ...]
    left_out: str  # call of train.py that needs a file of weights
    environment: dict[str, str]


def contract_in_steps(
    step: Callable, job: Job, graph: nx.DiGraph, heads: tuple[HeadPlan, ...]
) -> ContractPlan:
    """Returns the plan of the tests. `step` runs a function of what follows it."""
    least = step(smallest, job, graph)
    return step(plan_contract, job, heads, least, step(predicting, job, least))


def plan_contract(
    job: Job, heads: tuple[HeadPlan, ...], summary: Summary, seen: Summary
) -> ContractPlan:
    """Returns the plan of the tests. `summary` is that of the smallest copy, `seen` that
    of `predict`."""
    train, readers = plan_train(job), readers_of(job, heads)
    compiles = {"TORCH_COMPILE_DISABLE": "1"} if job.trainer.compile else {}
    height, width = summary.resolution
    datasets = plan_datasets(job, readers)
    return ContractPlan(
        size=f"{height}x{width}",
        size_note=AS_IN_THE_JOB if is_timm(job.backbone.name) else LEAST,
        batch=BATCH * (job.trainer.accumulation or 1),
        iterations=ITERATIONS,
        small=_small(job, summary, readers),
        **_images(job, readers),
        datasets=datasets,
        pixels=PIXELS[job.data.channels],
        apart=any(head.names_in_file for head in heads),
        # Held-out identities are few: each of their images may find its like, or none.
        tells=head_of_identities(job) is None
        and any(task.contract(head).tells for head, task in _tasks(job)),
        parameters=summary.parameters,
        shape=(BATCH, job.data.channels, height, width),
        predicted=(BATCH, job.data.channels, *PREDICTED),
        outputs=_outputs(job, summary),
        found=_found(job, seen),
        masked=tuple(h.name for h, task in _tasks(job) if task.contract(h).masks),
        state=tuple(summary.state.items()),
        left_out=train["initialize"] if train["initializes"] else "",
        environment={"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""} | compiles,
    )


def _tasks(job: Job) -> Iterator[tuple[Head, Task]]:
    return zip(job.heads, tasks_of(job))


def smallest(job: Job, graph: nx.DiGraph) -> Summary:
    """Returns the summary of the job at the least resolution for schema and levels.

    A model of timm keeps the resolution of the job.
    """
    if is_timm(job.backbone.name):
        return summarize(job, graph)
    live = prune(graph)
    least = part("data")["properties"]["resolution"]["items"]["minimum"]
    side = max(least, divisor(live), 2 ** max(node.level for node in live))
    small = replace(job, data=replace(job.data, resolution=(side, side)))
    return summarize(small, build_graph(small))


def _small(
    job: Job, summary: Summary, readers: tuple[Reader, ...]
) -> dict[str, dict[str, str]]:
    trainer = job.trainer
    # Two runs with a time limit are never equal, so make the limit too long to matter.
    clock = {} if trainer.max_hours is None else {"MAX_HOURS": 1_000_000}
    constants = {
        "model.py": {"HEIGHT, WIDTH": summary.resolution},
        "dataset.py": _small_datasets(job, readers),
        "data.py": {"BATCH_SIZE": BATCH * (trainer.accumulation or 1)},
        "train.py": {"MAX_ITERATIONS": ITERATIONS, "VALIDATIONS": 3} | clock,
    }
    small = {
        module: {name: literal(value) for name, value in values.items()}
        for module, values in constants.items()
    }
    if job.data.cache is not None:  # the job's cache may be any folder
        small["data.py"]["CACHE"] = 'Path("cache")'
    return small


def _small_datasets(job: Job, readers: tuple[Reader, ...]) -> dict[str, Any]:
    """Returns the constants of dataset.py that name the sets of a copy."""
    constants: dict[str, Any] = {}
    for reader in readers:
        sets = sets_of(reader)
        for names, folders in reader.table.places:  # images are named from the root
            one = isinstance(folders, str)
            constants[names] = "." if one else tuple("." for _ in folders)
        constants |= parts_of(reader)
        if reader.validation:
            constants[f"{reader.prefix}TRAIN, {reader.prefix}VALIDATION"] = sets
        else:
            constants |= {
                f"{reader.prefix}TRAIN": sets[0],
                "VALIDATION_SHARE": HELD_OUT,
            }
        if places := reader.coco_places:
            made = made_places(reader)
            constants[", ".join(places)] = made if made[1:] else made[0]
        constants |= places_of(reader)
        constants |= places_of_maps(reader)
    if job.data.group is not None:
        constants["GROUP"] = "([^/]+)$"  # one group for each image
    return constants


def _images(job: Job, readers: tuple[Reader, ...]) -> dict[str, Any]:
    """Returns how many images a set has, and a comment on this number."""
    images = max(task.contract(head).images for head, task in _tasks(job))
    even = len(readers) % 2 == 0
    if all(reader.validation for reader in readers):
        return {"images": images, "images_note": OF_SETS if even else OF_A_SET}
    if head_of_identities(job) is not None:
        return {"images": max(IDENTITIES, images), "images_note": OF_IDENTITIES}
    images = 3 * images if images > FEW else images
    several = OF_PARTS_AND_SETS if even else OF_PARTS
    return {"images": images, "images_note": several if readers[1:] else OF_ALL}


def _found(job: Job, seen: Summary) -> dict[str, dict[str, Shape]]:
    """Returns head -> shapes of the results of `predict` for an image."""
    found = {}
    wanted = any(task.points_wanted for task in tasks_of(job))
    for head, task in _tasks(job):
        contract, outputs = task.contract(head), seen.outputs[head.name]
        found[head.name] = {
            **contract.found,
            **(contract.points if wanted else {}),
            **{name: (outputs[name][0], *PREDICTED) for name in contract.pictures},
            **{name: outputs[name] for name in contract.kept},
        }
    return found


def predicting(job: Job, summary: Summary) -> Summary:
    """Returns the summary of the model for an image of size PREDICTED in `predict`;
    `summary` is that of the smallest copy."""
    if job.backbone.resize_input:
        return summary
    height, width = (side + -side % summary.divisor for side in PREDICTED)
    padded = replace(job, data=replace(job.data, resolution=(height, width)))
    return summarize(padded, build_graph(padded))


def _outputs(job: Job, summary: Summary) -> tuple[Line, ...]:
    lines = []
    for head, task in _tasks(job):
        attributes = task.contract(head).outputs
        output = f"outputs[{literal(head.name)}]" if len(job.heads) > 1 else "outputs"
        whole = task.output_type == "Tensor"
        for name, shape in summary.outputs[head.name].items():
            source = output if whole else f"{output}.{attributes.get(name, name)}"
            lines.append(Line(source, literal((BATCH, *shape))))
    return tuple(lines)
