"""Images of real sets with their labels, of which layouts of tools are written."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np


class Picture(NamedTuple):
    path: Path
    height: int
    width: int
    label: Any  # words of the emitted draw.py


class Sets(NamedTuple):
    names: list[str]  # categories, labels, identities or keypoints
    things: list[str]  # categories of panoptic maps that are counted
    sets: dict[str, list[Picture]]  # train, val, test


def link(picture: Picture, folder: Path) -> Path:
    """The image in a folder, as a link."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / picture.path.name
    os.symlink(picture.path.resolve(), path)
    return path


def table(path: Path, header: Iterable, rows: Iterable, sign: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=sign).writerows([header, *rows])


def json_lines(path: Path, entries: Iterable[dict]) -> None:
    path.write_text("".join(f"{json.dumps(x)}\n" for x in entries), "utf-8")


def outline(runs: dict) -> list[np.ndarray]:
    """Polygons (N, 2) along the edges of a mask's pixels, without those of holes."""
    from faster_coco_eval.core import mask as coco_mask

    left, top, width, height = map(int, coco_mask.toBbox([runs])[0])
    pixels = coco_mask.decode(runs)[top : top + height, left : left + width]
    fine = 8
    large = np.kron(np.pad(pixels, 1), np.ones((fine, fine), np.uint8))
    found, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corner = left - 1, top - 1
    return [(x[:, 0] + 0.5) / fine + corner for x in found if len(x) > 2]
