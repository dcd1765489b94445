"""Thresholds and constants of losses and metrics, to the digit: expected values are worked
out here, by hand or by another way, so that a slightly other one is noticed."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from emitted_jobs import FPN, MODEL_SIZE, build, load_all, make

pytestmark = pytest.mark.usefixtures("one_thread")

HEIGHT, WIDTH = MODEL_SIZE
INSTANCES = {
    "name": "cells",
    "task": "instance_segmentation",
    "categories": ("a", "b"),
    "layers": 1,
}
PANOPTIC = {
    "name": "street",
    "task": "panoptic_segmentation",
    "categories": ("sky", "car"),
    "things": ("car",),
    "colors": ((70, 130, 180), (0, 0, 142)),
    "layers": 1,
    "channels": 16,
}


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("exact"), [INSTANCES])
    return load_all(folder, "model", "evaluate")


@pytest.fixture(scope="module")
def instances(segmenter):
    return segmenter.model


@pytest.fixture(scope="module")
def panoptic(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("exact"), [PANOPTIC])
    return load_all(folder, "model", "evaluate").evaluate


# ---- Instances ----


def test_instances_end_where_their_image_does(segmenter):
    """The image has 40x30 pixels, two for each of the canvas; a box lies within, one
    beyond it."""
    results = {
        "count": torch.tensor([2]),
        "boxes": torch.tensor([[[-4.0, -2, 30, 20], [0.25, 0.25, 10, 5]]]),
        "classes": torch.tensor([[1, 0]]),
        "scores": torch.tensor([[0.75, 0.5]]),
        "masks": torch.ones(1, 2, 8, 12),
    }
    ratio, limits = torch.full((4,), 2.0), torch.tensor([40, 30, 40, 30])
    found = segmenter.evaluate.to_instances(results, 0, ("a", "b"), 4, ratio, limits)
    assert [one["category"] for one in found] == ["b", "a"]
    assert [one["bbox"] for one in found] == [[0, 0, 40, 30], [0.5, 0.5, 20, 10]]
    assert [one["score"] for one in found] == [0.75, 0.5]
    masks = [segmenter.evaluate.coco_mask.decode(one["mask"]) for one in found]
    assert [int(mask.sum()) for mask in masks] == [40 * 30, 20 * 10]


# ---- Suppression ----


@pytest.mark.parametrize("max_iou, kept", [(0.5, [True, True]), (0.499, [True, False])])
def test_boxes_that_overlap_by_just_the_threshold_stay(golden, max_iou, kept):
    """An IoU of exactly a half: 50 of 100 square pixels."""
    boxes = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 5]]])
    found = golden.nms(boxes, torch.zeros(1, 2, dtype=torch.long), max_iou)
    assert found[0].tolist() == kept


# ---- Masks ----


def undecided(model):
    """An untrained head whose masks are 0.5 everywhere: kernels of zeros."""
    torch.manual_seed(0)
    head = model.InstanceHead(48, 1, 2, (8, 16, 32))
    maps = [torch.randn(1, 48, HEIGHT // s, WIDTH // s) for s in (8, 16, 32)]
    outputs = head(*maps)
    return outputs._replace(kernels=torch.zeros_like(outputs.kernels))


@pytest.mark.parametrize("filled", [0, 1, 100, 28 * 28])
def test_dice_and_cross_entropy_of_a_mask_are_those_of_the_papers(instances, filled):
    """Dice is 1 - (2 p m + 1) / (p + m + 1), for all cells alike; both weigh the same."""
    masks = torch.zeros(1, 1, 28 * 28, dtype=torch.uint8)
    masks[..., :filled] = 1
    targets = {
        "boxes": torch.tensor([[[48.0, 24, 112, 72]]]),
        "classes": torch.tensor([[1]]),
        "regions": torch.tensor([[[32.0, 12, 128, 84]]]),
        "masks": masks.view(1, 1, 28, 28),
    }
    found = instances.instance_loss(undecided(instances), targets, 1.0)["mask"]
    dice = 1 - (2 * 0.5 * filled + 1) / (0.5 * 28 * 28 + filled + 1)
    assert found.item() == pytest.approx(dice + math.log(2), rel=1e-5)


def test_a_mask_is_what_the_network_of_its_point_says(instances):
    """A hidden layer that sees the features and offset of a pixel, then one number."""
    c, points, pixels = instances.MASK_CHANNELS, 3, 5
    torch.manual_seed(0)
    kernels = torch.randn(points, c * c + 2 * c + c + c + 1)
    features, offsets = torch.randn(1, c, pixels), torch.randn(points, 2, pixels)
    found = instances.mask_logits(kernels, features, offsets)
    for point, kernel in enumerate(kernels):
        of_features, of_offset, bias, last, last_bias = kernel.split(
            (c * c, 2 * c, c, c, 1)
        )
        layer = torch.cat([of_features.view(c, c), of_offset.view(c, 2)], 1)
        hidden = F.linear(torch.cat([features[0], offsets[point]]).T, layer, bias)
        expected = F.linear(hidden.relu(), last[None], last_bias)[:, 0]
        torch.testing.assert_close(found[point], expected, rtol=1e-4, atol=1e-4)


def test_a_mask_is_learned_where_it_is_drawn(instances):
    """Its network sees the places of pixels from the cell, in units of 8 strides, both
    in the loss and as `mask_logits` draws it."""
    outputs = undecided(instances)
    torch.manual_seed(0)
    kernels = torch.randn_like(outputs.kernels)
    outputs = outputs._replace(
        kernels=kernels, features=torch.zeros_like(outputs.features)
    )
    box, region = (48.0, 24.0, 112.0, 72.0), (32.0, 12.0, 128.0, 84.0)
    masks = torch.randint(0, 2, (1, 1, 28, 28), dtype=torch.uint8)
    targets = {
        "boxes": torch.tensor([[box]]),
        "classes": torch.tensor([[1]]),
        "regions": torch.tensor([[region]]),
        "masks": masks,
    }
    found = instances.instance_loss(outputs, targets, 3.0)["mask"]
    owner, scores = instances.assign(outputs.objects, outputs.objects.boxes(), targets)
    steps = (torch.arange(28) + 0.5) / 28
    x = region[0] + steps * (region[2] - region[0])
    y = region[1] + steps * (region[3] - region[1])
    places = torch.stack([x.repeat(28), y.repeat_interleave(28)])  # (2, S * S)
    total, wanted = 0.0, masks.flatten().double()
    for cell in (owner[0] >= 0).nonzero().flatten().tolist():
        center = outputs.objects.points[cell][:, None]
        offsets = (places - center) / (8 * outputs.objects.strides[cell])
        nothing = torch.zeros(1, instances.MASK_CHANNELS, 28 * 28)
        logits = instances.mask_logits(kernels[0, cell][None], nothing, offsets[None])
        p = logits[0].double().sigmoid().clamp(1e-12, 1 - 1e-12)
        dice = 1 - (2 * (p * wanted).sum() + 1) / ((p + wanted).sum() + 1)
        cross = -(wanted * p.log() + (1 - wanted) * (1 - p).log()).mean()
        total += float(scores[0, cell] * (dice + cross))
    expected = 3 * total / max(1.0, float(scores.sum()))
    assert found.item() == pytest.approx(expected, rel=1e-3)


def test_a_mask_is_found_where_it_is_learned(instances):
    """In offsets of pixels from the cell, in units of 8 strides, as its loss counts."""
    outputs, cell = undecided(instances), 7
    torch.manual_seed(0)
    logits = torch.full_like(outputs.objects.logits, -9.0)
    logits[0, cell, 1] = 9.0
    kernels = torch.randn_like(outputs.kernels)
    outputs = outputs._replace(
        objects=outputs.objects._replace(logits=logits), kernels=kernels
    )
    found = instances.decode_instances(outputs, 0.5, 0.5, 3)
    assert found["count"].tolist() == [1]
    center, stride = outputs.objects.points[cell], outputs.objects.strides[cell]
    rows, columns = outputs.features.shape[2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    places = torch.stack([x, y]).flatten(1) * (WIDTH / columns) + WIDTH / columns / 2
    offsets = (places - center[:, None]) / (8 * stride)
    features = outputs.features[0].flatten(1)
    expected = instances.mask_logits(kernels[0, cell][None], features, offsets[None])
    expected = expected.view(rows, columns)
    torch.testing.assert_close(found["masks"][0, 0], expected, rtol=1e-4, atol=1e-4)
    assert not found["masks"][0, 1:].any()  # from "count" on


def test_masks_that_are_drawn_in_parts_are_those_drawn_at_once(instances, monkeypatch):
    torch.manual_seed(0)
    head = instances.InstanceHead(48, 1, 2, (8, 16, 32))
    outputs = head(*(torch.randn(3, 48, HEIGHT // s, WIDTH // s) for s in (8, 16, 32)))
    found = []
    for at_once in (100, 2):
        monkeypatch.setattr(instances, "MASKS_AT_ONCE", at_once)
        found.append(instances.decode_instances(outputs, 0.0, 0.9, 5)["masks"])
    assert found[0].shape[:2] == (3, 5) and found[0].any()
    torch.testing.assert_close(*found)


def test_features_without_grid_sample_are_those_with_it(tmp_path):
    """A deterministic run has its own way: grid_sample's gradient on a GPU is not."""
    model = {"heads": [INSTANCES], "neck": FPN}
    job = {"name": "same", "data": {"train": "train", "resolution": MODEL_SIZE}}
    job |= {"model": model, "trainer": {"deterministic": True}}
    module = load_all(build(job, tmp_path), "model").model
    torch.manual_seed(0)
    features = torch.rand(2, 8, 24, 40)
    regions = torch.rand(2, 5, 4) * 1.4 - 0.2  # also beyond the image
    found = module.features_in(features, regions, 7)
    left, top, right, bottom = regions[..., None, None].unbind(2)
    steps = (torch.arange(7) + 0.5) / 7
    x = left + steps * (right - left) + 0 * steps[:, None]
    y = top + steps[:, None] * (bottom - top) + 0 * steps
    grid = torch.stack([x, y], -1).flatten(2, 3)
    options = {"padding_mode": "border", "align_corners": False}
    expected = F.grid_sample(features, 2 * grid - 1, **options)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_an_instance_of_coco_has_the_size_of_its_box_and_the_area_of_its_mask(
    segmenter,
):
    mask = np.zeros((50, 100), np.uint8, order="F")
    mask[20:30, 10:15] = 1
    run_lengths = segmenter.evaluate.coco_mask.encode(mask)
    made = segmenter.evaluate.coco_instance(3, 1, [10, 20, 40, 90], run_lengths)
    assert made["bbox"] == [10, 20, 30, 70] and made["area"] == 50
    assert (made["image_id"], made["category_id"]) == (3, 1)


