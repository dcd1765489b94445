"""Instance segmentation as users run it: trained, resumed, shared, evaluated, used."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from instance_jobs import SHAPES
from PIL import Image, ImageSequence
from runs import ITERATIONS, assert_equal_runs, checkpoint, make, rows, run, train
from test_processes import COMPARE
from test_run import images, start
from torchrun import torchrun

from specc import shapes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def job(world) -> Path:
    return make(world / "masks", SHAPES)


@pytest.fixture(scope="module")
def trained(job) -> Path:
    train(job, "runs/masks")
    return job.parent / "runs" / "masks"


def test_training_learns(trained):
    losses = [row for row in rows(trained) if row["split"] == "train"]
    assert losses[-1]["loss"] < 0.8 * losses[0]["loss"]
    assert losses[-1]["shapes/loss/mask"] < losses[0]["shapes/loss/mask"]
    found = [row for row in rows(trained) if row["split"] == "validation"]
    for row in found:
        assert 0 <= row["shapes/ap"] <= row["shapes/ap50"] <= 1
        assert 0 <= row["shapes/box_ap"] <= 1
    assert cv2.imread(str(trained / "predictions.png")).std() > 10


def test_a_killed_run_goes_on_bit_for_bit(trained, job):
    output = trained.parent / "masks-killed"
    process = start(job, output, "--workers", 0)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert checkpoint(output / "last.pt")["iteration"] < ITERATIONS
    train(job, output, "--resume")
    assert_equal_runs(trained, output)


def test_a_new_process_finds_the_same(trained, job):
    flags = ("--weights", trained / "best.pt", "--data", job.parent)
    said = json.loads(run(job, "evaluate.py", *flags).stdout)
    assert said == checkpoint(trained / "best.pt")["metrics"]


def test_two_processes_are_one(world, tmp_path):
    shapes.draw_dataset(tmp_path / "shapes", train=7, validation=5)
    job = make(tmp_path / "both", SHAPES)
    script = job / "compare.py"
    script.write_text(COMPARE.replace("Network", "Segmenter"))
    found = []
    for processes in (1, 2):
        path = job / f"{processes}.pt"
        said = torchrun(script, tmp_path, path, processes=processes)
        assert path.exists(), said
        found.append(torch.load(path, weights_only=True))
    one, two = found
    first, second = json.loads(one["metrics"]), json.loads(two["metrics"])
    assert first == pytest.approx(second, abs=1e-6)
    for name, gradient in one["gradients"].items():
        limit = 1e-4 * (gradient.abs().max() + 1e-6)
        apart = (gradient - two["gradients"][name]).abs().max()
        assert apart <= limit, name


@pytest.mark.parametrize("resize", [True, False])
def test_masks_are_saved_as_datasets_have_them(trained, world, resize):
    """Certain of everything, the model draws a mask for each of the best cells."""
    name = f"masks-{resize}".lower()
    job = make(world / name, SHAPES, backbone={"resize_input": resize})
    state = checkpoint(trained / "best.pt")
    state["model"]["head.detector.class_logits.bias"] += 3
    torch.save(state, job / "sure.pt")
    output, paths = world / f"drawn-{name}", images(world)
    run(job, "predict.py", "--weights", job / "sure.pt", "--output", output, *paths)
    found = json.loads((output / "predictions.json").read_text())
    for path in paths:
        one = found[str(path)]
        assert cv2.imread(str(output / f"{path.stem}.png")) is not None
        assert one["shapes"], "nothing is found"
        with Image.open(output / one["shapes"][0]["mask"]) as file:
            pages = [np.asarray(page) for page in ImageSequence.Iterator(file)]
        assert len(pages) == len(one["shapes"])
        for page, item in zip(pages, one["shapes"]):
            assert page.shape == (one["height"], one["width"], 3)
            color = SHAPES["colors"][SHAPES["categories"].index(item["category"])]
            rows, columns = page.any(2).nonzero()
            assert (page[rows, columns] == color).all()
            if len(rows):
                left, top, right, bottom = item["bbox"]
                assert left - 1 <= columns.min() and columns.max() <= right
                assert top - 1 <= rows.min() and rows.max() <= bottom
