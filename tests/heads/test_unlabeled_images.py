"""The loss of a head whose labels some images lack is that of the others alone."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from emitted_jobs import load, make

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ["a", "b", "c"]
HEADS = {
    "kind": {"task": "multiclass_classification", "categories": NAMES},
    "rank": {"task": "multiclass_classification", "categories": NAMES, "ordered": True},
    "tags": {"task": "multilabel_classification", "labels": NAMES},
    "number": {"task": "regression", "range": [2.0, 10.0]},
    "code": {"task": "scene_text_recognition", "tokens": "abc", "max_tokens": 3},
    "face": {"task": "metric_learning", "identities": NAMES, "embedding_size": 8},
    "flaws": {"task": "anomaly_detection", "channels": 16},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> ModuleType:
    heads = [{"name": name} | head for name, head in HEADS.items()]
    return load(
        make(tmp_path_factory.mktemp("partial"), heads, validation="val") / "model.py"
    )


def outputs_of(model: ModuleType, images: slice) -> dict:
    """Outputs for some of four images, which differ in all of them."""
    torch.manual_seed(0)
    maps, texts = torch.randn(4, 1, 4, 6), torch.randn(4, 4, 4)
    cosines = torch.rand(4, 3, 2) * 1.8 - 0.9
    return {
        "kind": torch.randn(4, 3)[images],
        "rank": torch.randn(4, 3)[images],
        "tags": torch.randn(4, 3)[images],
        "number": 2 + 8 * torch.rand(4, 1)[images],
        "code": texts[images],
        "face": model.Embeddings(torch.randn(4, 8)[images], cosines[images]),
        "flaws": model.Anomalies(maps[images], maps[images]),
    }


def targets_of(images: slice, labeled: list[int]) -> dict:
    torch.manual_seed(1)
    targets = {
        "kind": {"category": torch.tensor([0, 1, 2, 1])},
        "rank": {"category": torch.tensor([0, 1, 2, 1])},
        "tags": {"present": torch.randint(0, 2, (4, 3)).float()},
        "number": {"value": 2 + 8 * torch.rand(4, 1)},
        "code": {
            "tokens": torch.tensor([[2, 0, 3, 3], [3] * 4, [1] * 3 + [3]] * 2)[:4]
        },
        "face": {"identity": torch.tensor([2, 0, 1, 1])},
        "flaws": {"defects": torch.rand(4, 16, 24) < 0.1},
    }
    counts = torch.tensor(labeled, dtype=torch.bool)
    return {
        head: {name: values[images] for name, values in own.items()}
        | {"labeled": counts[images]}
        for head, own in targets.items()
    }


EVERY = slice(None)


def terms_of(model: ModuleType, head: str, images: slice, labeled: list[int]) -> list:
    """The terms of one head, by the loss of all."""
    found = model.loss_terms(outputs_of(model, images), targets_of(images, labeled))
    return [float(x) for name, x in found.items() if name.startswith(f"{head}/")]


@pytest.mark.parametrize("head", HEADS)
def test_images_without_a_label_do_not_count(model, head):
    """Images 0 and 2 have labels: they cost what they do alone, and none costs nothing."""
    several = terms_of(model, head, EVERY, [1, 0, 1, 0])
    alone = terms_of(model, head, slice(0, 4, 2), [1, 1, 1, 1])
    assert len(several) == 1 and several[0] > 0
    assert several == pytest.approx(alone, rel=1e-5)
    assert several != pytest.approx(terms_of(model, head, EVERY, [1] * 4), rel=1e-3)
    assert terms_of(model, head, EVERY, [0] * 4) == [0]


@pytest.mark.parametrize("head", [name for name in HEADS if name != "flaws"])
def test_each_image_with_a_label_counts_alike(model, head):
    """But where pixels do: see test_anomaly_detection.py."""
    each = [terms_of(model, head, slice(i, i + 1), [1] * 4)[0] for i in range(4)]
    several = terms_of(model, head, EVERY, [1] * 4)
    assert several == pytest.approx([sum(each) / 4], rel=1e-5)


@pytest.mark.parametrize("head", [name for name in HEADS if name != "flaws"])
def test_a_head_alone_has_the_loss_of_images_that_all_have_labels(
    model, tmp_path, head
):
    """Its own loss counts no labels: every image has one."""
    given = outputs_of(model, EVERY)[head], targets_of(EVERY, [1] * 4)
    folder = make(tmp_path, [{"name": head} | HEADS[head]], validation="val")
    alone = load(folder / "model.py")
    (found,) = alone.loss_terms(*given).values()
    assert [found.item()] == pytest.approx(terms_of(model, head, EVERY, [1] * 4))


def test_pixels_of_labeled_images_count_by_defects_and_a_hundredth_of_all(model):
    logits = outputs_of(model, slice(0, 2))["flaws"].logits
    defects = targets_of(slice(0, 2), [1] * 4)["flaws"]["defects"].float()[:, None]
    large = torch.nn.functional.interpolate(logits, (16, 24), mode="bilinear")
    p = large.double().sigmoid()
    cost = -(defects * p.log() + (1 - defects) * (1 - p).log()) * (p - defects) ** 2
    expected = cost.sum() / (defects + 0.01).sum()
    found = terms_of(model, "flaws", slice(0, 2), [1] * 4)
    assert found == pytest.approx([expected.item()], rel=1e-4)
