"""Metrics of trained weights on a labelled dataset.

python evaluate.py --weights runs/blood-cells/best.pt --data ROOT
"""

import argparse
import contextlib
import io
import json
from pathlib import Path

import torch
import torch.distributed as dist
from faster_coco_eval import COCO, COCOeval_faster
from torch import Tensor, nn

from data import (
    VALIDATION,
    ImageError,
    Objects,
    Sample,
    read_dataset,
    validation_batches,
)
from model import CATEGORIES, Detector, decode, fit

# ---- Predictions, in the words of the annotations ----


@torch.inference_mode()
def predict(
    model: nn.Module, samples: list[Sample], device: torch.device, workers: int = 0
) -> list[dict]:
    """For each sample {"cells": [{category, bbox, score}, ...]}, in its own pixels."""
    was_training = model.training
    model.eval()
    found = []
    for images in validation_batches(samples, workers):
        results = decode(model(images.to(device)))
        results = {name: values.cpu() for name, values in results.items()}
        for row in range(len(images)):
            found.append(in_words(results, row, samples[len(found)]))
    model.train(was_training)
    return found


def in_words(results: dict[str, Tensor], row: int, sample: Sample) -> dict:
    """One image's results, from pixels of the canvas back to pixels of the image."""
    height, width = fit(sample.height, sample.width)
    ratio = torch.tensor([sample.width / width, sample.height / height]).repeat(2)
    limits = torch.tensor([sample.width, sample.height]).repeat(2)
    boxes = (results["boxes"][row] * ratio).clamp(min=0).minimum(limits)
    count = int(results["count"][row])
    cells = [
        {"category": CATEGORIES[category], "bbox": box, "score": score}
        for category, box, score in zip(
            results["classes"][row, :count].tolist(),
            boxes[:count].tolist(),
            results["scores"][row, :count].tolist(),
        )
    ]
    return {"cells": cells}


# ---- Metrics ----


def evaluate(
    model: nn.Module,
    samples: list[Sample],
    device: torch.device,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
) -> dict[str, float]:
    """Metrics "<head>/<metric>", 0..1. Every process takes a share of the samples."""
    found = predict(model, samples[rank::world], device, workers)
    if world > 1:
        shares = [None] * world
        dist.all_gather_object(shares, found)
        found = [shares[i % world][i // world] for i in range(len(samples))]
    metrics = detection_metrics(
        [sample.cells for sample in samples], [words["cells"] for words in found]
    )
    return {f"cells/{name}": value for name, value in metrics.items()}


def detection_metrics(
    truth: list[Objects], found: list[list[dict]]
) -> dict[str, float]:
    """Average precision and recall as COCO defines them, at IoU 0.5..0.95."""
    annotations, results = [], []
    for image, objects in enumerate(truth):
        for box, category in zip(objects.boxes.tolist(), objects.classes.tolist()):
            annotations.append(coco_object(image, category, box))
            annotations[-1] |= {"id": len(annotations), "iscrowd": 0}
    for image, objects in enumerate(found):
        for item in objects:
            category = CATEGORIES.index(item["category"])
            results.append(coco_object(image, category, item["bbox"]))
            results[-1]["score"] = item["score"]
    names = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar")
    if not annotations or not results:
        return dict.fromkeys(names, 0.0)
    dataset = {
        "images": [{"id": image} for image in range(len(truth))],
        "annotations": annotations,
        "categories": [{"id": i, "name": n} for i, n in enumerate(CATEGORIES)],
    }
    with contextlib.redirect_stdout(io.StringIO()):  # the library prints its tables
        dataset = COCO(dataset)
        scorer = COCOeval_faster(dataset, dataset.loadRes(results), "bbox")
        scorer.run()
    # The library's order has average recall at 100 detections in place 8; -1 marks
    # sizes that do not occur.
    values = [max(float(scorer.stats[i]), 0.0) for i in (0, 1, 2, 3, 4, 5, 8)]
    return dict(zip(names, values))


def coco_object(image: int, category: int, box: list[float]) -> dict:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    return {
        "image_id": image,
        "category_id": category,
        "bbox": [left, top, width, height],
        "area": width * height,
    }


# ---- Command line ----


def load_model(path: Path, device: torch.device) -> Detector:
    """The model with the weights of a last.pt or best.pt."""
    model = Detector()
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(checkpoint["model"])
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise SystemExit(f"{path}: not weights of this model: {reason}") from None
    return model.to(device).eval()


def main(args: argparse.Namespace):
    device = torch.device(args.device)
    model = load_model(args.weights, device)
    samples = read_dataset(args.data / VALIDATION)
    metrics = evaluate(model, samples, device, args.workers)
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cuda = torch.cuda.is_available()
    parser.add_argument(
        "--weights", type=Path, required=True, help="a best.pt or last.pt"
    )
    parser.add_argument(
        "--data", type=Path, default=Path(), help="root of the datasets"
    )
    parser.add_argument("--device", default="cuda" if cuda else "cpu")
    parser.add_argument("--workers", type=int, default=0, help="processes that read")
    try:
        main(parser.parse_args())
    except ImageError as error:
        raise SystemExit(str(error).splitlines()[-1]) from None
