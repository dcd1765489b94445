"""The trainer's part of the plan."""

from __future__ import annotations

from typing import Any

from specc.backbones import TABLES
from specc.job import Job, Optimizer, Scheduler, Trainer
from specc.plan_backbone import BackbonePlan
from specc.plan_source import Line, constant, literal
from specc.plan_timm import starts_from_timm, timm_start, timm_weights

HUB = "https://huggingface.co/timm/{}/resolve/main/pytorch_model.bin"
INITIALIZATIONS = {"imagenet": "imagenet", "checkpoint": "matching"}


def train_constants(job: Job, backbone: BackbonePlan) -> tuple[Line, ...]:
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
    if trainer.initialization.kind == "imagenet" and backbone.left_out:
        lines.append(constant("LEFT_OUT", backbone.left_out))
    return (
        *lines,
        constant("BEST", trainer.best, "the metric that chooses best.pt"),
        constant("LOG_EVERY", 10, "iterations"),
        constant("SAVE_EVERY", 180, "seconds between checkpoints, at most about"),
    )


def plan_train(job: Job) -> dict[str, Any]:
    trainer, start = job.trainer, job.trainer.initialization
    timed, initializes = trainer.max_hours is not None, start.kind != "random"
    imagenet = start.kind == "imagenet"
    counted = "iteration / args.max_iterations"
    call = "load_imagenet(model.backbone)" if imagenet else "load_matching(model)"
    return {
        "timed": timed,
        "clips": trainer.gradient_clipping is not None,
        "autocast": trainer.precision == "bf16",
        "placement": (
            "device, memory_format=torch.channels_last"
            if trainer.channels_last
            else "device"
        ),
        "progress": (
            "progress_of(iteration, seconds, args.max_iterations)" if timed else counted
        ),
        "initializes": initializes,
        "initialization_template": f"train/{INITIALIZATIONS.get(start.kind)}.py.jinja",
        "initialize": call,
        "load_weights": _load(local=start.weights is not None),
        "optimizer": _optimizer(trainer.optimizer),
        "optimizer_sections": _optimizer_sections(trainer),
        **(timm_start(job) if starts_from_timm(job) else {}),
    }


def _length(trainer: Trainer) -> list[Line]:
    if trainer.max_iterations is None:
        lines = [Line("MAX_ITERATIONS", "math.inf", "  # MAX_HOURS ends the run")]
    else:
        lines = [constant("MAX_ITERATIONS", trainer.max_iterations)]
    if trainer.max_hours is not None:
        note = "of all the runs that --resume puts together"
        lines.append(constant("MAX_HOURS", trainer.max_hours, note))
    note = "over the run, the last at its end"
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


def _optimizer(optimizer: Optimizer) -> str:
    groups = (
        "parameter_groups(model)" if optimizer.weight_decay else "model.parameters()"
    )
    arguments = [groups, "LEARNING_RATE"]
    if optimizer.momentum:
        arguments.append("MOMENTUM")
    if not optimizer.weight_decay and optimizer.kind == "adamw":
        arguments.append("weight_decay=0.0")
    kind = {"adamw": "AdamW", "sgd": "SGD"}[optimizer.kind]
    return f"torch.optim.{kind}({', '.join(arguments)}, fused=True)"


def _optimizer_sections(trainer: Trainer) -> list[str]:
    schedule = trainer.scheduler.kind if trainer.scheduler else "constant_rate"
    parts = ["parameter_groups"] if trainer.optimizer.weight_decay else []
    return [f"train/{part}.py.jinja" for part in (*parts, schedule)]
