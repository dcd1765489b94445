"""The trainer's part of the plan."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from specc.backbones import TABLES
from specc.backbones.timm import starts_from_timm, timm_start, timm_weights
from specc.graph.cost import Summary
from specc.graph.names import dependents, named_options
from specc.heads import tasks_of
from specc.job import Job, Scheduler, Slurm, Trainer
from specc.language.schema import head
from specc.plan.backbone import BackbonePlan
from specc.plan.heads import is_partial
from specc.source import Line, constant, literal, mapping
from specc.timm.models import is_timm

HUB = "https://huggingface.co/timm/{}/resolve/main/pytorch_model.bin"
FURTHER_PARTS = {
    "ema": Line("averaged", "copy.deepcopy(model)"),
    "scaler": Line(
        "scaler", 'torch.amp.GradScaler(device.type, enabled=device.type == "cuda")'
    ),
}
INITIALIZATIONS = {"imagenet": "imagenet", "checkpoint": "matching"}


def train_constants(
    job: Job, summary: Summary, backbone: BackbonePlan
) -> tuple[Line, ...]:
    trainer, optimizer = job.trainer, job.trainer.optimizer
    lines = _length(trainer)
    lines.append(constant("LEARNING_RATE", optimizer.learning_rate))
    if optimizer.weight_decay:
        lines.append(constant("WEIGHT_DECAY", optimizer.weight_decay))
    if optimizer.momentum:
        lines.append(constant("MOMENTUM", optimizer.momentum))
    lines += _schedule(trainer.scheduler)
    if trainer.gradient_clipping is not None:
        lines.append(constant("CLIP_NORM", trainer.gradient_clipping))
    if trainer.initialization.kind != "random":
        lines.append(timm_weights(job) if starts_from_timm(job) else _weights(job))
    if trainer.initialization.kind == "checkpoint" and (named := _named(job, summary)):
        lines.append(constant("NAMED", named, "tensors with a row for each name"))
    if trainer.initialization.kind == "imagenet" and backbone.left_out:
        lines.append(constant("LEFT_OUT", backbone.left_out))
    lines += _further(trainer)
    chosen = "metric whose lowest value" if lower_is_better(job) else "metric that"
    return (
        *lines,
        constant("BEST", trainer.best, f"the {chosen} chooses best.pt"),
        constant("LOG_EVERY", 10, "iterations between log lines"),
        constant("SAVE_EVERY", 180, "seconds; a checkpoint is saved soon after"),
    )


def _named(job: Job, summary: Summary) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Returns the tensors with a row for each name: head, option, keys."""
    return tuple(
        (head.name, option, tuple(dependents(job, summary, head, option)))
        for head in job.heads
        for option in named_options(head)
    )


def lower_is_better(job: Job) -> bool:
    """Returns whether the metric that chooses best.pt is an error or a distance."""
    name, _, metric = job.trainer.best.partition("/")
    task = next(one.task for one in job.heads if one.name == name)
    return metric in head(task).get("x-lower-is-better", ())


def _further(trainer: Trainer) -> list[Line]:
    """Returns the constants that train.py has only where the job asks for them."""
    factor = trainer.backbone_learning_rate_factor
    slower = factor if factor != 1 else None
    wanted = (
        ("BACKBONE_FACTOR", slower, "factor of the backbone's learning rate"),
        ("EMA_DECAY", trainer.ema, "decay of the moving average of weights"),
        ("PATIENCE", trainer.early_stopping, "validations without a new best"),
    )
    return [constant(name, value, note) for name, value, note in wanted if value]


def plan_train(job: Job) -> dict[str, Any]:
    trainer, start = job.trainer, job.trainer.initialization
    timed, initializes = trainer.max_hours is not None, start.kind != "random"
    imagenet = start.kind == "imagenet"
    counted = "iteration / args.max_iterations"
    clock = "progress_of(iteration, elapsed, reserve, args.max_iterations)"
    told = any(task.told for task in tasks_of(job))
    # Identities are told apart by angles, which need all bits of a float32.
    angles = any(task.splits_by for task in tasks_of(job))
    call = "load_imagenet(model.backbone)" if imagenet else "load_matching(model)"
    return {
        "timed": timed,
        "placement": (
            "device, memory_format=torch.channels_last"
            if trainer.channels_last
            else "device"
        ),
        "initial_progress": clock if timed else counted,
        "progress_template": f"train/progress{'_timed' * timed}.py.jinja",
        "bar_template": f"train/bar{'_timed' * timed}.py.jinja",
        "validations": _validations(trainer),
        "time_left": "3600 * MAX_HOURS - elapsed, " * timed,
        "initializes": initializes,
        "initialization_template": f"train/{INITIALIZATIONS.get(start.kind)}.py.jinja",
        "initialize": call,
        "named": any(map(named_options, job.heads)),
        **_few_images(job),
        "load_weights": _load(local=start.weights is not None),
        "failures_template": (
            f"train/{'hub' if start.weights is None else 'file'}_failures.py.jinja"
        ),
        "optimizer": _optimizer(trainer),
        "optimizer_sections": _optimizer_sections(trainer),
        **(timm_start(job) if starts_from_timm(job) else {}),
        **_state(job),
        **_best(job),
        **_step(trainer, draws=is_timm(job.backbone.name)),
        "told_targets": ", targets" if told else "",
        "told_window": ", micro_targets" if told else "",
        "tunes": job.backbone.resize_input and not trainer.deterministic,
        "tf32": trainer.precision != "fp32" and not angles,
        **_slurm(trainer.slurm),
    }


