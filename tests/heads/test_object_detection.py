"""The emitted model.py: its boxes, assignment and losses, run on the CPU."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from emitted_jobs import GENERATED, MODEL_SIZE, detecting, load, load_all, make
from predictions import boxes_of, certain, nearest, predictions_for
from torch import Tensor, nn

pytestmark = pytest.mark.usefixtures("one_thread")

HEIGHT, WIDTH = MODEL_SIZE


# ---- Boxes ----


@pytest.mark.parametrize(
    "a, b, iou, generalized",
    [
        ((0, 0, 2, 2), (1, 1, 3, 3), 1 / 7, 1 / 7 - 2 / 9),
        ((0, 0, 2, 2), (0, 0, 2, 2), 1, 1),
        ((0, 0, 4, 4), (1, 1, 3, 3), 1 / 4, 1 / 4),
        ((0, 0, 1, 1), (3, 0, 4, 1), 0, -1 / 2),
        ((0, 0, 1, 1), (1, 0, 2, 1), 0, 0),  # they touch
        ((0, 0, 2, 1), (1, 0, 3, 2), 1 / 5, 1 / 5 - 1 / 6),
        ((5, 5, 5, 5), (0, 0, 2, 2), 0, -21 / 25),
    ],
)
def test_overlaps_by_hand(golden, a, b, iou, generalized):
    a, b = boxes_of(a), boxes_of(b)
    for one, other in ((a, b), (b, a)):
        overlap, _ = golden.iou(one, other)
        torch.testing.assert_close(overlap, torch.tensor([iou * 1.0]))
        found = golden.generalized_iou(one, other)
        torch.testing.assert_close(found, torch.tensor([generalized * 1.0]))


def test_two_boxes_without_area_have_finite_overlaps_and_gradients(golden):
    a = torch.full((1, 4), 3.0, requires_grad=True)
    value = golden.iou(a, a.detach())[0] + golden.generalized_iou(a, a.detach())
    value.sum().backward()
    assert value.isfinite().all() and a.grad.isfinite().all()


# ---- Assignment ----


def targets_of(*images: list[tuple]) -> dict[str, Tensor]:
    """Targets of (class, left, top, right, bottom) rows, padded as by data.py."""
    most = max(1, *(len(rows) for rows in images))
    boxes = torch.zeros(len(images), most, 4)
    classes = torch.full((len(images), most), -1)
    for image, rows in enumerate(images):
        for number, (category, *box) in enumerate(rows):
            boxes[image, number] = torch.tensor(box)
            classes[image, number] = category
    return {"boxes": boxes, "classes": classes}


def crowd(count: int, size: tuple[int, int], seed=0) -> list[tuple]:
    """Random objects, from a pixel to half of the image's sides."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        height, width = np.exp(rng.uniform(0, np.log(np.divide(size, 2))))
        top = rng.uniform(0, size[0] - height)
        left = rng.uniform(0, size[1] - width)
        found.append((rng.integers(3), left, top, left + width, top + height))
    return found


SCENES = {
    "tall": [(0, 300, 0, 340, 640)],
    "wide": [(1, 0, 300, 640, 340)],
    "tall and wide": [(0, 300, 0, 340, 640), (1, 0, 300, 640, 340)],
    "the whole image": [(2, 0, 0, 640, 640)],
    "the whole image, and in it": [(2, 0, 0, 640, 640), (1, 318, 318, 322, 322)],
    "thin": [(0, 200.2, 100, 201.2, 500)],
    "one pixel": [(0, 100, 100, 101, 101)],
    "at the corner": [(0, 639, 639, 640, 640)],
    "twins": [(1, 100, 100, 200, 150), (1, 100, 100, 200, 150)],
    "twins of two classes": [(0, 100, 100, 200, 150), (1, 100, 100, 200, 150)],
    "tiny triplets": 3 * [(1, 320, 320, 321, 321)],
    "a crowd": crowd(60, (640, 640)),
    "ten in one place": 10 * [(1, 300, 300, 310, 310)],
}


@pytest.fixture(scope="module")
def detector640(tmp_path_factory) -> ModuleType:
    made = tmp_path_factory.mktemp("detector640")
    return load(make(made, [detecting("a", "b", "c")], (640, 640)) / "model.py")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scene", SCENES)
def test_every_object_is_learned_by_a_cell(detector640, scene, seed):
    predictions = predictions_for(detector640, (640, 640), seed=seed)
    targets = targets_of(SCENES[scene])
    boxes = predictions.boxes()
    owner, scores = detector640.assign(predictions, boxes, targets)
    count = len(SCENES[scene])
    assert owner.shape == scores.shape == predictions.logits.shape[:2]
    assert set(owner[0].tolist()) - {-1} == set(range(count))
    assert (scores[owner < 0] == 0).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    for number in range(count):
        assert scores[owner == number].max() > 0


