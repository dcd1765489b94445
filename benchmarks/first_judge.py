"""Judges trained weights beside naive baselines, image by image, in a process of its
own.

    python benchmarks/first_judge.py FOLDER WEIGHTS ROOT PAIR FILE

The folder is one that `specc build` wrote, the pair one of first_pairs.py. FILE gets,
as JSON, the values of each validation image for the model and for each baseline. Higher
ones are better, except where first_pairs.py says otherwise.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import naive
import numpy as np
import torch
import yaml
from first_pairs import PAIRS, Pair

VOTES = 20  # neighbors that vote for the category of an image
PATCHES = 4000  # patches that PatchCore remembers
ROWS = 500  # images or patches that are compared at once
PIXELS = 64  # longer side of the images whose principal components are taken


def judge(folder: Path, weights: Path, root: Path, pair: Pair) -> dict:
    """Returns the values by image, and the metrics of all images."""
    from specc.scores.found import beside, find

    found = find(folder, weights, root, "cpu", 0)
    (head,) = found.heads
    known = [i for i, one in enumerate(found.samples) if head in one.labels]
    samples = [found.samples[i] for i in known]
    evidence = [found.evidence[i] for i in known]
    data, draw, dataset, model = (
        beside(folder, "", name) for name in ("data", "draw", "dataset", "model")
    )
    training, _ = dataset.read_datasets(root)
    metrics = found.score(samples, evidence)
    result = {"metrics": {name: float(value) for name, value in metrics.items()}}
    if pair.task == "anomaly_detection":
        network = network_of(model, weights)
        return result | anomalies(network, data, training, samples, evidence)
    if pair.metric in ("recall_at_1", "knn_accuracy"):
        words = [one[head] for one in evidence]
        return result | retrieval(pair, root, samples, words, data.read_image)
    if pair.task == "autoencoding":
        network = network_of(model, weights)
        made = principal_components(network, model, training, data.read_image)
    else:
        labels = [draw.labels_of(sample)[head] for sample in training]
        made = naive.baselines(pair.task, training, labels, data.read_image)
    guesses = {
        name: [judged(found.evaluate, x, {head: guess(x)}) for x in samples]
        for name, guess in made.items()
    }

    if pair.metric == "mean_average_precision":
        words = {x: [one[head] for one in y] for x, y in guesses.items()}
        truth = [set(draw.labels_of(sample)[head]["labels"]) for sample in samples]
        return result | scores_of_labels([one[head] for one in evidence], words, truth)

    def value(i: int, one: dict) -> float | None:
        return found.score([samples[i]], [one]).get(f"{head}/{pair.metric}")

    count = range(len(samples))
    return result | {
        "ours": [value(i, evidence[i]) for i in count],
        "naive": {x: [value(i, y[i]) for i in count] for x, y in guesses.items()},
    }


def judged(evaluate, sample, predictions: dict) -> dict:
    """Returns what the metrics need of the predictions for an image."""
    if hasattr(evaluate, "evidence"):
        return evaluate.evidence(sample, predictions)
    return predictions


# ---- Whole sets ----


def scores_of_labels(ours: list[dict], naive: dict, truth: list[set]) -> dict:
    """Returns the scores of each image's labels (N, L), and which of them it has."""
    names = [*ours[0]["scores"]]

    def table(words: list[dict]) -> list[list[float]]:
        return [[float(one["scores"].get(x, 0)) for x in names] for one in words]

    return {
        "ours": table(ours),
        "naive": {name: table(words) for name, words in naive.items()},
        "truth": [[x in one for x in names] for one in truth],
    }


def retrieval(
    pair: Pair, root: Path, samples: Sequence, words: list[dict], read
) -> dict:
    """Each image in turn looks for the others, by the model's vectors or by pixels."""
    key = "embedding" if "embedding" in words[0] else "representation"
    vectors = np.float32([one[key] for one in words])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    if pair.metric == "knn_accuracy":  # training does not read these labels
        named = categories_of(root / pair.dataset / "val")
        truth = np.array([named[sample.path.name] for sample in samples])
    else:
        truth = np.array([next(iter(sample.labels.values())) for sample in samples])
    votes = VOTES if pair.metric == "knn_accuracy" else 1
    return {
        "ours": hits(vectors, truth, votes),
        "naive": {"nearest_pixels": hits(naive.pixels(samples, read), truth, votes)},
    }


