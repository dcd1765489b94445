"""Thresholds and constants of losses and metrics, to the digit: expected values are worked
out here, by hand or by another way, so that a slightly other one is noticed."""

from __future__ import annotations

import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from emitted_jobs import MODEL_SIZE, load_all, make

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


# ---- Suppression ----


@pytest.mark.parametrize("max_iou, kept", [(0.5, [True, True]), (0.499, [True, False])])
def test_boxes_that_overlap_by_just_the_threshold_stay(golden, max_iou, kept):
    """An IoU of exactly a half: 50 of 100 square pixels."""
    boxes = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 5]]])
    found = golden.suppress(boxes, torch.zeros(1, 2, dtype=torch.long), max_iou)
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
    """Of 3 rows and 4 columns, down the columns: beyond them is number 12."""
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


# ---- Whole images ----

NAMES = ("a", "b", "c", "d", "e", "f", "g")
KINDS = {"name": "kind", "task": "multiclass_classification", "categories": NAMES}
TAGS = {"name": "tags", "task": "multilabel_classification", "labels": NAMES}
NUMBER = {"name": "number", "task": "regression", "range": [2.0, 10.0]}
PICTURE = {"name": "picture", "task": "autoencoding", "code_size": 4, "channels": 16}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The modules of a job that tells four things of a whole image."""
    folder = make(tmp_path_factory.mktemp("whole"), [KINDS, TAGS, NUMBER, PICTURE])
    return load_all(folder, "model", "dataset", "data", "evaluate")


def test_a_likely_category_comes_with_the_five_likeliest(whole):
    logits = torch.tensor([0.0, 3, -1, 2, 1, -2, 0.5])
    shares = (logits.exp() / logits.exp().sum()).tolist()
    results = {"probabilities": torch.tensor([[0.0] * 7, shares])}
    words = whole.evaluate.category_in_words(results, 1, NAMES)
    assert list(words["top5"]) == ["b", "d", "e", "g", "a"]  # five, of seven
    assert words["category"] == "b"
    assert words["score"] == words["top5"]["b"] == pytest.approx(shares[1])


def test_metrics_of_categories_are_those_of_their_definitions(whole):
    """Categories a, b and c occur; d is guessed in vain; f, g never come up."""
    truth, guesses = [0, 0, 0, 1, 1, 2], "aabbdc"
    top5 = dict.fromkeys("abcde")
    found = [{"category": guess, "top5": top5} for guess in guesses]
    found[1] = found[1] | {"top5": dict.fromkeys("bcdef")}
    got = whole.evaluate.classification_metrics(truth, found, NAMES)
    # Of a 2 of 3 are found, of b 1 of 2, c; what is called a is a twice, b once of two.
    assert got == pytest.approx(
        {
            "balanced_accuracy": (2 / 3 + 1 / 2 + 1) / 3,
            "accuracy": 4 / 6,
            "precision": (2 / 2 + 1 / 2 + 1 / 1) / 3,
            "recall": (2 / 3 + 1 / 2 + 1) / 3,
            "f1": (4 / 5 + 2 / 4 + 2 / 2) / 3,
            "top5_accuracy": 5 / 6,
        }
    )


def test_a_category_that_is_never_guessed_has_no_precision(whole):
    found = [{"category": "a", "top5": dict.fromkeys("abcde")}] * 2
    got = whole.evaluate.classification_metrics([0, 1], found, NAMES)
    assert got["precision"] == (1 / 2 + 0) / 2 and got["f1"] == (2 / 3 + 0) / 2
    assert got["recall"] == (1 + 0) / 2 and got["top5_accuracy"] == 1


def test_a_confusion_matrix_has_a_row_for_each_true_category(whole, tmp_path):
    found = [{"category": guess} for guess in "aab"]
    whole.evaluate.save_confusion(tmp_path / "c.csv", [0, 1, 1], found, NAMES)
    rows = (tmp_path / "c.csv").read_text().splitlines()
    assert rows[0] == ",a,b,c,d,e,f,g"
    assert rows[1:4] == ["a,1,0,0,0,0,0,0", "b,1,1,0,0,0,0,0", "c,0,0,0,0,0,0,0"]


def test_labels_are_given_from_their_threshold_on(whole):
    scores = [0.0, 0.25, 0.49, 0.5, 0.51, 0.75, 1.0]
    results = {"probabilities": torch.tensor([[0.0] * 7, scores])}
    words = whole.evaluate.labels_in_words(results, 1, NAMES, 0.5)
    assert words["labels"] == ["d", "e", "f", "g"]
    assert list(words["scores"].values()) == pytest.approx(scores)
    probabilities = whole.model.decode_labels(torch.tensor([[0.0, math.log(3)]]))
    assert probabilities["probabilities"].tolist() == [pytest.approx([0.5, 0.75])]


def test_metrics_of_labels_are_those_of_their_definitions(whole):
    """Of a and b; g is given once in vain, the others never come up."""
    truth = [[1, 0], [1, 1], [0, 1], [0, 0]]
    scores = [[0.9, 0.1], [0.2, 0.6], [0.4, 0.8], [0.1, 0.7]]
    found = []
    for own in scores:
        named = dict.fromkeys(NAMES, 0.0) | {"a": own[0], "b": own[1]}
        labels = [name for name, score in named.items() if score >= 0.5]
        found.append({"labels": labels, "scores": named})
    found[0]["labels"].append("g")
    wanted = [np.float32(row + [0] * 5) for row in truth]
    got = whole.evaluate.multilabel_metrics(wanted, found, NAMES)
    # a: ranks 1 and 3 are right; b: ranks 1 and 3, too. Given: a once (right), b three
    # times (two are right), g once (wrong).
    precision = (1 / 1 + 2 / 3) / 2
    assert got == pytest.approx(
        {
            "mean_average_precision": precision,
            "average_precision/a": precision,
            "average_precision/b": precision,
            "macro_f1": (2 * 1 / 3 + 2 * 2 / 5 + 0) / 3,
            "micro_f1": 2 * 3 / (4 + 5),
        }
    )


def test_a_number_is_that_of_its_image(whole):
    found = whole.model.decode_value(torch.tensor([[0.25], [0.5]]))
    assert whole.evaluate.value_in_words(found, 1) == {"value": 0.5}


def test_structural_similarity_is_that_of_the_paper(whole):
    """By sums over the 11x11 window around each pixel, with weights of a Gaussian."""
    rng = np.random.default_rng(0)
    a = rng.uniform(size=(14, 12))
    b = np.clip(a + rng.normal(0, 0.2, a.shape), 0, 1)
    steps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(steps, steps) / steps.sum() ** 2
    around = [np.pad(image, 5, "reflect") for image in (a, b)]
    x, y = (np.lib.stride_tricks.sliding_window_view(i, (11, 11)) for i in around)

    def mean(values):
        return (weights * values).sum((2, 3), keepdims=True)

    dx, dy = x - mean(x), y - mean(y)
    brightness = (2 * mean(x) * mean(y) + 1e-4) / (mean(x) ** 2 + mean(y) ** 2 + 1e-4)
    structure = (2 * mean(dx * dy) + 9e-4) / (mean(dx**2) + mean(dy**2) + 9e-4)
    expected = (brightness * structure).mean()
    assert 0.3 < expected < 0.95
    assert whole.evaluate.ssim(a, b) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seen", [(96, 60), (30, 160)])
def test_a_picture_is_what_of_the_canvas_is_the_image(whole, seen):
    pictures = torch.rand(1, 3, HEIGHT, WIDTH)
    found = whole.model.own_size(pictures, seen, seen)
    torch.testing.assert_close(found, pictures[..., : seen[0], : seen[1]])


def test_a_picture_is_cut_off_at_black_and_white(whole):
    values = torch.tensor([-0.5, 0.25, 0.75, 1.5]).view(1, 1, 2, 2)
    outputs = whole.model.Reconstruction(values, torch.zeros(1, 4, 1, 1))
    found = whole.model.decode_reconstruction(outputs)["reconstruction"]
    assert found.flatten().tolist() == [0, 0.25, 0.75, 1]


def test_quality_of_a_picture_by_hand(whole, tmp_path):
    truth = np.full((40, 60, 3), 100, np.uint8)
    cv2.imwrite(str(tmp_path / "flat.png"), truth)
    sample = whole.dataset.Sample(tmp_path / "flat.png", 40, 60, {})
    found = truth.copy()
    found[:20] += 51  # a fifth of 255 in one half
    noise, error, _ = whole.evaluate.reconstruction_quality(sample, found)
    assert error == pytest.approx(0.1)
    assert noise == pytest.approx(-10 * math.log10(0.2**2 / 2))
    perfect = whole.evaluate.reconstruction_quality(sample, truth)
    assert perfect == pytest.approx([100, 0, 1])
    means = whole.evaluate.reconstruction_metrics([np.arange(3), np.arange(3) + 2])
    assert means == {"psnr": 1, "mae": 2, "ssim": 3}


# ---- Corners ----


def test_corners_are_compared_with_those_of_the_object_that_is_found(tmp_path):
    """Each prediction takes the object that it overlaps most of those that are left, the
    best prediction first; an object that none takes has an error of 1."""
    evaluate = load_all(make(tmp_path, [PAGES]), "evaluate").evaluate
    page = np.array([[0.0, 0], [20, 0], [20, 10], [0, 10]])
    truth = np.stack([page, page + [5, 0], page + 100])
    corners = np.stack([page + [4, 0], page + [1, 0]])
    overlap = np.array([[16 / 24, 19 / 21, 0.0], [19 / 21, 16 / 24, 0.0]])
    for scores in ([0.9, 0.8], [0.8, 0.9]):
        errors = evaluate.corner_errors(corners, np.array(scores), overlap, truth)
        assert errors == pytest.approx([1 / 20, 1 / 20, 1])
    errors = evaluate.corner_errors(corners[:1], np.array([0.9]), overlap[:1], truth)
    assert errors == pytest.approx([1, 1 / 20, 1])
    # At an IoU of just a half it is found, below it is not.
    for iou, error in ((0.5, 5 / 20), (0.499, 1)):
        found = np.array([[iou]])
        errors = evaluate.corner_errors(truth[1:2], np.ones(1), found, truth[:1])
        assert errors == pytest.approx([error])


# ---- Batches ----

PAGES = {"name": "pages", "task": "quadrilateral_detection", "categories": ["a", "b"]}


@pytest.mark.parametrize("counts", [(2, 0, 3), (0, 0), (1,)])
def test_quadrilaterals_of_images_are_rows_that_are_padded(tmp_path, counts):
    """Even where no image has one, there is a row."""
    data = load_all(make(tmp_path, [PAGES]), "data", "dataset")
    rng, batch = np.random.default_rng(0), []
    for count in counts:
        corners = rng.uniform(size=(count, 4, 2)).astype(np.float32)
        boxes = rng.uniform(size=(count, 4)).astype(np.float32)
        classes = rng.integers(2, size=count)
        batch.append(data.dataset.Quadrilaterals(corners, boxes, classes))
    stacked, most = data.data.stack_quadrilaterals(batch), max(1, *counts, 0)
    for name, rest in (("corners", (4, 2)), ("boxes", (4,)), ("classes", ())):
        assert stacked[name].shape == (len(counts), most, *rest)
        for row, truth in zip(stacked[name].numpy(), batch):
            own = getattr(truth, name)
            assert (row[: len(own)] == own).all()
            assert (row[len(own) :] == (-1 if name == "classes" else 0)).all()


# ---- Texts ----


def test_a_text_costs_what_its_tokens_and_its_first_end_do(tmp_path):
    """Two tokens and the end, and the end alone: a mean by text, then over the texts."""
    head = {"name": "code", "task": "scene_text_recognition", "tokens": "abc"}
    model = load_all(make(tmp_path, [head | {"max_tokens": 3}]), "model").model
    torch.manual_seed(0)
    logits, end = torch.randn(2, 4, 4), 3
    tokens = torch.tensor([[2, 0, end, end], [end, end, end, end]])
    found = model.text_loss(logits, {"tokens": tokens})["token"]
    cost = -logits.double().log_softmax(2)
    first = (cost[0, 0, 2] + cost[0, 1, 0] + cost[0, 2, end]) / 3
    assert found.item() == pytest.approx((first + cost[1, 0, end]).item() / 2)


# ---- Several processes ----


def test_a_process_alone_has_its_own_gradient(tmp_path):
    """As of a group of one; tests/heads/test_behaviours.py compares two with one."""
    head = {"name": "views", "task": "view_invariance_learning"}
    model = load_all(make(tmp_path, [head]), "model").model
    values = torch.randn(3, 2, requires_grad=True)
    store = (tmp_path / "store").as_uri()
    torch.distributed.init_process_group("gloo", store, rank=0, world_size=1)
    try:
        found = model.of_all_processes(values)
    finally:
        torch.distributed.destroy_process_group()
    torch.testing.assert_close(found, values)
    found.square().sum().backward()
    torch.testing.assert_close(values.grad, 2 * values.detach())
