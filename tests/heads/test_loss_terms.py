"""Terms of the losses of objects, keypoints and corners, cell by cell, with the weights
that `assign` gives: by loops of Python floats."""

from __future__ import annotations

import json
import math
import multiprocessing
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.distributed as dist
from emitted_jobs import load, make

pytestmark = pytest.mark.usefixtures("one_thread")

KEYPOINTS = {
    "name": "poses",
    "task": "keypoint_detection",
    "keypoints": ["x", "y", "z"],
    "layers": 1,
}
CORNERS = {
    "name": "pages",
    "task": "quadrilateral_detection",
    "categories": ["page", "sign"],
    "layers": 1,
}
BOXES = [[(20.0, 10, 90, 60), (50, 30, 130, 90)], [(100, 5, 121, 80)]]
CLASSES = [[0, 1], [1]]


@pytest.fixture(scope="module")
def poses(tmp_path_factory):
    return load(make(tmp_path_factory.mktemp("poses"), [KEYPOINTS]) / "model.py")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return load(make(tmp_path_factory.mktemp("pages"), [CORNERS]) / "model.py")


def targets_with(points: int, one_class: bool) -> dict[str, torch.Tensor]:
    """Two objects in the first image, one in the second; points anywhere in the boxes."""
    torch.manual_seed(1)
    boxes, classes = torch.zeros(2, 2, 4), torch.full((2, 2), -1)
    for image, (of_boxes, of_classes) in enumerate(zip(BOXES, CLASSES)):
        boxes[image, : len(of_boxes)] = torch.tensor(of_boxes)
        classes[image, : len(of_classes)] = torch.tensor(of_classes)
    sides = boxes[..., None, 2:] - boxes[..., None, :2]
    inside = boxes[..., None, :2] + torch.rand(2, 2, points, 2) * sides
    if one_class:
        classes = classes.clamp(max=0)
    return {"boxes": boxes, "classes": classes, "inside": inside}


def outputs_of(network: torch.nn.Module):
    """Returns the outputs of an untrained network for noise, with logits that differ."""
    torch.manual_seed(0)
    images = torch.randint(0, 256, (2, 3, 96, 160), dtype=torch.uint8)
    with torch.no_grad():
        outputs = network(images)
    objects = outputs.objects
    noise = torch.randn_like(objects.logits)
    objects = objects._replace(
        logits=noise, bins=objects.bins + torch.randn_like(objects.bins)
    )
    return outputs._replace(objects=objects)


def of_first(count: int, objects, targets: dict) -> tuple:
    """Returns predictions and targets of the first images of a batch alone. One has more
    cells that learn than there are for an object."""
    parts = {name: getattr(objects, name)[:count] for name in ("logits", "bins")}
    targets = {name: values[:count] for name, values in targets.items()}
    return objects._replace(**parts), targets


def cells_of(model, objects, targets) -> list[tuple[int, int, int, float]]:
    """Image, cell, object and weight of each cell that learns an object."""
    owner, scores = model.assign(objects, objects.boxes(), targets)
    return [
        (image, cell, int(owner[image, cell]), float(scores[image, cell]))
        for image, cell in (owner >= 0).nonzero().tolist()
    ]


def giou(a: list[float], b: list[float]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    union = sum(areas) - width * height
    around = max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1])
    around = around[0] * around[1]
    return width * height / union - (around - union) / around