def categories_of(folder: Path) -> dict[str, str]:
    """Returns the category of each image of a dataset in the native layout."""
    entries = yaml.safe_load((folder / "metadata.yaml").read_text("utf-8"))
    entries = entries if isinstance(entries, list) else [entries]
    (entry,) = [x for x in entries if x["task"] == "multiclass classification"][:1]
    return yaml.safe_load((folder / entry["annotations"]).read_text("utf-8"))


def hits(vectors: np.ndarray, truth: np.ndarray, votes: int) -> list[float]:
    """Returns whether the most frequent label among the nearest others is right."""
    found = []
    for first in range(0, len(vectors), ROWS):
        cosines = vectors[first : first + ROWS] @ vectors.T
        for row, one in enumerate(cosines, first):
            one[row] = -2
            near, counts = np.unique(
                truth[np.argsort(-one)[:votes]], return_counts=True
            )
            found.append(float(near[counts.argmax()] == truth[row]))
    return found


def principal_components(network, model, training: Sequence, read) -> dict:
    """Returns the reconstruction by as many components as the model's code has
    numbers."""
    with torch.inference_mode():
        canvas = torch.zeros(1, 3, model.HEIGHT, model.WIDTH, dtype=torch.uint8)
        size = network(canvas).code[0].numel()
    scale = PIXELS / max(model.HEIGHT, model.WIDTH)
    shape = round(model.HEIGHT * scale), round(model.WIDTH * scale)
    return {"principal": naive.principal(training, size, shape, read)}


def network_of(module, weights: Path) -> torch.nn.Module:
    """Returns the model of an emitted module with these weights."""
    network = new_network(module)
    state = torch.load(weights, map_location="cpu", weights_only=True)
    network.load_state_dict(state["model"])
    return network.eval()


def new_network(module) -> torch.nn.Module:
    """Returns the model of an emitted module as it starts."""
    kinds = [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, torch.nn.Module) and kind.__module__ == module.__name__
    ]
    whole = [x for x in kinds if not inspect.signature(x).parameters]
    return next(x for x in (kind() for kind in whole) if hasattr(x, "backbone"))


def anomalies(network, data, training, samples, evidence) -> dict:
    """Scores of images by the model, by the distance of their mean feature to that of
    normal images, and by PatchCore, https://arxiv.org/abs/2106.08265."""

    @torch.inference_mode()
    def maps(sample):
        canvas = torch.from_numpy(data.letterbox(sample).copy()).permute(2, 0, 1)[None]
        levels = network.backbone((canvas - network.mean) / network.std)
        size = levels[0].shape[2:]
        levels = [torch.nn.functional.interpolate(x, size) for x in levels]
        return torch.cat(levels, 1)[0].flatten(1).T  # (cells, channels)

    normal = [maps(sample) for sample in training]
    middle = torch.stack([x.mean(0) for x in normal]).mean(0)
    every, generator = torch.cat(normal), torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(every), generator=generator)[:PATCHES]
    memory, distances, patches = every[chosen], [], []
    for sample in samples:
        cells = maps(sample)
        distances.append(float((cells.mean(0) - middle).norm()))
        near = [torch.cdist(x, memory).min(1).values.max() for x in cells.split(ROWS)]
        patches.append(float(max(near)))
    return {
        "ours": [one["score"] for (one,) in (x.values() for x in evidence)],
        "naive": {"mean_feature": distances},
        "beside": {"PatchCore": patches},
        "truth": [bool(x.anomalous) for s in samples for x in s.labels.values()],
    }


def main(folder: str, weights: str, root: str, name: str, target: str) -> None:
    (pair,) = [pair for pair in PAIRS if pair.name == name]
    result = judge(Path(folder), Path(weights), Path(root), pair)
    Path(target).write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
