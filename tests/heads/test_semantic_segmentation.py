"""Semantic segmentation: maps as labels, the loss, the size of what is predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from map_data import COLORS, STREET, make, street, street_map
from PIL import Image
from small_data import picture

ROAD, SKY, CAR = range(3)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return make(tmp_path_factory.mktemp("street"), STREET)


@pytest.fixture(scope="module")
def transposing(tmp_path_factory):
    changes = {"transpose": True, "vertical_flip": True}
    folder = tmp_path_factory.mktemp("transposing")
    return make(folder, STREET, augmentation=changes)


def read(job, folder: Path) -> np.ndarray:
    """The categories of the first image."""
    sample = job.dataset.read_dataset(folder)[0]
    return job.data.read_categories(*sample.labels["street"])


# ---- Onto the canvas ----


def as_image_and_map(folder: Path, scale=1) -> Path:
    """A dataset whose images are blocks of their categories' colors."""
    street(folder, count=1)
    rng = np.random.default_rng(0)
    blocks = np.uint8(list(COLORS.values()))[rng.integers(0, 3, (6, 8))]
    large = blocks.repeat(40, 0).repeat(40, 1)  # 320x240
    Image.fromarray(large).save(folder / "images" / "0.png")
    (folder / "images" / "0.jpg").unlink()
    small = blocks.repeat(40 // scale, 0).repeat(40 // scale, 1)
    Image.fromarray(small).save(folder / "maps" / "0.png")
    return folder


@pytest.mark.parametrize("scale", [1, 5])
@pytest.mark.parametrize("which", ["job", "transposing"])
def test_maps_move_with_their_images(request, tmp_path, which, scale):
    """Flat colors survive the augmentation, so the canvas shows where each pixel went."""
    job = request.getfixturevalue(which)
    sample = job.dataset.read_dataset(as_image_and_map(tmp_path, scale))[0]
    colors = np.float32(job.dataset.COLORS)
    job.data.COLOR = 0.0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        canvas, transform = job.data.augment(sample, rng)
        truth = job.data.read_categories(*sample.labels["street"])
        found = job.data.warp(truth, sample, transform, -1)
        distance = abs(canvas[:, :, None] - colors).max(-1)
        pure = distance.min(-1) < 3
        assert pure.mean() > 0.25
        wrong = (distance.argmin(-1) != found)[pure]
        assert wrong.mean() < 0.01
        around = (canvas == job.model.PAD).all(-1)
        assert (around != (found == -1)).mean() < 0.03


def test_a_batch_of_maps_is_stacked(job, tmp_path):
    training = job.data.TrainingSet(job.dataset.read_dataset(street(tmp_path)), 0)
    images, targets, _ = job.data.collate([training[0, i] for i in range(3)])
    categories = targets["street"]["categories"]
    assert images.shape == (3, 3, 64, 96) and categories.shape == (3, 64, 96)
    assert set(categories.unique().tolist()) <= {-1, 0, 1, 2}


# ---- Loss ----


def targets(categories: torch.Tensor) -> dict:
    return {"categories": categories.to(torch.int16)}


def test_unlabeled_pixels_teach_nothing(job):
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 8, 12, requires_grad=True)
    categories = torch.full((2, 64, 96), -1)
    categories[0, :32] = SKY
    loss = job.model.segmentation_loss(logits, targets(categories))["category"]
    loss.backward()
    assert loss > 0 and logits.grad[0, :, :3].abs().sum() > 0
    assert logits.grad[1].abs().sum() == 0 and logits.grad[0, :, 5:].abs().sum() == 0


def test_a_batch_without_labels_has_no_loss(job):
    logits = torch.randn(2, 3, 8, 12, requires_grad=True)
    loss = job.model.segmentation_loss(logits, targets(torch.full((2, 64, 96), -1)))
    loss["category"].backward()
    assert loss["category"] == 0 and (logits.grad == 0).all()


def test_the_first_category_is_learned_like_any_other(job):
    """Index 0 is no background, and is not ignored."""
    logits = torch.zeros(1, 3, 8, 12, requires_grad=True)
    loss = job.model.segmentation_loss(logits, targets(torch.zeros(1, 64, 96)))
    loss["category"].backward()
    assert loss["category"].item() == pytest.approx(np.log(3))
    assert (logits.grad[:, 0] < 0).all()


def test_the_loss_is_that_of_a_pixel(job):
    """Neither the number of images nor their size changes it, nor unlabeled pixels."""
    torch.manual_seed(0)
    logits, categories = torch.randn(1, 3, 8, 12), torch.randint(0, 3, (1, 8, 12))
    categories = categories.repeat_interleave(8, 1).repeat_interleave(8, 2)
    one = job.model.segmentation_loss(logits, targets(categories))["category"]
    more = job.model.segmentation_loss(
        logits.repeat(3, 1, 1, 1), targets(categories.repeat(3, 1, 1))
    )
    assert more["category"] == pytest.approx(one.item())
    half = torch.zeros(1, 64, 96)
    half[:, 32:] = -1
    few = job.model.segmentation_loss(torch.zeros(1, 3, 8, 12), targets(half))
    assert few["category"].item() == pytest.approx(np.log(3))


