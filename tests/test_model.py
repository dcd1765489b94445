"""The emitted model.py: its boxes, assignment, losses and inference, run on the CPU."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from specc import shapes
from specc.build import compile_job

GENERATED = Path(__file__).parent.parent / "generated"
HEIGHT, WIDTH = 96, 160  # of the jobs made here
FPN = {"kind": "fpn", "bottom_level": 3, "top_level": 6, "channels": 32}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def load(path: Path) -> ModuleType:
    """A module of a file, under a name that is the file's own."""
    name = f"emitted_{abs(hash(path))}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make(folder: Path, heads: list[dict], resolution=(HEIGHT, WIDTH), **backbone):
    """The folder of a job, compiled."""
    detects = any(head["task"] == "object_detection" for head in heads)
    model = {"backbone": {"name": "resnet18"} | backbone, "heads": heads}
    job = {
        "name": "tested",
        "data": {"train": "train", "resolution": resolution},
        "model": model | ({"neck": FPN} if detects else {}),
    }
    for name, text in compile_job(json.dumps(job).encode()).files.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def detecting(*categories: str, **options) -> dict:
    return {"task": "object_detection", "categories": categories} | options


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("detector")
    return make(made, [detecting("a", "b", "c", name="cells")])


@pytest.fixture(scope="module")
def detector(folder) -> ModuleType:
    return load(folder / "model.py")


@pytest.fixture(scope="module")
def classifier() -> ModuleType:
    return load(GENERATED / "photos" / "model.py")


@pytest.fixture(scope="module", params=["blood-cells", "shapes-and-scenes"])
def golden(request) -> ModuleType:
    """A model.py with a detection head."""
    return load(GENERATED / request.param / "model.py")


def boxes_of(*rows: tuple) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)


# ---- Boxes ----


@pytest.mark.parametrize(
    "a, b, iou, generalised",
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
def test_overlaps_by_hand(golden, a, b, iou, generalised):
    a, b = boxes_of(a), boxes_of(b)
    for one, other in ((a, b), (b, a)):
        overlap, _ = golden.iou(one, other)
        torch.testing.assert_close(overlap, torch.tensor([iou * 1.0]))
        found = golden.generalised_iou(one, other)
        torch.testing.assert_close(found, torch.tensor([generalised * 1.0]))


def test_two_boxes_without_area_have_finite_overlaps_and_gradients(golden):
    a = torch.full((1, 4), 3.0, requires_grad=True)
    value = golden.iou(a, a.detach())[0] + golden.generalised_iou(a, a.detach())
    value.sum().backward()
    assert value.isfinite().all() and a.grad.isfinite().all()


# ---- Assignment ----


def predictions_for(module: ModuleType, size: tuple[int, int], batch=1, seed=0):
    """What a fresh head says of random maps of an image of this height and width."""
    torch.manual_seed(seed)
    strides = (8, 16, 32, 64, 128)
    head = module.DetectionHead(48, 1, 3, strides)
    nn.init.normal_(head.class_logits.weight, std=0.3)
    maps = [
        torch.randn(batch, 48, math.ceil(size[0] / s), math.ceil(size[1] / s))
        for s in strides
    ]
    return head(*maps)


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
    boxes = detector640.boxes_of(predictions)
    owner, scores = detector640.assign(predictions, boxes, targets)
    count = len(SCENES[scene])
    assert owner.shape == scores.shape == predictions.logits.shape[:2]
    assert set(owner[0].tolist()) - {-1} == set(range(count))
    assert (scores[owner < 0] == 0).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    for number in range(count):
        assert scores[owner == number].max() > 0


def test_padded_objects_own_nothing(detector):
    predictions = predictions_for(detector, (HEIGHT, WIDTH), batch=2)
    targets = targets_of([(0, 10, 10, 50, 50)], crowd(5, (HEIGHT, WIDTH)))
    boxes = detector.boxes_of(predictions)
    owner, _ = detector.assign(predictions, boxes, targets)
    assert set(owner[0].tolist()) == {-1, 0}
    assert set(owner[1].tolist()) == {-1, 0, 1, 2, 3, 4}


def test_an_object_takes_the_cells_that_see_it_best(detector):
    """Cells inside it, those of the best boxes first."""
    predictions = predictions_for(detector, (HEIGHT, WIDTH))
    target = (1, 40, 24, 104, 72)
    predictions = certain(predictions, {(50, 40): target, (90, 60): target})
    boxes = detector.boxes_of(predictions)
    owner, scores = detector.assign(predictions, boxes, targets_of([target]))
    owned = predictions.points[owner[0] == 0]
    left_top, right_bottom = boxes_of(target[1:])[0].view(2, 2)
    assert ((owned > left_top) & (owned < right_bottom)).all()
    best = {nearest(predictions, (50, 40)), nearest(predictions, (90, 60))}
    assert set(scores[0].topk(2).indices.tolist()) == best


# ---- Predictions by hand ----


def nearest(predictions, point: tuple) -> int:
    """The cell of stride 8 whose center is nearest to a point."""
    distance = (predictions.points - torch.tensor(point)).norm(dim=1)
    distance[predictions.strides[:, 0] != 8] = torch.inf
    return int(distance.argmin())


def certain(predictions, seen: dict[tuple, tuple], score=0.9):
    """Cells that are certain of a box, at these points; the others see nothing."""
    logits = torch.full_like(predictions.logits, -12.0)
    bins = torch.zeros_like(predictions.bins)
    for point, (category, left, top, right, bottom) in seen.items():
        cell = nearest(predictions, point)
        x, y = predictions.points[cell].tolist()
        distances = torch.tensor([x - left, y - top, right - x, bottom - y]) / 8
        below = distances.floor().long()
        for side, (low, rest) in enumerate(zip(below.tolist(), distances - below)):
            # Two neighbouring bins whose mean is the distance.
            bins[0, cell, side] = -30.0
            bins[0, cell, side, low] = torch.log(1 - rest)
            bins[0, cell, side, low + 1] = torch.log(rest + 1e-9)
        logits[0, cell, category] = math.log(score / (1 - score))
        score *= 0.9
    return predictions._replace(logits=logits, bins=bins)


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
        "scene": {"category": torch.tensor([1])},
    }
    terms = both.loss_terms(outputs, targets)
    alone = F.cross_entropy(outputs["scene"], torch.tensor([1]), label_smoothing=0.1)
    torch.testing.assert_close(terms["scene/loss/class"], 0.5 * alone)
    objects = both.detection_loss(outputs["shapes"], targets["shapes"])
    torch.testing.assert_close(terms["shapes/loss/box"], objects["box"])


