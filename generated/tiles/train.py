"""Train the model of model.py.

    python train.py --data ROOT                           one process
    torchrun --nproc_per_node 8 train.py --data ROOT      one process a GPU

Writes to runs/tiles: last.pt (--resume goes on from it), best.pt (for
predict.py), metrics.jsonl, TensorBoard logs, curves.png and predictions.png.
"""

import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from checkpoints import Log, Losses, fingerprint, resume, save, save_bad_batch
from data import draw_defect, letterbox, to_device, training_batches
from dataset import Inspection, Sample, read_datasets
from evaluate import calibrate, evaluate, share_cores
from model import HEIGHT, WIDTH, AnomalyDetector, loss_terms
from safety import (
    Pace,
    Votes,
    former_signals,
    guarded,
    is_finite,
    leave,
    max_over_processes,
    setup,
)

MAX_ITERATIONS = 2000
VALIDATIONS = 10  # over the run, fewer in a shorter one; the last one at its end
LEARNING_RATE = 0.002
WEIGHT_DECAY = 0.05
INITIAL_FACTOR, FINAL_FACTOR, WARMUP = 0.04, 0.001, 0.3
CLIP_NORM = 10.0
WEIGHTS = "https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/pytorch_model.bin"
LEFT_OUT = ("layer3.", "layer4.", "fc.")
BEST = "defects/image_auroc"  # the metric that chooses best.pt
LOG_EVERY = 10  # iterations between log lines
SAVE_EVERY = 180  # seconds; a checkpoint is saved soon after

# ---- Optimizer ----


def parameter_groups(model: nn.Module) -> list[dict]:
    """Returns parameter groups: weight decay for kernels and matrices only."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [
        {"params": decayed, "weight_decay": WEIGHT_DECAY},
        {"params": others, "weight_decay": 0.0},
    ]


def learning_rate(progress: float) -> float:
    """Returns the rate of one cycle: up a cosine for the share WARMUP, then down."""
    if progress < WARMUP:
        end, distance = INITIAL_FACTOR, 1 - progress / WARMUP
    else:
        end, distance = FINAL_FACTOR, (progress - WARMUP) / (1 - WARMUP)
    return LEARNING_RATE * (end + (1 - end) * (1 + math.cos(math.pi * distance)) / 2)


# ---- Initialization ----


def load_imagenet(backbone: nn.Module):
    """Loads timm's weights, less the modules that this job leaves out."""
    try:
        state = torch.hub.load_state_dict_from_url(
            WEIGHTS, map_location="cpu", weights_only=True
        )
        shapes = {name: tensor.shape for name, tensor in state.items()}
    except Exception as error:  # the network, the hub or what it sends may fail
        offline = "offline, name a local file in initialization.weights of the job"
        raise SystemExit(f"{WEIGHTS}: cannot be loaded: {error}\n{offline}") from None
    own = {name: tensor.shape for name, tensor in backbone.state_dict().items()}
    missing = [k for k in own if k not in shapes]
    wrong = [k for k in own if shapes.get(k, own[k]) != own[k]]
    others = [k for k in shapes if k not in own and not k.startswith(LEFT_OUT)]
    if missing or wrong or others:
        raise SystemExit(
            f"{WEIGHTS}: not weights of this backbone\n"
            f"  missing: {', '.join(missing[:5]) or 'none'}\n"
            f"  of another shape: {', '.join(wrong[:5]) or 'none'}\n"
            f"  not of this network: {', '.join(others[:5]) or 'none'}"
        )
    backbone.load_state_dict(state, strict=False)


# ---- A few images ----


def with_defects(
    samples: Sequence[Sample], folder: Path, rank: int, world: int
) -> list[Sample]:
    """Returns the samples, and a copy of each with a drawn defect, which process 0
    writes into the folder: on normal images alone there is nothing to measure."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for number, sample in enumerate(samples):
        path, mask = folder / f"{number}.png", folder / f"{number}-mask.png"
        labels = {"defects": Inspection(True, mask)}
        copies.append(Sample(path, HEIGHT, WIDTH, labels))
        if rank == 0:
            rng = np.random.default_rng(number)
            canvas, defect = with_clear_defect(letterbox(sample), rng)
            Image.fromarray(canvas.squeeze()).save(path)
            Image.fromarray(defect).save(mask)
    max_over_processes(world, 0)  # no process goes on before they are written
    return [*samples, *copies]


def with_clear_defect(
    image: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a defect that is sure to show; returns image and mask."""
    while True:
        canvas = image.copy()
        defect = draw_defect(canvas, rng)
        change = np.abs(np.float32(canvas) - image)[defect]
        if change.size and change.mean() > 25:
            return canvas, defect


# ---- Training ----


