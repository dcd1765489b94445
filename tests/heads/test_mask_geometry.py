"""Polygons and run lengths become masks as they are: no detour through pixels, nothing
moved where the image ends."""

from __future__ import annotations

from collections import Counter
from types import ModuleType

import cv2
import numpy as np
import pytest
from emitted_jobs import DETECTION
from instance_jobs import HEAD
from small_data import yolo

HEIGHT, WIDTH = 48, 64


@pytest.fixture
def reader(emitted) -> ModuleType:
    return emitted(HEAD, format="coco", validation="val.json").dataset


def drawn(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """A polygon of 3 to 9 corners, x and y between these shares of the image."""
    middle = rng.uniform(low, high, 2)
    corners = middle + rng.normal(0, rng.uniform(0.01, 0.5), (rng.integers(3, 10), 2))
    return corners.clip(low, high) * [WIDTH, HEIGHT]


def through_pixels(reader: ModuleType, polygons: list[np.ndarray]) -> dict:
    """Run lengths of these polygons that were decoded to a mask, and encoded again."""
    flat = [polygon.flatten().tolist() for polygon in polygons]
    runs = reader.coco_mask.merge(reader.coco_mask.frPyObjects(flat, HEIGHT, WIDTH))
    return reader.coco_mask.encode(np.asfortranarray(reader.coco_mask.decode(runs)))


def test_run_lengths_of_polygons_are_those_of_their_pixels(reader):
    rng = np.random.default_rng(0)
    empty = 0
    for _ in range(1000):
        polygons = [drawn(rng, 0, 1) for _ in range(rng.integers(1, 5))]
        given = [polygon.flatten().tolist() for polygon in polygons]
        counts = Counter()
        item = {"id": 1, "category": "b", "segmentation": given}
        item |= {"area": 0, "ignored": False}
        found = reader.parse_segments([item], {"b": 1}, HEIGHT, WIDTH, counts)
        wanted = through_pixels(reader, polygons)
        if reader.coco_mask.area(wanted):
            assert list(found.masks) == [wanted]
            assert found.classes.tolist() == [1]
        else:
            assert counts["masks without area left out"] == 1
            empty += 1
    assert empty < 100


def test_runs_of_no_pixel_are_joined(reader):
    mask = np.zeros((4, 4), np.uint8, order="F")
    mask.T.reshape(-1)[5:8] = 1
    given = {"size": [4, 4], "counts": [0, 0, 5, 1, 0, 2, 8, 0]}
    runs = reader.mask_runs(given, 4, 4)
    assert runs == reader.coco_mask.encode(mask)
    assert reader.coco_mask.toBbox(runs).tolist() == [1, 1, 1, 3]


def supersampled(polygon: np.ndarray, factor: int = 16) -> np.ndarray:
    """How much of each pixel of the image a polygon covers, by OpenCV on a canvas that
    is larger by an image on each side."""
    canvas = np.zeros((3 * HEIGHT * factor, 3 * WIDTH * factor), np.uint8)
    corners = (polygon + [WIDTH, HEIGHT]) * factor
    cv2.fillPoly(canvas, [np.round(corners).astype(np.int32)], 1)
    covered = canvas.reshape(3 * HEIGHT, factor, 3 * WIDTH, factor).mean((1, 3))
    return covered[HEIGHT : 2 * HEIGHT, WIDTH : 2 * WIDTH]


@pytest.mark.parametrize("seed", range(20))
def test_polygons_are_cut_where_the_image_ends(reader, seed):
    rng = np.random.default_rng(seed)
    polygon = drawn(rng, -0.9, 1.9)[:5]  # a few long sides
    runs = reader.polygon_runs([polygon], HEIGHT, WIDTH)
    mask, covered = reader.coco_mask.decode(runs), supersampled(polygon)
    # COCO rounds corners to a fifth of a pixel: only what a side crosses may differ.
    side = (covered > 0) & (covered < 1)
    near = cv2.dilate(side.astype(np.uint8), np.ones((3, 3))) > 0
    np.testing.assert_array_equal(mask[~near], covered[~near])
    assert mask.sum() == pytest.approx(covered.sum(), rel=0.03, abs=12)


def test_a_side_keeps_its_direction(reader):
    """Its far corner, moved to the edge, would bend it: 807 pixels."""
    polygon = np.array([[10, 10], [200, 10], [10, 40]], float)
    runs = reader.polygon_runs([polygon], HEIGHT, WIDTH)
    assert reader.coco_mask.area(runs) == 1389
    # y on the slanted side falls from 40 to 31.5 at the right edge.
    assert supersampled(polygon).sum() == pytest.approx(1389, abs=10)


@pytest.mark.parametrize("far", [1e4, 1e7, 1e11])
def test_far_corners_cost_nothing_and_bend_nothing(reader, far):
    polygon = np.array([[10, 10], [10 + far, 10], [10, 10 + far]])
    runs = reader.polygon_runs([polygon], HEIGHT, WIDTH)
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[10:, 10:] = 1
    np.testing.assert_array_equal(reader.coco_mask.decode(runs), expected)


def test_what_lies_outside_has_no_mask(reader):
    for x in (70, 1e6):
        polygon = np.array([[x, 10], [x + 9, 10], [x, 40]])
        runs = reader.polygon_runs([polygon], HEIGHT, WIDTH)
        assert reader.coco_mask.area(runs) == 0


def test_cut_keeps_what_is_inside_and_adds_crossings(reader):
    low, high = np.zeros(2), np.array([10, 10])
    inside = np.array([[0, 0], [10, 0], [5, 10]], float)
    assert reader.cut(inside, low, high) is inside
    corner = np.array([[5, 5], [15, 5], [5, 15]], float)
    wanted = {(5, 5), (10, 5), (10, 10), (5, 10)}
    assert set(map(tuple, reader.cut(corner, low, high).tolist())) == wanted
    assert len(reader.cut(corner + 20, low, high)) == 0


def test_boxes_of_yolo_s_polygons_end_with_what_is_seen(emitted, tmp_path, capsys):
    """A corner outside says nothing of how far the polygon reaches inside."""
    reader = emitted(DETECTION, format="yolo", validation="data.yaml").dataset
    line = "0 0.75 0.2 0.75 0.4 -1.75 1.4"  # pixels: (30, 6), (30, 12), (-70, 42)
    one, _ = reader.read_dataset(yolo(tmp_path, line))
    assert one.labels["cells"].boxes.tolist() == [[0, 6, 30, 21]]
    assert "boxes clipped to their image: 1" in capsys.readouterr().err


@pytest.mark.parametrize("beyond, told", [(0.4, 0), (0.6, 1)])
def test_a_polygon_outside_by_a_rounding_is_not_counted(
    emitted, tmp_path, capsys, beyond, told
):
    """Six digits of a fraction put a corner at the edge as often beyond it."""
    reader = emitted(DETECTION, format="yolo", validation="data.yaml").dataset
    corners = np.array([[30, 6], [40 + beyond, 6], [40 + beyond, 12], [30, 12]])
    shares = (corners / [40, 30]).ravel()
    one, _ = reader.read_dataset(yolo(tmp_path, f"0 {' '.join(map(str, shares))}"))
    assert one.labels["cells"].boxes.tolist() == [[30, 6, 40, 12]]
    assert ("boxes clipped to their image: 1" in capsys.readouterr().err) == told


@pytest.mark.parametrize("beyond, told", [(0.4, 0), (0.6, 1)])
def test_a_rotated_box_outside_by_a_rounding_is_not_counted(
    emitted, tmp_path, beyond, told
):
    reader = emitted(DETECTION, format="dota", validation="val").dataset
    sides = f"30 {-beyond} 40 {-beyond} 40 12 30 12"
    (tmp_path / "0.txt").write_text(f"{sides} a 0\n")
    counts = Counter()
    (item,) = reader.objects_in_dota(tmp_path / "0.txt", 30, 40, counts)
    assert item["bbox"] == [30, 0, 40, 12]
    assert counts["boxes clipped to their image"] == told


def test_boxes_of_quadrilaterals_end_with_what_is_seen(emitted):
    head = {"name": "cells", "task": "quadrilateral_detection", "categories": ["a"]}
    reader = emitted(head, validation="val").dataset
    four = [[30, 6], [30, 12], [-90, 48], [-90, 42]]
    given = [{"category": "a", "quadrilateral": four}]
    found = reader.parse_quadrilaterals(given, {"a": 0}, 30, 40, Counter())
    assert found.boxes.tolist() == [[0, 6, 30, 21]]
    beside = [{"category": "a", "quadrilateral": [[40, 0], [50, 0], [50, 9], [40, 9]]}]
    with pytest.raises(ValueError, match="outside the 40x30 image"):
        reader.parse_quadrilaterals(beside, {"a": 0}, 30, 40, Counter())
