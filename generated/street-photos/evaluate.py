"""Metrics of trained weights on a labeled dataset.

    python evaluate.py --weights runs/street-photos/best.pt --data ROOT

Prints them as JSON.
"""

import argparse
import contextlib
import csv
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

from data import ChangedError, ImageError, validation_batches
from dataset import Sample, read_datasets, say
from model import TAGS_LABELS, TRAFFIC_CATEGORIES, Network, decode

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
    """Returns predictions for each sample, by head:

    "tags": {labels, scores}
    "traffic": {category, score, top5}

    Or what `kept` makes of it.
    """
    was_training = model.training
    model.eval()
    begun = (begin(model, x, device) for x in validation_batches(samples, workers))
    # A batch ahead: a GPU works on it while the CPU writes the results of this one.
    pairs, found = itertools.pairwise(itertools.chain(begun, [None])), []
    for (count, results, stream), _ in pairs:
        with stream:
            results = {
                head: {name: values.cpu() for name, values in of_head.items()}
                for head, of_head in results.items()
            }
            for row in range(count):
                found.append(kept(samples[len(found)], to_annotations(results, row)))
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


def to_annotations(results: dict, row: int) -> dict:
    """Returns one image's results by head."""
    return {
        "tags": to_labels(results["tags"], row, TAGS_LABELS, min_score=0.5),
        "traffic": to_category(results["traffic"], row, TRAFFIC_CATEGORIES),
    }


def to_category(results: dict, row: int, names: tuple[str, ...]) -> dict:
    """Returns the likeliest category, and five with their probabilities."""
    scores, order = results["probabilities"][row].topk(min(5, len(names)))
    top = {names[i]: p for i, p in zip(order.tolist(), scores.tolist())}
    category, score = next(iter(top.items()))
    return {"category": category, "score": score, "top5": top}


