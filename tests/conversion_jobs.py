"""Jobs whose labels are converted, and the targets that come of them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import torch
from emitted_jobs import NAMES
from PIL import Image
from small_data import picture

NAMED = {  # the option of a head that names what it finds
    "multilabel_classification": "labels",
    "metric_learning": "identities",
    "keypoint_detection": "keypoints",
}


def head(task: str, names: list[str], **options) -> dict:
    named = {NAMED.get(task, "categories"): names}
    return {"name": "one", "task": task} | named | options


def reading(emitted, one: dict, source: str | None = None, **data) -> SimpleNamespace:
    """The modules of a job whose views are always the same."""
    options = {"augmentation": False, "validation": "val", "task": source} | data
    return emitted(one, **options)


def targets(modules, path: Path) -> dict[str, torch.Tensor]:
    """Returns the targets of a batch of all images of a dataset."""
    samples = modules.dataset.read_dataset(path)
    views = modules.data.TrainingSet(samples, 0)
    batch = [views[0, index] for index in range(len(samples))]
    return modules.data.collate(batch)[1]["one"]


def save_pictures(folder: Path, *names: str):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        Image.fromarray(picture(seed=seed)).save(folder / name)  # 40x30


def coco(folder: Path, annotations: list[dict], **category) -> Path:
    save_pictures(folder / "images", "0.png", "1.png")
    content = {
        "images": [{"id": 7, "file_name": "0.png"}, {"id": 8, "file_name": "1.png"}],
        "categories": [{"id": i, "name": n} | category for i, n in enumerate(NAMES)],
        "annotations": [{"image_id": 7} | item for item in annotations],
    }
    (folder / "val.json").write_text(json.dumps(content))
    return folder / "val.json"
