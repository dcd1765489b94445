"""Metrics of trained weights on a labeled dataset.

    python evaluate.py --weights runs/street-scenes/best.pt --data ROOT

Prints them as JSON.
"""

import argparse
import contextlib
import itertools
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from data import (
    ChangedError,
    ImageError,
    read_categories,
    resized_map,
    validation_batches,
)
from dataset import VALIDATION, Sample, read_dataset, say
from model import CATEGORIES, STRIDE, Segmenter, decode, enlarge, fit

JOB = Path(__file__).with_name("resolved.json").read_text(encoding="utf-8")
BAND = 262144  # about this many logits of a map are enlarged at once

# ---- Predictions, in the form of annotations ----


@torch.inference_mode()
def predict_samples(
    model: nn.Module,
    samples: Sequence[Sample],
    device: torch.device,
    workers: int = 0,
    kept: Callable[[Sample, dict], dict] = lambda _, predictions: predictions,
) -> list[dict]:
    """Returns predictions for each sample, in pixels of each image, by head:

    "street": (height, width), indices of categories

    Or what `kept` makes of it, one image at a time: the maps of all would need much
    memory.
    """
    was_training = model.training
    model.eval()
    begun = (begin(model, x, device) for x in validation_batches(samples, workers))
    # A batch ahead: a GPU works on it while the CPU writes the results of this one.
    pairs, found = itertools.pairwise(itertools.chain(begun, [None])), []
    for (count, results, stream), _ in pairs:
        with stream:
            for row in range(count):
                sample = samples[len(found)]
                seen = fit(sample.height, sample.width)
                found.append(kept(sample, to_annotations(results, row, sample, seen)))
    model.train(was_training)
    return found


def begin(model: nn.Module, images: Tensor, device: torch.device) -> tuple:
    """Returns the size of a batch, its results, and the stream in which they are read:
    on a GPU one of its own, that does not wait for later batches."""
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        outputs = model(images.to(device, non_blocking=True))
    results = decode(outputs)
    if device.type == "cpu":
        return len(images), results, contextlib.nullcontext()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    return len(images), results, torch.cuda.stream(stream)


def to_annotations(results: dict, row: int, sample: Sample, seen: tuple) -> dict:
    """Returns one image's results by head, in its own pixels; `seen` is the height and
    width that it had on the canvas."""
    return {"street": to_category_map(results["street"], row, STRIDE, sample, seen)}


