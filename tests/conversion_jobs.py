"""Jobs whose labels are converted, and the targets that come of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import torch

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
    """Those of a batch of all images of a dataset."""
    samples = modules.dataset.read_dataset(path)
    views = modules.data.TrainingSet(samples, 0)
    batch = [views[0, index] for index in range(len(samples))]
    return modules.data.collate(batch)[1]["one"]