def _validations(trainer: Trainer) -> str:
    """Returns the number of validations of a run: a shortened one validates as rarely
    as the job says, but once at its end; of a job of hours alone no step twice."""
    if trainer.max_iterations is None:
        return "min(VALIDATIONS, args.max_iterations)"
    share = "min(1, args.max_iterations / MAX_ITERATIONS)"
    return f"math.ceil(VALIDATIONS * {share})"


def _few_images(job: Job) -> dict[str, Any]:
    """Returns the images on which `--overfit` trains and validates."""
    pairs = zip(job.heads, tasks_of(job))
    heads = tuple(head.name for head, task in pairs if task.on_normal_images)
    few, keeps = "training[: args.overfit]", job.data.keep_samples
    if is_partial(job):
        few = _of_type("first_of_heads(training, args.overfit)", keeps)
    defects = 'with_defects(training, args.output / "defects", rank, world)'
    return {
        "few_images": few,
        "defects": _of_type(defects, keeps),
        "draws_defects": bool(heads),
        "overfit_template": f"train/overfit{'_defects' * bool(heads)}.py.jinja",
        **_defects(heads, is_partial(job)),
    }


def _of_type(samples: str, keeps: bool) -> str:
    """Returns the expression of a list of samples as what train.py has of them."""
    return f"Samples(columns_of({samples}))" if keeps else samples


def _defects(heads: tuple[str, ...], partial: bool) -> dict[str, str]:
    """Returns the samples that get a copy with a defect for these heads, and its
    labels."""
    inspection = "Inspection(True, mask)"
    if len(heads) > 1:
        known = f"head in sample.labels for head in {literal(heads)}"
        each = f"for head in {literal(heads)} if head in sample.labels"
        labels = f"{{head: {inspection} {each}}}"
    else:
        known = f"{literal(heads[0])} in sample.labels" if heads else ""
        labels = mapping((head, inspection) for head in heads)
    known = f"any({known})" if len(heads) > 1 else known
    normal = f"(sample for sample in samples if {known})"
    return {"normal_samples": normal if partial else "samples", "defect_labels": labels}


def _best(job: Job) -> dict[str, str]:
    """Returns how a metric is compared with the best so far."""
    lower = lower_is_better(job)
    return {"no_better": ">=" if lower else "<=", "best_of": "min" if lower else "max"}


def _state(job: Job) -> dict[str, Any]:
    """Returns the counters and the trained parts of a run, as checkpoints hold them."""
    trainer = job.trainer
    timed, stops_early = trainer.max_hours is not None, bool(trainer.early_stopping)
    start = {"stale_validations": "0"} if stops_early else {}
    start |= {"reserve_seconds": "0.0"} if timed else {}
    # `--resume` takes the number of threads from last.pt.
    start |= {"threads": "args.threads", "unlogged": "[]"}
    further = ["stale"] * stops_early + ["reserve"] * timed + ["args.threads", "rows"]
    counters = ", ".join(["best", *further])
    parts = {"model": "model", "optimizer": "optimizer"}
    parts |= {"ema": "averaged"} if trainer.ema else {}
    parts |= {"scaler": "scaler"} if trainer.precision == "fp16" else {}
    going = "progress < 1 and not stop"
    return {
        "worst": "math.inf" if lower_is_better(job) else "-math.inf",
        "further_start": ", ".join(f"{name}={value}" for name, value in start.items()),
        "counters": f"iteration, elapsed, {counters}",
        "saved_counters": f"iteration, elapsed + saved - began, {counters}",
        "saved_parts": mapping(parts.items()),
        "further_parts": [
            FURTHER_PARTS[name] for name in parts if name in FURTHER_PARTS
        ],
        "stops_early": stops_early,
        "goes_on": f"{going} and stale < PATIENCE" if stops_early else going,
    }


