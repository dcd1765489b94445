"""Autoencoding: the emitted loss and metrics, what is inside an image, and runs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from emitted_jobs import load, make
from runs import checkpoint, rows, run, train
from runs import make as make_run
from small_data import picture

PICTURE = {"name": "picture", "task": "autoencoding", "code_size": 8, "channels": 32}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("autoencoder"), [PICTURE])


@pytest.fixture(scope="module")
def model(folder):
    return load(folder / "model.py")


# ---- The model and its loss ----


def test_the_decoder_knows_the_code_alone(model):
    """The same codes give the same pictures, whatever the images were."""
    head = model.AutoencodingHead(16, 4, (32, 16), 3).eval()
    first, second = head(torch.randn(2, 16, 3, 5)), head(torch.randn(2, 16, 3, 5))
    assert first.code.shape == (2, 4, 3, 5)
    assert first.reconstruction.shape == (2, 3, 12, 20)
    again = head.image(head.decoder(second.code))
    assert torch.equal(again, second.reconstruction)
    assert not torch.allclose(first.reconstruction, second.reconstruction)


@pytest.mark.parametrize(
    "channels, groups", [(16, 8), (32, 16), (64, 32), (128, 32), (24, 4), (6, 1)]
)
def test_norms_have_groups_of_two_channels_or_more(model, channels, groups):
    """At most 32 groups, as many as divide the channels alike."""
    block = model.doubling_block(8, channels)
    (norm,) = [x for x in block if isinstance(x, torch.nn.GroupNorm)]
    assert (norm.num_groups, norm.num_channels) == (groups, channels)
    assert block(torch.randn(2, 8, 3, 5)).shape == (2, channels, 6, 10)
    assert not block(torch.zeros(1, 8, 3, 5)).any()  # no bias before a norm


def test_pixels_around_an_image_do_not_count(model):
    wanted = torch.full((2, 3, 4, 6), 51, dtype=torch.uint8)  # 0.2
    inside = torch.zeros(2, 1, 4, 6, dtype=torch.bool)
    inside[0, :, :2], inside[1, :, :, :1] = True, True  # 12 and 4 pixels
    found = torch.full((2, 3, 4, 6), 9.0)
    found[0, :, :2], found[1, :, :, :1] = 0.7, 0.2
    outputs = model.Reconstruction(found.requires_grad_(), torch.zeros(2, 8, 1, 1))
    targets = {"image": wanted, "inside": inside}
    loss = model.reconstruction_loss(outputs, targets)["mse"]
    assert loss.item() == pytest.approx(0.25 * 12 / 16)
    loss.backward()
    assert not found.grad[~inside.expand_as(found)].any()


def test_an_empty_batch_of_pixels_has_no_loss(model):
    outputs = model.Reconstruction(torch.ones(1, 3, 4, 4), torch.zeros(1, 8, 1, 1))
    targets = {
        "image": torch.zeros(1, 3, 4, 4, dtype=torch.uint8),
        "inside": torch.zeros(1, 1, 4, 4, dtype=torch.bool),
    }
    assert model.reconstruction_loss(outputs, targets)["mse"] == 0


@pytest.mark.parametrize("size", [(96, 160), (30, 160), (200, 40), (1, 1)])
def test_predictions_have_the_size_of_the_image(model, size):
    images = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8)
    found = model.predict(model.Autoencoder().eval(), images)["picture"]
    assert found["reconstruction"].shape == (1, 3, *size)
    assert 0 <= found["reconstruction"].min() <= found["reconstruction"].max() <= 1
    assert found["code"].shape == (1, 8, 3, 5)


# ---- Views ----


@pytest.mark.parametrize(
    "augmentation", [False, {}, {"transpose": True, "vertical_flip": True}]
)
def test_the_target_is_the_view_and_what_of_it_is_the_image(
    emitted, tmp_path, augmentation
):
    """Images are white, what is around them is gray."""
    modules = emitted(PICTURE, validation="val", augmentation=augmentation)
    (tmp_path / "images").mkdir()
    white = np.full((30, 70, 3), 255, np.uint8)
    cv2.imwrite(str(tmp_path / "images" / "0.png"), white)
    samples = modules.dataset.read_dataset(tmp_path)
    views = modules.data.TrainingSet(samples, 0)
    for epoch in range(12):
        images, targets, _ = modules.data.collate([views[epoch, 0]])
        target = targets["picture"]
        assert torch.equal(target["image"], images)
        pad = torch.tensor((124, 116, 104)).view(3, 1, 1)
        padded = (images[0] == pad).all(0)
        assert torch.equal(target["inside"][0, 0], ~padded)
        assert target["inside"].any()


# ---- The reader ----


def test_images_need_no_annotations(emitted, tmp_path):
    dataset = emitted(PICTURE, validation="val").dataset
    (tmp_path / "images").mkdir()
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / "images" / name).write_bytes(cv2.imencode(".png", picture())[1])
    samples = dataset.read_dataset(tmp_path)
    assert [sample.path.name for sample in samples] == ["a.JPG", "b.png"]
    assert all(sample.labels == {"picture": None} for sample in samples)


def test_missing_and_wrong_images_are_told(emitted, tmp_path):
    dataset = emitted(PICTURE, validation="val").dataset
    with pytest.raises(SystemExit, match="no images"):
        dataset.read_dataset(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(SystemExit, match=": no images"):
        dataset.read_dataset(tmp_path)
    (tmp_path / "images" / "a.png").write_text("no image")
    with pytest.raises(SystemExit, match="a.png: not an image"):
        dataset.read_dataset(tmp_path)


# ---- Metrics ----


@pytest.fixture(scope="module")
def ssim(folder):
    text = (folder / "evaluate.py").read_text()
    scope = {"np": np, "cv2": cv2}
    start = text.index("def ssim")
    exec(text[start : text.index("def reconstruction_metrics")], scope)
    return scope["ssim"]


def test_ssim_tells_structure_from_brightness(ssim):
    image = np.float64(picture(40, 60)) / 255
    noise = np.random.default_rng(0).normal(0, 0.1, image.shape)
    assert ssim(image, image) == pytest.approx(1)
    assert ssim(image, image + 0.1) > 0.9 > 0.6 > ssim(image, image + noise)
    assert ssim(image, 1 - image) < 0.5
    one = np.full((1, 1, 3), 0.5)
    assert ssim(one, one) == pytest.approx(1)
    flat, other = np.full((9, 9, 1), 0.2), np.full((9, 9, 1), 0.6)
    # Of flat images the means alone differ, which the definition gives in closed form.
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert ssim(flat, other) == pytest.approx(expected)


# ---- Runs ----


@pytest.fixture(scope="module")
def job(world) -> Path:
    return make_run(world / "codes", PICTURE, backbone={"top_level": 3}, validations=2)


@pytest.fixture(scope="module")
def output(job) -> Path:
    train(job, job.parent / "runs" / "codes")
    return job.parent / "runs" / "codes"


@pytest.mark.slow
def test_training_learns(output):
    losses = [row["loss"] for row in rows(output) if row["split"] == "train"]
    assert losses[-1] < 0.7 * losses[0]
    found = [row for row in rows(output) if row["split"] == "validation"]
    assert found[-1]["picture/psnr"] > found[0]["picture/psnr"] + 1
    assert all(0 < row["picture/ssim"] < 1 and row["picture/mae"] < 1 for row in found)
    best = checkpoint(output / "best.pt")["metrics"]
    assert best["picture/mae"] == min(row["picture/mae"] for row in found)


@pytest.mark.slow
def test_a_new_process_saves_what_it_was_measured_by(output, job, world, tmp_path):
    """The PNG named in predictions.json, against the image: the metrics of one image."""
    flags = ("--weights", output / "best.pt")
    done = run(job, "evaluate.py", *flags, "--data", world)
    found = json.loads(done.stdout)
    assert found == pytest.approx(checkpoint(output / "best.pt")["metrics"], abs=1e-6)
    images = sorted((world / "shapes" / "val" / "images").iterdir())
    run(job, "predict.py", *flags, "--output", tmp_path, *images)
    report = json.loads((tmp_path / "predictions.json").read_text())
    noises, errors = [], []
    for path in images:
        one = report[str(path)]
        saved = cv2.imread(str(tmp_path / one["picture"])) / 255
        assert saved.shape[:2] == (one["height"], one["width"])
        error = saved - cv2.imread(str(path)) / 255
        noises.append(-10 * math.log10((error**2).mean()))
        errors.append(abs(error).mean())
        drawing = cv2.imread(str(tmp_path / f"{path.stem}.png"))
        assert drawing.shape[1] == 2 * one["width"]
    assert np.mean(noises) == pytest.approx(found["picture/psnr"], abs=1e-3)
    assert np.mean(errors) == pytest.approx(found["picture/mae"], abs=1e-5)
