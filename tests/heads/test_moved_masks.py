"""Masks move by the ends of their runs as their pixels would."""

from __future__ import annotations

from types import ModuleType

import cv2
import numpy as np
import pytest
from emitted_jobs import DATA_SIZE, load_data, make
from faster_coco_eval.core import mask as coco_mask
from instance_jobs import HEAD

HEIGHT, WIDTH = DATA_SIZE


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> ModuleType:
    turned = {"augmentation": {"transpose": True, "vertical_flip": True, "scale": 0.9}}
    folder = make(tmp_path_factory.mktemp("data"), [HEAD], DATA_SIZE, **turned)
    return load_data(folder).data


def blob(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A mask with holes, in parts, that may touch the edges of its image."""
    noise = cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), 6)
    mask = np.zeros((height, width), bool)
    left, top = rng.integers(0, width - 8), rng.integers(0, height - 8)
    part = slice(top, rng.integers(top + 8, height + 1)), slice(
        left, rng.integers(left + 8, width + 1)
    )
    mask[part] = noise[part] > np.quantile(noise[part], rng.choice([0, 0.3, 0.8]))
    mask[top, left] = True
    return mask


def test_points_of_a_grid_are_the_middles_of_its_parts(data):
    regions = np.array([[[0.0, 10, 28, 66]], [[-14.0, 0, 14, 2.8]]])
    x, y = data.grid_of(regions)
    assert data.GRID == 28 and x.shape == y.shape == (2, 1, 28)
    steps = np.arange(28)
    assert x[:, 0] == pytest.approx(np.stack([steps + 0.5, steps - 13.5]))
    assert y[:, 0] == pytest.approx(np.stack([11 + 2 * steps, 0.05 + 0.1 * steps]))


def test_runs_are_strips_of_columns(data):
    """The image has 5 rows: a run ends in a third column, another is a column."""
    column, top, bottom = data.strips(np.array([3, 11, 20, 25]), 5)
    assert column.tolist() == [0, 1, 2, 4]
    assert list(zip(top, bottom)) == [(3, 5), (0, 5), (0, 1), (0, 5)]


def by_pixels(data, mask, transform, x, y):
    """The mask at columns x and rows y of the canvas, of its pixels."""
    mask = mask.T if transform.transposed else mask
    height, width = mask.shape
    x = np.floor((x - transform.offset[0]) / transform.scale[0]).astype(int)
    y = np.floor((y - transform.offset[1]) / transform.scale[1]).astype(int)[:, None]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return inside & mask[y.clip(0, height - 1), x.clip(0, width - 1)]


def moved_by_pixels(data, mask: np.ndarray, box: np.ndarray, transform):
    """Returns box, region and grid of a mask on the canvas; None if under a quarter."""
    limits = np.float32([WIDTH, HEIGHT, WIDTH, HEIGHT])
    moved = transform.move(box[None])[0]
    visible = np.clip(moved, 0, limits)
    if (visible != moved).any():
        left, top, right, bottom = visible
        x, y = np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5
        seen = by_pixels(data, mask, transform, x, y)
        if seen.sum() <= 0.25 * mask.sum() * abs(transform.scale.prod()):
            return None
        columns, rows = seen.any(0).nonzero()[0], seen.any(1).nonzero()[0]
        hull = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        visible = np.minimum(
            np.tile(visible[:2], 2) + hull, np.tile(visible[2:], 2)
        ).astype(np.float32)
    margin = data.MARGIN * (visible[2:] - visible[:2])
    region = np.clip(visible + np.concatenate([-margin, margin]), 0, limits)
    grid = by_pixels(data, mask, transform, *data.grid_of(region))
    return visible, region.astype(np.float32), grid


def extent(mask: np.ndarray) -> list[int]:
    rows, columns = mask.nonzero()
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("seed", range(30))
def test_instances_move_as_their_pixels_do(data, tmp_path, seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(20, 300, 2).tolist()
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros((height, width), np.uint8))
    sample = data.Sample(tmp_path / "image.png", height, width, {})
    masks = [blob(rng, height, width) for _ in range(8)]
    runs = [coco_mask.encode(np.asfortranarray(m, np.uint8)) for m in masks]
    boxes = np.array([extent(mask) for mask in masks], np.float32)
    instances = data.Instances(boxes, np.arange(8) % 3, tuple(runs))
    _, transform = data.augment(sample, rng)
    found = data.moved_instances(instances, transform)
    wanted = [moved_by_pixels(data, *pair, transform) for pair in zip(masks, boxes)]
    kept = [i for i, moved in enumerate(wanted) if moved is not None]
    assert found.classes.tolist() == [i % 3 for i in kept]
    for number, i in enumerate(kept):
        box, region, grid = wanted[i]
        np.testing.assert_array_equal(found.boxes[number], box)
        np.testing.assert_array_equal(found.regions[number], region)
        np.testing.assert_array_equal(found.masks[number], grid)


def test_these_views_cut_some_masks_off_and_leave_some_out(data, tmp_path):
    """The test above compares hulls, too: a canvas shows part of most masks."""
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros((300, 300), np.uint8))
    sample = data.Sample(tmp_path / "image.png", 300, 300, {})
    mask = np.ones((300, 300), np.uint8, order="F")
    box = np.float32([[0, 0, 300, 300]])
    instances = data.Instances(box, np.zeros(1, int), (coco_mask.encode(mask),))
    shown = set()
    for seed in range(20):
        _, transform = data.augment(sample, np.random.default_rng(seed))
        moved = data.moved_instances(instances, transform)
        whole = (transform.move(box) == moved.boxes).all() if len(moved.boxes) else None
        shown.add(whole)
    assert shown >= {True, False}


def test_half_of_the_views_are_mirrored_and_half_turned(data):
    """Both are counted in 400 views: 10 more or less would be one standard deviation."""
    sample = data.Sample("", 6, 4, {})
    read, made = data.read_image, []
    try:
        data.read_image = lambda _, *size, fast: np.zeros((*size, 3), np.uint8)
        for seed in range(400):
            made.append(data.augment(sample, np.random.default_rng(seed))[1])
    finally:
        data.read_image = read
    mirrored = sum(transform.scale < 0 for transform in made)
    turned = sum(transform.transposed for transform in made)
    assert all(160 < count < 240 for count in (*mirrored, turned)), (mirrored, turned)


@pytest.mark.parametrize("seed", range(20))
def test_edges_of_runs_are_those_of_pixels(data, seed):
    rng = np.random.default_rng(seed)
    mask = blob(rng, *rng.integers(10, 900, 2).tolist()).astype(np.uint8)
    mask[0, 0] = seed % 2  # begins inside, or not
    flat = np.pad(mask.T.reshape(-1), 1).astype(int)
    edges = np.flatnonzero(np.diff(flat)).tolist()
    runs = coco_mask.encode(np.asfortranarray(mask))
    other = coco_mask.encode(np.asfortranarray(1 - mask))
    found = data.run_edges([runs, other, runs])
    assert found[0].tolist() == found[2].tolist() == edges
    assert len(found[1]) % 2 == 0 and found[1][0] == (0 if edges[0] else edges[1])
