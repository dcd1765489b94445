"""Metrics of trained weights on a labelled dataset.

    python evaluate.py --weights runs/street-scenes/best.pt --data ROOT

Prints them as JSON.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from data import ImageError, read_categories, resized_map, validation_batches
from dataset import VALIDATION, Sample, read_dataset
from model import CATEGORIES, STRIDE, Segmenter, decode, enlarge, fit

JOB = Path(__file__).with_name("resolved.json").read_text(encoding="utf-8")

# ---- Predictions, in the words of the annotations ----


@torch.inference_mode()
def predict_samples(
    model: nn.Module,
    samples: list[Sample],
    device: torch.device,
    workers: int = 0,
    kept: Callable[[Sample, dict], dict] = lambda sample, words: words,
) -> list[dict]:
    """What each head finds in each sample, in pixels of each image, by its name:

    "street": (height, width), indices of categories

    Or what `kept` makes of it, one image at a time: the maps of all would need much
    memory.
    """
    was_training = model.training
    model.eval()
    found = []
    for images in validation_batches(samples, workers):
        results = on_cpu(decode(model(images.to(device))))
        for row in range(len(images)):
            sample = samples[len(found)]
            seen = fit(sample.height, sample.width)
            found.append(kept(sample, in_words(results, row, sample, seen)))
    model.train(was_training)
    return found


def on_cpu(results: dict) -> dict:
    return {
        head: {name: values.cpu() for name, values in of_head.items()}
        for head, of_head in results.items()
    }


def in_words(results: dict, row: int, sample: Sample, seen: tuple[int, int]) -> dict:
    """One image's results by head, in its own pixels; `seen` is the height and width
    that it had on the canvas."""
    return {"street": categories_in_words(results["street"], row, STRIDE, sample, seen)}


def categories_in_words(
    results: dict, row: int, stride: int, sample: Sample, seen: tuple[int, int]
) -> np.ndarray:
    """The index of each pixel's category, (height, width) of the image."""
    logits = results["logits"][row : row + 1]
    logits = enlarge(logits, stride, seen, (sample.height, sample.width))
    return logits[0].argmax(0).short().numpy()


# ---- Metrics ----


def evaluate(
    model: nn.Module,
    samples: list[Sample],
    device: torch.device,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
) -> dict[str, float]:
    """Metrics "<head>/<metric>", fractions 0..1."""
    return score(samples, find(model, samples, device, workers, rank, world))


def find(
    model: nn.Module,
    samples: list[Sample],
    device: torch.device,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
) -> list[dict]:
    """What is found in each sample. Every process takes a share, and gets the whole."""
    if world > 1:  # the running statistics of rank 0 are the ones that are saved
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)
    found = predict_samples(model, samples[rank::world], device, workers, evidence)
    if world > 1:
        shares = [None] * world
        dist.all_gather_object(shares, found)
        found = [shares[i % world][i // world] for i in range(len(samples))]
    return found


def evidence(sample: Sample, words: dict) -> dict:
    """What the metrics need to know of one image, by head."""
    return {
        "street": count_pixels(
            read_categories(*sample.labels["street"]), words["street"], len(CATEGORIES)
        )
    }


def score(samples: list[Sample], found: list[dict]) -> dict[str, float]:
    """Metrics of predictions against the labels of their samples."""
    metrics = {
        "street": segmentation_metrics([words["street"] for words in found], CATEGORIES)
    }
    return {
        f"{head}/{name}": value
        for head, of_head in metrics.items()
        for name, value in of_head.items()
    }


def count_pixels(truth: np.ndarray, found: np.ndarray, categories: int) -> np.ndarray:
    """Pixels of each category that are labelled, found, and both: (3, categories).

    The map `truth` may be smaller than the image; what is unlabelled in it is not
    counted.
    """
    truth = resized_map(truth, *found.shape)
    found, truth = found[truth >= 0], truth[truth >= 0]
    groups = (truth, found, truth[truth == found])
    return np.stack([np.bincount(group, minlength=categories) for group in groups])


def segmentation_metrics(
    counts: list[np.ndarray], names: tuple[str, ...]
) -> dict[str, float]:
    """IoU of the categories that occur in labels or predictions, and their mean."""
    labelled, found, both = np.sum(counts, 0)
    union = labelled + found - both
    if not union.any():
        return {}
    iou = {name: float(b / u) for name, b, u in zip(names, both, union) if u}
    return {
        "mean_iou": sum(iou.values()) / len(iou),
        "pixel_accuracy": float(both.sum() / labelled.sum()),
    } | {f"iou/{name}": value for name, value in iou.items()}


# ---- Command line ----


def load_model(path: Path, device: torch.device) -> Segmenter:
    """The model with the weights of a last.pt or best.pt; ends if they are no such."""
    model = Segmenter()
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        theirs, weights = heads_of(checkpoint["job"]), checkpoint["model"]
    except OSError as error:
        raise SystemExit(f"{path}: {error.strerror}") from None
    except Exception:  # a foreign file can raise nearly anything
        raise SystemExit(f"{path}: not a checkpoint of train.py") from None
    if theirs != heads_of(JOB):
        raise SystemExit(f"{path}: of another job: its heads or their names differ")
    try:
        model.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise SystemExit(f"{path}: not weights of this model.py: {error}") from None
    return model.to(device, memory_format=torch.channels_last).eval()


def heads_of(job: str) -> dict:
    """What gives the weights of a job's heads their meaning."""
    heads = json.loads(job)["model"]["heads"]
    return {head.get("name"): (head["task"], head["categories"]) for head in heads}


def main(args: argparse.Namespace):
    device = torch.device(args.device)
    model = load_model(args.weights, device)
    samples = read_dataset(args.data / VALIDATION)
    print(json.dumps(evaluate(model, samples, device), indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    # A wrong flag ends with exit code 1, as all that the user can mend does.
    parser.error = lambda message: sys.exit(f"{parser.format_usage()}{message}")
    devices = ("cuda", "cpu") if torch.cuda.is_available() else ("cpu",)
    parser.add_argument(
        "--weights", type=Path, required=True, help="a best.pt or last.pt"
    )
    parser.add_argument(
        "--data", type=Path, default=Path(), help="root of the datasets"
    )
    parser.add_argument("--device", choices=devices, default=devices[0])
    try:
        main(parser.parse_args())
    except (ImageError, OSError) as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
