"""Metrics of trained weights on a labeled dataset.

    python evaluate.py --weights runs/shapes-panoptic/best.pt --data ROOT

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

from data import ChangedError, ImageError, maps_of_segments, validation_batches
from dataset import VALIDATION, Sample, read_dataset, say
from model import (
    CATEGORIES,
    MASK_STRIDE,
    STUFF,
    THINGS,
    Segmenter,
    decode,
    fit,
    merge_segments,
)

JOB = Path(__file__).with_name("resolved.json").read_text(encoding="utf-8")

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

    "scene": {categories, instances, scores}, maps of the image

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
    ratio = torch.tensor([sample.width / seen[1], sample.height / seen[0]]).repeat(2)
    limits = torch.tensor([sample.width, sample.height]).repeat(2)
    return {
        "scene": to_panoptic(
            results["scene"], row, MASK_STRIDE, ratio, limits, (THINGS, STUFF)
        )
    }


def to_panoptic(
    results: dict,
    row: int,
    stride: int,
    ratio: Tensor,
    limits: Tensor,
    kinds: tuple[Sequence[int], Sequence[int]],
) -> dict:
    """Returns the category and the instance of each pixel, (height, width) each, as
    `merge_segments` of model.py numbers them, and the "scores" of the instances."""
    found = {name: values[row] for name, values in results.items()}
    ratio, limits = (x.to(found["boxes"].device) for x in (ratio, limits))
    found["boxes"] = (found["boxes"] * ratio).clamp(min=0).minimum(limits)
    width, height = limits[:2].tolist()
    maps = merge_segments(found, (height, width), stride * ratio[:2], *kinds)
    return {
        "categories": maps[0].short().cpu().numpy(),
        "instances": maps[1].int().cpu().numpy(),
        "scores": found["scores"][: int(found["count"])].tolist(),
    }


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
        "scene": count_segments(
            maps_of_segments(
                sample.labels["scene"], THINGS, sample.height, sample.width
            ),
            predictions["scene"],
            len(CATEGORIES),
        )
    }


def score(found: list[dict]) -> dict[str, float]:
    """Returns the metrics of predictions."""
    metrics = panoptic_metrics([one["scene"] for one in found], THINGS)
    return {"scene/" + name: value for name, value in metrics.items()}


def count_segments(truth: dict, found: dict, categories: int) -> np.ndarray:
    """Returns by category the sum of the matches' IoU, the matches, the segments found
    in vain, and those missed: (4, categories). Segments match at an IoU above 0.5.

    What is unknown in the truth counts neither for nor against what is found there:
    https://arxiv.org/abs/1801.00868.
    """
    sides, kinds = [], []
    for maps in (truth, found):
        codes = maps["instances"].astype(np.int64) * (categories + 1)
        codes, index = np.unique(codes + maps["categories"] + 1, return_inverse=True)
        sides.append(index.flatten())
        kinds.append(codes % (categories + 1) - 1)
    shape = len(kinds[0]), len(kinds[1])
    pairs = np.bincount(sides[0] * shape[1] + sides[1], minlength=shape[0] * shape[1])
    pairs = pairs.reshape(shape)
    real = [kind >= 0 for kind in kinds]
    unknown, areas = pairs[~real[0]].sum(0), (pairs.sum(1), pairs.sum(0))
    union = areas[0][:, None] + areas[1] - pairs - unknown
    iou = pairs / union.clip(min=1) * (kinds[0][:, None] == kinds[1])
    matches = (iou > 0.5) & real[0][:, None] & real[1]
    missed = real[0] & ~matches.any(1)
    in_vain = real[1] & ~matches.any(0) & (2 * unknown <= areas[1])
    rows = kinds[0][matches.any(1)], kinds[0][missed], kinds[1][in_vain]
    right, missing, wrong = (np.bincount(x, minlength=categories) for x in rows)
    overlaps = np.bincount(
        kinds[0][matches.any(1)], iou.max(1)[matches.any(1)], minlength=categories
    )
    return np.stack([overlaps, right, wrong, missing])


def panoptic_metrics(
    counts: list[np.ndarray], things: Sequence[int]
) -> dict[str, float]:
    """Returns panoptic quality, of segmentation and of recognition, over the categories
    that occur in labels or predictions; none where none of them do."""
    overlaps, right, wrong, missing = np.sum(counts, 0)
    are_things = np.isin(np.arange(len(right)), things)
    occurs = right + wrong + missing > 0
    segmentation = overlaps / right.clip(min=1)
    recognition = right / (right + (wrong + missing) / 2).clip(min=0.5)
    quality = segmentation * recognition
    means = {
        "pq": quality[occurs],
        "sq": segmentation[occurs],
        "rq": recognition[occurs],
        "pq_things": quality[occurs & are_things],
        "pq_stuff": quality[occurs & ~are_things],
    }
    return {name: float(values.mean()) for name, values in means.items() if len(values)}


# ---- Command line ----


def load_model(path: Path, device: torch.device) -> Segmenter:
    """Loads a model from a last.pt or best.pt; ends the program if it cannot."""
    model = Segmenter()
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        theirs, weights = heads_of(found["job"]), found["model"]
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