def binary_cross_entropy(logit: float, target: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -target * math.log(p) - (1 - target) * math.log(1 - p)


def object_terms(model, objects, targets) -> dict[str, float]:
    """GIoU by 2.5, distributions over bins by 0.5, and the class of every cell."""
    cells = cells_of(model, objects, targets)
    total = max(1.0, sum(weight for *_, weight in cells))
    sums = {"class": 0.0, "box": 0.0, "bins": 0.0}
    learned = {}
    for image, cell, number, weight in cells:
        box = targets["boxes"][image, number].tolist()
        learned[image, cell] = int(targets["classes"][image, number]), weight
        sums["box"] += (
            2.5 * weight * (1 - giou(objects.boxes()[image, cell].tolist(), box))
        )
        x, y = objects.points[cell].tolist()
        stride = float(objects.strides[cell])
        distances = [x - box[0], y - box[1], box[2] - x, box[3] - y]
        for side, distance in enumerate(distances):
            logs = objects.bins[image, cell, side].double().log_softmax(0).tolist()
            where = min(max(distance / stride, 0), len(logs) - 1.01)
            low = int(where)
            share = where - low
            entropy = -(1 - share) * logs[low] - share * logs[low + 1]
            sums["bins"] += 0.5 * weight * entropy / 4
    for image, of_image in enumerate(objects.logits.tolist()):
        for cell, of_cell in enumerate(of_image):
            wanted, weight = learned.get((image, cell), (-1, 0.0))
            for category, logit in enumerate(of_cell):
                target = weight if category == wanted else 0.0
                sums["class"] += binary_cross_entropy(logit, target)
    return {name: value / total for name, value in sums.items()}


def point_error(
    offset: list[float], own: list[float], wanted: list[float], box
) -> float:
    """Returns the loss of one point in the cell's own box, in the longer side of the
    object's."""
    side, error = max(box[2] - box[0], box[3] - box[1]), 0.0
    for axis in range(2):
        middle, length = (own[axis] + own[axis + 2]) / 2, own[axis + 2] - own[axis]
        off = abs(middle + offset[axis] * length - wanted[axis]) / side
        error += off - 0.01 if off > 0.02 else off**2 / 0.04
    return error


def point_terms(model, outputs, offsets, targets, present) -> tuple[float, float]:
    """Mean errors of points that are there, and of whether they are."""
    objects = outputs.objects
    cells = cells_of(model, objects, targets)
    total, errors, presence = max(1.0, sum(c[3] for c in cells)), 0.0, 0.0
    for image, cell, number, weight in cells:
        own = objects.boxes()[image, cell].tolist()
        box = targets["boxes"][image, number].tolist()
        there = present[image, number].tolist()
        points = zip(offsets[image, cell].tolist(), targets["inside"][image, number])
        each = [point_error(at, own, to.tolist(), box) for at, to in points]
        known = [error for error, real in zip(each, there) if real]
        errors += weight * sum(known) / len(known)
        said = offsets[image, cell, :, -1].tolist()
        entropies = [
            binary_cross_entropy(*pair) for pair in zip(said, map(float, there))
        ]
        presence += weight * sum(entropies) / len(entropies)
    return errors / total, presence / total


PAIRS = {
    "apart": ([0.0, 10, 20, 30], [50, 70, 60, 100]),
    "nested": ([0, 10, 90, 80], [30, 40, 50, 45]),
    "crossing": ([5, 40, 95, 60], [40, 10, 55, 90]),
    "above": ([60, 3, 70, 20], [1, 50, 99, 77]),
    "beside": ([70, 30, 75, 90], [2, 31, 40, 33]),
    "below a pixel": ([0, 0.01, 0.02, 0.03], [0.05, 0.07, 0.06, 0.1]),
}


@pytest.mark.parametrize("a, b", PAIRS.values(), ids=PAIRS)
def test_the_generalized_iou_of_two_boxes(pages, a, b):
    for one, other in ((a, b), (b, a)):
        given = torch.tensor([one, one]), torch.tensor([other, one])
        found = pages.generalized_iou(*map(torch.Tensor.float, given))
        assert found.tolist() == pytest.approx([giou(one, other), 1], abs=1e-6)


def test_a_distance_is_learned_by_the_two_bins_around_it(pages):
    """Before the first bin by that one, beyond the last by nearly that one alone."""
    torch.manual_seed(0)
    bins, last = torch.randn(1, 1, 4, pages.BINS), pages.BINS - 1
    distances = torch.tensor([-3, 0.25, last - 1.5, last + 5]).view(1, 1, 4)
    costs = (-bins.double().log_softmax(-1))[0, 0].tolist()
    low, near, far, beyond = costs
    expected = [low[0], 0.75 * near[0] + 0.25 * near[1]]
    expected += [(far[last - 2] + far[last - 1]) / 2]
    expected += [0.01 * beyond[last - 1] + 0.99 * beyond[last]]
    found = pages.bin_cross_entropy(bins, distances)
    assert found.item() == pytest.approx(sum(expected) / 4, rel=1e-5)


@pytest.mark.parametrize("scale", [1, 0.01])
def test_points_are_off_by_shares_of_the_longer_side(pages, scale):
    """A tenth in x and a hundredth in y, where the side is 6, or less than a pixel."""
    boxes = scale * torch.tensor([[[7.0, 2, 9, 8]]])
    target = scale * torch.tensor([[[[8.0, 4]]]])
    found = target + scale * torch.tensor([0.6, -0.06])
    errors = pages.point_errors(found, target, boxes)
    assert errors.item() == pytest.approx(0.1 - 0.01 + 0.01**2 / 0.04, rel=1e-4)


@pytest.mark.parametrize("named", [{}, {"name": "cells"}])
@pytest.mark.parametrize("count", [1, 2])
def test_terms_of_boxes_by_the_loss_of_a_job(tmp_path, named, count):
    """They begin with the name of the head, or else of its task."""
    head = {"task": "object_detection", "categories": ["page", "sign"], "layers": 1}
    model = load(make(tmp_path, [named | head]) / "model.py")
    torch.manual_seed(0)
    images, targets = torch.zeros(2, 3, 96, 160), targets_with(1, False)
    objects = model.Detector()(images.byte())
    objects = objects._replace(
        logits=torch.randn_like(objects.logits),
        bins=objects.bins + torch.randn_like(objects.bins),
    )
    objects, targets = of_first(count, objects, targets)
    name = named.get("name", head["task"])
    found = model.loss_terms(objects, {name: targets})
    expected = object_terms(model, objects, targets)
    expected = {f"{name}/loss/{term}": value for term, value in expected.items()}
    assert {k: v.item() for k, v in found.items()} == pytest.approx(expected, rel=1e-4)


def test_terms_of_keypoints(poses):
    outputs, targets = outputs_of(poses.KeypointDetector()), targets_with(3, True)
    present = torch.tensor([[[1, 1, 0], [0, 1, 1]], [[1, 0, 0], [0, 0, 0]]]).bool()
    given = targets | {"keypoints": targets["inside"], "present": present}
    found = poses.keypoint_loss(outputs, given, 20.0, 3.0)
    errors, presence = point_terms(poses, outputs, outputs.keypoints, targets, present)
    expected = object_terms(poses, outputs.objects, targets)
    expected |= {"keypoints": 20 * errors, "presence": 3 * presence}
    assert {k: v.item() for k, v in found.items()} == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("count", [1, 2])
def test_terms_of_corners(pages, count):
    outputs = outputs_of(pages.QuadrilateralDetector())
    objects, targets = of_first(count, outputs.objects, targets_with(4, False))
    outputs = outputs._replace(objects=objects, corners=outputs.corners[:count])
    found = pages.quadrilateral_loss(
        outputs, targets | {"corners": targets["inside"]}, 20.0
    )
    every = torch.ones(2, 2, 4, dtype=torch.bool)
    errors, _ = point_terms(pages, outputs, outputs.corners, targets, every)
    expected = object_terms(pages, outputs.objects, targets) | {"corners": 20 * errors}
    assert {k: v.item() for k, v in found.items()} == pytest.approx(expected, rel=1e-4)


# ---- What terms are divided by ----

# In each of two processes, and then by what their losses are divided there.
COUNTS = ((3.0, 1.0), (0.0, 0.0), (0.25, 0.5), (1.0, 0.0))
DIVISORS = [2.0, 0.5, 0.5, 0.5]


def divisors(model: ModuleType, counts: list[float]) -> list[float]:
    return [model.global_count(torch.tensor(count)).item() for count in counts]


def count_in_a_group(model: ModuleType, place: Path, rank: int) -> None:
    """As one of two processes; writes the divisors to a file of its own."""
    store = dist.FileStore(str(place / "store"), 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
    found = divisors(model, [pair[rank] for pair in COUNTS])
    (place / f"{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


def test_two_processes_divide_by_half_of_what_both_count(pages, tmp_path):
    """And both by the same, which is that of one process with the images of both."""
    start = multiprocessing.get_context("fork").Process
    group = [start(target=count_in_a_group, args=(pages, tmp_path, x)) for x in (0, 1)]
    for process in group:
        process.start()
    for process in group:
        process.join(60)
        assert process.exitcode == 0
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert found == [DIVISORS, DIVISORS]
    assert divisors(pages, list(map(sum, COUNTS))) == [2 * each for each in DIVISORS]