def to_category_map(
    results: dict, row: int, stride: int, sample: Sample, seen: tuple[int, int]
) -> np.ndarray:
    """Returns the index of each pixel's category, (height, width) of the image: its
    logits are enlarged across, then down in bands of rows that fit the cache of a
    processor."""
    logits = results["logits"][row : row + 1].contiguous()
    _, count, cells, _ = logits.shape
    across = (1, stride), (cells, seen[1]), (cells, sample.width)
    down = (stride, 1), (seen[0], cells), (sample.height, cells)
    logits = enlarge(logits, *across)[0]
    # Each row of the image is a sum of a few rows of cells, by these weights.
    weights = enlarge(torch.eye(cells)[None, None], *down)[0, 0]
    ranks = torch.arange(count - 1.0, -1, -1, device=logits.device)[:, None, None]
    best = []
    for band in weights.split(max(1, BAND // (count * sample.width))):
        used = band.any(0).nonzero()[:, 0]
        used = slice(used[0], used[-1] + 1)
        scores = band[:, used].to(logits.device) @ logits[:, used]
        # As argmax, the first of the best, but several times as fast.
        best.append(scores.eq_(scores.amax(0)).mul_(ranks).amax(0))
    return (count - 1 - torch.cat(best)).short().cpu().numpy()


# ---- Metrics ----


def evaluate(
    model: nn.Module, samples: Sequence[Sample], device, workers=0, rank=0, world=1
) -> dict[str, float]:
    """Returns metrics by "<head>/<metric>". Every process takes a share of the samples;
    rank 0 scores all predictions, and sends the metrics to the others."""
    if world > 1:  # the running statistics of rank 0 are the ones that are saved
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)
    found = predict_samples(model, samples[rank::world], device, workers, evidence)
    if world == 1:
        return score(found)
    shares, metrics = [None] * world if rank == 0 else None, [None]
    dist.gather_object(found, shares)
    if rank == 0:
        found = [shares[i % world][i // world] for i in range(len(samples))]
        metrics = [score(found)]
    dist.broadcast_object_list(metrics)
    return metrics[0]


def evidence(sample: Sample, predictions: dict) -> dict:
    """Returns the values that the metrics need from one image, by head."""
    return {
        "street": count_pixels(
            read_categories(*sample.labels["street"]),
            predictions["street"],
            len(CATEGORIES),
        )
    }


def score(found: list[dict]) -> dict[str, float]:
    """Returns the metrics of predictions."""
    metrics = segmentation_metrics([one["street"] for one in found], CATEGORIES)
    return {"street/" + name: value for name, value in metrics.items()}


def count_pixels(truth: np.ndarray, found: np.ndarray, categories: int) -> np.ndarray:
    """Counts labeled, found and common pixels of each category: (3, categories).

    The map `truth` may be smaller than the image; what is unlabeled in it is not
    counted.
    """
    truth = resized_map(truth, *found.shape)
    pairs = (truth.astype(int) + 1) * categories + found  # row 0: unlabeled
    counts = np.bincount(pairs.ravel(), minlength=(categories + 1) * categories)
    counts = counts.reshape(-1, categories)[1:]
    return np.stack([counts.sum(1), counts.sum(0), counts.diagonal()])


def segmentation_metrics(
    counts: list[np.ndarray], names: tuple[str, ...]
) -> dict[str, float]:
    """Returns IoU of categories that occur in labels or predictions, and their mean."""
    labeled, found, both = np.sum(counts, 0)
    union = labeled + found - both
    if not union.any():
        return {}
    iou = {name: float(b / u) for name, b, u in zip(names, both, union) if u}
    return {
        "mean_iou": sum(iou.values()) / len(iou),
        "pixel_accuracy": float(both.sum() / labeled.sum()),
    } | {f"iou/{name}": value for name, value in iou.items()}


# ---- Command line ----


def load_model(path: Path, device: torch.device) -> Segmenter:
    """Loads a model from a last.pt or best.pt; ends the program if it cannot."""
    model = Segmenter()
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        theirs, weights = heads_of(found["job"]), found.get("ema", found["model"])
    except Exception as error:  # foreign files raise many kinds of errors
        what = getattr(error, "strerror", None) or "not a checkpoint of train.py"
        raise SystemExit(f"{path}: {what}") from None
    if theirs != heads_of(JOB):
        raise SystemExit(f"{path}: of another job: its heads or their names differ")
    before, now = (x["data"] | x["model"] for x in map(json.loads, (found["job"], JOB)))
    if others := [x for x in ("resolution", "heads") if before[x] != now[x]]:
        say(f"{path}: of a job with other {' and '.join(others)}: figures may differ")
    try:
        model.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise SystemExit(f"{path}: not weights of this model.py: {error}") from None
    return model.to(device, memory_format=torch.channels_last).eval()


def heads_of(job: str) -> dict:
    """Returns task and names of each head: checkpoint and job must agree on them."""
    heads = json.loads(job)["model"]["heads"]
    return {head.get("name"): (head["task"], head["categories"]) for head in heads}


def command_line(description: str) -> argparse.ArgumentParser:
    """Returns a parser with the flags of train.py, evaluate.py and predict.py."""
    parser = argparse.ArgumentParser(description=description)
    devices = ("cuda", "cpu") if torch.cuda.is_available() else ("cpu",)
    parser.add_argument("--device", choices=devices, default=devices[0])
    parser.add_argument("--workers", type=int, help="processes that read images")
    parser.add_argument("--threads", type=int, help="of PyTorch on the CPU")
    return parser


def share_cores(args: argparse.Namespace):
    """Sets the threads. Without flags, workers and threads fill the cores, or this
    process's share under torchrun; where the CPU computes, one core in eight reads."""
    if (args.workers or 0) < 0 or args.threads is not None and args.threads < 1:
        raise SystemExit("--workers starts at 0, --threads at 1")
    usable = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    cores = max(1, len(usable(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
    if args.workers is None:
        part = cores // (2 if args.device == "cuda" else 8)
        args.workers = min(8, max(0, cores - args.threads) if args.threads else part)
    args.threads = args.threads or max(1, cores - args.workers)
    torch.set_num_threads(args.threads)


def run(main, args: argparse.Namespace):
    """Runs `main`; what users can mend ends it with a line."""
    if args.device == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32, as in training
    try:
        share_cores(args)
        main(args)
    except (ChangedError, ImageError, OSError) as error:
        raise SystemExit(in_a_line(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def in_a_line(error: Exception) -> str:
    """Returns the message of an error, which a worker puts behind its traceback."""
    return re.sub(r"^data\.\w+: ", "", str(error).splitlines()[-1])


def main(args: argparse.Namespace):
    device = torch.device(args.device)
    model = load_model(args.weights, device)
    samples = read_dataset(args.data / VALIDATION)
    print(json.dumps(evaluate(model, samples, device, args.workers), indent=2))


if __name__ == "__main__":
    parser = command_line(__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="best.pt, last.pt")
    parser.add_argument("--data", type=Path, default=Path(), help="root of datasets")
    run(main, parser.parse_args())
