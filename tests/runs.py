"""Emitted scripts in processes of their own, as users run them.

A world is a folder with a dataset, `shapes`, in which the folders of jobs stand.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from emitted_jobs import build, reads_levels
from processes import environment
from warm import Warm

from specc.shapes.maps import COLORS, DEPTH
from specc.shapes.points import FLIP_PAIRS, KEYPOINTS, QUADRILATERALS
from specc.shapes.scene import BACKGROUNDS, CATEGORIES, draw, sample_scene

ITERATIONS, VALIDATIONS = 40, 4
PATIENCE = 120  # seconds until a process counts as stuck
BACKBONE = {
    "name": "mobilenetv2_035"
}  # a ResNet's checkpoints take longer than its steps
FPN = {"kind": "fpn", "bottom_level": 3, "top_level": 5, "channels": 32}
SHAPES = {
    "name": "shapes",
    "task": "object_detection",
    "categories": list(CATEGORIES),
    "layers": 1,
}

SCENE = {
    "name": "scene",
    "task": "multiclass_classification",
    "categories": list(BACKGROUNDS),
}

REGIONS = {
    "name": "regions",
    "task": "semantic_segmentation",
    "categories": list(COLORS),
    "colors": list(COLORS.values()),
    "channels": 32,
}
DEPTHS = {
    "name": "depths",
    "task": "depth_estimation",
    "range": DEPTH,
    "channels": 32,
}
POSES = {
    "name": "reach",
    "task": "keypoint_detection",
    "keypoints": list(KEYPOINTS),
    "flip_pairs": [list(pair) for pair in FLIP_PAIRS],
    "layers": 1,
}
QUADS = {
    "name": "corners",
    "task": "quadrilateral_detection",
    "categories": list(QUADRILATERALS),
    "layers": 1,
}


def make(
    folder: Path, *heads: dict, data=None, backbone=None, neck=None, **trainer
) -> Path:
    """The compiled folder of a job that learns from the dataset of `world`."""
    neck = neck or (FPN if reads_levels(heads) else {"kind": "none"})
    own = {"train": "shapes/train", "validation": "shapes/val", "resolution": [64, 96]}
    job = {
        "name": folder.name,
        "data": own | (data or {}),
        "model": {
            "backbone": backbone or BACKBONE,
            "neck": neck,
            "heads": heads,
        },
        "trainer": {
            "max_iterations": ITERATIONS,
            "validations": VALIDATIONS,
            "batch_size": 4,
            "gradient_clipping": 10,
            "optimizer": {"kind": "adamw", "learning_rate": 0.001},
        }
        | trainer,
    }
    folder.mkdir(exist_ok=True)
    (folder / "job.json").write_text(json.dumps(job))
    return build(job, folder)


def command(folder: Path, script: str, *arguments: object) -> list[str]:
    """Runs are compared, and stand beside others: one thread each, if not told."""
    threads = () if "--threads" in arguments else ("--threads", 1)
    return [sys.executable, str(folder / script), *map(str, (*arguments, *threads))]


def one_core() -> dict[str, str]:
    """Emitted scripts have to run without specc on the path."""
    changes = {"OMP_NUM_THREADS": "1", "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    return environment(**changes)


@lru_cache(maxsize=1)
def warm() -> Warm:
    return Warm(one_core())


def run(folder: Path, script: str, *arguments: object, code=0, curves=False):
    """Run a script to its end in the folder above its own; `curves` draws those."""
    if warm().has_ended:  # a script took too long
        warm.cache_clear()
    words = command(folder, script, *arguments)[1:]
    done = warm().run(words, folder.parent, one_core(), PATIENCE, curves)
    assert done.returncode == code, done.stderr[-3000:]
    return done


def group(folder: Path, script: str, *arguments: object, processes=2, code=0):
    """Run a script in several processes, which find each other as under torchrun."""
    if warm().has_ended:
        warm.cache_clear()
    words = command(folder, script, *arguments)[1:]
    environment = one_core()
    done = warm().run(words, folder.parent, environment, PATIENCE, processes=processes)
    assert done.returncode == code, done.stderr[-3000:]
    return done


def train(folder: Path, output: object, *arguments: object, **how):
    common = ("--data", folder.parent, "--output", output)
    workers = () if "--workers" in arguments else ("--workers", 0)
    return run(folder, "train.py", *common, *workers, *arguments, **how)


def start(folder: Path, output: Path, *arguments: object) -> subprocess.Popen:
    """A training process, once it has written its first checkpoint."""
    flags = ("--data", folder.parent, "--output", output, *arguments)
    process = subprocess.Popen(
        command(folder, "train.py", *flags),
        cwd=folder.parent,
        env=one_core(),
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + PATIENCE
    while not (output / "last.pt").exists() and time.monotonic() < end:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    return process


def images(world: Path) -> list[Path]:
    """A wide image and a tall one, which the model sees much smaller."""
    scene = draw(sample_scene(np.random.default_rng(1)))
    found = []
    for height, width in ((240, 700), (500, 210)):
        found.append(world / f"{width}.png")
        cv2.imwrite(str(found[-1]), cv2.resize(scene, (width, height)))
    return found


STEP = "        iteration += 1\n"
SAVES = '            torch.save({"format": 1, "job": JOB} | state, file)\n'


def train_until_killed(job: Path, output: object, *arguments: object, at: int):
    """SIGKILL ends it in this iteration; the code of `job` itself can go on from there."""
    killed = job.with_name(f"{job.name}-killed")
    shutil.copytree(job, killed, dirs_exist_ok=True)
    text = (job / "train.py").read_text()
    assert text.count(STEP) == 1
    kill = "__import__('signal').raise_signal(9)"
    dies = f"{STEP}        if iteration == {at}:\n            {kill}\n"
    (killed / "train.py").write_text(text.replace(STEP, dies))
    return train(killed, output, *arguments, code=-9)


# What a start says of samples and labels, whatever comes of it.
TOLD = re.compile(
    r"\.samples: |: in no image to |, of a range from | s a step, of which |"
    r"validations take "
)


def refusal(done: subprocess.CompletedProcess) -> str:
    """Returns the one message of a process that ended with exit code 1."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and "Error:" not in done.stderr
    said = done.stderr.strip()
    lines = [
        line for line in said.splitlines() if line.strip() and not TOLD.search(line)
    ]
    assert 1 <= len(lines) <= 4, said
    return said


def checkpoint(path: Path) -> dict:
    return torch.load(path, map_location="cpu", weights_only=True)


def rows(output: Path) -> list[dict]:
    return [json.loads(line) for line in (output / "metrics.jsonl").open()]


def assert_equal_runs(one: Path, other: Path):
    first, second = checkpoint(one / "last.pt"), checkpoint(other / "last.pt")
    for name, value in first["model"].items():
        assert torch.equal(value, second["model"][name]), name
    for number, moments in first["optimizer"]["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, second["optimizer"]["state"][number][name])
    assert first["run"] == second["run"] and first["job"] == second["job"]
    logs = [(output / "metrics.jsonl").read_text() for output in (one, other)]
    assert logs[0] == logs[1]
    best = [checkpoint(output / "best.pt")["metrics"] for output in (one, other)]
    assert best[0] == best[1]
