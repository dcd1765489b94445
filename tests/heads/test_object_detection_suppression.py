"""The emitted model.py: how predictions become objects, or a category."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from emitted_jobs import MODEL_SIZE
from predictions import certain, nearest, predictions_for

pytestmark = pytest.mark.usefixtures("one_thread")

HEIGHT, WIDTH = MODEL_SIZE


# ---- Suppression ----


def greedy(boxes: np.ndarray, classes: np.ndarray, max_iou: float) -> list[bool]:
    """Non-maximum suppression as the textbooks have it: one box after the other."""
    keep = []
    for i, (left, top, right, bottom) in enumerate(boxes):
        stays = True
        for j in range(i):
            if keep[j] and classes[i] == classes[j]:
                x = min(right, boxes[j][2]) - max(left, boxes[j][0])
                y = min(bottom, boxes[j][3]) - max(top, boxes[j][1])
                shared = max(0, x) * max(0, y)
                other = (boxes[j][2] - boxes[j][0]) * (boxes[j][3] - boxes[j][1])
                whole = (right - left) * (bottom - top) + other - shared
                stays = stays and shared / max(whole, 1e-6) <= max_iou
        keep.append(stays)
    return keep


@pytest.mark.parametrize("max_iou", [0.0, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_suppression_is_the_greedy_one(golden, seed, max_iou):
    rng = np.random.default_rng(seed)
    centers, sides = rng.uniform(0, 100, (2, 75, 2)), rng.uniform(5, 60, (2, 75, 2))
    boxes = np.concatenate([centers - sides / 2, centers + sides / 2], 2)
    boxes = np.concatenate([boxes, boxes + rng.uniform(-1, 1, boxes.shape)], 1)
    classes = rng.integers(3, size=(2, 150))
    found = golden.nms(
        torch.tensor(boxes, dtype=torch.float32), torch.tensor(classes), max_iou
    )
    for image in range(2):
        expected = greedy(boxes[image].astype(np.float32), classes[image], max_iou)
        assert found[image].tolist() == expected
        assert any(expected) and not all(expected)


@pytest.mark.parametrize("length", [12, 60, 63])
def test_a_chain_of_suppressions_is_settled(golden, length):
    """Each box overlaps the next alone: every second one stays."""
    left = torch.arange(float(length)) * 4
    boxes = torch.stack([left, 0 * left, left + 10, 0 * left + 10], 1)[None]
    keep = golden.nms(boxes, torch.zeros(1, length, dtype=torch.long), 0.3)
    assert keep[0].tolist() == [number % 2 == 0 for number in range(length)]


@pytest.mark.slow
def test_many_chains_among_many_boxes_are_settled(golden):
    """More boxes than are compared at once, of several classes, in any order."""
    rng = np.random.default_rng(0)
    left = np.tile(np.arange(60.0) * 4, 15)
    top = np.repeat(np.arange(15.0) * 20, 60)
    boxes = np.stack([left, top, left + 10, top + 10], 1)
    boxes = boxes[np.argsort(rng.integers(4, size=900), kind="stable")]
    classes = rng.integers(2, size=900)
    assert len(boxes) > 2 * golden.CANDIDATES
    found = golden.nms(torch.tensor(boxes)[None], torch.tensor(classes)[None], 0.3)
    assert found[0].tolist() == greedy(boxes, classes, 0.3)


@pytest.mark.slow
def test_suppression_is_one_graph_of_static_shapes(detector):
    boxes = torch.rand(2, 50, 4).cumsum(2)
    classes = torch.zeros(2, 50, dtype=torch.long)
    compiled = torch.compile(detector.nms, backend="eager", fullgraph=True)
    assert torch.equal(compiled(boxes, classes, 0.6), detector.nms(boxes, classes, 0.6))


# ---- Decoding ----


def test_decoding_is_aware_of_classes(detector):
    predictions = predictions_for(detector, (HEIGHT, WIDTH))
    box = (40, 24, 104, 72)
    seen = {(60, 40): (1, *box), (76, 52): (1, *box), (84, 52): (2, *box)}
    found = detector.decode_objects(certain(predictions, seen), 0.05, 0.6, 10)
    assert found["count"].tolist() == [2]
    assert found["classes"][0, :2].tolist() == [1, 2]
    expected = torch.tensor([box, box], dtype=torch.float32)
    torch.testing.assert_close(found["boxes"][0, :2], expected, atol=0.01, rtol=0)
    scores = found["scores"][0]
    torch.testing.assert_close(scores[:2], torch.tensor([0.9, 0.9**3]))
    for rows in ("boxes", "scores", "classes"):
        assert not found[rows][0, 2:].any(), rows


def test_a_cell_may_see_two_classes(detector):
    predictions = predictions_for(detector, (HEIGHT, WIDTH))
    seen = certain(predictions, {(60, 40): (1, 40, 24, 104, 72)})
    seen.logits[0, nearest(seen, (60, 40)), 0] = 0.0
    found = detector.decode_objects(seen, 0.05, 0.6, 10)
    assert found["classes"][0, : found["count"][0]].tolist() == [1, 0]


def test_fewer_cells_than_detections(detector):
    predictions = predictions_for(detector, (32, 32))
    assert len(predictions.points) * 3 < 100
    found = detector.decode_objects(predictions, 0.0, 1.0, 100)
    assert found["boxes"].shape == (1, 100, 4)
    assert found["scores"].shape == found["classes"].shape == (1, 100)
    count = int(found["count"][0])
    assert count == len(predictions.points) * 3
    for rows in ("boxes", "scores", "classes"):
        assert not found[rows][0, count:].any()


def test_one_image_whose_top_level_is_a_single_cell(detector):
    with torch.no_grad():
        found = detector.Detector().eval()(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    assert len(found.points) == 64 + 16 + 4 + 1
    assert found.logits.isfinite().all()


@pytest.mark.parametrize(
    "side, size, limit", [(10, 24, 100), (14, 17, 300), (20, 12, 400), (20, 12, 1000)]
)
def test_as_many_objects_are_found_as_are_wanted(detector, side, size, limit):
    """The ten cells next to its center see an object, as `assign` teaches them; each is
    found once, whatever its score is."""
    predictions = predictions_for(detector, (256, 256))
    at = (torch.arange(side) + 0.5) * 256 / side
    x, y = (v.flatten() for v in torch.meshgrid(at, at, indexing="xy"))
    boxes = torch.stack([x, y, x, y], 1) + torch.tensor([-1, -1, 1, 1]) * size / 2
    scores = torch.linspace(0.35, 0.95, len(boxes))
    points, strides = predictions.points, predictions.strides
    predictions.logits.fill_(-8)
    for box, score in zip(boxes, scores):
        inside = ((points > box[:2]) & (points < box[2:])).all(1).nonzero()[:, 0]
        distance = (points[inside] - box.view(2, 2).mean(0)).norm(dim=1)
        for rank, cell in enumerate(inside[distance.argsort()[:10]].tolist()):
            predictions.logits[0, cell, 0] = torch.logit(score * (1 - 0.03 * rank))
            sides = torch.cat([points[cell] - box[:2], box[2:] - points[cell]])
            sides = sides / strides[cell]
            below = sides.long()
            share = (sides - below).clamp(1e-4, 1 - 1e-4)[:, None].log()
            rest = (1 - share.exp()).log()
            bins = torch.full((4, detector.BINS), -30.0)
            bins.scatter_(1, below[:, None], rest).scatter_(
                1, below[:, None] + 1, share
            )
            predictions.bins[0, cell] = bins
    found = detector.decode_objects(predictions, 0.05, 0.6, limit)
    assert found["count"].tolist() == [len(boxes)]
    overlap, _ = detector.iou(found["boxes"][0, : len(boxes), None], boxes[None])
    assert overlap.amax(0).min() > 0.99


@pytest.mark.parametrize("twins, count", [(14, 2), (15, 1)])
def test_three_candidates_are_looked_at_for_each_object(
    detector, monkeypatch, twins, count
):
    """The best 15 for 5 objects, where that is enough to compare: so many cells see one
    box, and then, with a lower score, another cell sees another."""
    monkeypatch.setattr(detector, "CANDIDATES", 8)
    inside = [(44 + 8 * x, 28 + 8 * y) for y in range(2) for x in range(8)]
    seen = {cell: (1, 40, 24, 104, 72) for cell in inside[:twins]}
    seen[140, 76] = (1, 120, 60, 150, 90)
    predictions = certain(predictions_for(detector, (HEIGHT, WIDTH)), seen)
    found = detector.decode_objects(predictions, 0.05, 0.6, 5)
    assert found["count"].tolist() == [count]


def test_decoding_a_thousand_spares_memory(detector):
    """At 640 x 640, an image takes 100 MB at most."""
    predictions = predictions_for(detector, (640, 640))
    torch.nn.init.normal_(predictions.logits)
    with torch.inference_mode(), torch.profiler.profile(profile_memory=True) as profile:
        detector.decode_objects(predictions, 0.05, 0.6, 1000)
    events = profile.profiler.kineto_results.events()
    events = [event for event in events if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    held = np.cumsum([event.nbytes() for event in events])
    assert 10e6 < held.max() < 100e6


def test_more_objects_than_detections(detector):
    predictions = predictions_for(detector, (HEIGHT, WIDTH))
    found = detector.decode_objects(predictions, 0.0, 1.0, 7)
    assert found["count"].tolist() == [7]
    best = predictions.logits.sigmoid().flatten().topk(7).values
    torch.testing.assert_close(found["scores"][0], best)
    assert (found["scores"][0].diff() <= 0).all()


def test_nothing_found(detector):
    predictions = predictions_for(detector, (HEIGHT, WIDTH))
    found = detector.decode_objects(certain(predictions, {}), 0.05, 0.6, 10)
    assert found["count"].tolist() == [0]
    assert not any(found[rows].any() for rows in ("boxes", "scores", "classes"))


def test_probabilities_and_the_likeliest_category(classifier):
    logits = torch.tensor([[0.0, math.log(3)] + 8 * [-100.0]])
    found = classifier.decode(logits)["subject"]
    torch.testing.assert_close(
        found["probabilities"][0, :2], torch.tensor([0.25, 0.75])
    )
    assert found["category"].tolist() == [1]
