"""Small pictures, and datasets of them in specc's own format."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import yaml
from emitted_jobs import NAMES
from PIL import Image


def picture(height=30, width=40, seed=0) -> np.ndarray:
    """Smooth colors: JPEG and resampling hardly change them."""
    rng = np.random.default_rng(seed)
    return cv2.resize(
        rng.integers(40, 216, (3, 4, 3), np.uint8), (width, height), interpolation=1
    )


def native(folder: Path, given: object, task="object detection", **metadata):
    """A dataset with images 40x30 called 0.png and so on."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for i in range(4):
        Image.fromarray(picture(seed=i)).save(folder / "images" / f"{i}.png")
    entry = {"task": task, "categories": list(NAMES), "annotations": "labels.yaml"}
    (folder / "metadata.yaml").write_text(yaml.safe_dump(entry | metadata))
    text = given if isinstance(given, str) else yaml.safe_dump(given)
    (folder / "labels.yaml").write_text(text, "utf-8")
    return folder


def yolo(folder: Path, *lines: str) -> Path:
    """An image 40x30 with these lines, and one without a file of labels."""
    for name in ("images/train", "labels/train"):
        (folder / name).mkdir(parents=True)
    for seed, name in enumerate(("one", "two")):
        Image.fromarray(picture(seed=seed)).save(folder / f"images/train/{name}.png")
    (folder / "labels/train/one.txt").write_text("\n".join(lines))
    entry = {"train": "images/train", "val": "images/train", "names": list(NAMES)}
    (folder / "data.yaml").write_text(yaml.safe_dump(entry))
    return folder / "data.yaml"


def box(*bbox: object, category: object = "a") -> dict:
    return {"category": category, "bbox": list(bbox)}
