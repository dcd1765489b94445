"""Labels and predictions that are maps, as users run the scripts: in new processes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from runs import (
    DEPTHS,
    REGIONS,
    make,
    refusal,
    rows,
    run,
    train,
)

from specc.shapes.dataset import draw_dataset
from specc.shapes.maps import COLORS

pytestmark = pytest.mark.slow

SMALL = {"name": "resnet18", "top_level": 4}
LENGTH = {"max_iterations": 80, "validations": 2}
FAST = {"kind": "adamw", "learning_rate": 0.003}


@pytest.fixture(scope="module")
def job(world) -> Path:
    """It is judged by what it has learned: a few seconds do not reach further."""
    shutil.copytree(world / "shapes" / "train", world / "shapes" / "same")
    data = {"validation": "shapes/same", "augmentation": False}
    options = {"data": data, "backbone": SMALL, "optimizer": FAST}
    return make(world / "maps", DEPTHS, REGIONS, **options, **LENGTH)


@pytest.fixture(scope="module")
def learned(job) -> Path:
    """The output of a short run, whose predictions are maps of any kind."""
    output = job.parent / "runs" / "maps"
    train(job, output, "--max-iterations", 10)
    return output


@pytest.mark.soak  # test_behaviors.py lets each learn in fewer iterations
def test_both_heads_learn(job):
    learned = job.parent / "runs" / "learned-maps"
    train(job, learned)
    losses = [row for row in rows(learned) if row["split"] == "train"]
    for name in ("regions/loss/category", "depths/loss/log"):
        late = sum(row[name] for row in losses[-3:]) / 3  # batches of four differ
        assert late < 0.6 * losses[0][name]
    after = [row for row in rows(learned) if row["split"] == "validation"][-1]
    assert after["regions/mean_iou"] > 0.3 and after["regions/pixel_accuracy"] > 0.85
    assert after["regions/iou/background"] > 0.85
    assert after["depths/rmse"] < 0.8 and after["depths/delta1"] > 0.7


def test_predictions_are_files_in_the_words_of_a_dataset(learned, job):
    images = sorted((job.parent / "shapes" / "val" / "images").iterdir())[:2]
    output = job.parent / "found-maps"
    weights = ("--weights", learned / "best.pt")
    run(job, "predict.py", *weights, "--output", output, *images)
    report = json.loads((output / "predictions.json").read_text())
    for image in images:
        words = report[str(image)]
        size = (words["height"], words["width"])
        regions = cv2.imread(str(output / words["regions"]))[:, :, ::-1]
        depths = cv2.imread(str(output / words["depths"]), cv2.IMREAD_UNCHANGED)
        assert regions.shape[:2] == depths.shape == size
        colors = {tuple(color) for color in regions.reshape(-1, 3).tolist()}
        assert colors <= set(COLORS.values())
        assert depths.dtype == np.uint16 and depths.min() >= 1
        drawing = cv2.imread(str(output / f"{image.stem}.png"))
        assert drawing.shape[:2] == size and drawing.std() > 3


def test_what_was_predicted_can_be_learned_from(learned, job, tmp_path):
    """The files stand in a dataset as they are: its reader takes them."""
    images = sorted((job.parent / "shapes" / "val" / "images").iterdir())[:1]
    weights = ("--weights", learned / "best.pt")
    run(job, "predict.py", *weights, "--output", tmp_path / "found", *images)
    for split in ("train", "same"):
        whole = tmp_path / "shapes" / split
        for name in ("images", "categories", "depths"):
            (whole / name).mkdir(parents=True)
        (whole / "images" / images[0].name).write_bytes(images[0].read_bytes())
        for name, head in (("categories", "regions"), ("depths", "depths")):
            found = tmp_path / "found" / f"{images[0].stem}.{head}.png"
            (whole / name / f"{images[0].stem}.png").write_bytes(found.read_bytes())
        metadata = job.parent / "shapes" / split / "metadata.yaml"
        (whole / "metadata.yaml").write_text(metadata.read_text())
    done = run(job, "evaluate.py", *weights, "--data", tmp_path)
    metrics = json.loads(done.stdout)
    assert metrics["regions/pixel_accuracy"] == 1.0
    assert metrics["depths/rmse"] < 1e-3


def test_a_color_of_no_category_ends_the_run(job, tmp_path):
    """It is found where the map is decoded, in a process of its own."""
    draw_dataset(tmp_path / "shapes", train=4, validation=1)
    shutil.copytree(tmp_path / "shapes" / "val", tmp_path / "shapes" / "same")
    path = tmp_path / "shapes" / "train" / "categories" / "shapes_00002.png"
    image = cv2.imread(str(path))
    image[5, 7] = (3, 2, 1)  # blue first
    cv2.imwrite(str(path), image)
    flags = ("--data", tmp_path, "--output", tmp_path / "run", "--workers", 1)
    done = run(job, "train.py", *flags, code=1)
    said = refusal(done)
    assert f"{path}: no category has the color [1, 2, 3] at x 7, y 5" in said