@pytest.mark.parametrize("task", ["object_detection", "multiclass_classification"])
def test_one_single_class(tmp_path, task):
    make(tmp_path, [{"task": task, "categories": ["only"], "name": "one"}])
    module = load(tmp_path / "model.py")
    model = (module.Detector if "detection" in task else module.Classifier)().train()
    outputs = model(torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8))
    if "detection" in task:
        targets = targets_of([(0, 10, 10, 50, 50)], [])
    else:
        targets = {"category": torch.tensor([0, 0])}
    terms = module.loss_terms(outputs, {"one": targets})
    loss = sum(terms.values())
    loss.backward()
    assert loss.isfinite()
    found = module.decode(outputs)["one"]
    if "detection" in task:
        assert found["boxes"].shape == (2, 100, 4) and not found["classes"].any()
    else:
        assert found["probabilities"].tolist() == [[1.0], [1.0]]


# ---- Suppression and decoding ----


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
    found = golden.suppress(
        torch.tensor(boxes, dtype=torch.float32), torch.tensor(classes), max_iou
    )
    for image in range(2):
        expected = greedy(boxes[image].astype(np.float32), classes[image], max_iou)
        assert found[image].tolist() == expected
        assert any(expected) and not all(expected)


def test_a_chain_of_suppressions_is_settled(golden):
    """Each box overlaps the next alone: every second one stays."""
    left = torch.arange(12.0) * 4
    boxes = torch.stack([left, 0 * left, left + 10, 0 * left + 10], 1)[None]
    keep = golden.suppress(boxes, torch.zeros(1, 12, dtype=torch.long), 0.3)
    assert keep[0].tolist() == [True, False] * 6


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


# ---- Prediction: the torch path against data.py's ----


@pytest.fixture(scope="module")
def opencv(folder) -> ModuleType:
    """The data.py beside the detector."""
    names = ("model", "data")
    before = {name: sys.modules.pop(name, None) for name in names}
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("data")
    finally:
        sys.path.remove(str(folder))
        for name in names:
            del sys.modules[name]
            if before[name] is not None:
                sys.modules[name] = before[name]


def scene_of(height: int, width: int) -> np.ndarray:
    """A picture of the demo, at another size."""
    scene = shapes.sample_scene(np.random.default_rng(5))
    return cv2.resize(shapes.draw(scene), (width, height), interpolation=cv2.INTER_AREA)


def canvases(detector, opencv, image: np.ndarray, folder: Path) -> tuple:
    """What the model sees of an image: through predict, and through data.py."""
    path = folder / "image.png"
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    model = detector.Detector().eval()
    seen = []
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    detector.predict(model, torch.from_numpy(image).permute(2, 0, 1)[None])
    canvas, _ = opencv.letterbox(opencv.Sample(path, *image.shape[:2], {}))
    return seen[0][0].permute(1, 2, 0).numpy(), canvas.astype(np.float32)


