"""Defects that training draws into normal images, and the views that hold them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from emitted_jobs import build, load_all
from test_anomaly_detection import HEAD, MODULES, SIZE, dataset, job_of, resolved


@pytest.fixture(scope="module")
def emitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("defects")
    return load_all(build(job_of(HEAD, backbone={"top_level": 3}), folder), *MODULES)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_only_the_pixels_of_a_defect_change(emitted, channels):
    clean = np.random.default_rng(0).integers(0, 256, (*SIZE, channels), np.uint8)
    shares = []
    for seed in range(60):
        canvas, again = clean.copy(), clean.copy()
        mask = emitted.data.draw_defect(canvas, np.random.default_rng(seed))
        same = emitted.data.draw_defect(again, np.random.default_rng(seed))
        assert np.array_equal(canvas, again) and np.array_equal(mask, same)
        assert mask.shape == SIZE and np.array_equal(canvas[~mask], clean[~mask])
        shares.append(mask.mean())
        if mask.sum() > 20:
            assert (canvas[mask] != clean[mask]).any()
    assert 0.2 < np.mean(np.equal(shares, 0)) < 0.7  # some are left clean
    assert 0.01 < max(shares) <= 0.05


def test_a_view_holds_the_defect_that_its_target_names(emitted, tmp_path):
    place = dataset(tmp_path, training=True)
    samples = emitted.dataset.read_dataset(place, training=True)
    views = emitted.data.TrainingSet(samples, 0)
    images, targets, _ = emitted.data.collate([views[epoch, 0] for epoch in range(8)])
    defects = targets["flaws"]["defects"]
    assert defects.shape == (8, *SIZE) and defects.dtype == torch.bool
    assert 0 < defects.flatten(1).any(1).sum() < 8
    again, *_ = emitted.data.collate([views[epoch, 0] for epoch in range(8)])
    assert torch.equal(images, again)


def test_defects_are_as_frequent_at_the_border_as_inside(emitted):
    """Else the border of a normal image would be the likeliest anomaly."""
    rng, count = np.random.default_rng(0), np.zeros(SIZE)
    for _ in range(1500):
        count += emitted.data.draw_defect(np.zeros((*SIZE, 3), np.uint8), rng)
    blocks = count.reshape(4, SIZE[0] // 4, 4, SIZE[1] // 4).mean((1, 3))
    corners = blocks[[0, 0, 3, 3], [0, 3, 0, 3]]
    assert 0.8 < corners.mean() / blocks[1:3, 1:3].mean() < 1.25
    assert 0.6 < blocks.min() / blocks.mean() and blocks.max() / blocks.mean() < 1.5


def test_a_view_has_the_size_of_its_image_unless_the_job_says_otherwise():
    """Features that are not trained know textures of one size."""
    job = job_of(HEAD, backbone={"top_level": 3})
    assert resolved(job).data.augmentation.scale == 0
    job["data"]["augmentation"] = {"scale": 0.2}
    assert resolved(job).data.augmentation.scale == 0.2
