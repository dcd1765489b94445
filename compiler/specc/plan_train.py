"""The trainer's part of the plan."""

from __future__ import annotations

from typing import Any

from specc.backbones import TABLES
from specc.job import Job, Optimizer, Scheduler

HUB = "https://huggingface.co/timm/{}/resolve/main/pytorch_model.bin"


def plan_train(job: Job) -> dict[str, Any]:
    trainer, start = job.trainer, job.trainer.initialization
    counted, timed = trainer.max_iterations is not None, trainer.max_hours is not None
    imagenet = start.kind == "imagenet"
    url = HUB.format(TABLES[job.backbone.name].weights)
    return {
        "counted": counted,
        "timed": timed,
        "max_iterations": trainer.max_iterations,
        "max_hours": trainer.max_hours,
        "validations": trainer.validations,
        "clips": trainer.gradient_clipping is not None,
        "gradient_clipping": trainer.gradient_clipping,
        "autocast": trainer.precision == "bf16",
        "channels_last": trainer.channels_last,
        "best": trainer.best,
        "progress": _progress(timed),
        "initializes": start.kind != "random",
        "initialization_template": f"train/{_INITIALIZATIONS.get(start.kind)}.py.jinja",
        "initialize": (
            "load_imagenet(model.backbone)" if imagenet else "load_matching(model)"
        ),
        "imagenet_file": start.weights if imagenet else None,
        "imagenet_url": url if imagenet and not start.weights else None,
        "checkpoint_file": start.weights if start.kind == "checkpoint" else None,
        **_optimizer(trainer.optimizer),
        **_scheduler(trainer.scheduler),
    }


_INITIALIZATIONS = {"imagenet": "imagenet", "checkpoint": "matching"}


def _progress(timed: bool) -> str:
    if timed:
        return "progress_of(iteration, seconds, args.max_iterations)"
    return "iteration / args.max_iterations"


def _optimizer(optimizer: Optimizer) -> dict[str, Any]:
    decays = bool(optimizer.weight_decay)
    weights = "parameter_groups(model)" if decays else "model.parameters()"
    arguments = [weights, "LEARNING_RATE"]
    if optimizer.momentum:
        arguments.append("MOMENTUM")
    if not decays and optimizer.kind == "adamw":
        arguments.append("weight_decay=0.0")
    kind = {"adamw": "AdamW", "sgd": "SGD"}[optimizer.kind]
    return {
        "learning_rate": optimizer.learning_rate,
        "weight_decay": optimizer.weight_decay,
        "decays": decays,
        "momentum": optimizer.momentum,
        "optimizer": f"torch.optim.{kind}({', '.join(arguments)}, fused=True)",
    }


def _scheduler(scheduler: Scheduler | None) -> dict[str, Any]:
    kind = scheduler.kind if scheduler else None
    return {
        "constant_rate": scheduler is None,
        "one_cycle": (
            (scheduler.initial_factor, scheduler.final_factor, scheduler.warmup)
            if kind == "one_cycle"
            else None
        ),
        "multi_step": (
            (scheduler.milestones, scheduler.factor) if kind == "multi_step" else None
        ),
    }
