"""Folders that are packages: relative imports, `python -m`, several in one process."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from contracts import JOB, PATIENCE, build
from emitted_jobs import compile_raw, write
from runs import SCENE, SHAPES, images, make, one_core, rows, train

from specc.plan.extras import CONTRACT, INIT, Extras

FOLDER = Path("vision/scenes")

# What a product does with two vendored folders: both learn, one of them in a thread,
# and both predict.
BOTH = """
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import torch

from vision.detector import model as detector, train as training
from vision.scene import model as classifier, train as also_training

images = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
for net, name in ((detector, "Detector"), (classifier, "Classifier")):
    print(*net.predict(getattr(net, name)().eval(), images))
before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
few = {"data": ".", "max_iterations": 2, "workers": 0, "threads": 1}
metrics = training.main(**few, output="vision/runs/detector")
print("shapes/ap" in metrics)
with ThreadPoolExecutor() as pool:
    work = partial(also_training.main, **few, output="vision/runs/scene")
    print("scene/accuracy" in pool.submit(work).result())
assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
local = {path.stem for path in Path("vision/scene").glob("*.py")} & set(sys.modules)
assert not local, f"imported as modules of their own: {local}"
"""


@pytest.fixture
def job(place) -> str:
    Path("job.json").write_text(json.dumps(JOB))
    return "job.json"


def emitted() -> set[str]:
    return {path.name for path in FOLDER.iterdir()}


def python(folder: Path, *arguments: object) -> str:
    """Python with these arguments in a folder; returns what it prints."""
    command = [sys.executable, *map(str, arguments)]
    options = {"cwd": folder, "env": one_core(), "timeout": PATIENCE}
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def packaged(folder: Path, *heads: dict) -> Path:
    """The folder of a job, as a package."""
    make(folder, *heads)
    data = (folder / "job.json").read_bytes()
    return write(compile_raw(data, Extras(package=folder.name)), folder)


# ---- What is emitted ----


@pytest.mark.soak
def test_it_is_emitted_where_it_is_asked_for_and_kept(job, capsys):
    build("-o", str(FOLDER), job)
    scripts = {path.name: path.read_text() for path in FOLDER.glob("*.py")}
    assert build("--package", "-o", str(FOLDER), job) == 0
    assert "python -m scenes.train" in (FOLDER / "README.md").read_text()
    assert "from .model import" in (FOLDER / "train.py").read_text()
    assert build("--check", "--strict", "-o", str(FOLDER), job) == 0
    Path(job).write_text(json.dumps(JOB | {"trainer": {"batch_size": 4}}))
    assert build("-o", str(FOLDER), job) == 0
    assert "from .model import" in (FOLDER / "train.py").read_text()
    assert INIT in emitted()
    assert build("--check", "--no-package", "-o", str(FOLDER), job) == 1
    Path(job).write_text(json.dumps(JOB))
    assert build("--no-package", "-o", str(FOLDER), job) == 0
    assert scripts == {path.name: path.read_text() for path in FOLDER.glob("*.py")}


@pytest.mark.slow
def test_next_steps_run_from_the_folder_above(job, capsys):
    build("--package", "-o", str(FOLDER), job)
    assert "in vision: python -m scenes.train\n" in capsys.readouterr().out


@pytest.mark.slow
def test_only_imports_and_commands_differ(job):
    build("--tests", "-o", "plain", job)
    build("--tests", "--package", "-o", str(FOLDER), job)
    for path in Path("plain").glob("*.py"):
        if path.name != CONTRACT:
            text = (FOLDER / path.name).read_text()
            for module in Path("plain").glob("*.py"):
                text = text.replace(f"from .{module.stem} ", f"from {module.stem} ")
                text = text.replace(f"-m scenes.{module.stem} ", f"{module.name} ")
            text = text.replace(r"^(\w+\.)*data", "^data")  # a class in an error
            texts = (text, path.read_text())  # black breaks other lines in them
            one, other = (ast.unparse(ast.parse(text)).split() for text in texts)
            assert one == other


@pytest.mark.parametrize("package, below", [("", ""), ("scenes", "scenes/")])
def test_files_of_a_folder_are_named_where_its_commands_run(package, below):
    """README and slurm.sbatch give the same command."""
    value = JOB | {"trainer": {"slurm": {}}}
    texts = compile_raw(json.dumps(value).encode(), Extras(package=package)).files
    command = f"sbatch {below}slurm.sbatch ROOT"
    assert f"`{command}`" in texts["README.md"]
    assert f"#     {command}\n" in texts["slurm.sbatch"]


@pytest.mark.parametrize("name", ["blood-cells", "1st", "class", "torch", "json"])
def test_a_folder_that_python_cannot_import_is_refused(job, name, capsys):
    assert build("--package", "-o", name, job) == 1
    said = capsys.readouterr().err
    assert f"error[E410]: `{name}` cannot be the folder of a package" in said
    other = {"blood-cells": "blood_cells"}.get(name, f"{name}_net")
    assert not Path(name).exists() and f"such as `{other}`" in said


# ---- What it does ----


@pytest.mark.soak
def test_two_packages_live_in_one_process(world):
    (world / "vision").mkdir(exist_ok=True)
    packaged(world / "vision" / "detector", SHAPES)
    packaged(world / "vision" / "scene", SCENE)
    said = python(world, "-c", BOTH).splitlines()
    assert [x for x in said if " " not in x] == ["shapes", "scene", "True", "True"]


# A signal that comes while a notebook trains.
STOPPED = """
import os
import signal
import threading
import time
from pathlib import Path

