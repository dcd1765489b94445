"""Metrics of trained weights on a labeled dataset.

    python evaluate.py --weights runs/nuclei/best.pt --data ROOT

Prints them as JSON.
"""

import argparse
import contextlib
import io
import itertools
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from faster_coco_eval import COCO, COCOeval_faster
from faster_coco_eval.core import mask as coco_mask
from torch import Tensor, nn

from data import ChangedError, ImageError, read_image, validation_batches
from dataset import VALIDATION, Instances, Sample, read_dataset, say
from model import CATEGORIES, MASK_STRIDE, Segmenter, decode, fit, mask_in

JOB = Path(__file__).with_name("resolved.json").read_text(encoding="utf-8")

# ---- Predictions, in the form of annotations ----


@torch.inference_mode()
def predict_samples(
    model: nn.Module, samples: Sequence[Sample], device: torch.device, workers: int = 0
) -> list[dict]:
    """Returns predictions for each sample, in pixels of each image, by head:

    "nuclei": [{category, bbox, mask, score}, ...]
    """
    was_training = model.training
    model.eval()
    begun = (begin(model, x, device) for x in validation_batches(samples, workers))
    # A batch ahead: a GPU works on it while the CPU writes the results of this one.
    pairs, found = itertools.pairwise(itertools.chain(begun, [None])), []
    for (count, results, stream), _ in pairs:
        with stream:
            values = results["nuclei"].items()
            results = {"nuclei": {name: x.cpu() for name, x in values}}
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
    return {
        "nuclei": to_instances(
            results["nuclei"], row, CATEGORIES, MASK_STRIDE, ratio, limits
        )
    }


def to_instances(
    results: dict,
    row: int,
    names: tuple[str, ...],
    stride: int,
    ratio: Tensor,
    limits: Tensor,
) -> list[dict]:
    """Returns instances of an image; "mask" has COCO's run lengths of the image."""
    count = int(results["count"][row])
    boxes = (results["boxes"][row, :count] * ratio).clamp(min=0).minimum(limits)
    classes = results["classes"][row, :count].tolist()
    scores = results["scores"][row, :count].tolist()
    masks, stride = results["masks"][row, :count], stride * ratio[:2]
    return [
        {
            "category": names[category],
            "bbox": box,
            "mask": run_lengths_of(mask, box, limits[:2].tolist(), stride),
            "score": score,
        }
        for category, box, mask, score in zip(classes, boxes.tolist(), masks, scores)
    ]


def run_lengths_of(
    logits: Tensor, box: list[float], size: list[int], stride: Tensor
) -> dict:
    """Encodes a mask, made as by `whole_masks` of model.py, inside its box."""
    width, height = size
    mask = np.zeros((height, width), np.uint8, order="F")
    place, inside = mask_in(box, logits, stride)
    mask[place] = inside
    return compressed_runs(mask)


def compressed_runs(mask: np.ndarray) -> dict:
    """Returns COCO's run lengths of a mask (height, width)."""
    runs = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [*mask.shape], "counts": runs["counts"].decode()}


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
    metrics = instance_metrics(
        [sample.labels["nuclei"] for sample in samples],
        [one["nuclei"] for one in found],
        CATEGORIES,
    )
    return {"nuclei/" + name: value for name, value in metrics.items()}


def coco_metrics(
    annotations: list[dict],
    results: list[dict],
    images: int,
    names: tuple[str, ...],
    kind: str,
) -> dict[str, float]:
    """Returns average precision and recall over IoU 0.5..0.95."""
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
        # All results count: max_detections has limited those of an image, not COCO.
        scorer.params.maxDets = [1, 10, max(100, len(results))]
        scorer.run()
    # Place 8 is the recall of all results; -1 marks what does not occur.
    keys = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "", "", "ar")
    stats = dict(zip(keys, map(float, scorer.stats)))
    return {key: value for key, value in stats.items() if key and value >= 0}


def instance_metrics(
    truth: list[Instances], found: list[list[dict]], names: tuple[str, ...]
) -> dict[str, float]:
    """Returns average precision and recall of masks as COCO defines them, and "box_ap",
    the average precision of boxes."""
    annotations, results = [], []
    for image, instances in enumerate(truth):
        for box, category, mask in zip(*instances):
            annotations.append(coco_instance(image, int(category), box.tolist(), mask))
    for image, instances in enumerate(found):
        for item in instances:
            category = names.index(item["category"])
            results.append(coco_instance(image, category, item["bbox"], item["mask"]))
            results[-1]["score"] = item["score"]
    metrics = coco_metrics(annotations, results, len(truth), names, "segm")
    box_metrics = coco_metrics(annotations, results, len(truth), names, "bbox")
    return metrics | ({"box_ap": box_metrics["ap"]} if box_metrics else {})


def coco_instance(image: int, category: int, box: list[float], mask: dict) -> dict:
    left, top, right, bottom = box
    return {
        "image_id": image,
        "category_id": category,
        "bbox": [left, top, right - left, bottom - top],
        "segmentation": mask,
        "area": float(coco_mask.area(mask)),
    }


# ---- Command line ----


def load_model(path: Path, device: torch.device) -> Segmenter:
    """Loads a model from a last.pt or best.pt; ends the program if it cannot."""
    model = Segmenter()
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


def load_onnx(file: Path | bytes) -> Callable:
    """Opens a file of export.py, or its content; ends the program if it cannot."""
    try:
        from runtime import Model  # needs ONNX Runtime, as nothing else here does

        model = Model(file)
    except ImportError as error:
        raise SystemExit(f"--onnx: {error}; pip install onnxruntime") from None
    except Exception as error:  # ONNX Runtime raises many kinds of errors
        reason = f"not a file of export.py: {str(error).splitlines()[0]:.200}"
        reason = reason if os.path.isfile(file) else "no such file"
        raise SystemExit(f"{file}: {reason}") from None
    if heads_of(model.job) != heads_of(JOB):
        raise SystemExit(f"{file}: of another job: its heads or their names differ")
    return model


def predict_onnx(model: Callable, samples: Sequence[Sample]) -> list[dict]:
    """Returns predictions of an exported model, as `predict_samples` returns them."""
    found = []
    for sample in samples:
        predictions = model(read_image(sample, sample.height, sample.width))
        for item in predictions["nuclei"]:
            item["mask"] = compressed_runs(item["mask"])
        found.append(predictions)
    return found


def evaluate_onnx(file: Path | bytes, samples: Sequence[Sample]) -> dict[str, float]:
    """Returns the metrics of a file of export.py, as `evaluate` returns them."""
    model = load_onnx(file)
    found = predict_onnx(model, samples)
    return score(samples, found)


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
    samples = read_dataset(args.data / VALIDATION)
    if args.onnx:
        print(json.dumps(evaluate_onnx(args.onnx, samples), indent=2))
        return
    model = load_model(args.weights, device)
    print(json.dumps(evaluate(model, samples, device, args.workers), indent=2))


if __name__ == "__main__":
    parser = command_line(__doc__.splitlines()[0])
    weights = parser.add_mutually_exclusive_group(required=True)
    weights.add_argument("--weights", type=Path, help="best.pt, last.pt")
    weights.add_argument("--onnx", type=Path, metavar="FILE", help="of export.py")
    parser.add_argument("--data", type=Path, default=Path(), help="root of datasets")
    run(main, parser.parse_args())