def _step(trainer: Trainer, draws: bool) -> dict[str, Any]:
    """From a batch to new weights; a forward of timm's may have dropout, which
    draws."""
    step = f"step{'_accumulated' * bool(trainer.accumulation)}"
    step += "_compiled" * trainer.compile
    windows, scales = bool(trainer.accumulation), trainer.precision == "fp16"
    functions = {
        "banner_steps": windows or trainer.compile or bool(trainer.ema),
        "windows": windows,
        "terms_of": trainer.compile,
        "follow": bool(trainer.ema),
    }
    wanted = [name for name, needed in functions.items() if needed]
    return {
        "step_sections": [f"train/{name}.py.jinja" for name in wanted],
        "deterministic": trainer.deterministic,
        "seeding_template": f"train/{'seeded' if draws else 'unseeded'}.py.jinja",
        "sharing_template": f"train/sharing{'_windows' * windows}.py.jinja",
        "step_template": f"train/{step}.py.jinja",
        "update_template": f"train/update{'_scaled' * scales}.py.jinja",
        "autocast": trainer.precision != "fp32",
        "half": "torch.float16" if scales else "torch.bfloat16",
        "scaled_loss": "scaler.scale(loss)" if scales else "loss",
        "replica_template": f"train/replica{'_compiled' * trainer.compile}.py.jinja",
        "replicas": "replica, compiled" if trainer.compile else "replica",
        **_measured(trainer),
        "group_rate": (
            'rate * group["factor"]'
            if trainer.backbone_learning_rate_factor != 1
            else "rate"
        ),
        "averages": bool(trainer.ema),
        "judged": "averaged" if trainer.ema else "model",
    }


def _measured(trainer: Trainer) -> dict[str, Any]:
    """Returns the values of a line of the log: the terms of the loss, and the norm of
    its gradient if it is clipped."""
    clips = trainer.gradient_clipping is not None
    norm = ', "gradient_norm": norm' * clips
    return {"clips": clips, "recorded": f'{{"loss": loss, **terms{norm}}}'}


def _slurm(slurm: Slurm | None) -> dict[str, Any]:
    if slurm is None:
        return {"further_texts": (), "slurm": {}}
    minutes = math.ceil(60 * slurm.hours)
    return {
        "further_texts": ("slurm.sbatch",),
        "slurm": asdict(slurm) | {"minutes": minutes},
    }


def _length(trainer: Trainer) -> list[Line]:
    if trainer.max_iterations is None:
        lines = [Line("MAX_ITERATIONS", "math.inf", "  # MAX_HOURS ends the run")]
    else:
        lines = [constant("MAX_ITERATIONS", trainer.max_iterations)]
    if trainer.max_hours is not None:
        note = "over all runs that --resume continues"
        lines.append(constant("MAX_HOURS", trainer.max_hours, note))
    note = "over the run, fewer in a shorter one; the last one at its end"
    return [*lines, constant("VALIDATIONS", trainer.validations, note)]


def _schedule(scheduler: Scheduler | None) -> list[Line]:
    if scheduler is None:
        return []
    if scheduler.kind == "multi_step":
        values = (scheduler.milestones, scheduler.factor)
        return [constant("MILESTONES, FACTOR", values)]
    values = (scheduler.initial_factor, scheduler.final_factor, scheduler.warmup)
    return [constant("INITIAL_FACTOR, FINAL_FACTOR, WARMUP", values)]


def _weights(job: Job) -> Line:
    path = job.trainer.initialization.weights
    if path is None:
        return constant("WEIGHTS", HUB.format(TABLES[job.backbone.name].weights))
    return Line("WEIGHTS", f"Path({literal(path)})")


def _load(local: bool) -> str:
    load = "torch.load" if local else "torch.hub.load_state_dict_from_url"
    return f'{load}(WEIGHTS, map_location="cpu", weights_only=True)'


def _optimizer(trainer: Trainer) -> str:
    optimizer = trainer.optimizer
    groups = "parameter_groups(model)" if _groups(trainer) else "model.parameters()"
    arguments = [groups, "LEARNING_RATE"]
    if optimizer.momentum:
        arguments.append("MOMENTUM")
    if not optimizer.weight_decay and optimizer.kind == "adamw":
        arguments.append("weight_decay=0.0")
    kind = {"adamw": "AdamW", "sgd": "SGD"}[optimizer.kind]
    return f"torch.optim.{kind}({', '.join(arguments)}, fused=True)"


def _groups(trainer: Trainer) -> str | None:
    """Returns the template that groups parameters by weight decay and learning rate, or
    None where all are treated equally."""
    decays = bool(trainer.optimizer.weight_decay)
    if trainer.backbone_learning_rate_factor != 1:
        return f"parameter_groups_backbone{'_decay' * decays}"
    return "parameter_groups" if decays else None


def _optimizer_sections(trainer: Trainer) -> list[str]:
    schedule = trainer.scheduler.kind if trainer.scheduler else "constant_rate"
    parts = (_groups(trainer), schedule)
    return [f"train/{part}.py.jinja" for part in parts if part]
