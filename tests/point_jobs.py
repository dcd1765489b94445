"""Shared by the tests of keypoints and of quadrilaterals."""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path
from types import ModuleType

import torch
import yaml
from PIL import Image
from predictions import certain
from small_data import picture
from torch import Tensor

STRIDES = (8, 16, 32, 64, 128)


def native_points(folder: Path, labels: dict, task: str, **metadata) -> Path:
    """A dataset with images 40x30 called 0.png and so on."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for i in range(4):
        Image.fromarray(picture(seed=i)).save(folder / "images" / f"{i}.png")
    entry = {"task": task, "annotations": "labels.yaml"}
    entry |= {k: list(v) if isinstance(v, tuple) else v for k, v in metadata.items()}
    (folder / "metadata.yaml").write_text(yaml.safe_dump(entry))
    (folder / "labels.yaml").write_text(yaml.safe_dump(plain(labels)))
    return folder


def plain(value):
    """Tuples as lists, which is what YAML knows."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return (
        [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
    )


def evaluation(folder: Path) -> ModuleType:
    """The evaluate.py of a folder, which imports the modules beside it."""
    own = [path.stem for path in folder.glob("*.py")]
    before = {name: sys.modules.pop(name, None) for name in own}
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("evaluate")
    finally:
        sys.path.remove(str(folder))
        for name in own:
            sys.modules.pop(name, None)
            if before[name] is not None:
                sys.modules[name] = before[name]


def levels_of(batch: int, channels: int, size: tuple[int, int]) -> list[Tensor]:
    """Random maps of levels 3..7 of an image of this height and width."""
    height, width = size
    return [
        torch.randn(batch, channels, math.ceil(height / s), math.ceil(width / s))
        for s in STRIDES
    ]


def cells_that_see(module: ModuleType, box: list[float], only=None, categories=1):
    """Returns outputs of a detector of 96x160 images if every cell of the finest level
    inside a box is certain of it, or only the one at a point."""
    head = module.DetectionHead(48, 1, categories, STRIDES)
    predictions = head(*levels_of(1, 48, (96, 160)))
    left, top, right, bottom = box
    points = [only] if only else []
    if not points:
        inside = (predictions.strides[:, 0] == 8) & (
            (predictions.points > torch.tensor([left, top]))
            & (predictions.points < torch.tensor([right, bottom]))
        ).all(1)
        points = [tuple(point) for point in predictions.points[inside].tolist()]
    seen = {point: (0, *box) for point in points}
    return certain(predictions, seen)
