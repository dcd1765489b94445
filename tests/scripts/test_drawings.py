"""Drawings of heads: each in its place, though texts come first in the job."""

from __future__ import annotations

import resource
from types import ModuleType

import cv2
import numpy as np
import pytest
from emitted_jobs import build, load_all, make
from faster_coco_eval.core.mask import encode

HEADS = {
    "tags": {"task": "multilabel_classification", "labels": ["sun", "rain"]},
    "kind": {"task": "multiclass_classification", "categories": ["road", "field"]},
    "picture": {"task": "autoencoding"},
    "boxes": {"task": "object_detection", "categories": ["car"]},
    "ground": {
        "task": "semantic_segmentation",
        "categories": ["soil", "water"],
        "colors": [[200, 0, 0], [0, 0, 200]],
    },
}
HEIGHT, WIDTH = 40, 60
FACTOR = 2  # small images are enlarged: this one, with a picture beside it, twice
WORDS = {
    "tags": {"labels": ["rain"], "scores": {"sun": 0.1, "rain": 0.9}},
    "kind": {"category": "field", "score": 0.8},
    "picture": np.full((HEIGHT, WIDTH, 3), 7, np.uint8),
    "boxes": [{"category": "car", "bbox": [30, 20, 55, 35], "score": 0.9}],
    "ground": np.repeat([[0] * 30 + [1] * 30], HEIGHT, 0),
}


def drawer(names: list[str], folder) -> ModuleType:
    """draw.py of a job with these heads."""
    sets = {"train": "train", "validation": "val", "resolution": [64, 64]}
    model = {
        "backbone": {"top_level": 4},
        "neck": {"kind": "fpn", "bottom_level": 3, "top_level": 4},
        "heads": [{"name": name} | HEADS[name] for name in names],
    }
    job = {"name": "all", "data": sets, "model": model}
    return load_all(build(job, folder), "model", "dataset", "data", "draw").draw


@pytest.fixture(scope="module")
def drawings(tmp_path_factory) -> tuple[np.ndarray, np.ndarray]:
    """Draws with all heads, and with those that are drawn inside the image."""
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    return tuple(
        drawer(names, tmp_path_factory.mktemp("job")).draw(
            image, {head: WORDS[head] for head in names}
        )
        for names in (list(HEADS), ["boxes", "ground"])
    )


@pytest.mark.slow
def test_what_stands_beside_moves_no_box_and_no_map(drawings):
    drawn, inside = drawings
    assert inside.shape == (HEIGHT, WIDTH, 3)
    height, width = HEIGHT * FACTOR, WIDTH * FACTOR
    larger = cv2.resize(inside, (width, height), interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(drawn[:height, :width], larger)
    beside = drawn[:height, width:]
    assert beside.shape == larger.shape and (beside == 7).all()


def test_lines_of_text_stand_below_each_other(drawings):
    lines = drawings[0][HEIGHT * FACTOR :]
    assert len(lines) >= 40  # two of them
    for line in np.array_split(lines, 2):
        assert line.min() < 60 and line.max() == 255


@pytest.mark.parametrize("names", [["cell"], ["cell", "platelet"]])
def test_instances_are_named_where_there_are_several_categories(tmp_path, names):
    head = {"name": "cells", "task": "instance_segmentation", "categories": names}
    draw = load_all(make(tmp_path, [head]), "model", "dataset", "data", "draw").draw
    mask = np.zeros((64, 64), np.uint8, order="F")
    mask[50:60, 20:40] = 1
    item = {"category": "cell", "bbox": [20, 50, 40, 60], "mask": encode(mask)}
    drawn = draw.draw(np.zeros((64, 64, 3), np.uint8), {"cells": [item]})
    assert drawn[50:60, 20:40].any(2).all()
    assert drawn[:48].any() == (len(names) > 1)


def test_a_full_disk_leaves_the_earlier_drawing(tmp_path):
    draw, path = drawer(["boxes"], tmp_path), tmp_path / "drawing.png"
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    path.write_bytes(b"an earlier drawing")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="File too large: '.*/drawing.png'"):
            draw.save_image(path, noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"an earlier drawing"
    assert not path.with_name("drawing.png.tmp").exists()
    draw.save_image(path, noise)
    assert (cv2.imread(str(path))[..., ::-1] == noise).all()
