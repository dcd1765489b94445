"""Predictions of an emitted detector, made at random or by hand."""

from __future__ import annotations

import math
from types import ModuleType

import torch
from torch import Tensor, nn


def boxes_of(*rows: tuple) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def predictions_for(module: ModuleType, size: tuple[int, int], batch=1, seed=0):
    """Returns outputs of a fresh head for random maps of an image of this size."""
    torch.manual_seed(seed)
    strides = (8, 16, 32, 64, 128)
    head = module.DetectionHead(48, 1, 3, strides)
    nn.init.normal_(head.class_logits.weight, std=0.3)
    maps = [
        torch.randn(batch, 48, math.ceil(size[0] / s), math.ceil(size[1] / s))
        for s in strides
    ]
    return head(*maps)


def nearest(predictions, point: tuple) -> int:
    """The cell of stride 8 whose center is nearest to a point."""
    distance = (predictions.points - torch.tensor(point)).norm(dim=1)
    distance[predictions.strides[:, 0] != 8] = torch.inf
    return int(distance.argmin())


def certain(predictions, seen: dict[tuple, tuple], score=0.9):
    """Cells that are certain of a box, at these points; the others see nothing."""
    logits = torch.full_like(predictions.logits, -12.0)
    bins = torch.zeros_like(predictions.bins)
    for point, (category, left, top, right, bottom) in seen.items():
        cell = nearest(predictions, point)
        x, y = predictions.points[cell].tolist()
        distances = torch.tensor([x - left, y - top, right - x, bottom - y]) / 8
        below = distances.floor().long()
        for side, (low, rest) in enumerate(zip(below.tolist(), distances - below)):
            # Two neighboring bins whose mean is the distance.
            bins[0, cell, side] = -30.0
            bins[0, cell, side, low] = torch.log(1 - rest)
            bins[0, cell, side, low + 1] = torch.log(rest + 1e-9)
        logits[0, cell, category] = math.log(score / (1 - score))
        score *= 0.9
    return predictions._replace(logits=logits, bins=bins)