from vision.scene import safety, train

log = Path("runs/long/metrics.jsonl")


def stop():
    while not (log.exists() and log.read_text()):  # a line of the log shows that training began
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)


threading.Thread(target=stop, daemon=True).start()
try:
    train.main(data=".", output="runs/long", max_iterations=100_000, workers=0)
except safety.Stopped as stop:
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    print(stop.args[0])
try:
    train.main(batch_size=3)
except TypeError as error:
    print(error)
"""


@pytest.mark.soak
def test_a_stop_is_an_exception_and_a_wrong_flag_is_named(world):
    (world / "vision").mkdir(exist_ok=True)
    packaged(world / "vision" / "scene", SCENE)
    said = python(world, "-c", STOPPED).splitlines()
    assert said == ["15", "no such flags: batch_size"]
    assert (world / "runs/long/last.pt").exists()


@pytest.mark.slow
@pytest.mark.soak
def test_its_modules_do_what_scripts_do(world):
    """The same losses and predictions, with workers, and from the folder above."""
    plain, package = make(world / "scenes", SCENE), packaged(world / "scenery", SCENE)
    flags = ("--data", world, "--max-iterations", 4, "--threads", 1)
    train(plain, "runs/by-path", "--max-iterations", 4, "--workers", 2)
    run = (*flags, "--workers", 2, "--output", "runs/by-name")
    python(world, "-m", "scenery.train", *run)
    plain, package = world / "runs/by-path", world / "runs/by-name"
    assert rows(package) == rows(plain)
    weights, shown = ("--weights", package / "last.pt"), world / "runs/shown"
    pictures = images(world)
    python(world, "-m", "scenery.predict", *weights, "--output", shown, *pictures)
    assert len(json.loads((shown / "predictions.json").read_text())) == len(pictures)


@pytest.mark.soak
def test_a_module_measures_what_its_run_validated(world):
    packaged(world / "measured", SCENE)
    flags = ("--data", world, "--max-iterations", 4, "--threads", 1)
    python(world, "-m", "measured.train", *flags, "--output", "runs/measured")
    weights = ("--weights", world / "runs/measured/last.pt")
    said = python(world, "-m", "measured.evaluate", *weights, "--data", world)
    logged = rows(world / "runs/measured")[-1]
    assert json.loads(said) == {key: x for key, x in logged.items() if key in said}