def one_after_the_other(module, points, assigned, boxes) -> torch.Tensor:
    """Returns the points that objects without one take if each waits for those before
    it."""
    assigned = assigned.clone()
    for number in range(len(boxes)):
        if not (assigned == number).any():
            center = boxes[number].view(2, 2).mean(0)
            distance = (points - center).square().sum(1)
            assigned[torch.where(assigned < 0, distance, torch.inf).argmin()] = number
    return assigned


@pytest.mark.slow
def test_small_objects_take_the_nearest_points_all_at_once(detector640):
    """As one after the other, but for few that a nearer one outdoes."""
    same = lost = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        middles, sides = rng.uniform(20, 620, (100, 2)), rng.uniform(1, 9, (100, 2))
        corners = np.concatenate([middles - sides / 2, middles + sides / 2], 1)
        predictions = predictions_for(detector640, (640, 640), seed=seed)
        targets, points = targets_of([(0, *box) for box in corners]), predictions.points
        assigned, _ = detector640.assign(predictions, predictions.boxes(), targets)
        inside = (points > targets["boxes"][0, :, None, :2]).all(2)
        inside &= (points < targets["boxes"][0, :, None, 2:]).all(2)
        assert (~inside.any(1)).sum() > 40  # objects that contain no point
        owners = assigned[0]
        first = torch.where(inside.any(0), owners, -1)
        expected = one_after_the_other(detector640, points, first, targets["boxes"][0])
        same += torch.equal(owners, expected)
        lost += len(set(range(100)) - set(owners.tolist()))
    assert same >= 6 and lost <= 5, (same, lost)


def test_images_of_many_objects_are_assigned_one_by_one(detector640, monkeypatch):
    predictions = predictions_for(detector640, (640, 640), batch=3)
    targets = targets_of(*(crowd(20, (640, 640), seed) for seed in range(3)))
    whole = detector640.assign(predictions, predictions.boxes(), targets)
    monkeypatch.setattr(detector640, "PAIRS", 1)
    parts = detector640.assign(predictions, predictions.boxes(), targets)
    assert all(torch.equal(one, other) for one, other in zip(whole, parts))


@pytest.mark.parametrize("images, sizes", [(1, [1, 1, 1]), (2, [2, 1]), (3, [3])])
def test_as_many_images_are_assigned_at_once_as_pairs_allow(
    detector, monkeypatch, images, sizes
):
    """Pairs are objects times points of an image."""
    predictions = predictions_for(detector, (96, 160), batch=3)
    targets = targets_of(*(crowd(20, (96, 160), seed) for seed in range(3)))
    pairs = targets["classes"].shape[1] * len(predictions.points)
    seen, assign_part = [], detector.assign_part

    def counted(points, logits, *further):
        seen.append(len(logits))
        return assign_part(points, logits, *further)

    monkeypatch.setattr(detector, "assign_part", counted)
    for most in (images * pairs, (images + 1) * pairs - 1):
        monkeypatch.setattr(detector, "PAIRS", most)
        detector.assign(predictions, predictions.boxes(), targets)
        assert seen == sizes
        seen.clear()


def test_padded_objects_own_nothing(detector):
    predictions = predictions_for(detector, (HEIGHT, WIDTH), batch=2)
    targets = targets_of([(0, 10, 10, 50, 50)], crowd(5, (HEIGHT, WIDTH)))
    boxes = predictions.boxes()
    owner, _ = detector.assign(predictions, boxes, targets)
    assert set(owner[0].tolist()) == {-1, 0}
    assert set(owner[1].tolist()) == {-1, 0, 1, 2, 3, 4}


def test_an_object_takes_the_cells_that_see_it_best(detector):
    """Cells inside it, those of the best boxes first."""
    predictions = predictions_for(detector, (HEIGHT, WIDTH))
    target = (1, 40, 24, 104, 72)
    predictions = certain(predictions, {(50, 40): target, (90, 60): target})
    boxes = predictions.boxes()
    owner, scores = detector.assign(predictions, boxes, targets_of([target]))
    owned = predictions.points[owner[0] == 0]
    left_top, right_bottom = boxes_of(target[1:])[0].view(2, 2)
    assert ((owned > left_top) & (owned < right_bottom)).all()
    best = {nearest(predictions, (50, 40)), nearest(predictions, (90, 60))}
    assert set(scores[0].topk(2).indices.tolist()) == best