def test_pixels_of_an_image_are_numbered_and_those_beyond_it_are_not(tmp_path):
    """The image has 3 rows and 4 columns, numbered down the columns: beyond them is
    number 12."""
    data = load_all(make(tmp_path, [INSTANCES]), "data").data
    still = data.Transform(np.float32([1, 1]), np.float32([0, 0]))
    x, y = np.arange(-1.5, 6), np.arange(-1.5, 5)
    found = data.pixels_at(x, y, still, [3, 4])
    expected = np.full((len(y), len(x)), 12)
    for row in range(3):
        for column in range(4):
            expected[row + 2, column + 2] = column * 3 + row
    assert (found == expected).all()


# ---- Panoptic quality ----


def test_what_is_no_thing_has_no_instance(tmp_path):
    """A street of two cars of different numbers, and sky, whose number is 0."""
    data = load_all(make(tmp_path, [PANOPTIC]), "data", "dataset").data
    masks = np.zeros((3, 4, 6), bool)
    masks[0, :2], masks[1, 2:, :2], masks[2, 2:, 4:] = True, True, True
    encoded = [data.coco_mask.encode(np.asfortranarray(mask)) for mask in masks]
    segments = SimpleNamespace(masks=encoded, classes=np.array([0, 1, 1]))
    maps = data.maps_of_segments(segments, (1,), 4, 6)
    expected = np.array([[0] * 6] * 2 + [[2, 2, 0, 0, 3, 3]] * 2)
    assert (maps["instances"] == expected).all()
    kinds = np.array([[0] * 6] * 2 + [[1, 1, -1, -1, 1, 1]] * 2)
    assert (maps["categories"] == kinds).all()


