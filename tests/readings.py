"""Reads datasets as `specc init` and the reader of its job do."""

from __future__ import annotations

import json
from pathlib import Path

from specc.cli import run_cli
from specc.datasets.emitted import load, read


def started(task: str, *arguments: str):
    """The job that init writes, and what its own reader reads, below the current folder."""
    assert run_cli(["init", task, "--data", ".", "--force", *arguments]) == 0
    job = Path("job.json").read_bytes()
    (head,) = json.loads(job)["model"]["heads"]
    return head, read(load(job), Path())


def labels_of(samples: list) -> dict[str, object]:
    """The one label of each image by its name; of objects the classes, and the boxes."""
    found = {}
    for sample in samples:
        (label,) = sample.labels.values()
        if hasattr(label, "boxes"):
            label = label.classes.tolist(), label.boxes.tolist()
        found[sample.path.name] = label
    return found
