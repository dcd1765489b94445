"""Train the model of model.py.

    python train.py --data ROOT                           one process
    torchrun --nproc_per_node 8 train.py --data ROOT      one process a GPU

Writes to runs/flowers: last.pt (--resume goes on from it), best.pt (for
predict.py), metrics.jsonl, TensorBoard logs, curves.png and predictions.png.
"""

import argparse
import json
import math
import os
import signal
import sys
import threading
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from data import BATCH_SIZE, ImageError, training_batches
from dataset import read_datasets
from draw import save_curves, save_image, sheet
from evaluate import JOB, evaluate, predict_samples
from model import Classifier, loss_terms

MAX_ITERATIONS = 3000
VALIDATIONS = 10  # over the run, the last at its end
LEARNING_RATE = 0.0005
WEIGHT_DECAY = 0.05
INITIAL_FACTOR, FINAL_FACTOR, WARMUP = 0.04, 0.001, 0.3
WEIGHTS = "https://huggingface.co/timm/mobilenetv3_large_100.ra_in1k/resolve/main/pytorch_model.bin"
LEFT_OUT = ("conv_head.", "norm_head.", "classifier.")
BEST = "flower/balanced_accuracy"  # the metric that chooses best.pt
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


# ---- Initialization ----


def load_imagenet(backbone: nn.Module):
    """timm's weights. All must be there, but for levels above timm's, and none besides,
    but for what this job leaves out."""
    try:
        state = torch.hub.load_state_dict_from_url(
            WEIGHTS, map_location="cpu", weights_only=True
        )
        shapes = {name: tensor.shape for name, tensor in state.items()}
    except OSError as error:
        raise SystemExit(f"{WEIGHTS}: cannot be read: {error}") from None
    except Exception:  # a foreign file can raise nearly anything
        raise SystemExit(f"{WEIGHTS}: not a file of weights") from None
    wanted = {name: tensor.shape for name, tensor in backbone.state_dict().items()}
    others = [k for k in shapes if k not in wanted and not k.startswith(LEFT_OUT)]
    faults = {
        "missing": [k for k in wanted if k not in shapes and not k.startswith("down")],
        "of another shape": [
            k for k in wanted if shapes.get(k, wanted[k]) != wanted[k]
        ],
        "not of this network": others,
    }
    if any(faults.values()):
        lines = [f"{WEIGHTS}: not weights of this backbone"]
        for fault, names in faults.items():
            lines += [f"  {fault}: {', '.join(names[:5])}"] if names else []
        raise SystemExit("\n".join(lines))
    backbone.load_state_dict(state, strict=False)


# ---- Processes ----


def setup(device: str) -> tuple[int, int, torch.device]:
    """Rank, number of processes, device: 0 and 1 unless torchrun started the script."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
        torch.cuda.set_device(device)
    if world > 1:
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return rank, world, torch.device(device)


def any_process(asked: bool, device: torch.device, world: int) -> bool:
    """Whether one was asked to stop: then all must, after the same step."""
    flag = torch.tensor(float(asked), device=device)
    if world > 1:
        dist.all_reduce(flag, dist.ReduceOp.MAX)
    return flag.item() > 0


# ---- Checkpoints and logs ----


def save(path: Path, state: dict):
    """Written beside the last good file, then renamed: `path` is never half a file."""
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            torch.save({"format": 1, "job": JOB} | state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # a full disk raises either
        temporary.unlink(missing_ok=True)
        reason = str(error).splitlines()[0]
        raise SystemExit(
            f"{path}: cannot be written, is the disk full? ({reason})\n"
            "  The last good checkpoint stays; free some space and add --resume."
        ) from None


def resume(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
    """Goes back to a checkpoint of this job, and returns what else it holds."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        job = json.loads(state["job"])
    except Exception:  # a foreign file can raise nearly anything
        raise SystemExit(f"{path}: not a checkpoint of train.py") from None
    if job != json.loads(JOB):
        raise SystemExit(f"{path}: of another job; choose another --output")
    try:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return {
            name: state[name]
            for name in ("iteration", "elapsed_seconds", "best", "rng")
        }
    except (RuntimeError, ValueError, LookupError) as error:
        raise SystemExit(f"{path}: not of this model.py: {error}") from None


def check_finite(model: nn.Module, iteration: int, values: dict[str, float]):
    """Ends the run before NaN can reach a checkpoint; the last good one stays."""
    weights = torch.stack([p.isfinite().all() for p in model.parameters()]).all()
    if not (math.isfinite(values["loss"]) and weights):
        what = "loss" if weights else "weights"
        raise SystemExit(f"the {what} became infinite or NaN by {iteration}: {values}")


