"""Losses and metrics of what is told of a whole image, to the digit: expected values are
worked out here, by hand or by another way."""

from __future__ import annotations

import math
from fractions import Fraction
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from emitted_jobs import MODEL_SIZE, build, load_all, make

pytestmark = pytest.mark.usefixtures("one_thread")

HEIGHT, WIDTH = MODEL_SIZE


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


@pytest.mark.parametrize(
    "size, shown",
    [
        ((HEIGHT, WIDTH), (HEIGHT, WIDTH)),
        ((48, 100), (77, WIDTH)),  # 1.6 times as large: 76.8 rows
        ((200, 100), (HEIGHT, 48)),
        ((1, 4000), (1, WIDTH)),
        ((4000, 1), (HEIGHT, 1)),
    ],
)
def test_an_image_fills_the_canvas_one_way_and_has_a_pixel_the_other(
    whole, size, shown
):
    assert whole.model.fit(*size) == shown


def test_sides_that_fit_are_rounded_to_the_nearest_pixel_halves_up(whole):
    for height in range(1, 300, 7):
        for width in range(1, 300, 11):
            scale = min(Fraction(HEIGHT, height), Fraction(WIDTH, width))
            sides = (max(1, int(scale * x + Fraction(1, 2))) for x in (height, width))
            assert whole.model.fit(height, width) == (*sides,), (height, width)


def test_a_likely_category_comes_with_the_five_likeliest(whole):
    logits = torch.tensor([0.0, 3, -1, 2, 1, -2, 0.5])
    shares = (logits.exp() / logits.exp().sum()).tolist()
    results = {"probabilities": torch.tensor([[0.0] * 7, shares])}
    words = whole.evaluate.to_category(results, 1, NAMES)
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
    words = whole.evaluate.to_labels(results, 1, NAMES, 0.5)
    assert words["labels"] == ["d", "e", "f", "g"]
    assert list(words["scores"].values()) == pytest.approx(scores)
    probabilities = whole.model.decode_labels(torch.tensor([[0.0, math.log(3)]]))
    assert probabilities["probabilities"].tolist() == [pytest.approx([0.5, 0.75])]


def test_losses_of_labels_and_numbers_are_means(whole):
    logits = torch.tensor([[0.0, math.log(3)], [math.log(3), 0.0]])
    targets = {"present": torch.tensor([[1.0, 1], [0, 0]])}
    targets["labeled"] = torch.ones(2, dtype=torch.bool)
    found = whole.model.multilabel_loss(logits, targets)["label"]
    costs = [math.log(2), -math.log(3 / 4), -math.log(1 / 4), math.log(2)]
    assert found.item() == pytest.approx(sum(costs) / 4)
    stacked = whole.data.stack_numbers([2.5, 7.0, 3.0])["value"]
    assert stacked.tolist() == [[2.5], [7.0], [3.0]]


def test_metrics_of_labels_are_those_of_their_definitions(whole):
    """Labels a and b occur; g is given once in vain, the others never come up."""
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
    assert whole.evaluate.to_value(found, 1) == {"value": 0.5}


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


def test_a_picture_that_shrinks_is_averaged(whole):
    """Lines of 1 in every fourth column are a quarter wherever they become one pixel."""
    pictures = torch.zeros(1, 3, HEIGHT, WIDTH)
    pictures[..., ::4] = 1
    small = HEIGHT // 4, WIDTH // 4
    found = whole.model.own_size(pictures, (HEIGHT, WIDTH), small)
    inside = found[..., 1:-1]
    torch.testing.assert_close(inside, torch.full_like(inside, 0.25))


