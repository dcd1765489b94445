"""The emitted classifier against a plain loop around timm's resnet18, equal time.

    python benchmarks/classification_peer.py --data ../shared/data --seconds 300

Both train on `cifar10` below --data at 64x64 with AdamW 1e-3, one cycle, batches of 128,
smoothed labels and mirrored images; the plain loop holds its images in memory. Both
validate once, after their time; reading the data set counts for the emitted script alone.
Prints accuracy on the validation set and images/s, and their ratios. Needs timm.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import yaml
from model_speed import import_timm
from torch import Tensor

SIDE, BATCH, RATE, DECAY = 64, 128, 1e-3, 0.05
ACCURACY_BAR, SPEED_BAR = 1.0, 0.97


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    plain = plain_run(args)
    emitted = emitted_run(args)
    print(f"{'':10}{'accuracy':>10}{'images/s':>10}")
    for name, (accuracy, speed) in {"emitted": emitted, "plain": plain}.items():
        print(f"{name:10}{accuracy:>10.3f}{speed:>10.1f}")
    ratios = [mine / theirs for mine, theirs in zip(emitted, plain)]
    print(f"{'ratio':10}{ratios[0]:>10.3f}{ratios[1]:>10.3f}")
    print(f"{'bar':10}{ACCURACY_BAR:>10}{SPEED_BAR:>10}")


# ---- The emitted script, as a user runs it ----


def emitted_run(args: argparse.Namespace) -> tuple[float, float]:
    """Accuracy and images/s of a built job."""
    names = metadata(args.data / "cifar10/train")["categories"]
    head = {"task": "multiclass_classification", "categories": names}
    trainer = {
        "max_hours": args.seconds / 3600,
        "validations": 1,  # at the end: no earlier one says how long it will take
        "batch_size": BATCH,
        "optimizer": {"kind": "adamw", "learning_rate": RATE, "weight_decay": DECAY},
        "best": "multiclass_classification/accuracy",
    }
    flips = {"horizontal_flip": True, "scale": 0.0, "color": 0.0}
    data = {"train": "cifar10/train", "validation": "cifar10/val"}
    job = {
        "name": "peer",
        "data": data | {"resolution": [SIDE, SIDE], "augmentation": flips},
        "model": {"backbone": {"name": "resnet18"}, "heads": [head]},
        "trainer": trainer,
    }
    with tempfile.TemporaryDirectory() as folder:
        path, code, run = (Path(folder, name) for name in ("job.json", "code", "run"))
        path.write_text(json.dumps(job))
        build = [sys.executable, "-m", "specc.cli", "build", str(path), "-o", str(code)]
        subprocess.run(build, check=True)
        train = [sys.executable, str(code / "train.py"), "--data", str(args.data)]
        train += ["--output", str(run), "--seed", str(args.seed)]
        subprocess.run(train, check=True)
        state = torch.load(run / "last.pt", weights_only=True)
        last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    return last[trainer["best"]], state["iteration"] * BATCH / args.seconds


# ---- The plain loop ----


def plain_run(args: argparse.Namespace) -> tuple[float, float]:
    """Accuracy and images/s."""
    timm, _library = import_timm()
    images, labels = read(args.data / "cifar10/train")
    torch.manual_seed(args.seed)
    model = timm.create_model("resnet18", num_classes=int(labels.max()) + 1)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    began, steps = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < args.seconds:
        for group in optimizer.param_groups:
            group["lr"] = RATE * one_cycle(elapsed / args.seconds)
        chosen = torch.randint(len(images), (BATCH,))
        batch = images[chosen]
        flip = torch.rand(BATCH) < 0.5
        batch[flip] = batch[flip].flip(3)
        loss = F.cross_entropy(
            model(normalized(batch)), labels[chosen], label_smoothing=0.1
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    model.eval()
    images, labels = read(args.data / "cifar10/val")
    with torch.inference_mode():
        found = torch.cat([model(normalized(x)).argmax(1) for x in images.split(BATCH)])
    accuracy = (found == labels).double().mean().item()
    return accuracy, steps * BATCH / args.seconds


def one_cycle(progress: float) -> float:
    """The factor of torch's cosine OneCycleLR, at the emitted job's settings."""
    low, high, share = 0.04, 1.0, progress / 0.3
    if progress >= 0.3:
        low, high, share = 1.0, 0.001, (progress - 0.3) / 0.7
    return high + (low - high) * (1 + np.cos(np.pi * min(share, 1.0))) / 2


def normalized(images: Tensor) -> Tensor:
    mean = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
    std = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
    return (images / 255 - mean) / std


def read(folder: Path) -> tuple[Tensor, Tensor]:
    """All images (N, 3, SIDE, SIDE), uint8, and labels (N,)."""
    described = metadata(folder)
    names = described["categories"]
    labels = yaml.safe_load((folder / described["annotations"]).read_text())
    images = []
    for name in labels:
        image = cv2.imread(str(folder / "images" / name))[:, :, ::-1]
        images.append(cv2.resize(image, (SIDE, SIDE)))
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    return stacked, torch.tensor([names.index(label) for label in labels.values()])


def metadata(folder: Path) -> dict:
    return yaml.safe_load((folder / "metadata.yaml").read_text())


if __name__ == "__main__":
    main()