def street(length: int) -> dict[str, np.ndarray]:
    """A car of so many pixels in a row of 40; the rest of the row is sky."""
    cars = np.arange(40)[None] < length
    categories = cars.astype(np.int64)
    return {"categories": categories, "instances": categories}


@pytest.mark.parametrize(
    "found, matches", [(11, True), (10, False), (30, True), (12, True)]
)
def test_segments_match_at_an_iou_above_a_half(panoptic, found, matches):
    """A car of 20 pixels: IoU of 11/20, of just 10/20, of 20/30, of 12/20."""
    counts = panoptic.count_segments(street(20), street(found), 2)
    overlap, right, wrong, missing = counts[:, 1]
    iou = min(found, 20) / max(found, 20)
    assert [overlap, right] == pytest.approx([iou * matches, float(matches)])
    assert [wrong, missing] == [not matches, not matches]


@pytest.mark.parametrize("unknown, in_vain", [(2, 1), (3, 0)])
def test_segments_of_which_more_than_half_is_unknown_do_not_count(
    panoptic, unknown, in_vain
):
    """A car of 4 pixels is found in a row of sky whose first pixels are unknown."""
    kinds = np.where(np.arange(40)[None] < unknown, -1, 0)
    counts = panoptic.count_segments(street(0) | {"categories": kinds}, street(4), 2)
    assert counts[:, 1].tolist() == [0, 0, in_vain, 0]


