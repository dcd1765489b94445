"""Metrics of trained weights on a labelled dataset.

    python evaluate.py --weights runs/zebras/best.pt --data ROOT

Prints them as JSON.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from data import ImageError, validation_batches
from dataset import VALIDATION, Sample, read_dataset
from model import Embedder, decode

JOB = Path(__file__).with_name("resolved.json").read_text(encoding="utf-8")

# ---- Predictions, in the words of the annotations ----


@torch.inference_mode()
def predict_samples(
    model: nn.Module, samples: list[Sample], device: torch.device, workers: int = 0
) -> list[dict]:
    """What each head finds in each sample, by its name:

    "animal": {embedding}
    """
    was_training = model.training
    model.eval()
    found = []
    for images in validation_batches(samples, workers):
        results = on_cpu(decode(model(images.to(device))))
        for row in range(len(images)):
            found.append(in_words(results, row))
    model.train(was_training)
    return found


def on_cpu(results: dict) -> dict:
    return {
        head: {name: values.cpu() for name, values in of_head.items()}
        for head, of_head in results.items()
    }


def in_words(results: dict, row: int) -> dict:
    """One image's results by head."""
    return {"animal": embedding_in_words(results["animal"], row)}


def embedding_in_words(results: dict, row: int) -> dict:
    return {"embedding": results["embedding"][row].tolist()}


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
    found = predict_samples(model, samples[rank::world], device, workers)
    if world > 1:
        shares = [None] * world
        dist.all_gather_object(shares, found)
        found = [shares[i % world][i // world] for i in range(len(samples))]
    return found


def score(samples: list[Sample], found: list[dict]) -> dict[str, float]:
    """Metrics of predictions against the labels of their samples."""
    metrics = {
        "animal": retrieval_metrics(
            [sample.labels["animal"] for sample in samples],
            [words["animal"] for words in found],
        )
    }
    return {
        f"{head}/{name}": value
        for head, of_head in metrics.items()
        for name, value in of_head.items()
    }


def retrieval_metrics(truth: list[str], found: list[dict]) -> dict[str, float]:
    """Each image in turn looks for the others of its identity, by cosine.

    Recall at 1 and at 5: the share of images that have one among their 1 or 5 nearest.
    MAP@R: https://arxiv.org/abs/2003.08505, over the R nearest, if there are R others.
    An identity of a single image is only ever found, as a wrong answer.
    """
    identities = np.unique(truth, return_inverse=True)[1]
    embeddings = np.array([words["embedding"] for words in found], np.float32)
    others = np.bincount(identities)[identities] - 1  # R of each image
    if not others.any():
        return {}
    nearest = max(5, others.max())
    hits = []
    for query in others.nonzero()[0].tolist():
        similarity = embeddings @ embeddings[query]
        similarity[query] = -np.inf
        order = np.argsort(-similarity, kind="stable")[:-1][:nearest]
        hits.append(identities[order] == identities[query])
    hits, others = np.array(hits), others[others > 0]
    ranks = np.arange(1, hits.shape[1] + 1)
    precision = hits.cumsum(1) / ranks
    counted = hits & (ranks <= others[:, None])
    return {
        "recall_at_1": float(hits[:, 0].mean()),
        "recall_at_5": float(hits[:, :5].any(1).mean()),
        "map_at_r": float(((precision * counted).sum(1) / others).mean()),
    }


# ---- Command line ----


def load_model(path: Path, device: torch.device) -> Embedder:
    """The model with the weights of a last.pt or best.pt; ends if they are no such."""
    model = Embedder()
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
    return {head.get("name"): (head["task"], head["identities"]) for head in heads}


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
