"""Metrics of trained weights on a labeled dataset.

    python evaluate.py --weights runs/tiles/best.pt --data ROOT

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

import cv2
import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from data import ChangedError, ImageError, read_mask, validation_batches
from dataset import VALIDATION, Inspection, Sample, read_dataset, say
from model import STRIDE, AnomalyDetector, decode, enlarge, fit, scores_of

JOB = Path(__file__).with_name("resolved.json").read_text(encoding="utf-8")
FALSE_ALARMS = 0.1  # share of normal images that may have a score of 0.5
SCORE_BINS = 2000  # bins of scores for the metrics of pixels

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

    "defects": {label, score, map (height, width)}, 0..1

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
    return {"defects": to_anomalies(results["defects"], row, STRIDE, sample, seen)}


def to_anomalies(
    results: dict, row: int, stride: int, sample: Sample, seen: tuple[int, int]
) -> dict:
    """Returns anomaly scores 0..1 of each pixel and of the image as a whole."""
    logits = results["logits"][row : row + 1]
    logits = enlarge(logits, stride, seen, (sample.height, sample.width))
    score, scores = (x[0].cpu().numpy() for x in scores_of(logits).values())
    label = "anomalous" if score >= 0.5 else "normal"
    return {"label": label, "score": float(score), "map": scores}


# ---- Metrics ----


def evaluate(
    model: nn.Module, samples: Sequence[Sample], device, workers=0, rank=0, world=1
) -> dict[str, float]:
    """Returns metrics by "<head>/<metric>". Every process takes a share of the samples;
    rank 0 scores all predictions, and sends the metrics to the others."""
    found = predict_samples(model, samples[rank::world], device, workers, evidence)
    if world == 1:
        return score(samples, found)
    shares, metrics = [None] * world if rank == 0 else None, [None]
    dist.gather_object(found, shares)
    if rank == 0:
        found = [shares[i % world][i // world] for i in range(len(samples))]
        metrics = [score(samples, found)]
    dist.broadcast_object_list(metrics)
    return metrics[0]


def evidence(sample: Sample, predictions: dict) -> dict:
    """Returns the values that the metrics need from one image, by head."""
    return {
        "defects": anomaly_evidence(
            sample, sample.labels["defects"], predictions["defects"]
        )
    }


def score(samples: Sequence[Sample], found: list[dict]) -> dict[str, float]:
    """Returns the metrics of predictions."""
    metrics = anomaly_metrics(
        [sample.labels["defects"] for sample in samples],
        [one["defects"] for one in found],
    )
    return {"defects/" + name: value for name, value in metrics.items()}


def calibrate(
    model: nn.Module,
    samples: Sequence[Sample],
    device: torch.device,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
):
    """Sets the score of 0.5 such that on normal images only the share of false alarms
    reaches it, at least one image. It is part of the model's state, so that weights
    predict alike wherever they are loaded. Every process takes a share."""
    if world > 1:  # the running statistics of rank 0 are the ones that are saved
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)
    for calibration, head, false_alarms in [
        (model.head.calibration, "defects", FALSE_ALARMS)
    ]:
        calibration.alarm.zero_()
        calibration.spread.fill_(1)
        normal = [x for x in samples if not x.labels[head].anomalous][rank::world]
        found = predict_samples(
            model, normal, device, workers, lambda _, found: found[head]["score"]
        )
        shares = [found]
        if world > 1:
            shares = [None] * world
            dist.all_gather_object(shares, found)
        scores = torch.tensor(sum(shares, []), dtype=torch.float64)
        logits = scores.logit(1e-7).sort().values
        few = max(1, int(false_alarms * len(logits)))
        alarm = logits[-few - 1 :][:2].mean()  # halfway from these few to the others
        calibration.alarm.copy_(alarm)
        calibration.spread.copy_((alarm - logits.median()).clamp(min=0.1))


def anomaly_evidence(sample: Sample, inspection: Inspection, item: dict) -> dict:
    """Returns label and score of an image, and histograms of its pixels over scores:
    "pixels" (3, SCORE_BINS) of normal ones, of anomalous ones, and of anomalous ones
    weighted such that each region counts as one."""
    mask = read_mask(inspection, sample.height, sample.width)
    pixels = np.zeros((3, SCORE_BINS))
    if mask is not None:
        # Bins of equal width in logits: most scores are near 0.
        scores = np.clip(item["map"], 1e-7, 1 - 1e-7).astype(float)
        share = (np.log(scores / (1 - scores)) + 16.2) / 32.4
        bins = (SCORE_BINS * share).astype(int)
        count, regions = cv2.connectedComponents(mask.astype(np.uint8))
        masks = [~mask, mask, *(regions == i for i in range(1, count))]
        counts = [np.bincount(bins[x], minlength=SCORE_BINS) for x in masks]
        pixels[:2] = counts[:2]
        pixels[2] = sum(region / region.sum() for region in counts[2:])
    return {"label": item["label"], "score": item["score"], "pixels": pixels}


def anomaly_metrics(truth: list[Inspection], found: list[dict]) -> dict[str, float]:
    """Returns AUROC over images and over pixels; F1 of the alarms; PRO, the mean share
    of each anomalous region that is found, over false positive rates up to 0.3
    (https://arxiv.org/abs/1911.02357). None of what does not occur, as pixels without
    masks."""
    positive = np.array([inspection.anomalous for inspection in truth])
    alarms = np.array([item["label"] == "anomalous" for item in found])
    values, bins = np.unique([item["score"] for item in found], return_inverse=True)
    images = [np.bincount(bins[positive == x], minlength=len(values)) for x in (0, 1)]
    normal, anomalous, regions = sum(item["pixels"] for item in found)
    metrics = {}
    if positive.any() and not positive.all():
        metrics["image_auroc"] = area(*map(reached, images))
    if positive.any():
        hits = 2 * (positive & alarms).sum()
        metrics["image_f1"] = float(hits / (positive.sum() + alarms.sum()))
    if normal.any() and anomalous.any():
        rates, covered = reached(normal), reached(regions)
        low = rates <= 0.3
        covers = np.append(covered[low], np.interp(0.3, rates, covered))
        metrics["pixel_auroc"] = area(rates, reached(anomalous))
        metrics["pro"] = area(np.append(rates[low], 0.3), covers) / 0.3
    return metrics


def reached(counts: np.ndarray) -> np.ndarray:
    """Returns the share of counts in the highest 0, 1, 2, ... bins."""
    return np.append(0, counts[::-1].cumsum()) / max(counts.sum(), 1e-12)


def area(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the area under a line through points, as a sum of trapezoids."""
    return float((np.diff(x) * (y[1:] + y[:-1])).sum() / 2)


# ---- Command line ----


def load_model(path: Path, device: torch.device) -> AnomalyDetector:
    """Loads a model from a last.pt or best.pt; ends the program if it cannot."""
    model = AnomalyDetector()
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
    samples = read_dataset(args.data / VALIDATION)
    print(json.dumps(evaluate(model, samples, device, args.workers), indent=2))


if __name__ == "__main__":
    parser = command_line(__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="best.pt, last.pt")
    parser.add_argument("--data", type=Path, default=Path(), help="root of datasets")
    run(main, parser.parse_args())
