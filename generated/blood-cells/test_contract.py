"""Tests of the promises of this folder: a minute, without GPU, dataset or network.

    pip install -r requirements.txt
    pytest test_contract.py

The scripts run in processes of their own, from a copy that is made small: batches of
2 images of 128x128, the least that all levels allow. The dataset is noise.
"""

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

HERE = Path(__file__).parent
# Constants of the copy, by module, as they stand there.
SMALL = {
    "model.py": {"HEIGHT, WIDTH": "(128, 128)"},
    "dataset.py": {"TRAIN, VALIDATION": "('train', 'validation')"},
    "data.py": {"BATCH_SIZE": "2"},
    "train.py": {"MAX_ITERATIONS": "6", "VALIDATIONS": "3"},
}
ITERATIONS = 6  # with three validations, and so three checkpoints
IMAGES = 5  # images of a set; two processes cannot halve them
PATIENCE = 300  # seconds until a process counts as stuck
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}

PARAMETERS = 12697603
# Keys and shapes of the predictions for an image, by head.
FOUND = {"cells": {"boxes": (100, 4), "scores": (100,), "classes": (100,), "count": ()}}

# ---- A small copy, and a dataset for it ----


@pytest.fixture(scope="module")
def code(tmp_path_factory) -> Path:
    """Returns the folder of the copy."""
    folder = tmp_path_factory.mktemp("code")
    for path in [*HERE.glob("*.py"), *HERE.glob("*.json")]:
        shutil.copy(path, folder)
    for name, values in SMALL.items():
        set_constants(folder / name, values)
    return folder


def set_constants(path: Path, values: dict[str, str]):
    """Other values for names that a module assigns once, at its top level."""
    for name, value in values.items():
        text = path.read_text("utf-8")
        assigned = [x for x in ast.parse(text).body if isinstance(x, ast.Assign)]
        names = [ast.get_source_segment(text, x.targets[0]) for x in assigned]
        assert names.count(name) == 1, f"{path.name} has not one {name}"
        found, lines = assigned[names.index(name)], text.splitlines()
        lines[found.lineno - 1 : found.end_lineno] = [f"{name} = {value}"]
        path.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture(scope="module")
