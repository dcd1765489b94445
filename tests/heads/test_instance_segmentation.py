"""Instance segmentation: masks from the annotation to the prediction, and back."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from emitted_jobs import (
    DATA_SIZE,
    MODEL_SIZE,
    NAMES,
    load,
    load_all,
    load_data,
    make,
)
from faster_coco_eval.core import mask as coco_mask
from instance_jobs import HEAD
from predictions import certain, predictions_for

pytestmark = pytest.mark.usefixtures("one_thread")

HEIGHT, WIDTH = MODEL_SIZE


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory) -> ModuleType:
    return load(make(tmp_path_factory.mktemp("segmenter"), [HEAD]) / "model.py")


@pytest.fixture(scope="module")
def words(segmenter) -> ModuleType:
    """The evaluate.py beside it."""
    folder = Path(segmenter.__file__).parent
    return load_all(folder, "model", "dataset", "data", "evaluate").evaluate


# ---- From logits to masks in the image's own pixels ----


def drawing(module: ModuleType, category: int, box: tuple, hole: tuple):
    """Predictions of an instance that fills its box, on the canvas, but for a hole."""
    left, top, right, bottom = box
    seen = {((left + right) / 2, (top + bottom) / 2): (category, *box)}
    objects = certain(predictions_for(module, (HEIGHT, WIDTH)), seen)
    features = torch.zeros(1, module.MASK_CHANNELS, HEIGHT // 4, WIDTH // 4)
    features[0, 0] = 1
    features[0, 0, hole[1] // 4 : hole[3] // 4, hole[0] // 4 : hole[2] // 4] = -1
    # Of all that the network could see, only the first feature counts.
    c = module.MASK_CHANNELS
    kernels = torch.zeros(1, objects.logits.shape[1], c * c + 4 * c + 1)
    kernels[..., 0] = kernels[..., c * c + 3 * c] = 1
    kernels[..., -1] = -0.5
    pixels = module.Grid(4)(features)[0]
    return module.InstancePredictions(objects, kernels, features, pixels)


def placed(size: tuple[int, int], box: tuple, hole: tuple, seen: tuple) -> np.ndarray:
    """The mask that such an instance has in an image of this size."""
    y = (np.arange(size[0])[:, None] + 0.5) * seen[0] / size[0]
    x = (np.arange(size[1]) + 0.5) * seen[1] / size[1]
    inside = [(x > a) & (x < c) & (y > b) & (y < d) for a, b, c, d in (box, hole)]
    return inside[0] & ~inside[1]


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize(
    "size", [(192, 320), (120, 500), (700, 300), (60, 90), (31, 17)]
)
def test_masks_lie_where_they_belong(segmenter, words, size):
    """In predict and in evaluate.py alike, at the size of images that are not square."""
    fitted = segmenter.fit(*size)
    box = (fitted[1] * 0.25, fitted[0] * 0.25, fitted[1] * 0.75, fitted[0] * 0.875)
    hole = tuple(
        4 * round(side / 4) for side in (box[0], box[1], fitted[1] / 2, fitted[0] / 2)
    )
    outputs = drawing(segmenter, 1, box, hole)
    model = segmenter.Segmenter().eval()
    model.register_forward_hook(lambda *_: outputs)

    found = segmenter.predict(model, torch.zeros(1, 3, *size, dtype=torch.uint8))
    masks = found["cells"]["masks"]
    assert masks.shape == (1, 1, *size) and masks.dtype == torch.bool
    mask, expected = masks[0, 0].numpy(), placed(size, box, hole, fitted)
    assert overlap(mask, expected) > 0.93

    sample = words.Sample(Path("x.png"), *size, {})
    (item,) = words.to_annotations(segmenter.decode(outputs), 0, sample, fitted)[
        "cells"
    ]
    assert item["category"] == "b" and item["mask"]["size"] == list(size)
    np.testing.assert_array_equal(words.coco_mask.decode(item["mask"]), mask)


def test_masks_cost_what_is_found_not_what_could_be(segmenter):
    """The image with most objects tells how many masks are drawn, each in its box."""
    found = {
        "boxes": torch.zeros(3, 100, 4),
        "masks": torch.randn(3, 100, 24, 40),
        "count": torch.tensor([0, 2, 1]),
    }
    found["boxes"][2, 0] = torch.tensor([16.0, 8, 64, 32])
    found["boxes"][1, :2] = torch.tensor([[3.2, 4.6, 20, 11], [0.0, 0, 160, 96]])
    size, cell = (96, 160), torch.full((2,), 4.0)
    drawn = []
    kept = segmenter.sampled
    try:
        segmenter.sampled = lambda *given: drawn.append(given[0]) or kept(*given)
        masks = segmenter.whole_masks(found, size, cell)
    finally:
        segmenter.sampled = kept
    assert masks.shape == (3, 2, *size) and not masks[0].any()
    assert len(drawn) == 6 and not masks[1, 0, :, 20:].any()
    assert masks[2, 0, 8:32, 16:64].any() and not masks[2, 1].any()
    assert masks[2, 0].sum() == masks[2, 0, 8:32, 16:64].sum()
    for mask, logits in zip(masks[1], found["masks"][1]):
        pixels = torch.nn.functional.interpolate(
            logits[None, None], scale_factor=4.0, mode="bilinear"
        )
        y, x = mask.nonzero().unbind(1)
        assert (pixels[0, 0, y, x] > -1e-5).all()
    assert (masks[1, 1] == (pixels[0, 0] > 0)).float().mean() > 0.999
    found["count"][:] = 0
    assert segmenter.whole_masks(found, (1200, 1600), cell).shape == (3, 0, 1200, 1600)


def test_maps_are_read_between_their_cells(segmenter):
    maps = torch.randn(2, 5, 7)
    y, x = (torch.arange(4 * side) / 4 + 0.125 for side in (5, 7))
    expected = torch.nn.functional.interpolate(
        maps[None], scale_factor=4.0, mode="bilinear"
    )
    torch.testing.assert_close(segmenter.sampled(maps, y, x), expected[0])
    one = torch.full((1, 1), 3.0)
    assert segmenter.sampled(one, y, x).shape == (20, 28)
    assert (segmenter.sampled(one, y, x) == 3).all()


def test_cells_of_a_mask_need_not_be_square(segmenter):
    """The mask has the first two columns of cells of 5x3 pixels, or the first two rows."""
    columns = torch.tensor([1.0, 1, -1, -1]).expand(4, 4)
    logits, stride = torch.stack([columns, columns.T]), torch.tensor([5, 3])
    place, inside = segmenter.mask_in([2.4, 3.6, 18.0, 14.5], logits, stride)
    assert place == np.s_[4:14, 2:18]
    expected = torch.zeros(2, 10, 16, dtype=torch.bool)
    expected[0, :, : 10 - 2] = expected[1, : 6 - 4] = True
    assert torch.equal(inside, expected)


@pytest.mark.slow
def test_more_instances_are_wanted_than_there_are_cells(tmp_path):
    head = HEAD | {"max_detections": 1000, "top_level": 3}
    module = load(make(tmp_path, [head], (32, 32)) / "model.py")
    found = module.decode(module.Segmenter().eval()(torch.zeros(2, 3, 32, 32)))
    assert found["cells"]["masks"].shape == (2, 1000, 8, 8)
    assert found["cells"]["boxes"].shape == (2, 1000, 4)
    for count, masks in zip(found["cells"]["count"], found["cells"]["masks"]):
        assert count < 1000 and not masks[count:].any() and masks.isfinite().all()


# ---- From annotations to what is learned ----


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> ModuleType:
    turned = {"augmentation": {"transpose": True, "vertical_flip": True}}
    folder = make(tmp_path_factory.mktemp("data"), [HEAD], DATA_SIZE, **turned)
    return load_data(folder).data


def instances_of(data: ModuleType, *masks: np.ndarray):
    boxes = []
    for mask in masks:
        rows, columns = mask.nonzero()
        boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    encoded = [coco_mask.encode(np.asfortranarray(m, np.uint8)) for m in masks]
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return data.Instances(boxes, np.zeros(len(masks), np.int64), tuple(encoded))


def corner(height: int, width: int) -> np.ndarray:
    """A mask shaped like an L: all its mirror images differ."""
    mask = np.zeros((height, width), bool)
    mask[height // 5 : height // 2, width // 4 : width // 2] = True
    mask[height // 2 : height * 4 // 5, width // 4 : width * 3 // 4] = True
    return mask


@pytest.mark.parametrize("seed", range(12))
def test_masks_move_with_their_image(data, tmp_path, seed):
    """White pixels of a picture are those that the grid of its mask marks."""
    mask = corner(150, 200)
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), np.uint8(255 * mask))
    sample = data.Sample(path, 150, 200, {})
    canvas, transform = data.augment(sample, np.random.default_rng(seed))
    grids = data.moved_instances(instances_of(data, mask), transform)
    # Padding is as bright as the gray that `recolor` may turn white into: the picture's
    # own part of the canvas is found by moving its borders.
    left, top, right, bottom = transform.move(np.float32([[0, 0, 200, 150]]))[0]
    light = canvas[:, :, 0] > 150
    light[: max(0, round(top))] = light[:, : max(0, round(left))] = False
    light[max(0, round(bottom)) :] = light[:, max(0, round(right)) :] = False
    rows, columns = light.nonzero()
    extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(grids.boxes[0], extent, atol=1.1)
    x, y = data.grid_of(grids.regions[0])
    y, x = y.astype(int).clip(0, DATA_SIZE[0] - 1), x.astype(int).clip(
        0, DATA_SIZE[1] - 1
    )
    assert overlap(light[y[:, None], x], grids.masks[0] == 1) > 0.8


def still(data: ModuleType, x=0.0, y=0.0):
    """A transform that only moves an image to the right and down."""
    return data.Transform(np.float32([1, 1]), np.float32([x, y]))


def test_what_the_canvas_cuts_off_is_gone(data):
    mask = np.zeros(DATA_SIZE, bool)
    mask[10:30, 0:20] = True
    mask[20:30, 20:40] = True  # only this part of it stays
    moved = data.moved_instances(instances_of(data, mask), still(data, x=-20))
    assert moved.boxes.tolist() == [[0, 20, 20, 30]]
    assert moved.regions.tolist() == [[0, 17.5, 25, 32.5]]
    assert moved.masks.shape == (1, data.GRID, data.GRID)
    share = (20 * 10) / (25 * 15)
    assert abs(moved.masks.mean() - share) < 0.05
    # Less than a quarter is left.
    moved = data.moved_instances(instances_of(data, mask), still(data, x=-31))
    assert moved.boxes.shape == (0, 4) and moved.masks.shape == (
        0,
        data.GRID,
        data.GRID,
    )


def test_nothing_is_seen_beyond_the_image(data):
    """A mask at the border of the image does not go on in the padding."""
    mask = np.zeros((20, 30), bool)
    mask[10:20, 20:30] = True
    moved = data.moved_instances(instances_of(data, mask), still(data))
    assert moved.boxes.tolist() == [[20, 10, 30, 20]]
    x, y = data.grid_of(moved.regions[0])
    assert x.max() > 30 and not moved.masks[0][:, x > 30].any()
    assert y.max() > 20 and not moved.masks[0][y > 20].any()
    assert moved.masks[0][(y > 10) & (y < 20)][:, (x > 20) & (x < 30)].all()


def test_a_batch_without_instances_is_stacked(data):
    none = data.moved_instances(instances_of(data), still(data))
    stacked = data.stack_grids([none, none])
    assert stacked["boxes"].shape == (2, 16, 4)
    assert (stacked["classes"] == -1).all()
    assert stacked["masks"].shape == (2, 16, data.GRID, data.GRID)


# ---- The loss ----


def targets_of(*images: list[tuple], side=28) -> dict:
    """Targets whose masks fill their boxes, and regions half as large again."""
    most = max(1, *(len(rows) for rows in images))
    boxes, regions = torch.zeros(2, len(images), most, 4)
    classes = torch.full((len(images), most), -1)
    masks = torch.zeros(len(images), most, side, side, dtype=torch.uint8)
    steps = (torch.arange(side) + 0.5) / side
    inside = (steps > 1 / 6) & (steps < 5 / 6)
    for image, rows in enumerate(images):
        for number, (category, *box) in enumerate(rows):
            left, top, right, bottom = box
            dx, dy = (right - left) / 4, (bottom - top) / 4
            boxes[image, number] = torch.tensor(box)
            regions[image, number] = torch.tensor(
                [left - dx, top - dy, right + dx, bottom + dy]
            )
            classes[image, number] = category
            masks[image, number] = inside[:, None] & inside
    return {"boxes": boxes, "classes": classes, "regions": regions, "masks": masks}


def fresh(module: ModuleType, batch=1, seed=0):
    """Returns outputs of an untrained head for random maps."""
    torch.manual_seed(seed)
    head = module.InstanceHead(48, 1, 3, (8, 16, 32))
    maps = [torch.randn(batch, 48, HEIGHT // s, WIDTH // s) for s in (8, 16, 32)]
    return head, head(*maps)


OBJECT = (1, 48.0, 24.0, 112.0, 72.0)


def test_the_right_mask_has_nearly_no_loss(segmenter):
    outputs = drawing(segmenter, *[1, OBJECT[1:], (0, 0, 0, 0)])
    features = torch.full_like(outputs.features, -1)
    features[0, 0, 24 // 4 : 72 // 4, 48 // 4 : 112 // 4] = 1
    kernels = outputs.kernels * 40  # certain: logits of 1580 inside, and -20 around
    targets, right = targets_of([OBJECT]), outputs._replace(
        features=features, kernels=kernels
    )
    terms = segmenter.instance_loss(right, targets, 1.0)
    wrong = segmenter.instance_loss(right._replace(features=-features), targets, 1.0)
    assert terms["mask"] < 2 < wrong["mask"]
    double = segmenter.instance_loss(right, targets, 2.0)
    torch.testing.assert_close(double["mask"], 2 * terms["mask"])


def test_the_loss_does_not_depend_on_the_size_of_the_batch(segmenter):
    _, outputs = fresh(segmenter)
    one = segmenter.instance_loss(outputs, targets_of([OBJECT]), 2.0)
    twice = segmenter.InstancePredictions(
        outputs.objects._replace(
            logits=outputs.objects.logits.repeat(2, 1, 1),
            bins=outputs.objects.bins.repeat(2, 1, 1, 1),
        ),
        outputs.kernels.repeat(2, 1, 1),
        outputs.features.repeat(2, 1, 1, 1),
        outputs.pixels,
    )
    both = segmenter.instance_loss(twice, targets_of([OBJECT], [OBJECT]), 2.0)
    for name in one:
        torch.testing.assert_close(one[name], both[name], rtol=1e-4, atol=1e-5)


def test_images_without_instances_have_a_loss_and_gradients(segmenter):
    head, outputs = fresh(segmenter, batch=2)
    terms = segmenter.instance_loss(outputs, targets_of([], []), 2.0)
    assert terms["mask"] == 0
    sum(terms.values()).backward()
    gradients = {name: p.grad for name, p in head.named_parameters()}
    assert all(g is not None and g.isfinite().all() for g in gradients.values())


def test_masks_teach_kernels_and_features(segmenter):
    head, outputs = fresh(segmenter, batch=2)
    terms = segmenter.instance_loss(outputs, targets_of([OBJECT], []), 2.0)
    terms["mask"].backward()
    for module in (head.kernels, head.features, head.fine[0], head.coarse[0]):
        assert module.weight.grad.abs().sum() > 0
    assert head.detector.class_logits.weight.grad is None


def test_a_hundred_instances_are_learned_at_once(segmenter):
    rows = [
        (i % 3, 1.5 * i, 10.0 + i % 7, 1.5 * i + 6, 20.0 + i % 7) for i in range(100)
    ]
    _, outputs = fresh(segmenter, batch=2)
    terms = segmenter.instance_loss(outputs, targets_of(rows, [OBJECT]), 2.0)
    assert all(term.isfinite() for term in terms.values())


# ---- Metrics ----


def found_as(words: ModuleType, instances, shift=0, score=0.9) -> list[dict]:
    """Predictions that equal the labels, but for their masks' place."""
    found = []
    for box, runs in zip(instances.boxes.tolist(), instances.masks):
        mask = np.roll(words.coco_mask.decode(runs), shift, 1)
        runs = words.coco_mask.encode(np.asfortranarray(mask))
        item = {"category": "a", "bbox": box, "mask": runs, "score": score}
        found.append(item)
    return found


def test_masks_and_boxes_are_scored_apart(words, data):
    truth = instances_of(data, corner(100, 140), corner(60, 60))._asdict()
    truth = words.Instances(**truth)
    perfect = words.instance_metrics([truth], [found_as(words, truth)], NAMES)
    assert perfect["ap"] == pytest.approx(1) and perfect["box_ap"] == pytest.approx(1)
    apart = found_as(words, truth, shift=9)
    shifted = words.instance_metrics([truth], [apart], NAMES)
    assert shifted["ap"] < 0.7 and shifted["box_ap"] == pytest.approx(1)
    # None covers 96 x 96 pixels: `ap_large` does not occur.
    assert set(perfect) == {
        "ap",
        "ap50",
        "ap75",
        "ap_small",
        "ap_medium",
        "ar",
        "box_ap",
    }
    nothing = words.instance_metrics([truth], [[]], NAMES)
    assert nothing == dict.fromkeys(perfect, 0.0)
    empty = words.Instances(truth.boxes[:0], truth.classes[:0], ())
    assert words.instance_metrics([empty], [apart], NAMES) == {}
    assert words.instance_metrics([empty], [[]], NAMES) == {}
