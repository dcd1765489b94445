"""A training step and an inference of each head that locates, beside the box detector's.

    python benchmarks/head_speed.py --rounds 3

Each has a ResNet-18 and an FPN of 256 channels, over levels 3..7 (maps: 3..5), images of
256x256, batches of 4. A step is forward, loss and backward on a batch of drawn shapes;
inference is forward and decode of the same batch. Prints seconds on the clock of a
machine that should be quiet, medians over all rounds, and ratios to the detector's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from emitted import load

SIDE, BATCH, CHANNELS = 256, 4, 256
WARM_UP, TIMED = 1, 3  # steps of a round


def heads() -> dict[str, dict]:
    """The heads by a short name, the detector first; their dataset is the demo's."""
    from specc.shapes import maps, masks
    from specc.shapes.points import FLIP_PAIRS, KEYPOINTS, QUADRILATERALS
    from specc.shapes.scene import CATEGORIES

    categories = list(CATEGORIES)
    colors = {"colors": list(masks.COLORS.values())}
    whole = {
        "categories": ["background", *categories],
        "things": categories,
        "colors": [masks.BACKGROUND, *masks.COLORS.values()],
    }
    points = {"keypoints": list(KEYPOINTS), "flip_pairs": FLIP_PAIRS}
    regions = {
        "categories": list(maps.COLORS),
        "colors": list(maps.COLORS.values()),
    }
    options = {
        "object_detection": {"categories": categories},
        "quadrilateral_detection": {"categories": list(QUADRILATERALS)},
        "keypoint_detection": points,
        "instance_segmentation": {"categories": categories} | colors,
        "panoptic_segmentation": whole,
        "semantic_segmentation": regions,
        "depth_estimation": {"range": maps.DEPTH},
    }
    return {task: {"task": task} | own for task, own in options.items()}


def build(folder: Path, head: dict) -> Path:
    """The code of a job with this head, in a folder of its own."""
    top = 5 if head["task"] in ("semantic_segmentation", "depth_estimation") else 7
    levels = {"bottom_level": 3, "top_level": top}
    job = {
        "name": "timed",
        "data": {"train": "data/train", "validation": "data/val"}
        | {"resolution": [SIDE, SIDE]},
        "model": {
            "backbone": {"name": "resnet18"},
            "neck": {"kind": "fpn", "channels": CHANNELS} | levels,
            "heads": [head | levels],
        },
        "trainer": {"batch_size": BATCH},
    }
    path, code = folder / f"{head['task']}.json", folder / head["task"]
    path.write_text(json.dumps(job))
    command = [sys.executable, "-m", "specc.cli", "build", path, "-o", code]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return code


def measure(code: Path) -> None:
    """Runs in a process of its own: prints seconds of steps and of inferences."""
    model, data = load(code / "model.py"), load(code / "data.py")
    training, _ = sys.modules["dataset"].read_datasets(code.parent)
    images, targets = next(iter(data.training_batches(training, 0, 0, 0, 1, 0)))
    name = json.loads((code / "resolved.json").read_text())["model"]["heads"][0]["task"]
    kinds = [c for c in vars(model).values() if isinstance(c, type)]
    (made,) = [c for c in kinds if "uint8 images" in (c.__doc__ or "")]
    network = made().to(memory_format=torch.channels_last)
    steps, inferences = [], []
    for _ in range(WARM_UP + TIMED):
        start = time.perf_counter()
        sum(model.loss_terms(network.train()(images), targets).values()).backward()
        steps.append(time.perf_counter() - start)
        with torch.inference_mode():
            start = time.perf_counter()
            model.decode(network.eval()(images))
            inferences.append(time.perf_counter() - start)
    print(json.dumps([name, steps[WARM_UP:], inferences[WARM_UP:]]))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = options.parse_args()
    if options.one:
        return measure(options.one)
    from specc.shapes.dataset import draw_dataset

    found: dict[str, tuple[list[float], list[float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        draw_dataset(folder / "data", train=8, validation=2)
        codes = [build(folder, head) for head in heads().values()]
        for _ in range(options.rounds):
            for code in codes:
                command = [sys.executable, __file__, "--one", code]
                said = subprocess.run(command, check=True, capture_output=True)
                name, steps, inferences = json.loads(said.stdout.splitlines()[-1])
                pair = found.setdefault(name, ([], []))
                pair[0].extend(steps)
                pair[1].extend(inferences)
    medians = {name: [*map(statistics.median, pair)] for name, pair in found.items()}
    base = medians["object_detection"]
    print(f"{'':26}{'step':>9}{'ratio':>7}{'inference':>11}{'ratio':>7}")
    for name, (step, inference) in medians.items():
        ratios = step / base[0], inference / base[1]
        print(
            f"{name:26}{step:>7.2f} s{ratios[0]:>7.2f}{inference:>9.2f} s{ratios[1]:>7.2f}"
        )


if __name__ == "__main__":
    main()