@former_signals()
def main(**given: object) -> dict[str, float]:
    """Trains with flags as keywords. Returns the metrics of the last validation, if
    there was one; raises Stopped after a signal, when last.pt is saved."""
    began = time.monotonic()
    args, rank, world, device = setup(given, MAX_ITERATIONS)
    last = args.output / "last.pt"
    training, validation = read_datasets(args.data)
    if args.overfit:  # can the model learn a few images by heart?
        training = training[: args.overfit]
        validation = with_defects(training, args.output / "defects", rank, world)

    torch.manual_seed(args.seed)
    model = AnomalyDetector().to(device, memory_format=torch.channels_last)
    if not last.exists():
        load_imagenet(model.backbone)
    optimizer = torch.optim.AdamW(parameter_groups(model), LEARNING_RATE, fused=True)
    parts = {"model": model, "optimizer": optimizer}
    # These must be equal when a run is resumed, like the job.
    run = {"seed": args.seed, "max_iterations": args.max_iterations, "processes": world}
    run["training images"] = fingerprint(training)
    run["validation images"] = fingerprint(validation)
    start = dict(iteration=0, elapsed_seconds=0.0, best=-math.inf)
    start |= dict(threads=args.threads, unlogged=[])
    if last.exists():
        start = resume(last, run, parts, start, args.resume == "any")
    iteration, elapsed, best, args.threads, rows = start.values()
    share_cores(args)
    replica = DistributedDataParallel(model) if world > 1 else model
    batches = partial(training_batches, training, args.seed, rank=rank, world=world)
    loader = batches(iteration, workers=args.workers)

    log = Log(args.output, iteration) if rank == 0 else None
    bar = tqdm(total=args.max_iterations, initial=iteration, disable=rank > 0)
    votes, losses, saved = Votes(rank, world), Losses(world, rows), time.monotonic()
    progress, stop, metrics = iteration / args.max_iterations, False, {}
    validations = math.ceil(VALIDATIONS * min(1, args.max_iterations / MAX_ITERATIONS))
    pace = Pace(args.max_iterations - iteration, validations, progress)
    loader = pace.timed(loader) if rank == 0 else loader

    while progress < 1 and not stop:
        rate = learning_rate(progress)
        for group in optimizer.param_groups:
            group["lr"] = rate
        images, targets = to_device(next(loader), device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            outputs = replica(images)
        terms = loss_terms(outputs, targets)
        loss = sum(terms.values())
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()
        iteration += 1
        bar.update()

        losses.add({"loss": loss, **terms, "gradient_norm": norm})
        logs = iteration % LOG_EVERY == 0
        before, progress = progress, iteration / args.max_iterations
        overdue = rank == 0 and time.monotonic() - saved > SAVE_EVERY
        stop, overdue = votes.largest(overdue)
        validate = int(progress * validations + 1e-9) > int(before * validations + 1e-9)
        saves = validate or overdue or stop
        if logs or saves:
            recent, values = losses.recent, {"learning_rate": rate} | losses.means()
            if not is_finite(values, model if saves else None):
                path = args.output / f"bad-batch-{rank}.pt"
                raise SystemExit(save_bad_batch(path, batches, iteration, recent))
            bar.set_postfix(loss=f"{values['loss']:.3f}", refresh=False)
        if logs or validate:
            losses.rows.clear()
            if rank == 0:
                log.row(iteration, "train", values)
        if validate:
            validating = time.monotonic()
            calibrate(model, validation, device, args.workers, rank, world)
            metrics = evaluate(model, validation, device, args.workers, rank, world)
            score = metrics.get(BEST, math.nan)  # NaN: no label that it needs
            if rank == 0:
                bar.write(f"{iteration}: {BEST} {score:.3f}")
                log.row(iteration, "validation", metrics)
                log.pictures(iteration, model, validation, device)
                pace.validated(validating)
                if not score <= best:
                    state = {"model": model.state_dict(), "metrics": metrics}
                    save(args.output / "best.pt", state)
            best = max(best, score)
        if rank == 0 and saves:
            saved = time.monotonic()
            counters = iteration, elapsed + saved - began, best, args.threads, rows
            state = {"run": run} | dict(zip(start, counters))
            save(last, state | {name: x.state_dict() for name, x in parts.items()})

    bar.close()
    if rank == 0:
        log.board.close()  # no thread may write while Python ends
    del replica  # DDP holds the process group, whose threads end with it
    leave(world)
    if stop:
        raise votes.stopped()
    if rank == 0:
        for name, value in metrics.items():
            print(f"{value:<9.4g} {name} at the end")
        print(f"{BEST} {best:.3f} at its best; weights and pictures: {args.output}")
    return metrics


if __name__ == "__main__":
    guarded(main, MAX_ITERATIONS)
