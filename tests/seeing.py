"""A detector whose weights are set by hand, so that its predictions are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import yaml
from emitted_jobs import build, load_all
from PIL import Image
from small_data import box, picture


def write(place: Path, names: Sequence[str]) -> Path:
    """Returns a folder whose weights, best.pt beside it, see an object of the first of
    three categories in each quarter of an image of 64x64. There are two images: one
    with two of these and one of the second category, in three of the quarters, and one
    with one of the first."""
    head = {"name": "cells", "task": "object_detection", "categories": names}
    head |= {"bottom_level": 5, "top_level": 5, "layers": 0}
    sets = {"train": "set/train", "validation": "set/val"}
    model = {
        "backbone": {"name": "resnet18"},
        "neck": {"kind": "none"},
        "heads": [head],
    }
    job = {"name": "t", "data": sets | {"resolution": [64, 64]}, "model": model}
    (place / "built").mkdir()
    folder = build(job, place / "built")
    for seed, name in enumerate(("train", "val")):
        _draw(place / "set" / name, names, 2 * seed)
    weights = load_all(folder, "model").model.Detector().state_dict()
    for name in ("class_logits", "box_bins"):
        weights[f"head.{name}.weight"].zero_()
    weights["head.class_logits.bias"][:] = torch.tensor([2.0, -9.0, -9.0])
    bins = weights["head.box_bins.bias"].zero_().view(4, 16)
    bins[:, :2] = 40.0  # a side lies half a stride from the center
    job = (folder / "resolved.json").read_text("utf-8")
    torch.save({"job": job, "model": weights}, place / "best.pt")
    return folder


def _draw(folder: Path, names: Sequence[str], seed: int) -> None:
    quarters = [(0, 0, 32, 32), (32, 0, 64, 32), (0, 32, 32, 64), (32, 32, 64, 64)]
    kinds = [names[0], names[0], names[1]]
    labels = {
        "0.png": [box(*q, category=k) for q, k in zip(quarters, kinds)],
        "1.png": [box(*quarters[3], category=names[0])],
    }
    (folder / "images").mkdir(parents=True)
    for number, image in enumerate(labels):
        pixels = picture(64, 64, seed=seed + number)
        Image.fromarray(pixels).save(folder / "images" / image)
    meta = {"task": "object detection", "categories": list(names)}
    meta = yaml.safe_dump(meta | {"annotations": "labels.yaml"})
    (folder / "metadata.yaml").write_text(meta)
    (folder / "labels.yaml").write_text(yaml.safe_dump(labels))