# ---- Corners ----

BOXES = {"name": "cells", "task": "object_detection", "categories": ["a", "b"]}


def test_corners_are_compared_with_those_of_the_object_that_is_found(tmp_path):
    """Each prediction takes the object that it overlaps most of those that are left, the
    best prediction first; an object that none takes has an error of 1."""
    evaluate = load_all(make(tmp_path, [PAGES]), "evaluate").evaluate
    page = np.array([[0.0, 90], [20, 90], [20, 100], [0, 100]])  # not on a diagonal
    truth = np.stack([page, page + [5, 0], page + 100])
    corners = np.stack([page + [4, 0], page + [1, 0]])
    overlap = np.array([[16 / 24, 19 / 21, 0.0], [19 / 21, 16 / 24, 0.0]])
    for scores in ([0.9, 0.8], [0.8, 0.9]):
        errors = evaluate.corner_errors(corners, np.array(scores), overlap, truth)
        assert errors == pytest.approx([1 / 20, 1 / 20, 1])
    errors = evaluate.corner_errors(corners[:1], np.array([0.9]), overlap[:1], truth)
    assert errors == pytest.approx([1, 1 / 20, 1])
    # Of two that overlap one object the better one has it.
    for scores, error in (([0.9, 0.8], 4 / 20), ([0.8, 0.9], 1 / 20)):
        given = corners, np.array(scores), overlap[:, :1], truth[:1]
        assert evaluate.corner_errors(*given) == pytest.approx([error])
    # At an IoU of just a half it is found, below it is not.
    for iou, error in ((0.5, 5 / 20), (0.499, 1)):
        found = np.array([[iou]])
        errors = evaluate.corner_errors(truth[1:2], np.ones(1), found, truth[:1])
        assert errors == pytest.approx([error])


RATIO, LIMITS = torch.tensor([2.0, 4, 2, 4]), torch.tensor([100.0, 80, 100, 80])


