"""Crops, blur and changes of color in the emitted data.py: labels stay on their pixels,
and colors become what they should."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from emitted_jobs import DATA_SIZE, DETECTION, compile_raw
from faster_coco_eval.core import mask as coco_mask
from instance_jobs import HEAD as MASKS
from small_data import picture
from test_images import extent

HEIGHT, WIDTH = DATA_SIZE
STILL = {"horizontal_flip": False, "scale": 0, "color": 0}
CROPS = STILL | {"horizontal_flip": True, "random_crop": 0.8}
POSES = {
    "name": "ends",
    "task": "keypoint_detection",
    "keypoints": ["one", "other"],
    "flip_pairs": [],
}
CORNERS = {"name": "sheets", "task": "quadrilateral_detection", "categories": ["sheet"]}
REGIONS = {
    "name": "street",
    "task": "semantic_segmentation",
    "categories": ["road", "car"],
    "colors": [[9, 9, 9], [255, 255, 255]],
}
NUMBER = {"name": "weight", "task": "regression", "range": [0, 1]}
BOX = (40, 30, 150, 90)  # left, top, right, bottom in an image of 240x180


@pytest.fixture
def cropping(emitted, tmp_path):
    """The data.py of a job with heads for boxes, keypoints, corners, masks and maps, and
    a sample: a white box on black."""
    heads = (DETECTION, POSES, CORNERS, MASKS | {"name": "masks"}, REGIONS)
    data = emitted(*heads, validation="val", augmentation=CROPS).data
    return data, white_box(data, tmp_path)


def white_box(data, folder):
    image = np.zeros((180, 240, 3), np.uint8)
    left, top, right, bottom = BOX
    image[top:bottom, left:right] = 255
    cv2.imwrite(str(folder / "image.png"), image)
    return data.Sample(folder / "image.png", 180, 240, {})


def views(data, sample, count=60):
    """Yields canvases, black where nothing is, with their transforms."""
    for seed in range(count):
        canvas, transform = data.augment(sample, np.random.default_rng(seed))
        yield np.where((canvas == data.PAD).all(2, keepdims=True), 0, canvas), transform


def test_a_crop_shows_a_share_of_the_area(cropping):
    data, sample = cropping
    height, width = data.fit(180, 240)
    shares = [
        height * width / (180 * 240 * abs(transform.scale.prod()))
        for _, transform in views(data, sample, 300)
    ]
    assert 0.2 * 0.97 < min(shares) < 0.25 and 0.95 < max(shares) < 1.02
    assert np.mean(shares) == pytest.approx(0.6, abs=0.06)
    offsets = {tuple(transform.offset) for _, transform in views(data, sample)}
    assert len(offsets) > 50


def test_boxes_and_masks_are_cut_or_left_out(cropping):
    """Nothing is left of objects of which less than a quarter would be."""
    data, sample = cropping
    left, top, right, bottom = BOX
    mask = np.zeros((180, 240), np.uint8, order="F")
    mask[top:bottom, left:right] = 1
    runs, box = (coco_mask.encode(mask),), np.float32([BOX])
    kinds, lost = np.int64([0]), 0
    for canvas, transform in views(data, sample):
        objects = data.moved(data.Objects(box, kinds), transform)
        grids = data.moved_instances(data.Instances(box, kinds, runs), transform)
        whole = (right - left) * (bottom - top) * abs(transform.scale.prod())
        share = (canvas[:, :, 0] > 127).sum() / whole
        if len(objects.boxes) == 0:
            assert share < 0.27 and len(grids.boxes) == 0
            lost += 1
        else:
            assert share > 0.23
            assert objects.boxes[0] == pytest.approx(extent(canvas), abs=1.5)
            assert grids.boxes[0] == pytest.approx(objects.boxes[0], abs=2)
    assert 0 < lost < 30


def test_points_stay_on_their_pixels(cropping):
    """Keypoints beyond the canvas are absent; corners may lie there."""
    data, sample = cropping
    left, top, right, bottom = BOX
    ends = np.float32([[[left + 8, top + 8], [right - 8, bottom - 8]]])
    corners = np.float32([[[left, top], [right, top], [right, bottom], [left, bottom]]])
    absent = 0
    for canvas, transform in views(data, sample):
        poses = data.moved_poses(
            data.Poses(ends, np.float32([BOX])), transform, ("one", "other"), ()
        )
        points = poses.keypoints.reshape(-1, 2)
        absent += np.isnan(points).any() or not len(points)
        for x, y in points[~np.isnan(points).any(1)]:
            assert canvas[min(int(y), HEIGHT - 1), min(int(x), WIDTH - 1), 0] > 200
        sheets = data.Quadrilaterals(corners, np.float32([BOX]), np.int64([0]))
        found = data.moved_quadrilaterals(sheets, transform)
        for own, visible in zip(found.corners, found.boxes):
            assert visible == pytest.approx(extent(canvas), abs=1.5)
            hull = [*own.min(0).clip(0), *own.max(0).clip(0, [WIDTH, HEIGHT])]
            assert visible == pytest.approx(hull, abs=1e-3)
    assert 5 < absent < 55


def test_maps_move_with_a_crop(cropping):
    data, sample = cropping
    left, top, right, bottom = BOX
    truth = np.zeros((180, 240), np.int16)
    truth[top:bottom, left:right] = 1
    for canvas, transform in views(data, sample, 20):
        found = data.warp(truth, sample, transform, -1)
        assert ((found == 1) != (canvas[:, :, 0] > 127)).mean() < 0.03


def test_a_cache_keeps_images_as_large_as_the_largest_crop(emitted):
    changes = {"scale": 0.25, "random_crop": 0.75}
    data = emitted(DETECTION, validation="val", cache="kept", augmentation=changes).data
    sample = data.Sample("image.png", 640, 960, {})
    assert data.largest(sample) == (round(64 * 1.25 * 2), round(96 * 1.25 * 2))


# ---- Colors and blur ----


def changed(emitted, tmp_path, image, channels=3, **changes):
    """Yields views of an image as large as the canvas, which is not moved."""
    data = emitted(DETECTION, channels=channels, augmentation=STILL | changes).data
    cv2.imwrite(str(tmp_path / "image.png"), image[:, :, ::-1])
    sample = data.Sample(tmp_path / "image.png", HEIGHT, WIDTH, {})
    for seed in range(40):
        yield data.augment(sample, np.random.default_rng(seed))[0]


def test_hues_turn_and_light_stays(emitted, tmp_path):
    red = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    red[..., 0] = 200
    hues = []
    for view in changed(emitted, tmp_path, red, hue=0.1):
        assert (view == view[0, 0]).all()
        hue, saturation, value = cv2.cvtColor(view, cv2.COLOR_RGB2HSV_FULL)[0, 0]
        hues.append((int(hue) + 128) % 256 - 128)
        assert saturation == 255 and value == 200
    assert min(hues) >= -27 and max(hues) <= 27 and max(hues) - min(hues) > 35


def test_a_part_of_the_images_becomes_gray(emitted, tmp_path):
    colors = picture(HEIGHT, WIDTH)
    gray = cv2.cvtColor(colors, cv2.COLOR_RGB2GRAY)
    found = list(changed(emitted, tmp_path, colors, grayscale=0.4))
    are_gray = [(view == gray[..., None]).all() for view in found]
    assert 8 <= sum(are_gray) <= 24
    assert all(
        (view == colors).all() for view, is_gray in zip(found, are_gray) if not is_gray
    )


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_half_of_the_images_are_blurred(emitted, tmp_path, channels):
    edge = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    edge[:, WIDTH // 2 :] = 255
    edge = (
        np.dstack([edge, edge[:, :, :1]])[:, :, [2, 1, 0, 3]] if channels == 4 else edge
    )
    widths = []
    for view in changed(emitted, tmp_path, edge, channels, blur=3):
        assert view.shape == (HEIGHT, WIDTH, channels)
        assert (view[:, :20] == 0).all() and (view[:, -20:] == 255).all()
        widths.append(((view[0, :, 0] > 0) & (view[0, :, 0] < 255)).sum())
    sharp = sum(width == 0 for width in widths)
    assert 12 <= sharp <= 32 and 6 < max(widths) <= 20


# ---- What heads derive and bear ----


def job_of(head: dict, **data) -> bytes:
    model = {"heads": [head]}
    return json.dumps(
        {"name": "tested", "data": {"train": "t"} | data, "model": model}
    ).encode()


def test_heads_that_compare_views_have_strong_ones():
    views = {"task": "view_invariance_learning"}
    chosen = compile_raw(job_of(views, resolution=[64, 96])).job.data.augmentation
    assert chosen.random_crop == 0.8 and chosen.scale == 0 and chosen.color == 0.4
    assert (chosen.hue, chosen.grayscale, chosen.blur) == (0.1, 0.2, 0.64)
    given = {"scale": 0.5, "hue": 0, "blur": 1}
    own = compile_raw(job_of(views, augmentation=given)).job.data.augmentation
    assert (own.scale, own.random_crop, own.hue, own.blur) == (0.5, 0, 0, 1)
    gray = compile_raw(job_of(views, channels=1)).job.data.augmentation
    assert (gray.random_crop, gray.hue, gray.grayscale) == (0.8, 0, 0)
    other = compile_raw(job_of(DETECTION)).job.data.augmentation
    assert (other.random_crop, other.hue, other.grayscale, other.blur) == (0, 0, 0, 0)


def test_what_was_derived_resolves_to_the_same_job():
    """Also where an option that heads derive is off."""
    views = {"task": "view_invariance_learning"}
    first = compile_raw(job_of(views, augmentation={"blur": 0, "scale": 0.5}))
    again = compile_raw(first.files["resolved.json"].encode())
    assert again.job == first.job


def test_identities_are_not_mirrored_unasked():
    faces = {"task": "metric_learning", "identities": ["a", "b", "c", "d"]}
    assert not compile_raw(job_of(faces)).job.data.augmentation.horizontal_flip
    asked = compile_raw(job_of(faces, augmentation={"horizontal_flip": True}))
    assert asked.job.data.augmentation.horizontal_flip


def test_views_beside_a_head_of_whole_images_are_not_cropped():
    job = json.loads(job_of(NUMBER))
    job["model"]["heads"].append({"task": "view_invariance_learning"})
    chosen = compile_raw(json.dumps(job).encode()).job.data.augmentation
    assert (chosen.random_crop, chosen.scale, chosen.color) == (0, 0.25, 0.4)
