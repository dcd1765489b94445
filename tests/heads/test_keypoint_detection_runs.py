"""Heads of keypoints and quadrilaterals as users run them: in new processes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from runs import (
    BACKBONE,
    POSES,
    QUADS,
    SHAPES,
    checkpoint,
    make,
    rows,
    run,
    train,
)

from specc.shapes.scene import draw, sample_scene

pytestmark = pytest.mark.slow
HEADS = {"reach": POSES, "corners": QUADS}


@pytest.fixture(
    scope="module",
    params=["reach", pytest.param("corners", marks=pytest.mark.soak)],
)
def job(world, request) -> Path:
    return make(world / f"points-{request.param}", HEADS[request.param], validations=1)


@pytest.fixture(scope="module")
def name(job) -> str:
    return job.name.removeprefix("points-")


@pytest.fixture(scope="module")
def output(job) -> Path:
    """Returns the folder of a short run, whose predictions are set by hand."""
    train(job, f"runs/{job.name}", "--max-iterations", 2)
    return job.parent / "runs" / job.name


def sure_of_points(weights: dict[str, torch.Tensor], name: str):
    """Every cell is certain; its box ends a stride away, on each side, and the first
    point lies at a quarter of it to the right of the middle, the others there."""
    weights["head.detector.class_logits.bias"][0] = 6.0
    weights["head.detector.box_bins.weight"].zero_()
    weights["head.detector.box_bins.bias"].zero_().view(4, 16)[:, 1] = 40.0
    layer = "points" if name == "reach" else "corners"
    weights[f"head.{layer}.weight"].zero_()
    weights[f"head.{layer}.bias"].zero_()[0] = 0.25


@pytest.mark.parametrize("resize", [True, False])
def test_predictions_are_in_pixels_of_the_image(output, job, name, resize):
    world = job.parent
    backbone = BACKBONE | {"resize_input": resize}
    sure = make(world / f"sure-{name}-{resize}".lower(), HEADS[name], backbone=backbone)
    state = checkpoint(output / "best.pt")
    sure_of_points(state["model"], name)
    torch.save(state, sure / "sure.pt")
    scene = draw(sample_scene(np.random.default_rng(1)))
    sizes, paths = ((240, 700), (500, 210)), []
    for height, width in sizes:
        paths.append(world / f"points-{width}.png")
        cv2.imwrite(str(paths[-1]), cv2.resize(scene, (width, height)))
    drawn = world / f"drawn-{name}-{resize}"
    run(sure, "predict.py", "--weights", sure / "sure.pt", "--output", drawn, *paths)
    found = json.loads((drawn / "predictions.json").read_text())
    for path, (height, width) in zip(paths, sizes):
        one = found[str(path)]
        assert (one["height"], one["width"]) == (height, width)
        assert all(0.001 < item["score"] <= 1 for item in one[name])
        points = np.array([points_of(item) for item in one[name]])
        # Back on the model's canvas they lie at the centers of cells, and beside them.
        scale = min(64 / height, 96 / width) if resize else 1
        seen = [round(width * scale), round(height * scale)]
        middle = points[:, 1] * np.divide(seen, [width, height])
        first = points[:, 0] * np.divide(seen, [width, height])
        inside = (middle > 0).all(1) & (first < np.array(seen) - 1e-3).all(1)
        assert inside.sum() >= 4
        offset = (first - middle)[inside]
        stride = 2 * offset[:, 0]  # a quarter of a box that is two strides wide
        assert set(stride.round()) <= {8, 16, 32} and (abs(offset[:, 1]) < 0.01).all()
        cells = middle[inside] / stride.round()[:, None]
        np.testing.assert_allclose(cells % 1, 0.5, atol=0.01)
        drawing = cv2.imread(str(drawn / path.name))
        assert drawing.shape == (height, width, 3)
        assert (drawing != cv2.imread(str(path))).any()


def points_of(item: dict) -> list:
    """The first two points of an instance or of an object."""
    if "quadrilateral" in item:
        return item["quadrilateral"][:2]
    assert all(0 <= likely <= 1 for likely in item["presence"].values())
    return list(item["keypoints"].values())[:2]


def test_three_heads_learn_together(world):
    heads = (POSES, QUADS | {"loss_weight": 0.5}, SHAPES)
    job = make(world / "points-and-boxes", *heads, validations=1)
    train(job, "runs/points-and-boxes", "--max-iterations", 4)
    output = world / "runs" / "points-and-boxes"
    (row,) = [row for row in rows(output) if row["split"] == "validation"]
    assert {key.split("/")[0] for key in row if "/" in key} == {
        *("reach", "corners", "shapes")
    }
    assert "reach/pck05" in row and "corners/corner_error" in row