# ---- Losses ----


@pytest.mark.parametrize(
    "images",
    [
        [[], []],
        [[], [(0, 0, 0, WIDTH, HEIGHT)]],
        [[(1, 20, 20, 60, 40), (1, 20, 20, 60, 40)], []],
        [[(2, 0, 0, 1, HEIGHT)], [(2, 0, 0, WIDTH, 1)]],
        [crowd(60, (HEIGHT, WIDTH), 1), crowd(60, (HEIGHT, WIDTH), 2)],
    ],
    ids=["nothing", "whole and nothing", "twins", "thin", "crowds"],
)
def test_the_loss_is_finite_and_reaches_every_parameter(detector, images):
    torch.manual_seed(0)
    model = detector.Detector().train()
    let_through(model)
    pixels = torch.randint(256, (2, 3, HEIGHT, WIDTH), dtype=torch.uint8)
    terms = detector.loss_terms(model(pixels), {"cells": targets_of(*images)})
    assert set(terms) == {f"cells/loss/{name}" for name in ("class", "box", "bins")}
    assert all(term.isfinite() and term >= 0 for term in terms.values())
    sum(terms.values()).backward()
    named = dict(model.named_parameters())
    assert all(weight.grad.isfinite().all() for weight in named.values())
    still = {name for name, weight in named.items() if not weight.grad.any()}
    # Without an object no box is learned.
    boxes = {name for name in named if "box_" in name}
    assert still == (set() if any(images) else boxes)