def test_corners_are_told_in_pixels_and_may_lie_outside(tmp_path):
    evaluate = load_all(make(tmp_path, [PAGES]), "evaluate").evaluate
    corners = torch.arange(48.0).view(2, 3, 4, 2) - 4
    results = {
        "quadrilaterals": corners,
        "count": torch.tensor([3, 2]),
        "classes": torch.tensor([[0, 0, 0], [1, 0, 1]]),
        "scores": torch.tensor([[0.0] * 3, [0.75, 0.5, 0.25]]),
    }
    first, second = evaluate.to_quadrilaterals(results, 1, ("a", "b"), RATIO)
    assert (first["category"], first["score"]) == ("b", 0.75)
    assert (second["category"], second["score"]) == ("a", 0.5)
    expected = [[2.0 * (20 + 2 * i), 4.0 * (21 + 2 * i)] for i in range(4)]
    assert first["quadrilateral"] == expected
    outside, *_ = evaluate.to_quadrilaterals(results, 0, ("a", "b"), RATIO)
    assert outside["quadrilateral"][0] == [-8, -12]


def test_boxes_are_told_in_pixels_and_end_at_the_borders(tmp_path):
    evaluate = load_all(make(tmp_path, [BOXES]), "evaluate").evaluate
    boxes = [[[-3.0, -1, 60, 19], [2, 3, 4, 30], [1, 1, 2, 2]]]
    results = {
        "boxes": torch.tensor([[[0.0] * 4] * 3, *boxes]),
        "count": torch.tensor([0, 2]),
        "classes": torch.tensor([[0, 0, 0], [1, 0, 1]]),
        "scores": torch.tensor([[0.0] * 3, [0.75, 0.5, 0.25]]),
    }
    names = ("a", "b")
    assert evaluate.to_objects(results, 0, names, RATIO, LIMITS) == []
    assert evaluate.to_objects(results, 1, names, RATIO, LIMITS) == [
        {"category": "b", "bbox": [0, 0, 100, 76], "score": 0.75},
        {"category": "a", "bbox": [4, 12, 8, 80], "score": 0.5},
    ]


def test_keypoints_are_told_in_pixels_if_they_are_likely(tmp_path):
    head = {"name": "poses", "task": "keypoint_detection", "keypoints": ["x", "y", "z"]}
    evaluate = load_all(make(tmp_path, [head]), "evaluate").evaluate
    points = [[[-3.0, 5], [10, 20], [90, 30]], [[1, 1], [2, 2], [3, 3]]]
    results = {
        "keypoints": torch.tensor([[[[0.0, 0]] * 3] * 2, points]),
        "presence": torch.tensor([[[0.0] * 3] * 2, [[0.5, 0.75, 1.0], [0.25, 0, 0.5]]]),
        "count": torch.tensor([0, 2]),
        "scores": torch.tensor([[0.0, 0], [0.75, 0.5]]),
    }
    names = ("x", "y", "z")
    assert evaluate.to_poses(results, 0, names, RATIO, LIMITS) == []
    first, second = evaluate.to_poses(results, 1, names, RATIO, LIMITS)
    assert first["keypoints"] == {"x": [0, 20], "y": [20, 80], "z": [100, 80]}
    assert first["presence"] == {"x": 0.5, "y": 0.75, "z": 1.0}
    assert second["keypoints"] == {"x": None, "y": None, "z": [6, 12]}
    assert (first["score"], second["score"]) == (0.75, 0.5)


# ---- Batches ----

PAGES = {"name": "pages", "task": "quadrilateral_detection", "categories": ["a", "b"]}


@pytest.mark.parametrize("right, kept", [(24, False), (26, True)])
def test_a_quarter_of_a_box_on_the_canvas_is_too_little(tmp_path, right, kept):
    """The image has 100 columns and 10 rows; the canvas shows the last columns."""
    head = {"name": "boxes", "task": "object_detection", "categories": ["a"]}
    data = load_all(make(tmp_path, [head]), "data").data
    box = np.float32([[right - 100, 0, right, 10]])
    still = data.Transform(np.float32([1, 1]), np.zeros(2, np.float32))
    found = data.moved(data.Objects(box, np.zeros(1, int)), still)
    assert found.boxes.tolist() == [[0, 0, right, 10]] * kept
