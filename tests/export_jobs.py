"""Jobs with `export`, and how tests run the export.py of one."""

from __future__ import annotations

import json
from pathlib import Path

from emitted_jobs import build
from runs import REGIONS, SCENE, SHAPES, make, one_core, train, warm

TESTS = Path(__file__).parent
SHORT = {"top_level": 3}  # a ResNet of few layers, which are converted in less time
CONVERSION = 900  # most seconds of a conversion: half a minute on an idle machine


def with_export(folder: Path) -> Path:
    """The folder of a job, built again with `export`."""
    job = json.loads((folder / "job.json").read_text()) | {"export": True}
    (folder / "job.json").write_text(json.dumps(job))
    return build(job, folder)


def trained(folder: Path, world: Path, iterations: int) -> Path:
    """Trains a job with boxes, a map and a category; its best.pt is in world/run."""
    length = {"max_iterations": iterations, "validations": 1}
    boxes = SHAPES | {"score_threshold": 0.05}  # export_faults.py changes this number
    job = make(folder, boxes, REGIONS, SCENE, backbone=SHORT, **length)
    with_export(job)
    train(job, world / "run")
    return job


def export(folder: Path, *arguments: object, code=0, **changes: str):
    """Runs export.py in the folder above its own, with the conversion that a first run
    makes; `changes` of the environment are faults."""
    kept, script = folder.parent / "kept.onnx", folder / "export.py"
    words = (TESTS / "kept_conversion.py", kept, script, "--threads", 1, *arguments)
    environment = one_core() | changes
    done = warm().run([*map(str, words)], folder.parent, environment, CONVERSION)
    assert done.returncode == code, done.stderr[-3000:]
    return done
