"""Train the model of model.py.

    python train.py --data ROOT                           one process
    torchrun --nproc_per_node 8 train.py --data ROOT      one process a GPU

Writes to runs/melodies: last.pt (--resume goes on from it), best.pt (for
predict.py), metrics.jsonl, TensorBoard logs, curves.png and predictions.png.
"""

import math
import time
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from checkpoints import Log, Losses, fingerprint, resume, save, save_bad_batch
from data import MICRO_BATCHES, to_device, training_batches
from dataset import read_samples
from evaluate import evaluate, share_cores
from model import TextReader, loss_terms
from safety import Pace, Votes, former_signals, guarded, is_finite, leave, setup

MAX_ITERATIONS = 20000
VALIDATIONS = 10  # over the run, fewer in a shorter one; the last one at its end
LEARNING_RATE = 0.0005
WEIGHT_DECAY = 0.05
INITIAL_FACTOR, FINAL_FACTOR, WARMUP = 0.04, 0.001, 0.3
CLIP_NORM = 1.0
BEST = "notes/character_error_rate"  # the metric whose lowest value chooses best.pt
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


# ---- Steps ----


def micro_batches(images: Tensor, targets: dict) -> Iterator[tuple[Tensor, dict]]:
    """Yields a process's images in MICRO_BATCHES equal parts, with their targets."""
    size = len(images) // MICRO_BATCHES
    for first in range(0, len(images), size):
        part = slice(first, first + size)
        yield images[part], {
            head: {name: x[part] for name, x in tensors.items()}
            for head, tensors in targets.items()
        }


# ---- Training ----


@former_signals()
def main(**given: object) -> dict[str, float]:
    """Trains with flags as keywords. Returns the metrics of the last validation, if
    there was one; raises Stopped after a signal, when last.pt is saved."""
    began = time.monotonic()
    args, rank, world, device = setup(given, MAX_ITERATIONS)
    last = args.output / "last.pt"
    training, validation = read_samples(args.data)
    if args.overfit:  # can the model learn a few images by heart?
        training = validation = training[: args.overfit]

    torch.manual_seed(args.seed)
    model = TextReader().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(parameter_groups(model), LEARNING_RATE, fused=True)
    parts = {"model": model, "optimizer": optimizer}
    # These must be equal when a run is resumed, like the job.
    run = {"seed": args.seed, "max_iterations": args.max_iterations, "processes": world}
    run["training images"] = fingerprint(training)
    run["validation images"] = fingerprint(validation)
    start = dict(iteration=0, elapsed_seconds=0.0, best=math.inf)
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
        optimizer.zero_grad()
        terms = {}
        enabled = device.type == "cuda"
        for number, (micro_images, micro_targets) in enumerate(
            micro_batches(images, targets), 1
        ):
            # Processes exchange their gradients once a step.
            replica.require_backward_grad_sync = number == MICRO_BATCHES
            with torch.autocast(device.type, torch.bfloat16, enabled=enabled):
                outputs = replica(micro_images, micro_targets)
            micro_terms = loss_terms(outputs, micro_targets)
            loss = sum(micro_terms.values()) / MICRO_BATCHES
            loss.backward()
            for name, term in micro_terms.items():
                terms[name] = terms.get(name, 0.0) + term.detach() / MICRO_BATCHES
        loss = sum(terms.values())
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
            metrics = evaluate(model, validation, device, args.workers, rank, world)
            score = metrics.get(BEST, math.nan)  # NaN: no label that it needs
            if rank == 0:
                bar.write(f"{iteration}: {BEST} {score:.3f}")
                log.row(iteration, "validation", metrics)
                log.pictures(iteration, model, validation, device)
                pace.validated(validating)
                if not score >= best:
                    state = {"model": model.state_dict(), "metrics": metrics}
                    save(args.output / "best.pt", state)
            best = min(best, score)
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