def to_labels(
    results: dict, row: int, names: tuple[str, ...], min_score: float
) -> dict:
    """Returns the labels that are likely enough, and the probability of each."""
    scores = dict(zip(names, results["probabilities"][row].tolist()))
    likely = [name for name, score in scores.items() if score >= min_score]
    return {"labels": likely, "scores": scores}


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
        return score(samples, found)
    shares, metrics = [None] * world if rank == 0 else None, [None]
    dist.gather_object(found, shares)
    if rank == 0:
        found = [shares[i % world][i // world] for i in range(len(samples))]
        metrics = [score(samples, found)]
    dist.broadcast_object_list(metrics)
    return metrics[0]


def evidence(sample: Sample, predictions: dict) -> dict:
    """Returns the values that the metrics need from one image, by labeled head."""
    known = {}
    if "tags" in sample.labels:
        known["tags"] = predictions["tags"]
    if "traffic" in sample.labels:
        known["traffic"] = predictions["traffic"]
    return known


def score(samples: Sequence[Sample], found: list[dict]) -> dict[str, float]:
    """Returns the metrics of predictions.

    A head is measured on the images that have labels for it.
    """
    metrics = {
        "tags": multilabel_metrics(
            [sample.labels["tags"] for sample in samples if "tags" in sample.labels],
            [one["tags"] for one in found if "tags" in one],
            TAGS_LABELS,
        ),
        "traffic": classification_metrics(
            [
                sample.labels["traffic"]
                for sample in samples
                if "traffic" in sample.labels
            ],
            [one["traffic"] for one in found if "traffic" in one],
            TRAFFIC_CATEGORIES,
        )
        | {
            "rank_error": rank_error(
                [
                    sample.labels["traffic"]
                    for sample in samples
                    if "traffic" in sample.labels
                ],
                [one["traffic"] for one in found if "traffic" in one],
                TRAFFIC_CATEGORIES,
            )
        },
    }
    return {
        f"{head}/{name}": value
        for head, values in metrics.items()
        for name, value in values.items()
    }


def classification_metrics(
    truth: list[int], found: list[dict], names: tuple[str, ...]
) -> dict[str, float]:
    """Returns accuracies, and means of precision, recall, F1 over what occurs."""
    labels = np.array(truth)
    predicted = np.array([names.index(item["category"]) for item in found])
    label_counts, predicted_counts, hits = (
        np.bincount(categories, minlength=len(names))
        for categories in (labels, predicted, labels[labels == predicted])
    )
    occurring = label_counts > 0
    recall = hits[occurring] / label_counts[occurring]
    precision = hits[occurring] / np.maximum(predicted_counts[occurring], 1)
    f1 = 2 * hits[occurring] / (label_counts + predicted_counts)[occurring]
    in_top5 = [names[category] in item["top5"] for category, item in zip(truth, found)]
    return {
        "balanced_accuracy": float(recall.mean()),
        "accuracy": float((labels == predicted).mean()),
        "precision": float(precision.mean()),
        "recall": float(recall.mean()),
        "f1": float(f1.mean()),
        "top5_accuracy": float(np.mean(in_top5)),
    }


def save_confusion(
    path: Path, truth: list[int], found: list[dict], names: tuple[str, ...]
):
    """Saves the confusion matrix: categories are rows, predictions columns."""
    counts = np.zeros((len(names), len(names)), int)
    predicted = [names.index(item["category"]) for item in found]
    np.add.at(counts, (truth, predicted), 1)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["", *names])
        rows.writerows([name, *row] for name, row in zip(names, counts.tolist()))


def rank_error(truth: list[int], found: list[dict], names: tuple[str, ...]) -> float:
    """Returns how many ranks a item is off, on average."""
    predicted = np.array([names.index(item["category"]) for item in found])
    return float(np.abs(predicted - np.array(truth)).mean())


def multilabel_metrics(
    truth: list[np.ndarray], found: list[dict], names: tuple[str, ...]
) -> dict[str, float]:
    """Returns average precision of each label that occurs and its mean; F1 over labels
    that occur or are given (macro), and over all decisions at once (micro). None where
    no image has a label."""
    labels = np.stack(truth) > 0  # (images, labels)
    scores = np.array([[item["scores"][name] for name in names] for item in found])
    predicted = np.array([[name in item["labels"] for name in names] for item in found])
    precisions = {
        name: ranking_precision(labels[:, i], scores[:, i])
        for i, name in enumerate(names)
        if labels[:, i].any()
    }
    if not precisions:
        return {}
    right, both = (labels & predicted).sum(0), labels.sum(0) + predicted.sum(0)
    f1 = 2 * right[both > 0] / both[both > 0]
    return {
        "mean_average_precision": float(np.mean([*precisions.values()])),
        "macro_f1": float(f1.mean()),
        "micro_f1": float(2 * right.sum() / both.sum()),
        **{f"average_precision/{name}": value for name, value in precisions.items()},
    }


def ranking_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Returns area under precision over recall, a step for each distinct score: no
    choice between images of the same score can change it."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # equal scores end here
    hits = labels[order].cumsum()[last]
    precision = hits / (np.flatnonzero(last) + 1)
    return float(np.sum(np.diff(hits, prepend=0) * precision) / hits[-1])


# ---- Command line ----


def load_model(path: Path, device: torch.device) -> Network:
    """Loads a model from a last.pt or best.pt; ends the program if it cannot."""
    model = Network()
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
    return {
        head.get("name"): (head["task"], head.get("labels"), head.get("categories"))
        for head in heads
    }


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
    found = predict_samples(model, samples, device, args.workers, evidence)
    print(json.dumps(score(samples, found), indent=2))
    if args.confusion:
        args.confusion.mkdir(parents=True, exist_ok=True)
        save_confusion(
            args.confusion / "traffic.csv",
            [
                sample.labels["traffic"]
                for sample in samples
                if "traffic" in sample.labels
            ],
            [one["traffic"] for one in found if "traffic" in one],
            TRAFFIC_CATEGORIES,
        )


if __name__ == "__main__":
    parser = command_line(__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="best.pt, last.pt")
    parser.add_argument("--data", type=Path, default=Path(), help="root of datasets")
    parser.add_argument(
        "--confusion",
        type=Path,
        metavar="DIR",
        help="also write how often each category was taken for each: a CSV a head",
    )
    run(main, parser.parse_args())
