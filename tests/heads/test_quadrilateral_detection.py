"""Quadrilateral detection: what it reads, how corners move, loss, inference, metrics."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from emitted_jobs import DATA_SIZE, load, load_data, make, make_reader
from PIL import Image
from point_jobs import cells_that_see, evaluation, levels_of, native_points

NAMES = ("page", "sign")
HEAD = {
    "name": "papers",
    "task": "quadrilateral_detection",
    "categories": NAMES,
    "max_detections": 5,
}
FLIPS = {"horizontal_flip": True, "vertical_flip": True, "transpose": True}
PAGE = [[4, 5], [30, 7], [33, 26], [2, 22]]  # clockwise from the top left


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(make(tmp_path_factory.mktemp("model"), [HEAD]) / "model.py")


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """The dataset.py and data.py of a job that turns images every way."""
    options = {"validation": "val", "augmentation": FLIPS}
    folder = tmp_path_factory.mktemp("modules")
    return load_data(make_reader(folder, (HEAD,), options))


@pytest.fixture(scope="module")
def metrics(tmp_path_factory):
    """The evaluate.py of a job."""
    folder = tmp_path_factory.mktemp("metrics")
    return evaluation(make_reader(folder, (HEAD,), {"validation": "val"}))


def read(dataset, folder, labels):
    native_points(folder, labels, "quadrilateral detection", categories=NAMES)
    return dataset.read_dataset(folder)


def paper(*corners, category="page"):
    return {"category": category, "quadrilateral": list(corners or PAGE)}


# ---- Annotations ----


def test_corners_are_read_in_their_order(modules, tmp_path):
    turned = PAGE[2:] + PAGE[:2]
    beyond = [[-10, 5], [20, 5], [20, 40], [-10, 40]]
    labels = {"0.png": [], "1.png": [paper(), paper(*turned, category="sign")]}
    labels |= {"2.png": [paper(*beyond)], "3.png": None}
    none, two, cut = read(modules.dataset, tmp_path, labels)
    assert none.labels["papers"].corners.shape == (0, 4, 2)
    assert two.labels["papers"].corners.tolist() == [PAGE, turned]
    assert two.labels["papers"].classes.tolist() == [0, 1]
    assert two.labels["papers"].boxes.tolist() == [[2, 5, 33, 26]] * 2
    # What the image cuts off keeps its corners; its box is what is seen.
    assert cut.labels["papers"].corners.tolist() == [beyond]
    assert cut.labels["papers"].boxes.tolist() == [[0, 5, 20, 30]]


WRONG = {
    "a mapping": (paper(), "not a list of objects"),
    "no category": ([{"quadrilateral": PAGE}], "not a category of the job"),
    "a box": ([{"category": "page", "bbox": [1, 2, 3, 4]}], "not a category of the"),
    "flat": ([paper(1, 2, 3, 4, 5, 6, 7, 8)], "not a category of the job with"),
    "a word": ([paper(*PAGE[:3], ["x", 3])], "not a category of the job with"),
    "three corners": ([paper(*PAGE[:3])], "not four corners x, y"),
    "five corners": ([paper(*PAGE, [1, 9])], "not four corners x, y"),
    "three axes": ([paper(*([1, 2, 3],) * 4)], "not a category of the job with"),
    "not a number": ([paper(*PAGE[:3], [math.nan, 3])], "a quadrilateral of four x, y"),
    "huge": ([paper(*PAGE[:3], [10**400, 3])], "not a category of the job with"),
    "crossed": ([paper(PAGE[0], PAGE[2], PAGE[1], PAGE[3])], "sides that cross"),
    "a line": ([paper([1, 1], [9, 9], [20, 20], [5, 5])], "without area"),
    "a point": ([paper(*([3, 3],) * 4)], "without area"),
    "outside": ([paper(*np.add(PAGE, 40).tolist())], "outside the 40x30 image"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_quadrilaterals_are_named_with_their_image(modules, tmp_path, wrong):
    given, reason = WRONG[wrong]
    with pytest.raises(SystemExit) as caught:
        read(modules.dataset, tmp_path, {"0.png": [paper()], "1.png": given})
    first, second = str(caught.value).splitlines()
    assert first.endswith(": problems: 1")
    assert second.startswith("  1.png: ") and reason in second


# ---- Labels move with the image ----


def clockwise(corners: np.ndarray) -> bool:
    (ax, ay), (bx, by) = corners[1] - corners[0], corners[3] - corners[0]
    return ax * by - ay * bx > 0


def test_corners_stay_clockwise_in_every_view(modules, tmp_path):
    """The first side, here a red line, stays the first, whichever way it lies."""
    image = np.full((30, 40, 3), 128, np.uint8)
    corners = np.array([[8, 8], [31, 8], [31, 22], [8, 22]])
    cv2.line(image, corners[0].tolist(), corners[1].tolist(), (255, 0, 0), 3)
    cv2.line(image, corners[2].tolist(), corners[3].tolist(), (0, 0, 255), 3)
    labels = {"0.png": [paper(*corners.tolist())]}
    (sample,) = read(modules.dataset, tmp_path, labels)
    Image.fromarray(image).save(sample.path)
    seen = set()
    for seed in range(40):
        canvas, transform = modules.data.augment(sample, np.random.default_rng(seed))
        truth = sample.labels["papers"]
        moved = modules.data.moved_quadrilaterals(truth, transform)
        seen.add((transform.mirrors(), transform.transposed))
        for quadrilateral in moved.corners:
            assert clockwise(quadrilateral)
            for side, channel in (((0, 1), 0), ((2, 3), 2)):
                x, y = quadrilateral[list(side)].mean(0).astype(int)
                if 2 < x < DATA_SIZE[1] - 2 and 2 < y < DATA_SIZE[0] - 2:
                    assert canvas[y, x].argmax() == channel, seed
    assert len(seen) == 4


def test_a_mirrored_page_begins_at_its_top_left_again(modules):
    """So pages that look alike have the same order of corners."""
    corners = np.float32([PAGE])
    boxes = modules.dataset.hulls(corners)
    truth = modules.dataset.Quadrilaterals(corners, boxes, np.array([0]))
    mirror = modules.data.Transform(np.float32([-1, 1]), np.float32([96, 0]))
    (moved,) = modules.data.moved_quadrilaterals(truth, mirror).corners
    assert moved.tolist() == [[66, 7], [92, 5], [94, 22], [63, 26]]
    assert moved.sum(1).argmin() == 0


def test_little_that_is_left_is_left_out(modules):
    corners = np.float32([[[80, 5], [120, 5], [120, 60], [80, 60]], PAGE])
    corners[0, :, 0] += 8  # a fifth of it is seen
    truth = modules.dataset.Quadrilaterals(
        corners, modules.dataset.hulls(corners), np.array([1, 0])
    )
    unmoved = modules.data.Transform(np.float32([1, 1]), np.float32([0, 0]))
    moved = modules.data.moved_quadrilaterals(truth, unmoved)
    assert moved.classes.tolist() == [0]
    shifted = modules.data.Transform(np.float32([1, 1]), np.float32([-10, 0]))
    moved = modules.data.moved_quadrilaterals(truth, shifted)
    assert moved.classes.tolist() == [1, 0]
    assert moved.corners[0, 1].tolist() == [118, 5]  # outside, and true
    assert moved.boxes[0].tolist() == [78, 5, 96, 60]


@pytest.mark.parametrize("left, top", [(-30, 3), (86, 3), (9, -30), (9, 54)])
def test_what_is_left_by_just_more_than_a_quarter_stays(modules, left, top):
    """A square of 40 pixels, of which 10 are seen, beyond each of the four borders."""
    square = np.float32([[0, 0], [40, 0], [40, 40], [0, 40]]) + np.float32([left, top])
    unmoved = modules.data.Transform(np.float32([1, 1]), np.float32([0, 0]))
    inward = np.float32([left == -30, top == -30]) - np.float32([left == 86, top == 54])
    for step, kept in ((0, 0), (1, 1)):
        corners = (square + step * inward)[None]
        boxes = modules.dataset.hulls(corners)
        truth = modules.dataset.Quadrilaterals(corners, boxes, np.array([0]))
        moved = modules.data.moved_quadrilaterals(truth, unmoved)
        assert len(moved.classes) == kept


# ---- Loss ----

CASES = {
    "no object in any image": ([], []),
    "an image without": ([], [PAGE]),
    "the whole image": ([[[0, 0], [160, 0], [160, 96], [0, 96]]], [PAGE]),
    "thin": ([[[3, 50], [157, 49], [157, 51], [3, 52]]], []),
    "twins": ([PAGE, PAGE], []),
    "many": ([np.add(PAGE, i).tolist() for i in range(30)], []),
}


def targets_of(*images: list) -> dict[str, torch.Tensor]:
    most = max(1, max(map(len, images)))
    corners = torch.zeros(len(images), most, 4, 2)
    classes = torch.full((len(images), most), -1)
    for i, quadrilaterals in enumerate(images):
        for j, quadrilateral in enumerate(quadrilaterals):
            corners[i, j] = torch.tensor(quadrilateral)
            classes[i, j] = j % 2
    boxes = torch.cat([corners.amin(2), corners.amax(2)], 2)
    return {"boxes": boxes, "classes": classes, "corners": corners}


@pytest.mark.parametrize("case", CASES)
def test_every_object_is_learned(model, case, one_thread):
    torch.manual_seed(0)
    network = model.QuadrilateralDetector()
    images = torch.randint(0, 256, (2, 3, 96, 160), dtype=torch.uint8)
    predictions, targets = network(images), targets_of(*CASES[case])
    objects = predictions.objects
    owner, _ = model.assign(objects, objects.boxes().detach(), targets)
    for image, found in enumerate(CASES[case]):
        learned = set(owner[image].tolist()) - {-1}
        assert learned <= set(range(len(found)))
        # Of many in nearly one place some find each point taken.
        assert len(learned) >= (20 if len(found) == 30 else len(found))
    terms = model.quadrilateral_loss(predictions, targets, 20.0)
    assert set(terms) == {"class", "box", "bins", "corners"}
    sum(terms.values()).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all(), name
    if any(CASES[case]):
        assert terms["corners"] > 0 and network.head.corners.weight.grad.any()


def test_the_loss_is_zero_where_all_is_right(model):
    corners = np.float32([[16, 20], [80, 24], [70, 60], [20, 50]])
    targets = targets_of([corners])
    objects = cells_that_see(model, targets["boxes"][0, 0].tolist(), categories=2)
    offsets = (corners - [48, 40]) / [64, 40]
    found = torch.zeros(1, len(objects.points), 4, 2) + torch.tensor(offsets)
    right = model.QuadrilateralPredictions(objects, found.float())
    assert model.quadrilateral_loss(right, targets, 20.0)["corners"] < 1e-5
    turned = right._replace(corners=right.corners.roll(1, 2))
    one = model.quadrilateral_loss(turned, targets, 20.0)["corners"]
    assert one > 5
    half = model.quadrilateral_loss(turned, targets, 10.0)["corners"]
    assert float(half) == pytest.approx(float(one) / 2)


# ---- Inference ----


@pytest.mark.parametrize("limit", [1, 5, 1000])
def test_corners_are_those_of_the_cell_that_found_the_object(model, limit):
    """With more objects than may be returned, and with fewer cells than that."""
    torch.manual_seed(0)
    head = model.QuadrilateralHead(48, 1, 2, (8, 16, 32, 64, 128))
    torch.nn.init.normal_(head.detector.class_logits.weight, std=0.3)
    predictions = head(*levels_of(2, 48, (96, 160)))
    cells = predictions.corners.shape[1]
    corners = predictions.corners.clone()
    corners[:, :, 0, 0] = torch.arange(cells) / 10  # tells the cell
    found = model.decode_quadrilaterals(
        predictions._replace(corners=corners), 0.0, 0.5, limit
    )
    assert set(found) == {"quadrilaterals", "boxes", "scores", "classes", "count"}
    assert found["quadrilaterals"].shape == (2, limit, 4, 2)
    boxes = predictions.objects.boxes()
    for image in range(2):
        count = int(found["count"][image])
        assert 1 <= count <= min(limit, 2 * cells)
        for row in range(count):
            left, _, right, _ = found["boxes"][image, row].tolist()
            x, _ = found["quadrilaterals"][image, row, 0].tolist()
            cell = round((x - (left + right) / 2) / (right - left) * 10)
            assert torch.equal(boxes[image, cell], found["boxes"][image, row])
        for rows in found.values():
            if rows.dim() > 1:
                assert not rows[image, count:].any()


def test_predictions_are_in_the_pixels_of_any_image(model):
    network = model.QuadrilateralDetector().eval()
    objects = cells_that_see(model, [16, 20, 80, 60], only=(48, 40), categories=2)
    corners = torch.tensor([[-0.5, -0.5], [0.5, -0.25], [0.25, 0.5], [-0.5, 0.5]])
    seen = model.QuadrilateralPredictions(
        objects, corners.expand(1, len(objects.points), 4, 2)
    )
    network.forward = lambda images: seen
    for height, width in ((96, 160), (192, 320), (48, 40), (30, 400)):
        image = torch.zeros(1, 3, height, width, dtype=torch.uint8)
        found = model.predict(network, image)["papers"]
        shown = model.fit(height, width)
        scale = torch.tensor([width / shown[1], height / shown[0]])
        expected = torch.tensor([[16.0, 20], [80, 30], [64, 60], [16, 60]]) * scale
        assert int(found["count"]) == 1 and int(found["classes"][0, 0]) == 0
        corners = found["quadrilaterals"][0, 0]
        torch.testing.assert_close(corners, expected, atol=0.02, rtol=1e-4)


# ---- Metrics ----


def drawn_iou(a: np.ndarray, b: np.ndarray, fine=16) -> float:
    masks = []
    for corners in (a, b):
        mask = np.zeros((100 * fine, 100 * fine), np.uint8)
        cv2.fillPoly(mask, [np.rint(corners * fine - 0.5).astype(np.int32)], 1)
        masks.append(mask > 0)
    return (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()


def random_quadrilateral(rng, metrics, near=None) -> np.ndarray:
    """Convex or concave, not too thin to be drawn."""
    while True:
        corners = rng.uniform(5, 95, (4, 2)) if near is None else near
        if near is not None:
            corners = (near + rng.normal(0, 12, (4, 2))).clip(0, 99)
        parts = metrics.triangles(corners)
        if parts and min(abs(metrics.signed_area(part)) for part in parts) > 150:
            return corners


def test_the_overlap_of_polygons_is_that_of_their_drawings(metrics):
    rng = np.random.default_rng(0)
    concave = 0
    for _ in range(40):
        one = random_quadrilateral(rng, metrics)
        other = random_quadrilateral(rng, metrics, near=one)
        expected = drawn_iou(one, other)
        assert metrics.polygon_iou(one, other) == pytest.approx(expected, abs=0.02)
        assert metrics.polygon_iou(other[::-1], one) == pytest.approx(
            expected, abs=0.02
        )
        concave += not cv2.isContourConvex(np.float32(one))
    assert concave > 5


def test_overlaps_lie_between_0_and_1(metrics):
    """Also those of equal polygons, far from the origin, that share corners or sides, and
    of what is nearly a line."""
    rng = np.random.default_rng(0)
    equal = 0
    for number in range(1500):
        one = rng.uniform(0, 100, (4, 2))
        if number % 3 == 0:
            one[2] = one[0] + (one[1] - one[0]) / 3 + rng.normal(0, 0.01, 2)
        other = one if number % 2 else np.where(rng.random((4, 1)) < 0.5, one, one + 9)
        far = rng.uniform(-9000, 9000, 2) * (number % 5 == 0)
        overlap = metrics.polygon_iou(one + far, other + far)
        assert 0 <= overlap <= 1
        if other is one and metrics.triangles(one + far - one[0] - far):
            assert overlap == pytest.approx(1, abs=1e-3)
            equal += 1
    assert equal > 200


def test_overlaps_that_are_known(metrics):
    square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], float)
    for other, expected in (
        (square, 1),
        (square[::-1], 1),
        (np.roll(square, 1, 0), 1),
        (square + [5, 0], 1 / 3),
        (square + [10, 0], 0),
        (square + 50, 0),
        (square / 2, 0.25),
        (np.array([[0, 0], [10, 0], [0, 10], [2, 2]]), 0.4),  # concave
        (square[[0, 2, 1, 3]], 0),  # crossing sides
    ):
        assert metrics.polygon_iou(square, other) == pytest.approx(expected, abs=1e-6)


def test_average_precision_and_the_error_of_corners(metrics):
    """The page is 100 pixels wide; a corner that is off by 8 is a fiftieth on average."""
    page = np.float32([[0, 200], [100, 200], [100, 260], [0, 260]])
    truth = metrics.Quadrilaterals(page[None], np.zeros((1, 4)), np.array([0]))
    none = metrics.Quadrilaterals(page[:0].reshape(0, 4, 2), None, np.array([], int))

    def scored(*found, truth=truth):
        words = [
            {"category": name, "quadrilateral": np.asarray(corners).tolist()}
            | {"score": score}
            for corners, name, score in found
        ]
        evidence = metrics.quadrilateral_evidence(truth, words, NAMES)
        return metrics.quadrilateral_metrics([evidence])

    right = {"ap": 1, "ap50": 1, "ap75": 1, "corner_error": 0}
    wrong = {"ap": 0, "ap50": 0, "ap75": 0, "corner_error": 1}
    assert scored((page, "page", 0.9)) == right
    off = page + np.float32([[0, 0], [8, 0], [0, 0], [0, 0]])
    assert scored((off, "page", 0.9))["corner_error"] == pytest.approx(0.02)
    assert scored((off, "page", 0.9))["ap75"] == pytest.approx(1)
    # An IoU of 0.72 is enough for five thresholds of ten: 0.5, 0.55, 0.6, 0.65, 0.7.
    cut = scored((page * [0.72, 1], "page", 0.9))
    expected = {"ap": 0.5, "ap50": 1, "ap75": 0}
    assert {name: cut[name] for name in expected} == pytest.approx(expected)
    # Of another category, far away, or not there: not found.
    assert scored((page, "sign", 0.9)) == wrong
    assert scored((page + 200, "page", 0.9)) == wrong
    assert scored() == wrong
    half = page * [0.4, 1]
    assert scored((half, "page", 0.9))["ap50"] == 0
    # Corners in another order overlap as well, and are far off.
    turned = scored((np.roll(page, 2, 0), "page", 0.9))
    assert turned["ap"] == pytest.approx(1) and turned["corner_error"] > 1
    # A better one that is wrong comes first; the second still finds the page.
    both = scored((page + 200, "page", 0.9), (page, "page", 0.5))
    assert both["ap50"] == pytest.approx(0.5) and both["corner_error"] == 0
    pages = np.stack([page, page + 300])  # the second is not found
    two = metrics.Quadrilaterals(pages, np.zeros((2, 4)), np.array([0, 0]))
    assert scored((page, "page", 0.9), truth=two)["corner_error"] == 0.5
    assert scored((page, "page", 0.9), truth=none) == {}
    assert scored(truth=none) == {}