# ---- Predictions ----


@pytest.mark.parametrize("size", [(48, 200), (200, 48), (64, 96), (7, 5), (1, 1)])
def test_predictions_have_the_size_of_the_image(job, size):
    images = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    model = job.model.Segmenter().eval()
    found = job.model.predict(model, images)["street"]
    assert list(found) == ["categories"]
    assert found["categories"].shape == (2, *size)


def test_what_is_enlarged_lies_where_it_was(job):
    """A canvas of 64x96 that an image of 128x64 fills to 64x32: only that part counts,
    and its border runs between the cells."""
    logits = torch.zeros(1, 2, 8, 12)
    logits[:, 1, :, 2:] = 8.0  # from column 16 of the canvas, 32 of the image
    logits[:, 0, :, :2] = 8.0
    found = job.model.enlarge(logits, 8, (64, 32), (128, 64)).argmax(1)[0]
    assert found.shape == (128, 64)
    assert (found[:, :31] == 0).all() and (found[:, 33:] == 1).all()


@pytest.mark.parametrize("band", [1, 2**18])
@pytest.mark.parametrize("size", [(128, 64), (37, 211), (1, 5)])
def test_maps_enlarged_in_bands_are_those_enlarged_at_once(
    job, monkeypatch, band, size
):
    """But for pixels whose two best categories are equal up to rounding."""
    monkeypatch.setattr(job.evaluate, "BAND", band)
    generator = torch.Generator().manual_seed(0)
    results = {"logits": torch.randn(2, 3, 8, 12, generator=generator)}
    sample, seen = job.dataset.Sample(Path(), *size, {}), job.model.fit(*size)
    found = job.evaluate.to_category_map(results, 1, 8, sample, seen)
    whole = job.model.enlarge(results["logits"][1:], 8, seen, size)[0]
    assert found.shape == size and found.dtype == np.int16
    chosen = whole.gather(0, torch.from_numpy(found).long()[None])[0]
    assert (whole.amax(0) - chosen).max() < 1e-5
    assert (whole.argmax(0).numpy() == found).mean() > 0.99


def test_both_ways_to_predict_agree(job, tmp_path):
    """evaluate.py's, from the canvas of data.py, and model.py's."""
    torch.manual_seed(0)
    folder = street(tmp_path, count=1)
    Image.fromarray(picture(90, 50)).save(folder / "images" / "0.png")
    (folder / "images" / "0.jpg").unlink()
    Image.new("RGB", (50, 90)).save(folder / "maps" / "0.png")
    (sample,) = job.dataset.read_dataset(folder)
    model = job.model.Segmenter().eval()
    (words,) = job.evaluate.predict_samples(model, [sample], torch.device("cpu"))
    image = torch.from_numpy(job.data.read_image(sample, 90, 50)).permute(2, 0, 1)
    found = job.model.predict(model, image[None])["street"]["categories"][0]
    assert words["street"].shape == found.shape == (90, 50)
    assert (torch.from_numpy(words["street"]) == found).float().mean() > 0.97


# ---- Drawings ----


def test_labeled_pixels_are_tinted(job):
    image = np.full((2, 2, 3), 100, np.uint8)
    categories = np.int16([[0, -1], [1, 2]])
    drawn = job.draw.draw_categories(image, categories, job.dataset.COLORS)
    assert drawn[0, 1].tolist() == [100, 100, 100]
    assert drawn[1, 0].tolist() == [50, 50, 178]


def test_labels_are_drawn_at_the_size_of_the_image(job, tmp_path):
    street(tmp_path)
    small = Image.fromarray(street_map()).resize((20, 15), Image.Resampling.NEAREST)
    small.save(tmp_path / "maps" / "0.png")
    sample = job.dataset.read_dataset(tmp_path)[0]
    assert job.draw.labels_of(sample)["street"].shape == (30, 40)
    found = job.draw.sheet([sample], [job.draw.labels_of(sample)])
    assert found.shape == (400, 1600, 3)


# ---- Many categories ----


def test_many_colors_stand_in_a_file_of_their_own(tmp_path):
    names = [f"kind {i}" for i in range(133)]
    colors = [[i, 1, 2] for i in range(133)]
    job = make(tmp_path, STREET | {"categories": names, "colors": colors})
    assert job.dataset.COLORS == tuple(map(tuple, colors))
    assert job.model.CATEGORIES == tuple(names)
    assert "77, 1, 2" not in (tmp_path / "dataset.py").read_text()
    assert "`colors.json`" in (tmp_path / "README.md").read_text()
