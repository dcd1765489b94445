"""The plan of a job, plain values for the templates: names, shapes, constants, leaf
expressions.

Every decision is taken here, so that the templates only loop and test booleans. Strings
of the job stay values (the `py` filter writes them); the expressions built here are
made of names that specc chose and numbers, never of such strings.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import networkx as nx

from specc.graph.cost import Summary, summarize
from specc.graph.diagram import mermaid
from specc.heads import constants_of, formats_ignoring, once, task_of, tasks_of
from specc.job import Job, source_of
from specc.plan.backbone import BackbonePlan, plan_backbone
from specc.plan.contract.contract import ContractPlan, contract_in_steps
from specc.plan.data import (
    data_constants,
    draw_constants,
    evaluate_constants,
    plan_data,
)
from specc.plan.dataset import (
    dataset_constants,
    plan_dataset,
    reads_yaml,
)
from specc.plan.export import plan_export
from specc.plan.extras import PLAIN, RUNTIME, Extras
from specc.plan.heads import HeadPlan, is_partial, plan_heads, plan_partial
from specc.plan.neck import NeckPlan, plan_neck
from specc.plan.places import Places
from specc.plan.resolved import as_job
from specc.plan.titles import cost_line, level_table, needs_of, title_of
from specc.plan.train import plan_train, train_constants
from specc.source import Line, constant, literal, mapping, parameter, star
from specc.timm.models import is_timm

TITLE_COLUMNS = 84  # most columns of a docstring's first line, without quotes


@dataclass(frozen=True)
class Plan:
    """One job's page. ``values`` holds what the other modules and the texts need;
    ``constants`` the settings at the head of each module, by path."""

    name: str
    model_class: str
    backbone: BackbonePlan
    neck: NeckPlan | None
    heads: tuple[HeadPlan, ...]
    constants: dict[str, tuple[Line, ...]]
    values: dict[str, Any]
    resolved: dict[str, Any]  # the job with every default, in the job language
    contract: ContractPlan | None  # plan of test_contract.py; None: no tests
    package: str  # name of the folder as a package; empty: scripts run by path

    def context(self) -> dict[str, Any]:
        """Returns the variables of the templates."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        del own["values"], own["constants"], own["resolved"]
        return own | self.values


def directly(function: Callable, *arguments: Any) -> Any:
    """Runs a step of the plan."""
    return function(*arguments)


def plan(
    job: Job,
    graph: nx.DiGraph,
    extras: Extras = PLAIN,
    summary: Summary | None = None,
    step: Callable = directly,
) -> Plan:
    """Returns the plan of a job whose graph passed all checks.

    `summary` is that of the graph, where the caller has it. `step` runs each step, a
    function of these values and of what earlier steps returned.
    """
    summary = summary or summarize(job, graph)
    neck = step(plan_neck, job, summary)
    backbone = step(plan_backbone, job, summary)
    heads = step(plan_heads, job, summary, neck)
    constants = {
        "model.py": step(_model_constants, job, summary, backbone, neck, heads),
        "dataset.py": step(dataset_constants, job, heads),
        "data.py": step(data_constants, job),
        "evaluate.py": step(evaluate_constants, job, heads),
        "draw.py": step(draw_constants, job),
        "train.py": step(train_constants, job, summary, backbone),
        RUNTIME: step(constants_of, job, RUNTIME),
    }
    values = {
        **step(_texts, job, heads),
        **step(_figures, summary),
        **step(_pictures, graph),
        **_commands(extras.package, job.data.cache is not None),
        **step(_model_values, job, summary, heads, backbone, neck),
        **step(_head_values, job, heads),
        **step(plan_dataset, job, heads),
        **step(plan_data, job, heads),
        **step(plan_train, job),
        **step(plan_export, job, summary, heads),
    }
    if extras.tests:
        values["requirements"] = sorted(
            [*values["requirements"], "pytest"], key=str.lower
        )
    model_class = task_of(job.heads[0]).model_class if len(heads) == 1 else "Network"
    return Plan(
        job.name,
        model_class,
        backbone,
        neck,
        heads,
        constants,
        values,
        step(as_job, job),
        contract_in_steps(step, job, graph, heads) if extras.tests else None,
        extras.package,
    )


def _commands(package: str, caches: bool) -> dict[str, Any]:
    """How scripts are launched, and from where: by their paths, or by `python -m`."""
    names = ("train", "evaluate", "predict", "measure", "export")
    paths = {
        name: f"-m {package}.{name}" if package else f"{name}.py" for name in names
    }
    several = f"torchrun --nproc_per_node 8 {paths['train']} --data ROOT      "
    one = f"python {paths['train']} --data ROOT".ljust(len(several))
    modules = "(cache|data)" if caches else "data"
    home = r"(\w+\.)*" if package else ""
    return {
        "scripts": paths,
        "worker_prefix": f'r"^{home}{modules}\\.\\w+: "',
        "script_words": {
            name: ", ".join(f'"{word}"' for word in path.split())
            for name, path in paths.items()
        },
        "launches": {"one": one, "several": several},
        "launched_in": "above this one" if package else "of train.py",
        "home": "code.parent" if package else "code",
        "below": f"{package}/" if package else "",
        "relative": "." if package else "",
        "model_module": f"{package}.model" if package else "model",
    }


