"""Metrics of trained weights on a labeled dataset.

    python evaluate.py --weights runs/vehicles/best.pt --data ROOT

Prints them as JSON.
"""

import argparse
import contextlib
import io
import itertools
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from faster_coco_eval import COCO, COCOeval_faster
from torch import Tensor, nn

from data import ChangedError, ImageError, validation_batches
from dataset import VALIDATION, Objects, Sample, read_dataset, say
from model import CATEGORIES, Detector, decode, fit

JOB = Path(__file__).with_name("resolved.json").read_text(encoding="utf-8")

# ---- Predictions, in the form of annotations ----


@torch.inference_mode()
def predict_samples(
    model: nn.Module, samples: Sequence[Sample], device: torch.device, workers: int = 0
) -> list[dict]:
    """Returns predictions for each sample, in pixels of each image, by head:

    "vehicles": [{category, bbox, score}, ...]
    """
    was_training = model.training
    model.eval()
    begun = (begin(model, x, device) for x in validation_batches(samples, workers))
    # A batch ahead: a GPU works on it while the CPU writes the results of this one.
    pairs, found = itertools.pairwise(itertools.chain(begun, [None])), []
    for (count, results, stream), _ in pairs:
        with stream:
            values = results["vehicles"].items()
            results = {"vehicles": {name: x.cpu() for name, x in values}}
            for row in range(count):
                sample = samples[len(found)]
                seen = fit(sample.height, sample.width)
                found.append(to_annotations(results, row, sample, seen))
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
    return {"vehicles": to_objects(results["vehicles"], row, CATEGORIES, ratio, limits)}


def to_objects(
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
    model: nn.Module, samples: Sequence[Sample], device, workers=0, rank=0, world=1
) -> dict[str, float]:
    """Returns metrics by "<head>/<metric>". Every process takes a share of the samples;
    rank 0 scores all predictions, and sends the metrics to the others."""
    if world > 1:  # the running statistics of rank 0 are the ones that are saved
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)
    found = predict_samples(model, samples[rank::world], device, workers)
    if world == 1:
        return score(samples, found)
    shares, metrics = [None] * world if rank == 0 else None, [None]
    dist.gather_object(found, shares)
    if rank == 0:
        found = [shares[i % world][i // world] for i in range(len(samples))]
        metrics = [score(samples, found)]
    dist.broadcast_object_list(metrics)
    return metrics[0]


def score(samples: Sequence[Sample], found: list[dict]) -> dict[str, float]:
    """Returns the metrics of predictions."""
    metrics = detection_metrics(
        [sample.labels["vehicles"] for sample in samples],
        [one["vehicles"] for one in found],
        CATEGORIES,
    )
    return {"vehicles/" + name: value for name, value in metrics.items()}


def detection_metrics(
    truth: list[Objects], found: list[list[dict]], names: tuple[str, ...]
) -> dict[str, float]:
    """Returns average precision and recall as COCO defines them."""
    annotations, results = [], []
    for image, objects in enumerate(truth):
        for box, category, area, crowd in zip(*(x.tolist() for x in objects)):
            annotations.append(coco_object(image, category, box))
            annotations[-1] |= {"area": area, "iscrowd": int(crowd)}
    for image, objects in enumerate(found):
        for item in objects:
            category = names.index(item["category"])
            results.append(coco_object(image, category, item["bbox"]))
            results[-1]["score"] = item["score"]
    return coco_metrics(annotations, results, len(truth), names)


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
    annotations: list[dict], results: list[dict], images: int, names: tuple[str, ...]
) -> dict[str, float]:
    """Returns average precision and recall over IoU 0.5..0.95."""
    for number, item in enumerate(annotations, 1):
        item["id"] = number
    # Sizes are asked for, but of no use unless masks are polygons.
    dataset = {
        "images": [{"id": i, "height": 0, "width": 0} for i in range(images)],
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
    }
    with contextlib.redirect_stdout(io.StringIO()):  # the library prints its tables
        dataset = COCO(dataset)
        scorer = COCOeval_faster(dataset, dataset.loadRes(results), "bbox")
        # All results count: max_detections has limited those of an image, not COCO.
        scorer.params.maxDets = [1, 10, max(100, len(results))]
        scorer.run()
    # Place 8 is the recall of all results; -1 marks what does not occur.
    keys = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "", "", "ar")
    stats = dict(zip(keys, map(float, scorer.stats)))
    return {key: value for key, value in stats.items() if key and value >= 0}


# ---- Command line ----


def load_model(path: Path, device: torch.device) -> Detector:
    """Loads a model from a last.pt or best.pt; ends the program if it cannot."""
    model = Detector()
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
    samples = read_dataset(args.data / VALIDATION, root=args.data)
    print(json.dumps(evaluate(model, samples, device, args.workers), indent=2))


if __name__ == "__main__":
    parser = command_line(__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="best.pt, last.pt")
    parser.add_argument("--data", type=Path, default=Path(), help="root of datasets")
    run(main, parser.parse_args())