class Log:
    """metrics.jsonl, TensorBoard and pictures of a run that goes on after `start`."""

    def __init__(self, folder: Path, start: int):
        self.folder, self.path = folder, folder / "metrics.jsonl"
        # What was logged after the checkpoint will be logged again.
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        kept = [line for line in lines if 0 <= iteration_of(line) <= start]
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text("".join(f"{line}\n" for line in kept))
        temporary.replace(self.path)
        self.board = SummaryWriter(folder / "tensorboard", purge_step=start + 1)

    def row(self, iteration: int, split: str, values: dict[str, float]):
        with self.path.open("a") as file:
            row = {"iteration": iteration, "split": split} | values
            file.write(json.dumps(row) + "\n")
        for name, value in values.items():
            self.board.add_scalar(f"{split}/{name}", value, iteration)

    def pictures(self, iteration: int, model: nn.Module, samples: list, device):
        """Labels beside predictions of at most 12 images, and the curves so far."""
        shown = samples[:: math.ceil(len(samples) / 12)]
        image = sheet(shown, predict_samples(model, shown, device))
        self.board.add_image("predictions", image, iteration, dataformats="HWC")
        save_image(self.folder / "predictions.png", image)
        save_curves(self.path, self.folder / "curves.png")


def iteration_of(line: str) -> int:
    """-1 for a line that was cut short."""
    try:
        return json.loads(line)["iteration"]
    except ValueError:
        return -1


# ---- Training ----


def main(args: argparse.Namespace):
    rank, world, device = setup(args.device)
    if BATCH_SIZE % world:
        raise SystemExit(f"{world} processes cannot share batches of {BATCH_SIZE}")
    last = args.output / "last.pt"
    if last.exists() and not args.resume:
        raise SystemExit(f"{last} exists: add --resume or choose another --output")
    training, validation = read_datasets(args.data)

    torch.manual_seed(args.seed)
    model = Classifier().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(parameter_groups(model), LEARNING_RATE, fused=True)
    state = {"iteration": 0, "elapsed_seconds": 0.0, "best": -math.inf}
    resumed = last.exists()
    if resumed:
        state = resume(last, model, optimizer)
    else:
        load_imagenet(model.backbone)
    replica = DistributedDataParallel(model) if world > 1 else model
    loader = training_batches(
        training, args.seed, state["iteration"], rank, world, args.workers
    )
    batches = iter(loader)
    if resumed:  # after iter(), which draws from the generator
        torch.set_rng_state(state["rng"])
    iteration, best = state["iteration"], state["best"]
    elapsed = state["elapsed_seconds"]

    args.output.mkdir(parents=True, exist_ok=True)
    log = Log(args.output, iteration) if rank == 0 else None
    signals = []  # SIGTERM and SIGINT end the run after the step under way
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda caught, frame: signals.append(caught))
    bar = tqdm(total=args.max_iterations, initial=iteration, disable=rank > 0)
    began = saved = time.monotonic()
    stop = False
    progress = iteration / args.max_iterations

    while progress < 1 and not stop:
        rate = learning_rate(progress)
        for group in optimizer.param_groups:
            group["lr"] = rate
        images, targets = next(batches)
        images = images.to(device, non_blocking=True)
        targets = {
            head: {name: x.to(device, non_blocking=True) for name, x in of_head.items()}
            for head, of_head in targets.items()
        }

        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            outputs = replica(images)
        terms = loss_terms(outputs, targets)
        loss = sum(terms.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        iteration += 1
        bar.update()

        before, progress = progress, iteration / args.max_iterations
        validate = int(progress * VALIDATIONS + 1e-9) > int(before * VALIDATIONS + 1e-9)
        every = iteration % LOG_EVERY == 0
        stop = (every or world == 1) and any_process(bool(signals), device, world)
        overdue = time.monotonic() - saved > SAVE_EVERY
        if every or validate or overdue or stop:
            values = {"learning_rate": rate, "loss": loss.item()}
            values |= {name: term.item() for name, term in terms.items()}
            check_finite(model, iteration, values)
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
            state = {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "scheduler": {"learning_rate": rate},  # a function of progress alone
                "rng": torch.get_rng_state(),
                "iteration": iteration,
                "elapsed_seconds": elapsed + saved - began,
                "best": best,
            }
            save(last, state)

    bar.close()
    if world > 1:
        dist.destroy_process_group()
    if stop:
        sys.exit(128 + (signals or [signal.SIGTERM])[0])
    if rank == 0:
        print(f"{BEST} {best:.3f} at its best; weights and pictures: {args.output}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    # A wrong flag ends with exit code 1, as all that the user can mend does.
    parser.error = lambda message: sys.exit(f"{parser.format_usage()}{message}")
    devices = ("cuda", "cpu") if torch.cuda.is_available() else ("cpu",)
    workers = min(8, (os.cpu_count() or 2) // 2)
    parser.add_argument(
        "--data", type=Path, default=Path(), help="root of the datasets"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/flowers"))
    parser.add_argument(
        "--resume", action="store_true", help="go on from last.pt, if any"
    )
    parser.add_argument("--device", choices=devices, default=devices[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=workers)
    parser.add_argument("--max-iterations", type=int, default=MAX_ITERATIONS)
    args = parser.parse_args()
    if args.max_iterations < 1 or args.workers < 0 or not 0 <= args.seed < 2**32:
        parser.error("--max-iterations starts at 1, --workers and --seed at 0")
    # TensorBoard's thread hands its errors to ours, which reports them.
    threading.excepthook = lambda failure: None
    try:
        main(args)
    except ImageError as error:  # from a worker, behind its traceback
        line = str(error).splitlines()[-1]
        raise SystemExit(line.removeprefix("data.ImageError: ")) from None
    except OSError as error:
        raise SystemExit(f"{args.output}: cannot go on: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