SIZES = [
    (96, 160),
    (192, 320),
    (120, 500),
    (700, 300),
    (60, 90),
    (31, 17),
    (200, 5),
    (1, 200),
    (200, 1),
]


@pytest.mark.parametrize("size", SIZES)
def test_torch_and_opencv_see_the_same(detector, opencv, tmp_path, size):
    """Same geometry; pixels within 1.5 levels of 255 on average, 12 at the edges."""
    in_torch, in_opencv = canvases(detector, opencv, scene_of(*size), tmp_path)
    assert in_torch.shape == in_opencv.shape == (HEIGHT, WIDTH, 3)
    height, width = detector.fit(*size)
    assert max(height / HEIGHT, width / WIDTH) == 1
    around = np.ones((HEIGHT, WIDTH), bool)
    around[:height, :width] = False
    np.testing.assert_array_equal(np.round(in_torch[around]), in_opencv[around])
    apart = np.abs(in_torch - in_opencv)[:height, :width]
    assert apart.mean() <= 1.5
    assert np.percentile(apart, 99) <= 12


@pytest.mark.parametrize("size", [(192, 320), (120, 500), (700, 300), (60, 90)])
def test_torch_and_opencv_put_a_rectangle_in_the_same_place(
    detector, opencv, tmp_path, size
):
    image = np.zeros((*size, 3), np.uint8)
    rows = slice(size[0] // 4, size[0] // 2)
    columns = slice(size[1] // 3, size[1] * 3 // 4)
    image[rows, columns] = 255
    ratios = np.divide(detector.fit(*size), size)
    for canvas in canvases(detector, opencv, image, tmp_path):
        light = canvas[:, :, 0] / 255
        height, width = detector.fit(*size)
        light = light[:height, :width]
        # The mass of light in a row or column gives the edges to a part of a pixel.
        tall, wide = light.sum(0).max(), light.sum(1).max()
        np.testing.assert_allclose(tall, (rows.stop - rows.start) * ratios[0], atol=0.1)
        length = columns.stop - columns.start
        np.testing.assert_allclose(wide, length * ratios[1], atol=0.1)
        middle = (light.sum(0) * (np.arange(width) + 0.5)).sum() / light.sum()
        expected = (columns.start + columns.stop) / 2 * ratios[1]
        np.testing.assert_allclose(middle, expected, atol=0.1)


@pytest.mark.parametrize("size", [(192, 320), (120, 500), (700, 300), (60, 90)])
def test_boxes_come_back_in_the_image_s_own_pixels(detector, size):
    model = detector.Detector().eval()
    seen = certain(
        predictions_for(detector, (HEIGHT, WIDTH)), {(12, 20): (1, 4, 8, 20, 28)}
    )
    model.register_forward_hook(lambda *_: seen)
    found = detector.predict(model, torch.zeros(1, 3, *size, dtype=torch.uint8))
    height, width = detector.fit(*size)
    box = torch.tensor([4.0, 8, 20, 28])
    box *= torch.tensor([size[1] / width, size[0] / height]).repeat(2)
    box = box.minimum(torch.tensor(size[::-1]).repeat(2))
    torch.testing.assert_close(found["cells"]["boxes"][0, 0], box, atol=0.05, rtol=0)


def test_boxes_end_at_the_border_of_the_image(detector):
    model = detector.Detector().eval()
    outside = certain(
        predictions_for(detector, (HEIGHT, WIDTH)),
        {(12, 12): (1, -20, -10, 200 - 100, 60), (150, 90): (1, 140, 80, 180, 120)},
    )
    model.register_forward_hook(lambda *_: outside)
    found = detector.predict(model, torch.zeros(1, 3, 96, 160, dtype=torch.uint8))
    expected = boxes_of((0, 0, 100, 60), (140, 80, 160, 96))
    boxes = found["cells"]["boxes"][0, :2]
    torch.testing.assert_close(boxes, expected, atol=0.01, rtol=0)


def test_an_image_of_any_size_is_padded_where_it_is_not_resized():
    both = load(GENERATED / "shapes-and-scenes" / "model.py")
    model = both.Network().eval()
    seen = []
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    image = torch.randint(256, (1, 3, 70, 100), dtype=torch.uint8)
    found = both.predict(model, image)
    assert seen[0].shape == (1, 3, 96, 128)
    assert (seen[0][..., :70, :100] == image).all()
    around = seen[0][..., 70:, :] / 255
    torch.testing.assert_close(around, model.mean.expand_as(around) / 255)
    boxes = found["shapes"]["boxes"]
    assert (boxes >= 0).all() and (boxes <= torch.tensor([100, 70, 100, 70])).all()


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
