"""The plan of test_contract.py: what its tests expect, and how its copy is made small."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import networkx as nx

from specc.conversions import way_to
from specc.cost import Summary, divisor, summarize
from specc.diagnostics import fail
from specc.graph import build_graph, prune
from specc.scope import Shape
from specc.job import Head, Job, source_of
from specc.plan_heads import HeadPlan
from specc.plan_readers import readers_of
from specc.plan_source import Line, literal, mapping
from specc.plan_split import head_of_identities
from specc.plan_train import plan_train
from specc.schema import part
from specc.tasks import task_of, templates
from specc.tasks.contract import FEW, PREDICTED, HeadContract
from specc.timm_models import is_timm

BATCH = 2  # images; of one a norm could not learn over a single cell
HELD_OUT = 0.6  # of the images, where validation has no set of its own: again odd
LEAST, AS_IN_THE_JOB = "the least that all levels allow", "as the job has them"
OF_A_SET = "a set; two processes cannot halve them"
OF_ALL = "which 3/5 are held out; two processes cannot halve these"
IDENTITIES = 11  # images where whole identities are held out: two images of most
OF_IDENTITIES = "identities, of which some are held out"
SUFFIXES = {  # of what names a set, by format
    "coco": ".json",
    "csv": ".csv",
    "voc": "/ImageSets/Main/all.txt",
    "yolo": ".yaml",
}
PIXELS = {  # by channels: shape of an image file's pixels
    1: "(height, width)",
    3: "(height, width, 3)",
    4: "(height, width, 4)",
}


@dataclass(frozen=True)
class ContractPlan:
    size: str  # of the copy's images
    size_note: str
    batch: int  # of them in a step
    small: dict[str, dict[str, str]]  # constants of the copy as source, by module
    images: int  # of each set
    images_note: str
    sets: tuple[str, ...]  # that the job names
    format: str  # template that writes the dataset
    pixels: str
    label_sections: list[str]
    given: str  # labels of an image by head
    label: str  # of the first head, and its names: of formats that hold one kind
    names: str
    polygons: bool  # whether its labels are polygons, not boxes
    things: str  # indices of its names that are things
    metadata: str  # of metadata.yaml
    apart: bool  # whether names of categories stand in files of their own
    sizes: str  # where labels need them, the names that a made image's go to
    tells: bool
    parameters: int
    shape: Shape  # of a batch of images
    predicted: Shape  # of one for `predict`
    outputs: tuple[Line, ...]  # of the model, each with the shape of a batch
    found: dict[str, dict[str, Shape]]
    state: tuple[tuple[str, Shape], ...]
    left_out: str  # a call of train.py that needs a file of weights
    environment: dict[str, str]


def plan_contract(
    job: Job, graph: nx.DiGraph, heads: tuple[HeadPlan, ...]
) -> ContractPlan:
    summary, sets, train = _smallest(job, graph), _sets(job), plan_train(job)
    compiles = {"TORCH_COMPILE_DISABLE": "1"} if job.trainer.compile else {}
    height, width = summary.resolution
    return ContractPlan(
        size=f"{height}x{width}",
        size_note=AS_IN_THE_JOB if is_timm(job.backbone.name) else LEAST,
        batch=BATCH * (job.trainer.accumulation or 1),
        small=_small(job, summary, sets),
        sets=sets,
        pixels=PIXELS[job.data.channels],
        apart=any(head.names_in_file for head in heads),
        **_shares(job, heads, split=len(sets) == 1),
        parameters=summary.parameters,
        shape=(BATCH, job.data.channels, height, width),
        predicted=(BATCH, job.data.channels, *PREDICTED),
        outputs=_outputs(job, summary, heads),
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
    source = source_of(job, job.heads[0])
    suffix = SUFFIXES.get(source.format, "")
    names = ("train",) if source.validation is None else ("train", "validation")
    return tuple(name + suffix for name in names)


def _small(
    job: Job, summary: Summary, sets: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    trainer = job.trainer
    dataset: dict[str, Any] = {"TRAIN, VALIDATION": sets}
    if len(sets) == 1:
        dataset = {"TRAIN": sets[0], "VALIDATION_SHARE": HELD_OUT}
        if job.data.group is not None:
            dataset["GROUP"] = "([^/]+)$"  # every image is alone in its group
    # A run that follows the clock is never the same twice.
    clock = {} if trainer.max_hours is None else {"MAX_HOURS": 1_000_000}
    constants = {
        "model.py": {"HEIGHT, WIDTH": summary.resolution},
        "dataset.py": dataset,
        "data.py": {"BATCH_SIZE": BATCH * (trainer.accumulation or 1)},
        "train.py": {"VALIDATIONS": 3} | clock,
    }
    small = {
        module: {name: literal(value) for name, value in values.items()}
        for module, values in constants.items()
    }
    if job.data.cache is not None:  # the job's may lie anywhere
        small["data.py"]["CACHE"] = 'Path("cache")'
    return small


def _shares(job: Job, heads: tuple[HeadPlan, ...], split: bool) -> dict[str, Any]:
    """What depends on the tasks; `split`: one set is for training and validation."""
    if len(readers_of(job, heads)) > 1:
        fail(
            "E410",
            "heads learn from different datasets, `--tests` makes one for all heads",
            help="build with --no-tests",
        )
    names = [f"net.{head.constant}" for head in heads]
    shares = [_share(*pair) for pair in zip(job.heads, names)]
    if source_of(job, job.heads[0]).format != "native":
        shares = [_listed(share) for share in shares]
    images = max(share.images for share in shares)
    sized = any("height" in share.label for share in shares)
    return {
        "format": f"{_format(job, shares[0])}.py.jinja",
        **_images(job, images, split),
        "label_sections": templates(share.sections for share in shares),
        "given": mapping((h.name, share.label) for h, share in zip(heads, shares)),
        "label": shares[0].label,
        "names": names[0],
        "polygons": shares[0].polygons,
        "things": shares[0].things,
        "metadata": _metadata(job, names, shares),
        "sizes": "height, width = " if sized else "",
        "tells": any(share.tells for share in shares),
        "found": {h.name: dict(share.found) for h, share in zip(heads, shares)},
    }


def _images(job: Job, images: int, split: bool) -> dict[str, Any]:
    """How many images a set has, and what they are in words."""
    if not split:
        return {"images": images, "images_note": OF_A_SET}
    if head_of_identities(job) is not None:
        return {"images": max(IDENTITIES, images), "images_note": OF_IDENTITIES}
    images = 3 * images if images > FEW else images
    return {"images": images, "images_note": OF_ALL}


def _format(job: Job, first: HeadContract) -> str:
    form = source_of(job, job.heads[0]).format
    return first.coco if form == "coco" else f"contract/{form}"


def _share(head: Head, names: str) -> HeadContract:
    """Raises JobError E410."""
    contract = task_of(head).contract
    if way_to(head):
        fail(
            "E410",
            f"the labels of head `{head.name}` are converted from {head.data.task},"
            " `--tests` makes labels for the tasks of heads alone",
            help="build with --no-tests",
        )
    if contract is None:
        fail(
            "E410",
            f"head `{head.name}` learns {head.task}, `--tests` has no contract for it",
            help="build with --no-tests",
        )
    return contract(head, names)


def _listed(share: HeadContract) -> HeadContract:
    """The share where a file lists labels that the native format has in files."""
    label, sections = share.listed or (share.label, share.sections)
    return replace(share, label=label, sections=sections)


def _metadata(job: Job, names: list[str], shares: list[HeadContract]) -> str:
    """The entries of metadata.yaml."""
    entries = []
    for head, own, share in zip(job.heads, names, shares):
        task, file = task_of(head), literal(f"{head.name}.yaml")
        listed = f"{literal(task.names)}: [*{own}], " if task.names else ""
        entry = f'{{"task": {literal(task.title)}, {listed}"annotations": {file}}}'
        entries.append(share.metadata or entry)
    return f"[{', '.join(entries)}]"


def _outputs(
    job: Job, summary: Summary, heads: tuple[HeadPlan, ...]
) -> tuple[Line, ...]:
    lines = []
    for head, own in zip(job.heads, heads):
        attributes = _share(head, own.constant).outputs
        output = f"outputs[{literal(head.name)}]" if len(job.heads) > 1 else "outputs"
        whole = task_of(head).output_type == "Tensor"
        for name, shape in summary.outputs[head.name].items():
            source = output if whole else f"{output}.{attributes.get(name, name)}"
            lines.append(Line(source, literal((BATCH, *shape))))
    return tuple(lines)
