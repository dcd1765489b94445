"""Metrics of trained weights on a labelled dataset.

    python evaluate.py --weights runs/detector/best.pt --data ROOT

Prints them as JSON.
"""

import argparse
import contextlib
import io
import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from faster_coco_eval import COCO, COCOeval_faster
from torch import Tensor, nn

from data import ImageError, validation_batches
from dataset import VALIDATION, Objects, Sample, read_dataset
from model import CATEGORIES, Detector, decode, fit

JOB = Path(__file__).with_name("resolved.json").read_text(encoding="utf-8")

# ---- Predictions, in the words of the annotations ----


@torch.inference_mode()
def predict_samples(
    model: nn.Module, samples: list[Sample], device: torch.device, workers: int = 0
) -> list[dict]:
    """What each head finds in each sample, in pixels of each image, by its name:

    "shapes": [{category, bbox, score}, ...]
    """
    was_training = model.training
    model.eval()
    found = []
    for images in validation_batches(samples, workers):
        results = on_cpu(decode(model(images.to(device))))
        for row in range(len(images)):
            sample = samples[len(found)]
            seen = fit(sample.height, sample.width)
            found.append(in_words(results, row, sample, seen))
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
    ratio = torch.tensor([sample.width / seen[1], sample.height / seen[0]]).repeat(2)
    limits = torch.tensor([sample.width, sample.height]).repeat(2)
    return {
        "shapes": objects_in_words(results["shapes"], row, CATEGORIES, ratio, limits)
    }


def objects_in_words(
    results: dict, row: int, names: tuple[str, ...], ratio: Tensor, limits: Tensor
) -> list[dict]:
    count = int(results["count"][row])
    boxes = (results["boxes"][row, :count] * ratio).clamp(min=0).minimum(limits)
    classes = results["classes"][row, :count].tolist()
    scores = results["scores"][row, :count].tolist()
    return [
        {"category": names[category], "bbox": box, "score": score}
        for category, box, score in zip(classes, boxes.tolist(), scores)
    ]


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
        "shapes": detection_metrics(
            [sample.labels["shapes"] for sample in samples],
            [words["shapes"] for words in found],
            CATEGORIES,
        )
    }
    return {
        f"{head}/{name}": value
        for head, of_head in metrics.items()
        for name, value in of_head.items()
    }


def detection_metrics(
    truth: list[Objects], found: list[list[dict]], names: tuple[str, ...]
) -> dict[str, float]:
    """Average precision and recall as COCO defines them."""
    annotations, results = [], []
    for image, objects in enumerate(truth):
        for box, category in zip(objects.boxes.tolist(), objects.classes.tolist()):
            annotations.append(coco_object(image, category, box))
    for image, objects in enumerate(found):
        for item in objects:
            category = names.index(item["category"])
            results.append(coco_object(image, category, item["bbox"]))
            results[-1]["score"] = item["score"]
    return coco_metrics(annotations, results, len(truth), names, "bbox")


def coco_object(image: int, category: int, box: list[float]) -> dict:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    return {
        "image_id": image,
        "category_id": category,
        "bbox": [left, top, width, height],
        "area": width * height,
    }


def coco_metrics(
    annotations: list[dict],
    results: list[dict],
    images: int,
    names: tuple[str, ...],
    kind: str,
) -> dict[str, float]:
    """Average precision and recall over IoU 0.5..0.95; `kind` is bbox or segm."""
    keys = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar")
    if not annotations or not results:
        return dict.fromkeys(keys, 0.0)
    for number, item in enumerate(annotations, 1):
        item |= {"id": number, "iscrowd": 0}
    # Sizes are asked for, but of no use unless masks are polygons.
    dataset = {
        "images": [{"id": i, "height": 0, "width": 0} for i in range(images)],
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
    }
    with contextlib.redirect_stdout(io.StringIO()):  # the library prints its tables
        dataset = COCO(dataset)
        scorer = COCOeval_faster(dataset, dataset.loadRes(results), kind)
        scorer.run()
    # In the library's order, place 8 is the recall at 100 detections; -1 marks sizes
    # that do not occur.
    values = [max(float(scorer.stats[i]), 0.0) for i in (0, 1, 2, 3, 4, 5, 8)]
    return dict(zip(keys, values))


# ---- Command line ----


def load_model(path: Path, device: torch.device) -> Detector:
    """The model with the weights of a last.pt or best.pt; ends if they are no such."""
    model = Detector()
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
