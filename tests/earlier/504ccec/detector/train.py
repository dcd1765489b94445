"""Train the model of model.py.

    python train.py --data ROOT                           one process
    torchrun --nproc_per_node 8 train.py --data ROOT      one process a GPU

Writes to runs/detector: last.pt (--resume goes on from it), best.pt (for
predict.py), metrics.jsonl, TensorBoard logs, curves.png and predictions.png.
"""

import argparse
import math
import os
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from checkpoints import Log, Losses, fingerprint, resume, save
from data import BATCH_SIZE, training_batches
from evaluate import command_line, evaluate, share_cores
from model import Detector, loss_terms
from safety import Stopped, Votes, former_signals, guarded, is_finite, save_bad_batch
from samples import read_samples

MAX_ITERATIONS = 300
VALIDATIONS = 4  # number over the run; the last one at its end
LEARNING_RATE = 0.002
WEIGHT_DECAY = 0.05
INITIAL_FACTOR, FINAL_FACTOR, WARMUP = 0.04, 0.001, 0.3
CLIP_NORM = 10.0
BEST = "shapes/ap"  # the metric that chooses best.pt
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
    """One cycle: up along a cosine for the share WARMUP of the run, then down."""
    if progress < WARMUP:
        end, distance = INITIAL_FACTOR, 1 - progress / WARMUP
    else:
        end, distance = FINAL_FACTOR, (progress - WARMUP) / (1 - WARMUP)
    return LEARNING_RATE * (end + (1 - end) * (1 + math.cos(math.pi * distance)) / 2)


# ---- Processes ----


