"""Metrics of trained weights on a labeled dataset.

    python evaluate.py --weights runs/faces/best.pt --data ROOT

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
from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from data import ChangedError, ImageError, validation_batches
from dataset import VALIDATION, Poses, Sample, read_dataset, say
from model import KEYPOINTS, KeypointDetector, decode, fit

JOB = Path(__file__).with_name("resolved.json").read_text(encoding="utf-8")
SIMILARITIES = np.linspace(0.5, 0.95, 10)  # COCO's OKS thresholds
SIGMAS = 0.05  # scatter of annotators, relative to the root of the box's area

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

    "landmarks": [{score, keypoints, presence}, ...]

    Or what `kept` makes of it.
    """
    was_training = model.training
    model.eval()
    begun = (begin(model, x, device) for x in validation_batches(samples, workers))
    # A batch ahead: a GPU works on it while the CPU writes the results of this one.
    pairs, found = itertools.pairwise(itertools.chain(begun, [None])), []
    for (count, results, stream), _ in pairs:
        with stream:
            values = results["landmarks"].items()
            results = {"landmarks": {name: x.cpu() for name, x in values}}
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
    return {"landmarks": to_poses(results["landmarks"], row, KEYPOINTS, ratio, limits)}


def to_poses(
    results: dict, row: int, names: tuple[str, ...], ratio: Tensor, limits: Tensor
) -> list[dict]:
    """Returns instances; a keypoint is None where it is more likely absent."""
    count = int(results["count"][row])
    keypoints = results["keypoints"][row, :count] * ratio[:2]
    keypoints = keypoints.clamp(min=0).minimum(limits[:2]).tolist()
    presence = results["presence"][row, :count].tolist()
    scores = results["scores"][row, :count].tolist()
    return [
        {
            "score": score,
            "keypoints": {
                name: point if likely >= 0.5 else None
                for name, point, likely in zip(names, points, present)
            },
            "presence": dict(zip(names, present)),
        }
        for score, points, present in zip(scores, keypoints, presence)
    ]


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
        "landmarks": pose_evidence(
            sample.labels["landmarks"], predictions["landmarks"], KEYPOINTS, SIGMAS
        )
    }


def score(found: list[dict]) -> dict[str, float]:
    """Returns the metrics of predictions."""
    metrics = keypoint_metrics([one["landmarks"] for one in found])
    return {"landmarks/" + name: value for name, value in metrics.items()}


class Matches(NamedTuple):
    """How the predictions of a category fit its objects in one image."""

    scores: np.ndarray  # (D,), the best first
    hits: np.ndarray  # (10, D), which found an object, at each of SIMILARITIES
    objects: int


def match(scores: np.ndarray, similarity: np.ndarray) -> Matches:
    """Matches predictions of scores (D,) to objects by their similarity (D, G), 0..1.

    As COCO does it: the best prediction comes first, and takes the free object that it
    resembles most, if by enough.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.zeros((len(SIMILARITIES), len(scores)), bool)
    for hit, least in zip(hits, SIMILARITIES):
        free = similarity[order]
        for number, row in enumerate(free):
            if row.size and row.max() >= least:
                hit[number] = True
                free[:, row.argmax()] = -1
    return Matches(scores[order], hits, similarity.shape[1])


def average_precision(matches: list[Matches]) -> np.ndarray:
    """Returns average precision at each of SIMILARITIES, (10,), as COCO defines it: the
    mean precision over 101 values of recall."""
    scores = np.concatenate([one.scores for one in matches])
    hits = np.concatenate([one.hits for one in matches], 1)
    found = hits[:, np.argsort(-scores, kind="stable")].cumsum(1)
    recall = found / max(1, sum(one.objects for one in matches))
    precision = found / np.arange(1, len(scores) + 1)
    # A recall counts with the best precision at which it, or a higher one, is reached.
    precision = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    precision = np.pad(precision, ((0, 0), (0, 1)))  # 0 where it never is
    thresholds = np.linspace(0, 1, 101)
    indices = [np.searchsorted(row, thresholds) for row in recall]
    return np.take_along_axis(precision, np.array(indices), 1).mean(1)


class PoseEvidence(NamedTuple):
    """Matches of the predictions for one image."""

    matches: Matches
    errors: np.ndarray  # (M,) of its present keypoints, in sizes of their instance


def pose_evidence(
    poses: Poses, found: list[dict], names: tuple[str, ...], sigmas: float | tuple
) -> PoseEvidence:
    absent = (np.nan, np.nan)
    points = [[item["keypoints"][name] or absent for name in names] for item in found]
    points = np.array(points, np.float32).reshape(-1, len(names), 2)
    scores = np.array([item["score"] for item in found])
    sides = poses.boxes[:, 2:] - poses.boxes[:, :2]
    # (D, G, K), NaN where a keypoint is absent from one of the two
    square = np.square(points[:, None] - poses.keypoints).sum(3)
    similarity = keypoint_similarity(square / sides.prod(1)[:, None], poses, sigmas)
    errors = np.sqrt(square) / sides.max(1)[:, None]
    return PoseEvidence(
        match(scores, similarity), keypoint_errors(errors, scores, poses)
    )


def keypoint_similarity(
    square: np.ndarray, poses: Poses, sigmas: float | tuple
) -> np.ndarray:
    """Returns object keypoint similarity (D, G) by squared distances (D, G, K) in areas
    of the boxes: https://cocodataset.org/#keypoints-eval."""
    similar = np.exp(-square / (8 * np.square(sigmas)))
    return np.nan_to_num(similar).sum(2) / poses.present().sum(1)


def keypoint_errors(errors: np.ndarray, scores: np.ndarray, poses: Poses) -> np.ndarray:
    """Returns errors (M,) of present keypoints, by those of all pairs (D, G, K);
    infinite where the keypoint or its instance was not found.

    The best prediction comes first, and takes the free instance that is nearest to it,
    if by less than half the instance's size.
    """
    present = poses.present()
    errors = np.where(present & np.isnan(errors), np.inf, errors)
    apart = np.where(present, np.minimum(errors, 1), 0).sum(2) / present.sum(1)
    # In float32, as the errors are: as float64, 5 of 100 pixels are more than 0.05.
    best = np.full(present.shape, np.inf, np.float32)
    for number in np.argsort(-scores, kind="stable"):
        if apart.size and apart[number].min() < 0.5:
            instance = apart[number].argmin()
            best[instance] = errors[number, instance]
            apart[:, instance] = np.inf
    return best[present]


def keypoint_metrics(found: list[PoseEvidence]) -> dict[str, float]:
    """Returns average precision by object keypoint similarity, and the share of
    keypoints that are off by at most 0.05 and 0.1 of their instance's size, its longer
    side: PCK, https://doi.org/10.1109/TPAMI.2012.261. None where no keypoint is
    labeled."""
    precision = average_precision([one.matches for one in found])
    errors = np.concatenate([one.errors for one in found])
    if not len(errors):
        return {}
    metrics = {"ap": precision.mean(), "ap50": precision[0], "ap75": precision[5]}
    metrics |= {"pck05": (errors <= 0.05).mean(), "pck10": (errors <= 0.1).mean()}
    return {name: float(value) for name, value in metrics.items()}


# ---- Command line ----


def load_model(path: Path, device: torch.device) -> KeypointDetector:
    """Loads a model from a last.pt or best.pt; ends the program if it cannot."""
    model = KeypointDetector()
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
    return {head.get("name"): (head["task"], head["keypoints"]) for head in heads}


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
