"""Instance and panoptic segmentation as files: what predict.py writes is what datasets hold."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from instance_jobs import PANOPTIC, SHAPES
from PIL import Image, ImageSequence
from runs import (
    BACKBONE,
    checkpoint,
    images,
    make,
    run,
    train,
)

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
    return make(world / f"masks-{head['name']}", head, validations=1)


@pytest.fixture(scope="module")
def trained(job) -> Path:
    train(job, f"runs/{job.name}", "--max-iterations", 4)
    return job.parent / "runs" / job.name


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
