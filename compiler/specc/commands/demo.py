"""`specc demo`: from nothing to a trained detector in a few minutes, without downloads.

Draws a dataset of shapes, builds the job beside it, and runs the emitted scripts as a
user would, showing each command. The folder then holds:

    data/     train and val: images and annotations in the native layout
    shapes/   job.json and the code that specc makes of it
    runs/     checkpoints and logs; pictures of predictions in runs/shapes/drawn
"""

from __future__ import annotations

import importlib.util
import json
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click

from specc.build import Compiled, compile_job
from specc.commands.jobs import say_findings
from specc.diagnostics import JobError
from specc.folder.jobfiles import open_job
from specc.folder.output import output_of
from specc.folder.write import write
from specc.resources import install

NEEDED = {  # module -> name for pip
    "torch": "torch",
    "numpy": "numpy",
    "cv2": "opencv-python-headless",
    "yaml": "PyYAML",
    "PIL": "pillow",
    "tqdm": "tqdm",
    "tensorboard": "tensorboard",
    "matplotlib": "matplotlib",
    "faster_coco_eval": "faster-coco-eval",
}
EXPECTED_AP50 = 0.9  # least AP50 on held-out images after the job's iterations
TRAINING_IMAGES = 600
DRAWING_SEED = 8  # few of the images that are shown are without any shape
DRAWN = 8  # held-out images that predict.py draws on
STOPS = (signal.SIGINT, signal.SIGTERM)


class DemoError(click.ClickException):
    """The demo cannot go on: one line that says what to do, exit code 1."""


def run(folder: Path, iterations: int | None = None) -> None:
    """Draw, build, train, predict; `iterations` replaces the job's own number.

    In the folder of an earlier demo, the run goes on where the earlier one ended.
    Raises DemoError; JobError where the code's folder cannot be written; SystemExit
    once a signal stopped the run.
    """
    folder = Path(folder)
    _require_packages()
    _require_ours(folder)
    from specc.shapes.dataset import draw_dataset

    print(f"Drawing shapes in {folder / 'data'}", flush=True)
    try:
        draw_dataset(
            folder / "data", train=TRAINING_IMAGES, seed=DRAWING_SEED, separate=True
        )
    except OSError as error:
        raise DemoError(str(error)) from error
    compiled = _build(folder)
    output = Path("runs") / compiled.job.name
    # `--resume` starts from scratch where there is no checkpoint.
    flags = ["--resume"]
    if iterations is not None:  # may differ from the number of the last run
        flags += ["any", "--max-iterations", str(iterations)]
    _run_script(folder, "train.py", "--output", output, *flags)
    images = sorted((folder / "data" / "val" / "images").iterdir())[:DRAWN]
    _run_script(
        folder,
        "predict.py",
        *("--weights", output / "best.pt"),
        *("--output", output / "drawn"),
        *(image.relative_to(folder) for image in images),
    )
    metric = f"{compiled.job.heads[0].name}/ap50"
    ap50 = read_metric(folder / output / "metrics.jsonl", metric)
    print(_closing_text(folder, output, ap50))
    if iterations is None and ap50 < EXPECTED_AP50:
        raise DemoError(
            f"AP50 is {ap50:.2f}, expected is {EXPECTED_AP50} or more; "
            f"{folder / output / 'curves.png'} shows how training went"
        )


def read_metric(path: Path, name: str) -> float:
    """Returns the last value of a validation metric in a metrics.jsonl.

    Raises DemoError.
    """
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    values = [r[name] for r in records if r["split"] == "validation" and name in r]
    if not values:
        raise DemoError(f"{path} has no validation with `{name}`")
    return values[-1]


def _require_packages() -> None:
    missing = [
        name for module, name in NEEDED.items() if not importlib.util.find_spec(module)
    ]
    if missing:
        raise DemoError(
            f"the demo trains a model and lacks {', '.join(missing)}; "
            f"install what it needs: {install('train')}"
        )


def _require_ours(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise DemoError(f"{folder} is a file; name an empty or a new folder")
    # Draw the dataset first: then a demo's folder that is not empty has the whole of
    # it.
    begun = (folder / "data").is_dir()
    if folder.is_dir() and any(folder.iterdir()) and not begun:
        raise DemoError(f"{folder} holds other files; name an empty or a new folder")


def _build(folder: Path) -> Compiled:
    """Builds the job in the folder; the first run puts the demo's job there."""
    job = folder / "shapes" / "job.json"
    if not job.exists():
        job.parent.mkdir(exist_ok=True)
        job.write_bytes(Path(__file__).with_name("demo_job.json").read_bytes())
    print(f"Building {job}", flush=True)
    file = open_job(str(job), job.parent, False)
    try:
        compiled = compile_job(file.data, file.extras)
    except JobError as error:
        say_findings(error.diagnostics, file.data, str(job))
        raise DemoError(f"mend {job}, or delete it to get the demo's own") from error
    write(output_of(file, compiled))
    return compiled


def _run_script(folder: Path, script: str, *arguments: str | Path) -> None:
    """Runs an emitted script as a user would, in the demo's folder. Raises
    DemoError."""
    words = [f"shapes/{script}", *map(str, arguments)]
    shown = shlex.join(["python", *words])
    print(f"\n$ {shown}", flush=True)
    code = _wait_for([sys.executable, *words], folder)
    for number in STOPS:
        if code in (-number, 128 + number):
            again = "stopped; the same command again goes on from the last checkpoint"
            click.echo(again, err=True)
            raise SystemExit(128 + number)
    if code != 0:
        raise DemoError(
            f"{script} ended with exit code {code}, its message stands above\n"
            f"to run it alone: cd {shlex.quote(str(folder))} && {shown}\n"
            f"to train afresh: delete {folder / 'runs'}"
        )


def _wait_for(command: list[str], folder: Path) -> int:
    """Waits for a command; returns its exit code, negative if a signal ended it."""
    process = subprocess.Popen(command, cwd=folder)
    # The script answers a stop, by saving a checkpoint first. Ctrl-C reaches the script
    # without our help.
    handlers = (signal.SIG_IGN, lambda *_: process.terminate())
    previous = [signal.signal(*pair) for pair in zip(STOPS, handlers)]
    try:
        return process.wait()
    finally:
        for number, handler in zip(STOPS, previous):
            signal.signal(number, handler)


def _closing_text(folder: Path, output: Path, ap50: float) -> str:
    runs, code = folder / output, folder / "shapes"
    job = shlex.quote(str(code / "job.json"))
    specc, python = _program("specc"), _program("python")
    return f"""
AP50 {ap50:.2f} on held-out images.

Look at   {runs / 'predictions.png'}: truth and prediction side by side
          {runs / 'curves.png'}: loss and metrics over the run
          {runs / 'drawn'}: predictions on single images
Read      {code / 'model.py'}, then train.py beside it
Try next  {specc} graph {job}
          edit the job, then: {specc} build {job}

Your own images, from the folder that holds them, with any task of `specc docs`:

    {specc} init object_detection --data FOLDER
    {specc} data job.json
    {specc} build job.json
    {python} generated/NAME/train.py
    {specc} report runs/NAME"""


def _program(name: str) -> str:
    """Returns how a program of this environment is called: by its name, if the shell
    finds this one, else by its path."""
    here = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    return name if found and Path(found) == here else shlex.quote(str(here))
