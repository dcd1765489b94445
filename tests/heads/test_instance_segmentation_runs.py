"""Instance and panoptic segmentation as users run it: trained, resumed, shared, evaluated, used."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from instance_jobs import PANOPTIC, SHAPES
from PIL import Image, ImageSequence
from runs import (
    BACKBONE,
    ITERATIONS,
    assert_equal_runs,
    checkpoint,
    images,
    make,
    rows,
    run,
    start,
    train,
)
from torchrun import COMPARE, torchrun

from specc.language.schema import head as head_schema
from specc.shapes.dataset import draw_dataset

pytestmark = pytest.mark.slow


BEST = {"shapes": "ap", "scene": "pq"}


@pytest.fixture(
    scope="module",
    params=[pytest.param(SHAPES, marks=pytest.mark.soak), PANOPTIC],
    ids=BEST,
)
def head(request) -> dict:
    return request.param


@pytest.fixture(scope="module")
def job(world, head) -> Path:
    return make(world / f"masks-{head['name']}", head)


@pytest.fixture(scope="module")
def trained(job) -> Path:
    train(job, f"runs/{job.name}")
    return job.parent / "runs" / job.name


def test_training_learns(trained, head):
    name = head["name"]
    losses = [row for row in rows(trained) if row["split"] == "train"]
    assert losses[-1]["loss"] < 0.8 * losses[0]["loss"]
    assert losses[-1][f"{name}/loss/mask"] < losses[0][f"{name}/loss/mask"]
    found = [row for row in rows(trained) if row["split"] == "validation"]
    metrics = {f"{name}/{metric}" for metric in head_schema(head["task"])["x-metrics"]}
    for row in found:
        assert metrics < set(row)
        assert all(0 <= row[metric] <= 1 for metric in metrics)
    assert cv2.imread(str(trained / "predictions.png")).std() > 10


@pytest.mark.soak
def test_a_killed_run_goes_on_bit_for_bit(trained, job):
    output = trained.parent / f"{job.name}-killed"
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


@pytest.mark.soak
def test_two_processes_are_one(head, tmp_path):
    draw_dataset(tmp_path / "shapes", train=7, validation=5)
    job = make(tmp_path / "both", head)
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
def test_what_is_found_is_saved_as_datasets_have_it(trained, head, world, resize):
    """Certain of everything, the model draws a mask for each of the best cells."""
    name = f"masks-{head['name']}-{resize}".lower()
    job = make(world / name, head, backbone=BACKBONE | {"resize_input": resize})
    state = checkpoint(trained / "best.pt")
    (logits,) = (key for key in state["model"] if key.endswith("class_logits.bias"))
    state["model"][logits] += 3
    torch.save(state, job / "sure.pt")
    output, paths = world / f"drawn-{name}", images(world)
    run(job, "predict.py", "--weights", job / "sure.pt", "--output", output, *paths)
    found = json.loads((output / "predictions.json").read_text())
    check = check_masks if head is SHAPES else check_maps
    for path in paths:
        assert cv2.imread(str(output / f"{path.stem}.png")) is not None
        check(found[str(path)], output)


def check_maps(one: dict, output: Path):
    with Image.open(output / one["scene"]["file"]) as file:
        kinds, numbers = (np.asarray(page) for page in ImageSequence.Iterator(file))
    assert kinds.shape == (one["height"], one["width"], 3)
    assert numbers.shape == kinds.shape[:2]
    colors = dict(zip(PANOPTIC["categories"], map(tuple, PANOPTIC["colors"])))
    items = one["scene"]["instances"]
    assert {item["instance"] for item in items} == set(np.unique(numbers)) - {0}
    for item in items:
        seen = kinds[numbers == item["instance"]]
        assert (seen == colors[item["category"]]).all() and 0 < item["score"] <= 1


def check_masks(one: dict, output: Path):
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
