"""Emitted code for the benchmarks: imported, or run as a script under observation."""

from __future__ import annotations

import functools
import importlib.util
import runpy
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "generated" / "blood-cells"
MODEL = FOLDER / "model.py"
DEMO_JOB = ROOT / "compiler" / "specc" / "commands" / "demo_job.json"


def load(path: Path) -> ModuleType:
    """Import a file; its neighbors (`model` for train.py) are found beside it."""
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def build_demo(folder: Path) -> Path:
    """The demo's dataset (`data/`) and emitted code in a folder; returns the code's."""
    from specc.shapes.dataset import draw_dataset

    draw_dataset(folder / "data", train=64, validation=8)
    code = folder / "shapes"
    command = [sys.executable, "-m", "specc.cli", "build", DEMO_JOB, "-o", code]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return code


def train(
    code: Path,
    iterations: int,
    before_step: Callable,
    before_loss: Callable,
    flags: Sequence[str] = (),
) -> None:
    """Run the emitted train.py in this process, seen from two points of each step.

    ``before_step(model, images)`` is called as the model's training forward begins, and
    ``before_loss(targets)`` as its loss does. The script itself is unchanged.
    """
    model = load(code / "model.py")
    forward, loss = model.Detector.forward, model.detection_loss

    @functools.wraps(forward)
    def observed_forward(self, images):
        if self.training:
            before_step(self, images)
        return forward(self, images)

    @functools.wraps(loss)
    def observed_loss(predictions, targets):
        before_loss(targets)
        return loss(predictions, targets)

    model.Detector.forward, model.detection_loss = observed_forward, observed_loss
    data, runs = code.parent, code.parent / "runs"
    fixed = ["--data", data, "--output", runs, "--device", "cpu"]
    length = ["--max-iterations", iterations]
    arguments = [str(word) for word in (*fixed, *length, *flags)]
    previous, sys.argv = sys.argv, [str(code / "train.py"), *arguments]
    try:
        runpy.run_path(str(code / "train.py"), run_name="__main__")
    except SystemExit as end:  # how a script ends that went well too
        if end.code:
            raise
    finally:
        sys.argv = previous
        model.Detector.forward, model.detection_loss = forward, loss
