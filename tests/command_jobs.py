"""The small job that tests of the command line are about."""

from __future__ import annotations

import json
from pathlib import Path

JOB = {
    "name": "cells",
    "data": {"train": "data/train", "resolution": [64, 64]},
    "model": {
        "heads": [{"task": "multiclass_classification", "categories": ["a", "b"]}]
    },
}


def put(path: str, **changes) -> str:
    """Writes a job file."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(JOB | changes))
    return path


def wrong_job(path: str = "wrong.json") -> str:
    model = JOB["model"] | {"backbone": {"name": "resnet19"}}
    return put(path, name=Path(path).stem, model=model)
