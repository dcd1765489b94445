"""Metrics of trained weights on a dataset.

    python evaluate.py --weights runs/x-rays/best.pt --data ROOT

Prints them as JSON.
"""

import argparse
import contextlib
import itertools
import json
import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from data import ChangedError, ImageError, read_image, validation_batches
from dataset import Sample, read_datasets, say
from model import Autoencoder, decode, fit, own_size

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

    "picture": (height, width, channels), uint8

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
    return {"picture": to_reconstruction(results["picture"], row, sample, seen)}


def to_reconstruction(
    results: dict, row: int, sample: Sample, seen: tuple[int, int]
) -> np.ndarray:
    """Returns the reconstruction (height, width, 1), uint8."""
    picture = results["reconstruction"][row : row + 1]
    picture = own_size(picture, seen, (sample.height, sample.width))[0]
    return (255 * picture).round().byte().permute(1, 2, 0).cpu().numpy()


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
    return {"picture": reconstruction_quality(sample, predictions["picture"])}


def score(found: list[dict]) -> dict[str, float]:
    """Returns the metrics of predictions."""
    metrics = reconstruction_metrics([one["picture"] for one in found])
    return {"picture/" + name: value for name, value in metrics.items()}


def reconstruction_quality(sample: Sample, found: np.ndarray) -> np.ndarray:
    """Returns PSNR in decibels, mean absolute error and SSIM of an image."""
    truth = read_image(sample, sample.height, sample.width)
    truth, found = (np.float64(image) / 255 for image in (truth, found))
    error = found - truth
    noise = max((error**2).mean(), 1e-10)  # at most 100 dB
    quality = -10 * math.log10(noise), abs(error).mean(), ssim(truth, found)
    return np.array(quality)


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Returns structural similarity of images in 0..1, in windows of a Gaussian of 1.5
    pixels: https://doi.org/10.1109/TIP.2003.819861."""
    mean_a, mean_b, square_a, square_b, product = (
        cv2.GaussianBlur(x, (11, 11), 1.5) for x in (a, b, a * a, b * b, a * b)
    )
    variances = square_a - mean_a**2 + square_b - mean_b**2
    covariance = product - mean_a * mean_b
    alike = (2 * mean_a * mean_b + 0.01**2) * (2 * covariance + 0.03**2)
    return (alike / ((mean_a**2 + mean_b**2 + 0.01**2) * (variances + 0.03**2))).mean()


def reconstruction_metrics(qualities: list[np.ndarray]) -> dict[str, float]:
    """Returns means over all images; psnr in decibels."""
    return dict(zip(("psnr", "mae", "ssim"), np.mean(qualities, 0).tolist()))


# ---- Command line ----


def load_model(path: Path, device: torch.device) -> Autoencoder:
    """Loads a model from a last.pt or best.pt; ends the program if it cannot."""
    model = Autoencoder()
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
    return {head.get("name"): head["task"] for head in heads}


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
    _, samples = read_datasets(args.data)
    print(json.dumps(evaluate(model, samples, device, args.workers), indent=2))


if __name__ == "__main__":
    parser = command_line(__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="best.pt, last.pt")
    parser.add_argument("--data", type=Path, default=Path(), help="root of datasets")
    run(main, parser.parse_args())
