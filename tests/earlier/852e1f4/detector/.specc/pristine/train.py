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
import threading
import time
from importlib import import_module
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from tqdm import tqdm

from checkpoints import Log, fingerprint, resume, save
from data import BATCH_SIZE, ImageError, training_batches
from dataset import read_datasets
from evaluate import evaluate
from model import HEIGHT, WIDTH, Detector, loss_terms

MAX_ITERATIONS = 300
VALIDATIONS = 4  # over the run, the last at its end
LEARNING_RATE = 0.002
WEIGHT_DECAY = 0.05
INITIAL_FACTOR, FINAL_FACTOR, WARMUP = 0.04, 0.001, 0.3
CLIP_NORM = 10.0
BEST = "shapes/ap"  # the metric that chooses best.pt
LOG_EVERY = 10  # iterations
SAVE_EVERY = 180  # seconds between checkpoints, at most about

# ---- Optimizer ----


def parameter_groups(model: nn.Module) -> list[dict]:
    """Kernels and matrices decay; biases and norms do not."""
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
    """Rank, number of processes, device: 0 and 1 unless torchrun started the script."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
        torch.cuda.set_device(device)
    if world > 1:  # GPUs exchange gradients, CPUs what the processes agree on
        # Defaults in there take the group that exists as they are defined, and keep it.
        import_module("torch.distributed.nn")
        gpu = device.startswith("cuda")
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo")
    return rank, world, torch.device(device)


def agree(world: int, *values: float) -> list[float]:
    """The largest of each value over all processes, so that they decide alike."""
    shared = torch.tensor(values, dtype=torch.float64)
    if world > 1:
        dist.all_reduce(shared, dist.ReduceOp.MAX)
    return shared.tolist()


def mean_over_processes(terms: dict[str, Tensor], world: int) -> dict[str, float]:
    means = torch.stack(list(terms.values())).double().cpu() / world
    if world > 1:
        dist.all_reduce(means)
    return dict(zip(terms, means.tolist()))


# ---- Steps ----


def to_device(batch: tuple[Tensor, dict], device: torch.device) -> tuple[Tensor, dict]:
    images, targets = batch
    return images.to(device, non_blocking=True), {
        head: {name: x.to(device, non_blocking=True) for name, x in of_head.items()}
        for head, of_head in targets.items()
    }


def is_finite(model: nn.Module, values: dict[str, float]) -> bool:
    """Asked before each checkpoint, so that none ever holds NaN."""
    weights = torch.stack([p.isfinite().all() for p in model.parameters()]).all()
    return math.isfinite(values["loss"]) and bool(weights)


def save_bad_batch(path: Path, batches: DataLoader, first: int, recent: list) -> str:
    """Finds the batch whose loss was not finite, and returns what to say of it.

    `recent` holds the terms of the loss in the iterations after `first`, and `batches`
    gives these iterations again: seed and iteration decide what is in a batch.
    """
    for iteration, (terms, batch) in enumerate(zip(recent, batches), first + 1):
        terms = {name: term.item() for name, term in terms.items()}
        if not math.isfinite(sum(terms.values())):
            images, targets = batch
            state = {"iteration": iteration, "terms": terms}
            save(path, state | {"images": images, "targets": targets})
            return (
                f"the loss became infinite or NaN in iteration {iteration}: {terms}\n"
                f"  {path} holds the images and targets, for torch.load\n"
                "  last.pt is from before: try a lower learning rate, or clip gradients"
            )
    iteration = first + len(recent)
    return f"weights, or another process, became infinite or NaN by {iteration}"


def known_failure(error: Exception, workers: int) -> str:
    """What to do about an error that users can mend; any other is raised again."""
    text = str(error)
    no_memory = isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError))
    if no_memory or "can't allocate memory" in text:
        return (
            f"out of memory at {BATCH_SIZE} images of {HEIGHT}x{WIDTH} a step\n"
            "  try a smaller batch_size or resolution, or accumulation, in the job"
            f"\n  ({text.splitlines()[0] if text else 'MemoryError'})"
        )
    if "DataLoader worker" in text:
        return (
            f"a process that reads images died: {text.splitlines()[0]}\n"
            f"  often memory ran out: try fewer --workers (now {workers}), and --resume"
        )
    raise error


# ---- Training ----


def main(args: argparse.Namespace) -> int:
    """Returns the exit code: that of the signal, if one ended the run."""
    began = time.monotonic()
    rank, world, device = setup(args.device)
    if BATCH_SIZE % world:
        raise SystemExit(f"{world} processes cannot share batches of {BATCH_SIZE}")
    last = args.output / "last.pt"
    if last.exists() and not args.resume:
        raise SystemExit(f"{last} exists: add --resume or choose another --output")
    training, validation = read_datasets(args.data)
    if args.overfit:  # can the model learn a few images by heart?
        training = validation = training[: args.overfit]

    torch.manual_seed(args.seed)
    model = Detector().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(parameter_groups(model), LEARNING_RATE, fused=True)
    parts = {"model": model, "optimizer": optimizer}
    run = {  # what a run and its resumption have in common, beside the job
        "seed": args.seed,
        "max_iterations": args.max_iterations,
        "processes": world,
        "training images": fingerprint(training),
        "validation images": fingerprint(validation),
    }
    state = {"iteration": 0, "elapsed_seconds": 0.0, "best": -math.inf}
    if last.exists():
        state = resume(last, run, parts, state, args.resume == "any")
    iteration, elapsed, best = state.values()
    replica = DistributedDataParallel(model) if world > 1 else model
    batches = iter(
        training_batches(training, args.seed, iteration, rank, world, args.workers)
    )

    log = Log(args.output, iteration) if rank == 0 else None
    signals = []  # SIGTERM and SIGINT end the run after the step under way
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda caught, frame: signals.append(caught))
    bar = tqdm(total=args.max_iterations, initial=iteration, disable=rank > 0)
    saved = time.monotonic()
    stop, recent = False, []
    progress = iteration / args.max_iterations

    while progress < 1 and not stop:
        rate = learning_rate(progress)
        for group in optimizer.param_groups:
            group["lr"] = rate
        images, targets = to_device(next(batches), device)
        # What a forward draws (dropout) depends on the iteration, as the data does.
        torch.manual_seed(args.seed * 2**32 + iteration * world + rank)

        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            outputs = replica(images)
        terms = loss_terms(outputs, targets)
        loss = sum(terms.values())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()
        iteration += 1
        bar.update()

        recent.append({name: term.detach() for name, term in terms.items()})
        every = iteration % LOG_EVERY == 0
        overdue = rank == 0 and time.monotonic() - saved > SAVE_EVERY
        before, progress = progress, iteration / args.max_iterations
        stop, overdue = agree(world, bool(signals), overdue)
        validate = int(progress * VALIDATIONS + 1e-9) > int(before * VALIDATIONS + 1e-9)
        if every or validate or overdue or stop:
            values = mean_over_processes(recent[-1], world)
            values = {"learning_rate": rate, "loss": sum(values.values())} | values
            if not is_finite(model, values):
                first = iteration - len(recent)
                batches = training_batches(training, args.seed, first, rank, world, 0)
                path = args.output / f"bad-batch-{rank}.pt"
                bar.close()
                raise SystemExit(save_bad_batch(path, batches, first, recent))
            recent.clear()
            bar.set_postfix(loss=f"{values['loss']:.3f}", refresh=False)
        if rank == 0 and (every or validate):
            log.row(iteration, "train", values)
        if validate:
            metrics = evaluate(model, validation, device, args.workers, rank, world)
            if rank == 0:
                bar.write(f"{iteration}: {BEST} {metrics[BEST]:.3f}")
                log.row(iteration, "validation", metrics)
                log.pictures(iteration, model, validation, device)
                if metrics[BEST] > best:
                    state = {"model": model.state_dict(), "metrics": metrics}
                    save(args.output / "best.pt", state)
            best = max(best, metrics[BEST])
        if rank == 0 and (validate or overdue or stop):
            saved = time.monotonic()
            state = {name: part.state_dict() for name, part in parts.items()} | {
                "scheduler": {"learning_rate": rate},  # a function of progress alone
                "rng": torch.get_rng_state(),  # each iteration seeds it anew
                "run": run,
                "iteration": iteration,
                "elapsed_seconds": elapsed + saved - began,
                "best": best,
            }
            save(last, state)

    bar.close()
    if world > 1:  # whose threads end here, if nothing holds the group any more
        del replica
        dist.destroy_process_group()
    if stop:
        return 128 + (signals or [signal.SIGTERM])[0]
    if rank == 0:
        print(f"{BEST} {best:.3f} at its best; weights and pictures: {args.output}")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    # A wrong flag ends with exit code 1, as all that the user can mend does.
    parser.error = lambda message: sys.exit(f"{parser.format_usage()}{message}")
    devices = ("cuda", "cpu") if torch.cuda.is_available() else ("cpu",)
    workers = min(8, (os.cpu_count() or 2) // 2)
    parser.add_argument(
        "--data", type=Path, default=Path(), help="root of the datasets"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/detector"))
    parser.add_argument(
        "--resume",
        nargs="?",
        const="same",
        choices=("same", "any"),
        metavar="any",
        help="go on from last.pt, if there is one; any: also if the job, the images, "
        "the seed, the number of processes or of iterations changed: keeps weights, "
        "iteration and time, and with the same job the optimizer's state",
    )
    parser.add_argument("--device", choices=devices, default=devices[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=workers)
    parser.add_argument("--max-iterations", type=int, default=MAX_ITERATIONS)
    parser.add_argument(
        "--overfit",
        type=int,
        metavar="N",
        help="train and validate on the first N training images: a working job learns "
        "them by heart",
    )
    args = parser.parse_args()
    if args.max_iterations < 1 or args.workers < 0 or not 0 <= args.seed < 2**32:
        parser.error("--max-iterations starts at 1, --workers and --seed at 0")
    if args.overfit is not None and args.overfit < 1:
        parser.error("--overfit starts at 1")
    # TensorBoard's thread hands its errors to ours, which reports them.
    threading.excepthook = lambda failure: None
    try:
        sys.exit(main(args))
    except ImageError as error:  # from a worker, behind its traceback
        line = str(error).splitlines()[-1]
        raise SystemExit(line.removeprefix("data.ImageError: ")) from None
    except (MemoryError, RuntimeError) as error:
        raise SystemExit(f"\n{known_failure(error, args.workers)}") from None
    except OSError as error:
        raise SystemExit(f"{args.output}: cannot go on: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