def let_through(model: nn.Module):
    """Fresh residual branches are silent: their last norm is zero."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)


def test_the_loss_does_not_depend_on_the_size_of_the_batch(detector):
    once = predictions_for(detector, (HEIGHT, WIDTH), batch=2)
    images = crowd(9, (HEIGHT, WIDTH), 1), crowd(4, (HEIGHT, WIDTH), 2)
    twice = once._replace(logits=once.logits.repeat(2, 1, 1))
    twice = twice._replace(bins=once.bins.repeat(2, 1, 1, 1))
    first = detector.detection_loss(once, targets_of(*images))
    second = detector.detection_loss(twice, targets_of(*images, *images))
    torch.testing.assert_close(first, second)
    assert min(first.values()) > 0


def test_the_loss_does_not_depend_on_the_padding_of_the_targets(detector):
    predictions = predictions_for(detector, (HEIGHT, WIDTH))
    plain = targets_of(crowd(5, (HEIGHT, WIDTH)))
    padded = {
        "boxes": F.pad(plain["boxes"], (0, 0, 0, 7)),
        "classes": F.pad(plain["classes"], (0, 7), value=-1),
    }
    first = detector.detection_loss(predictions, plain)
    torch.testing.assert_close(first, detector.detection_loss(predictions, padded))


def test_a_right_prediction_costs_next_to_nothing(detector):
    predictions = predictions_for(detector, (HEIGHT, WIDTH))
    target = (1, 40.0, 24.0, 104.0, 72.0)
    right = certain(predictions, {(72, 48): target}, score=0.9999)
    found = detector.detection_loss(right, targets_of([target]))
    wrong = certain(predictions, {(72, 48): (1, 56, 24, 104, 72)}, score=0.9999)
    worse = detector.detection_loss(wrong, targets_of([target]))
    assert found["box"] < worse["box"] and found["bins"] < worse["bins"]
    assert found["box"] < 1e-2


def test_the_classification_loss_is_torch_s_cross_entropy(classifier):
    torch.manual_seed(0)
    logits = torch.randn(8, 10, requires_grad=True)
    category = torch.randint(9, (8,))  # the last never occurs
    terms = classifier.loss_terms(logits, {"subject": {"category": category}})
    chances = logits.log_softmax(1)
    wanted = 0.9 * F.one_hot(category, 10) + 0.1 / 10
    by_hand = -(wanted * chances).sum(1).mean()
    torch.testing.assert_close(terms, {"subject/loss/class": by_hand})
    plain = classifier.classification_loss(logits, {"category": category}, 0.0)
    torch.testing.assert_close(plain["class"], F.cross_entropy(logits, category))
    terms["subject/loss/class"].backward()
    assert logits.grad.isfinite().all()


def test_loss_weights_multiply_a_head_s_terms():
    both = load(GENERATED / "shapes-and-scenes" / "model.py")
    torch.manual_seed(0)
    with torch.no_grad():
        outputs = both.Network().eval()(torch.zeros(1, 3, 64, 96, dtype=torch.uint8))
    targets = {
        "shapes": targets_of([(0, 10, 10, 50, 50)]),
        "regions": {"categories": torch.zeros(1, 64, 96)},
        "scene": {"category": torch.tensor([1])},
    }
    for of_head in targets.values():
        of_head["labeled"] = torch.tensor([True])
    terms = both.loss_terms(outputs, targets)
    alone = F.cross_entropy(outputs["scene"], torch.tensor([1]), label_smoothing=0.1)
    torch.testing.assert_close(terms["scene/loss/class"], 0.25 * alone)
    maps = both.segmentation_loss(outputs["regions"], targets["regions"])
    weighted = terms["regions/loss/category"]
    torch.testing.assert_close(weighted, 0.5 * maps["category"])
    objects = both.detection_loss(outputs["shapes"], targets["shapes"])
    torch.testing.assert_close(terms["shapes/loss/box"], objects["box"])


def test_one_single_class(tmp_path):
    make(tmp_path, [detecting("only", name="one")])
    module = load(tmp_path / "model.py")
    outputs = module.Detector()(torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8))
    terms = module.loss_terms(outputs, {"one": targets_of([(0, 10, 10, 50, 50)], [])})
    loss = sum(terms.values())
    loss.backward()
    assert loss.isfinite()
    found = module.decode(outputs)["one"]
    assert found["boxes"].shape == (2, 100, 4) and not found["classes"].any()


# ---- The model in evaluation ----


def test_evaluation_is_deterministic_and_each_image_is_alone(detector):
    torch.manual_seed(0)
    model = detector.Detector()
    let_through(model)
    pixels = torch.randint(256, (3, 3, HEIGHT, WIDTH), dtype=torch.uint8)
    with torch.no_grad():
        model.train()(pixels)  # moves the statistics of the norms
        model.eval()
        state = {name: value.clone() for name, value in model.state_dict().items()}
        first, again, alone = model(pixels), model(pixels), model(pixels[1:2])
    assert torch.equal(first.logits, again.logits)
    assert torch.equal(first.bins, again.bins)
    torch.testing.assert_close(first.logits[1:2], alone.logits, atol=1e-4, rtol=1e-4)
    assert all(torch.equal(state[name], x) for name, x in model.state_dict().items())


def test_the_same_seed_gives_the_same_weights(detector):
    models = []
    for _ in range(2):
        torch.manual_seed(3)
        models.append(detector.Detector())
    first, second = (model.state_dict() for model in models)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_fresh_head_says_that_there_is_nothing(golden):
    """Its scores start near one in a hundred, whatever it reads."""
    torch.manual_seed(0)
    head = golden.DetectionHead(32, 2, 4, (8, 16))
    predictions = head(torch.randn(1, 32, 8, 12), torch.randn(1, 32, 4, 6))
    assert predictions.logits.shape == (1, 8 * 12 + 4 * 6, 4)
    assert 0.003 < predictions.logits.sigmoid().mean() < 0.03
    # Cells row by row: the second is to the right of the first.
    assert predictions.points[:2].tolist() == [[4, 4], [12, 4]]
    assert predictions.points[-1].tolist() == [5.5 * 16, 3.5 * 16]


# ---- Metrics ----


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Metrics of the one image with these boxes, and those found, of category 0."""
    folder = make(
        tmp_path_factory.mktemp("scored"), [detecting("a", "b", name="cells")]
    )
    words = load_all(folder, "dataset", "evaluate")

    def score(truth: list, found: list) -> dict[str, float]:
        boxes = np.float32(truth).reshape(-1, 4)
        objects = words.dataset.Objects(boxes, np.zeros(len(boxes), np.int64))
        found = [{"category": "a", "bbox": box, "score": 0.9} for box in found]
        return words.evaluate.detection_metrics([objects], [found], ("a", "b"))

    return score


def test_sizes_that_do_not_occur_have_no_metrics(scored):
    """By COCO's areas: small is below 32 x 32 pixels, large above 96 x 96."""
    small, large = [0, 0, 20, 20], [10, 10, 130, 130]
    of_all = dict.fromkeys(("ap", "ap50", "ap75", "ar"), 1.0)
    assert scored([small], [small]) == of_all | {"ap_small": 1}
    both = scored([small, large], [small, large])
    assert both == of_all | {"ap_small": 1, "ap_large": 1}
    assert scored([small], []) == dict.fromkeys([*of_all, "ap_small"], 0.0)


def test_without_an_object_there_are_no_metrics(scored):
    assert scored([], [[0, 0, 20, 20]]) == scored([], []) == {}