def _figures(summary: Summary) -> dict[str, Any]:
    return {"table": level_table(summary), "cost": cost_line(summary)}


def _pictures(graph: nx.DiGraph) -> dict[str, Any]:
    return {"diagram": mermaid(graph).rstrip()}


def _texts(job: Job, heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    return {
        "title": textwrap.fill(title_of(job), TITLE_COLUMNS),
        "needs": needs_of(job),
        "uses_timm": is_timm(job.backbone.name),
        "output": f"runs/{job.name}",
        "requirements": _requirements(job, heads),
        "color_files": [name for h in heads for name, _ in h.code.files],
        "name_files": [h.names_file for h in heads if h.names_in_file],
    }


def _model_constants(
    job: Job,
    summary: Summary,
    backbone: BackbonePlan,
    neck: NeckPlan | None,
    heads: tuple[HeadPlan, ...],
) -> tuple[Line, ...]:
    what = "images" if job.backbone.resize_input else "training images"
    pad = tuple(round(255 * value) for value in backbone.mean)
    lines = [
        *(head.constants[0] for head in heads if head.named),
        constant(
            "HEIGHT, WIDTH", summary.resolution, f"{what} are letterboxed to this size"
        ),
        constant("MEAN, STD", (backbone.mean, backbone.std)),
        constant("PAD", pad, "the mean as 8-bit color, around letterboxed images"),
    ]
    if _mode(job, summary) == "whole":
        note = "height and width of images are padded to multiples of this"
        lines.append(constant("DIVISOR", summary.divisor, note))
    if neck:
        lines.append(constant("CHANNELS", neck.channels, "width of every neck level"))
    for head in heads:
        lines += head.constants[head.named :]
    lines += constants_of(job, "model.py")
    return tuple(lines)


def _model_values(
    job: Job,
    summary: Summary,
    heads: tuple[HeadPlan, ...],
    backbone: BackbonePlan,
    neck: NeckPlan | None,
) -> dict[str, Any]:
    several, mode = len(heads) > 1, _mode(job, summary)
    told = any(task.told for task in tasks_of(job))
    parts = [Line("backbone", f"{backbone.class_name}()")]
    parts += [Line("neck", f"{neck.class_name}()")] if neck else []
    parts += [] if several else [Line("head", heads[0].code.construction)]
    return {
        "channels": job.data.channels,
        "resize_input": job.backbone.resize_input,
        "network_template": f"model/{'several_heads' if several else 'one_head'}.py.jinja",
        "loss_template": f"model/loss_of_{'several' if several else 'one'}.py.jinja",
        "predict_template": f"model/predict_{mode}.py.jinja",
        "model_input": "images" if mode == "unpadded" else "canvas",
        **_judged(mode),
        "parts": parts,
        "trunk": _trunk(heads, backbone, neck),
        "told": told,
        "forward_inputs": f"images: Tensor{', targets: dict | None = None' * told}",
        "forward": _forward(job, heads, backbone, neck),
        "shares_box_tower": any(task.shares_box_tower for task in tasks_of(job)),
        "constructions": mapping((head.name, head.code.construction) for head in heads),
        "returns_type": "dict" if several else task_of(job.heads[0]).output_type,
        "returns": (
            "each head's output by its name"
            if several
            else task_of(job.heads[0]).returns
        ),
    }


def _mode(job: Job, summary: Summary) -> str:
    """Returns how `predict` brings an image to a size that the model takes."""
    if job.backbone.resize_input:
        return "resized"
    return "whole" if summary.divisor > 1 else "unpadded"


def _judged(mode: str) -> dict[str, str]:
    """Returns the model's input in evaluate.py, and the size of an image in it."""
    images = "images.to(device, non_blocking=True)"
    size = "sample.height, sample.width"
    return {
        "judged_input": f"padded({images}, model.mean)" if mode == "whole" else images,
        "seen_size": f"fit({size})" if mode == "resized" else size,
    }


def _labeled_sample(job: Job, heads: tuple[HeadPlan, ...]) -> str:
    """Returns the parameter of the function that tells a sample's labels."""
    words = [head.label_words for head in heads]
    return "sample" if is_partial(job) else parameter("sample", words)


def _head_values(job: Job, heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    placed = tuple(head for head in heads if head.own_pixels)
    return {
        "placed_heads": placed,
        "pasted_heads": tuple(head for head in heads if head.pasted),
        "coordinates": any(task.coordinates for task in tasks_of(job)),
        "bounded": any(task.coordinates == "inside" for task in tasks_of(job)),
        "points_wanted": any(task.points_wanted for task in tasks_of(job)),
        "weighted": any(head.loss_weight != 1 for head in heads),
        "weighted_value": _weighted(heads),
        **plan_partial(job),
        **_ignored(job),
        "poses_in_yaml": any(
            Places(source_of(job, head), "").has_entry for head in job.heads
        ),
        "loss_weights": {head.name: head.loss_weight for head in heads},
        "losses": mapping((head.name, head.code.loss) for head in heads),
        "loss_targets": parameter("targets", (head.code.loss for head in heads)),
        "target_labels": parameter("labels", (head.targets for head in heads)),
        "stacks": any("stacked(" in head.targets for head in heads),
        "labeled_sample": _labeled_sample(job, heads),
        "decoded": mapping((head.name, head.code.decode) for head in heads),
        "own_note": _own_note(job),
        "in_own_pixels": "in their own pixels" if placed else "of any size",
    }


def _ignored(job: Job) -> dict[str, Any]:
    """Returns whether labels hold ignored objects, and areas given by files."""
    formats = formats_ignoring(job)
    with_boxes = bool({"coco", "yolo"} & formats)
    ignored = "-torch.from_numpy(poses.ignored).long()  # -1 where ignored"
    return {
        "ignores": bool(formats),
        "box_columns": "columns" if formats else "classes",
        "each_column": "*columns" if formats else "classes",
        "own_areas": with_boxes,
        "unlearned": "ignored or padded" if formats else "padded",
        "class_of_poses": ignored if with_boxes else "0",
    }


def _own_note(job: Job) -> str:
    """Returns text: how the results of `predict` differ from those of `decode`."""
    notes = once([task.own_note] for task in tasks_of(job))
    return "".join(f",\n    {note}" for note in notes if note)


def _weighted(heads: tuple[HeadPlan, ...]) -> str:
    if all(head.loss_weight == 1 for head in heads):
        return "value"
    if len(heads) > 1:
        return "weights[head] * value"
    return f"{literal(heads[0].loss_weight)} * value"


def _is_one_line(
    heads: tuple[HeadPlan, ...], backbone: BackbonePlan, neck: NeckPlan | None
) -> bool:
    """Returns whether each part reads all that the part before it returns, and nothing
    else: not so with several heads, nor where a head reads backbone and neck.
    """
    return len(heads) == 1 and (neck is None or neck.inputs == backbone.returned)


def _trunk(
    heads: tuple[HeadPlan, ...], backbone: BackbonePlan, neck: NeckPlan | None
) -> list[Line]:
    """Returns a line each for backbone and neck, where the graph needs more than
    one."""
    if _is_one_line(heads, backbone, neck):
        return []
    lines = [Line(", ".join(backbone.returned), "self.backbone(images)")]
    if neck:
        source = f"self.neck({', '.join(neck.inputs)})"
        lines.append(Line(", ".join(neck.returned), source))
    return lines


def _forward(
    job: Job,
    heads: tuple[HeadPlan, ...],
    backbone: BackbonePlan,
    neck: NeckPlan | None,
) -> str:
    """Returns the expression that the model returns: for one head, if possible, the
    whole graph in a line."""
    told = [
        f", targets and targets[{literal(head.name)}]" * task.told
        for head, task in zip(heads, tasks_of(job))
    ]
    if len(heads) > 1:
        inputs = [head.inputs + more for head, more in zip(heads, told)]
        modules = [f"self.heads[{literal(head.name)}]" for head in heads]
        calls = [f"{module}({given})" for module, given in zip(modules, inputs)]
        return mapping(zip((head.name for head in heads), calls))
    if not _is_one_line(heads, backbone, neck):
        return f"self.head({heads[0].inputs}{told[0]})"
    maps = f"{star(backbone.returned)}self.backbone(images)"
    if neck:
        maps = f"{star(neck.returned)}self.neck({maps})"
    return f"self.head({maps}{told[0]})"


def _requirements(job: Job, heads: tuple[HeadPlan, ...]) -> list[str]:
    # OpenCV before 4.11 fills up truncated JPEGs instead of failing; before PyTorch 2.6
    # `weights_only` does not keep its promise (CVE-2025-32434).
    wanted = ["matplotlib", "numpy", "opencv-python-headless>=4.11", "pillow"]
    wanted += ["tensorboard", "torch>=2.6", "tqdm"]
    if reads_yaml(job, heads):
        wanted.append("PyYAML")
    if any(source_of(job, head).format == "voc" for head in job.heads):
        wanted.append("defusedxml")
    wanted += once(task.requirements for task in tasks_of(job))
    if is_timm(job.backbone.name):
        wanted.append("timm>=1.0")
    if job.export:
        wanted += ["onnx>=1.16", "onnxruntime>=1.18", "onnxscript>=0.7"]
    return sorted(wanted, key=str.lower)