def net(code) -> ModuleType:
    """Its model.py, imported."""
    spec = importlib.util.spec_from_file_location("net", code / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(net, tmp_path_factory) -> Path:
    """Returns the root of the datasets."""
    root = tmp_path_factory.mktemp("data")
    make_dataset(net, root / "train")
    make_dataset(net, root / "validation")
    return root


def make_dataset(net: ModuleType, folder: Path):
    """Images of noise, with labels that the job allows, in the format of dataset.py."""
    (folder / "images").mkdir(parents=True)
    labels = {head: {} for head in FOUND}
    for number in range(IMAGES):
        image = f"{number}.png"
        height, width = make_image(folder / "images" / image, number)
        given = {"cells": some_objects(number, net.CATEGORIES, height, width)}
        for head, label in given.items():
            labels[head][image] = label
    metadata = [
        {
            "task": "object detection",
            "categories": [*net.CATEGORIES],
            "annotations": "cells.yaml",
        }
    ]
    for name, content in (labels | {"metadata": metadata}).items():
        text = yaml.safe_dump(content, allow_unicode=True)
        (folder / f"{name}.yaml").write_text(text, "utf-8")


def make_image(path: Path, number: int) -> tuple[int, int]:
    """Noise, of a size of its own; returns height and width."""
    rng = np.random.default_rng(number)
    height, width = rng.integers(40, 120, 2).tolist()
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return height, width


def some_objects(
    number: int, names: tuple[str, ...], height: int, width: int
) -> list[dict]:
    """Every other category, in a box that most of the image lies in."""
    box = [1, 1, width - 1, height - 1]
    return [{"category": name, "bbox": box} for name in names[number % 2 :: 2]]


# ---- Runs ----


def run(folder: Path, *arguments: object) -> str:
    """Python with these arguments, in that folder; returns what it prints."""
    command = [sys.executable, *map(str, arguments)]
    options = {"cwd": folder, "env": ENVIRONMENT, "timeout": PATIENCE}
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def training(data: Path, output: Path) -> list[str]:
    """Returns the words of a command that begins a run, or goes on."""
    paths = ["--data", str(data), "--output", str(output), "--resume"]
    cores = ["--workers", "0", "--threads", "1"]
    return ["train.py", *paths, *cores]


@pytest.fixture(scope="module")
def whole(code, data, tmp_path_factory) -> Path:
    """Returns the output of a run that nothing interrupted."""
    output = tmp_path_factory.mktemp("whole")
    run(code, *training(data, output))
    return output


@pytest.fixture(scope="module")
def weights(whole) -> Path:
    """Its best weights, with noise in the heads: so early they would find nothing."""
    checkpoint = load(whole / "best.pt")
    rng = torch.Generator().manual_seed(0)
    for name, value in checkpoint["model"].items():
        if name.startswith("head") and value.ndim > 1:
            value += 0.3 * torch.randn(value.shape, generator=rng)
    path = whole / "noisy.pt"
    torch.save(checkpoint, path)
    return path


def rows(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def load(path: Path) -> dict:
    return torch.load(path, map_location="cpu", weights_only=True)


# ---- Tests ----


@pytest.mark.parametrize("train", [True, False], ids=["training", "inference"])
def test_outputs_have_the_shapes_of_the_levels(net, train):
    images = torch.randint(0, 256, (2, 3, 128, 128), dtype=torch.uint8)
    outputs = net.Detector().train(train)(images)
    assert outputs.logits.shape == (2, 341, 3)
    assert outputs.bins.shape == (2, 341, 4, 16)


def test_predictions_have_their_keys_and_shapes(net):
    images = torch.randint(0, 256, (2, 3, 70, 110), dtype=torch.uint8)
    found = net.predict(net.Detector().eval(), images)
    assert FOUND == {
        head: {name: tuple(values.shape[1:]) for name, values in tensors.items()}
        for head, tensors in found.items()
    }


def test_weights_have_their_names_and_shapes(net):
    """Weights that were trained before can still be loaded."""
    model = net.Detector()
    assert sum(weight.numel() for weight in model.parameters()) == PARAMETERS
    shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
    assert shapes == json.loads((HERE / "state_dict.json").read_text("utf-8"))


def test_a_killed_run_goes_on_to_the_same_end(code, data, whole, tmp_path):
    """Killed at its second validation, when its log is ahead of its checkpoint."""
    log, end = tmp_path / "metrics.jsonl", time.monotonic() + PATIENCE
    command = [sys.executable, *training(data, tmp_path)]
    quiet = {"stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=code, env=ENVIRONMENT, **quiet)
    while process.poll() is None and rows(log) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert 0 < load(tmp_path / "last.pt")["iteration"] < ITERATIONS
    run(code, *training(data, tmp_path))

    expected, found = (load(output / "last.pt") for output in (whole, tmp_path))
    for name, value in expected["model"].items():
        assert torch.equal(found["model"][name], value), name
    logs = [(output / "metrics.jsonl").read_text() for output in (whole, tmp_path)]
    assert logs[0] == logs[1]


# What train.py does at a validation, in each process.
MEASURE = """
import json
import sys
from pathlib import Path

import torch.distributed as dist

from dataset import read_datasets
from evaluate import evaluate, load_model
from safety import setup

weights, data, report = map(Path, sys.argv[1:])
_, rank, world, device = setup({"device": "cpu"}, max_iterations=1)
model, (_, samples) = load_model(weights, device), read_datasets(data)
metrics = evaluate(model, samples, device, 0, rank, world)
if rank == 0:
    report.write_text(json.dumps(metrics))
dist.destroy_process_group()
"""


def test_two_processes_measure_what_one_does(code, data, weights, tmp_path):
    (code / "measure.py").write_text(MEASURE)
    report = tmp_path / "report.json"
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2)
    run(code, *torchrun, "measure.py", weights, data, report)
    two = json.loads(report.read_text())
    one = json.loads(run(code, "evaluate.py", "--weights", weights, "--data", data))
    # Sums run in another order; an image too many or too few weighs far more than that.
    assert one == pytest.approx(two, rel=1e-4, abs=1e-4)
    assert set(one.values()) - {0, 1}, "these metrics tell nothing"


def test_predictions_are_the_same_again(code, data, weights, tmp_path):
    images, reports = sorted(data.rglob("*.png"))[:5], []
    for output in (tmp_path / "one", tmp_path / "two"):
        run(code, "predict.py", "--weights", weights, "--output", output, *images)
        reports.append((output / "predictions.json").read_bytes())
    assert reports[0] == reports[1]
    assert len(json.loads(reports[0])) == len(images) == 5


# What a product does with model.py.
PREDICT = """
import importlib
import sys

import torch

module, weights, images, found = sys.argv[1:]
net = importlib.import_module(module)
model = net.Detector().eval()
model.load_state_dict(torch.load(weights, weights_only=True)["model"])
torch.save(net.predict(model, torch.load(images, weights_only=True)), found)
"""


def test_a_copy_in_a_package_predicts_the_same(code, weights, tmp_path):
    package = tmp_path / "vendored" / "sub"
    package.mkdir(parents=True)
    shutil.copy(code / "model.py", package / "net.py")
    images = torch.randint(0, 256, (2, 3, 70, 110), dtype=torch.uint8)
    torch.save(images, tmp_path / "images.pt")
    results = []
    for folder, module in ((code, "model"), (tmp_path, "vendored.sub.net")):
        files = [tmp_path / "images.pt", tmp_path / f"{module}.pt"]
        run(folder, "-c", PREDICT, module, weights, *files)
        results.append(load(files[1]))
    expected, found = results
    for head, tensors in expected.items():
        for name, values in tensors.items():
            assert torch.equal(found[head][name], values), (head, name)
