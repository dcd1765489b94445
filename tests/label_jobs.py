"""Jobs of heads that say one thing of a whole image, and what their readers read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from emitted_jobs import build, load_all, load_data
from small_data import native


def job_of(*heads: dict, **trainer) -> dict:
    return {
        "name": "tested",
        "data": {"train": "train", "validation": "train", "resolution": [64, 96]},
        "model": {"heads": heads},
        "trainer": {"batch_size": 2} | trainer,
    }


def modules(folder: Path, *heads: dict) -> SimpleNamespace:
    """The modules of the code of these heads, which is written there."""
    names = ("model", "dataset", "data", "evaluate")
    return load_all(build(job_of(*heads), folder), *names)


def read(folder, head: dict, given: object, **metadata):
    """Returns the samples that the reader of a job with this head makes of labels."""
    task = head["task"].replace("_", " ")
    code = folder / "code"
    code.mkdir()
    modules = load_data(build(job_of(head), code))
    native(folder / "train", given, task=task, **metadata)
    return modules.dataset.read_dataset(folder / "train")