def test_a_picture_of_an_image_that_was_padded_is_cut(tmp_path):
    """With `resize_input` off nothing is resized, in model.py and in evaluate.py."""
    job = {"name": "cut", "data": {"train": "train", "resolution": MODEL_SIZE}}
    backbone = {"name": "resnet18", "resize_input": False}
    job |= {"model": {"backbone": backbone, "heads": [PICTURE]}}
    folder = build(job, tmp_path)
    modules = load_all(folder, "model", "dataset", "data", "evaluate")
    pictures = torch.rand(1, 3, 96, 128)
    part = pictures[..., :70, :101]
    assert torch.equal(modules.model.own_size(pictures, (70, 101)), part)
    sample = modules.dataset.Sample("", 70, 101, {})
    results = {"picture": {"reconstruction": pictures}}
    told = modules.evaluate.to_annotations(results, 0, sample)["picture"]
    assert np.array_equal(told, (255 * part[0]).round().byte().permute(1, 2, 0))


def test_a_picture_is_cut_off_at_black_and_white(whole):
    values = torch.tensor([-0.5, 0.25, 0.75, 1.5]).view(1, 1, 2, 2)
    outputs = whole.model.Reconstruction(values, torch.zeros(1, 4, 1, 1))
    found = whole.model.decode_reconstruction(outputs)["reconstruction"]
    assert found.flatten().tolist() == [0, 0.25, 0.75, 1]


@pytest.mark.parametrize("seen", [(HEIGHT, WIDTH), (30, 60)])
def test_a_picture_is_told_in_whole_numbers_as_images_have_them(whole, seen):
    """Rows, columns and then colors, of the image alone."""
    codes = np.random.default_rng(0).integers(0, 256, (2, HEIGHT, WIDTH, 3))
    nearly = (codes + np.where(codes < 128, 0.4, -0.4)) / 255
    pictures = torch.tensor(nearly, dtype=torch.float32).permute(0, 3, 1, 2)
    sample = whole.dataset.Sample("", *seen, {})
    results = {"reconstruction": pictures}
    told = whole.evaluate.to_reconstruction(results, 1, sample, seen)
    assert told.dtype == np.uint8
    assert np.array_equal(told, codes[1, : seen[0], : seen[1]])


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


def test_a_resized_image_has_the_nearest_levels_and_halves_go_up(whole):
    """Between two columns a share of 0.45 of a level is none, and 0.5 is one."""
    columns = torch.tensor([[6, 7], [7, 6], [250, 254]], dtype=torch.uint8)
    images = columns[None, :, None].expand(1, 3, 4, 2)
    for width in (3, 20):
        places = (np.arange(width) + 0.5) * 2 / width - 0.5
        exact = [np.interp(places, [0, 1], pair) for pair in columns.tolist()]
        wanted = np.floor(np.array(exact) + 0.5 + 1e-6)
        found = whole.model.resampled(images, (4, width))
        assert found.shape == (1, 3, 4, width)
        assert (found.numpy() == wanted[None, :, None]).all(), width


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
        found = model.gather_with_gradient(values)
    finally:
        torch.distributed.destroy_process_group()
    torch.testing.assert_close(found, values)
    found.square().sum().backward()
    torch.testing.assert_close(values.grad, 2 * values.detach())


def test_a_process_of_three_has_its_own_values_and_three_times_their_gradient(
    tmp_path, monkeypatch
):
    head = {"name": "views", "task": "view_invariance_learning"}
    model = load_all(make(tmp_path, [head]), "model").model
    values, others = torch.randn(4, 2, requires_grad=True), torch.randn(3, 4, 2)

    def all_gather(parts: list[torch.Tensor], own: torch.Tensor) -> None:
        assert not own.requires_grad
        for part, other in zip(parts, others, strict=True):
            part.copy_(other)

    answers = {"is_available": True, "is_initialized": True}
    answers |= {"get_world_size": 3, "get_rank": 1}
    group = {name: lambda answer=answer: answer for name, answer in answers.items()}
    monkeypatch.setattr(model, "dist", SimpleNamespace(all_gather=all_gather, **group))
    found = model.gather_with_gradient(values)
    expected = torch.cat([others[0], values.detach(), others[2]])
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    assert torch.equal(values.grad, torch.full((4, 2), 3.0))