def setup(device: str) -> tuple[int, int, torch.device]:
    """Returns rank, number of processes and device; 0 and 1 without torchrun."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True  # all images have one size
        torch.set_float32_matmul_precision("high")  # TF32
    if world > 1:  # NCCL for gradients, gloo for agree()
        # Import before init_process_group: its default arguments would hold the group.
        import_module("torch.distributed.nn")
        gpu = device.startswith("cuda")
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo")
    return rank, world, torch.device(device)


# ---- Steps ----


def to_device(batch: tuple[Tensor, dict], device: torch.device) -> tuple[Tensor, dict]:
    images, targets = batch
    return images.to(device, non_blocking=True), {
        head: {name: x.to(device, non_blocking=True) for name, x in of_head.items()}
        for head, of_head in targets.items()
    }


# ---- Training ----


def train(args: argparse.Namespace) -> dict[str, float]:
    """Returns the metrics of the last validation; raises Stopped after a signal."""
    began = time.monotonic()
    rank, world, device = setup(args.device)
    if BATCH_SIZE % world:
        raise SystemExit(f"{world} processes cannot share batches of {BATCH_SIZE}")
    last = args.output / "last.pt"
    if last.exists() and not args.resume:
        raise SystemExit(f"{last} exists: add --resume or choose another --output")
    training, validation = read_samples(args.data, args.reread)
    if args.overfit:  # can the model learn a few images by heart?
        training = validation = training[: args.overfit]

    torch.manual_seed(args.seed)
    model = Detector().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(parameter_groups(model), LEARNING_RATE, fused=True)
    parts = {"model": model, "optimizer": optimizer}
    run = {  # must be equal when a run is resumed, like the job
        "seed": args.seed,
        "max_iterations": args.max_iterations,
        "processes": world,
        "training images": fingerprint(training),
        "validation images": fingerprint(validation),
    }
    state = dict(
        iteration=0,
        elapsed_seconds=0.0,
        best=-math.inf,
        threads=args.threads,
        unlogged=[],
    )
    if last.exists():
        state = resume(last, run, parts, state, args.resume == "any")
    iteration, elapsed, best, threads, rows = state.values()
    if rank == 0 and args.threads not in (None, threads):
        print(f"{last}: of {threads} threads: sums will differ", file=sys.stderr)
    args.workers, threads = share_cores(args.workers, args.threads or threads)
    replica = DistributedDataParallel(model) if world > 1 else model
    batches = iter(
        training_batches(training, args.seed, iteration, rank, world, args.workers)
    )

    log = Log(args.output, iteration) if rank == 0 else None
    bar = tqdm(total=args.max_iterations, initial=iteration, disable=rank > 0)
    saved = time.monotonic()
    votes, losses = Votes(rank, world), Losses(world, rows)
    progress, stop, metrics = iteration / args.max_iterations, False, {}

    while progress < 1 and not stop:
        rate = learning_rate(progress)
        for group in optimizer.param_groups:
            group["lr"] = rate
        images, targets = to_device(next(batches), device)
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
        every = iteration % LOG_EVERY == 0
        before, progress = progress, iteration / args.max_iterations
        overdue = rank == 0 and time.monotonic() - saved > SAVE_EVERY
        stop, overdue = votes.largest(overdue)
        validate = int(progress * VALIDATIONS + 1e-9) > int(before * VALIDATIONS + 1e-9)
        saves = validate or overdue or stop
        if every or saves:
            recent, values = losses.recent, {"learning_rate": rate} | losses.means()
            if not is_finite(values, model if saves else None):
                bar.close()
                first = iteration - len(recent)
                again = training_batches(training, args.seed, first, rank, world, 0)
                path = args.output / f"bad-batch-{rank}.pt"
                raise SystemExit(save_bad_batch(path, again, first, recent))
            bar.set_postfix(loss=f"{values['loss']:.3f}", refresh=False)
        if every or validate:
            losses.rows.clear()
            if rank == 0:
                log.row(iteration, "train", values)
        if validate:
            metrics = evaluate(model, validation, device, args.workers, rank, world)
            score = metrics.get(BEST, math.nan)  # where what it measures does not occur
            if rank == 0:
                bar.write(f"{iteration}: {BEST} {score:.3f}")
                log.row(iteration, "validation", metrics)
                log.pictures(iteration, model, validation, device)
                if not score <= best:
                    state = {"model": model.state_dict(), "metrics": metrics}
                    save(args.output / "best.pt", state)
            best = max(best, score)
        if rank == 0 and saves:
            saved = time.monotonic()
            state = {name: part.state_dict() for name, part in parts.items()} | {
                "run": run,
                "iteration": iteration,
                "elapsed_seconds": elapsed + saved - began,
                "best": best,
                "threads": threads,
                "unlogged": rows,
            }
            save(last, state)

    bar.close()
    if world > 1:  # DDP holds the process group, whose threads end with it
        del replica
        dist.destroy_process_group()
    if stop:
        raise Stopped((votes.signals or [signal.SIGTERM])[0])
    if rank == 0:
        print(f"{BEST} {best:.3f} at its best; weights and pictures: {args.output}")
    return metrics


def flags() -> argparse.ArgumentParser:
    parser = command_line(__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(), help="root of datasets")
    parser.add_argument("--output", type=Path, default=Path("runs/detector"))
    parser.add_argument("--reread", action="store_true", help="read the datasets anew")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="same",
        choices=("same", "any"),
        metavar="any",
        help="go on from last.pt, if there is one; any: also if the job, the images, "
        "the seed, the number of processes or of iterations changed: keeps weights, "
        "iteration and time; state of the optimizer and best score if they still fit",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-iterations", type=int, default=MAX_ITERATIONS)
    parser.add_argument(
        "--overfit",
        type=int,
        metavar="N",
        help="train and validate on the first N training images: a working job learns "
        "them by heart",
    )
    return parser


def main(**given: object) -> dict[str, float]:
    """Trains with flags as keywords, and leaves signals as they were. Returns metrics
    of the last validation, if it ran one; raises Stopped after a signal, when last.pt
    is saved."""
    parser = flags()
    args = parser.parse_args([])
    if unknown := given.keys() - vars(args).keys():
        raise TypeError(f"no such flags: {', '.join(sorted(unknown))}")
    vars(args).update(given)
    args.data, args.output = Path(args.data), Path(args.output)
    if args.max_iterations < 1 or (args.workers or 0) < 0 or not 0 <= args.seed < 2**32:
        parser.error("--max-iterations starts at 1, --workers and --seed at 0")
    if args.overfit is not None and args.overfit < 1:
        parser.error("--overfit starts at 1")
    with former_signals():
        return train(args)


if __name__ == "__main__":
    guarded(main, flags().parse_args())
