"""Anomaly detection: the head and its trunk, the reader, the metrics."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from emitted_jobs import build, load_all
from PIL import Image
from small_data import picture

from specc.build import analyze
from specc.job import Job

HEAD = {"name": "flaws", "task": "anomaly_detection", "channels": 16}
DETECTOR = {"name": "cells", "task": "object_detection", "categories": ["a"]} | {
    "top_level": 5
}
MODULES = ("model", "dataset", "data", "evaluate", "draw")
SIZE = 64, 96


def job_of(*heads: dict, trainer=None, **model) -> dict:
    return {
        "name": "tested",
        "data": {"train": "train", "validation": "val", "resolution": SIZE},
        "model": {"heads": heads} | model,
        "trainer": trainer or {},
    }


def resolved(job: dict) -> Job:
    found, _, findings = analyze(json.dumps(job).encode())
    assert not [finding for finding in findings if finding.is_error]
    return found


@pytest.fixture(scope="module")
def emitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flaws")
    return load_all(build(job_of(HEAD, backbone={"top_level": 3}), folder), *MODULES)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The modules of a job whose detector trains the trunk."""
    folder = tmp_path_factory.mktemp("both")
    return load_all(build(job_of(HEAD, DETECTOR), folder), *MODULES)


# ---- The trunk ----


def test_where_nobody_trains_the_trunk_it_is_frozen_whole():
    job = resolved(job_of(HEAD, backbone={"top_level": 4}))
    assert job.backbone.frozen_levels == 4
    assert job.neck is None
    assert (job.heads[0].bottom_level, job.heads[0].top_level) == (2, 3)


def test_beside_another_head_it_reads_what_that_trains():
    job = resolved(job_of(HEAD, DETECTOR))
    assert job.backbone.frozen_levels == 0
    assert (job.neck.bottom_level, job.neck.top_level) == (3, 5)
    assert (job.heads[0].bottom_level, job.heads[0].top_level) == (3, 3)


def test_training_moves_the_head_alone(emitted):
    model = emitted.model.AnomalyDetector().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trained = [p for p in model.parameters() if p.requires_grad]
    step(emitted.model, model, torch.optim.SGD(model.parameters(), 0.1))
    assert all(p.grad is not None for p in trained)
    moved = {
        name
        for name, value in model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert {name.split(".")[0] for name in moved} == {"head"}
    assert "head.logits.weight" in moved
    assert "head.laterals.0.0.running_mean" in moved


def test_no_gradient_of_it_reaches_a_trunk_that_learns(both):
    model = both.model.Network().train()
    outputs = model(torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8))
    outputs["flaws"].logits.sum().backward()
    assert all(p.grad is None for p in model.backbone.parameters())
    assert all(p.grad is None for p in model.neck.parameters())
    assert model.heads["flaws"].logits.weight.grad is not None


def step(net, model, optimizer) -> None:
    images = torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8)
    targets = {"flaws": {"defects": torch.rand(2, *SIZE) < 0.1}}
    sum(net.loss_terms(model(images), targets).values()).backward()
    optimizer.step()


# ---- The loss and the scores ----


def test_the_loss_counts_defects_and_a_hundredth_of_all(emitted):
    """Logits of 0 are wrong by a half, whatever the label is."""
    logits = torch.zeros(2, 1, 4, 6)
    outputs = emitted.model.Anomalies(logits, logits)
    defects = torch.zeros(2, 16, 24, dtype=torch.bool)
    defects[0, :4] = True  # 96 of 768 pixels
    loss = emitted.model.anomaly_loss(outputs, {"defects": defects})["defect"]
    assert loss.item() == pytest.approx(768 * 0.25 * np.log(2) / (96 + 7.68))
    clean = emitted.model.anomaly_loss(outputs, {"defects": defects & False})
    assert clean["defect"].item() == pytest.approx(768 * 0.25 * np.log(2) / 7.68)


def test_a_block_tells_nothing_of_nothing(emitted):
    """No bias stands before a norm, which would take it away."""
    block = emitted.model.defect_block(3, 8)
    assert not block.eval()(torch.zeros(1, 3, 5, 5)).any()
    assert block(torch.randn(1, 3, 5, 7)).shape == (1, 8, 5, 7)


@pytest.mark.parametrize("size", [(64, 96), (30, 160), (200, 41), (1, 1)])
def test_predictions_have_the_size_of_the_image(emitted, size):
    images = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    found = emitted.model.predict(emitted.model.AnomalyDetector().eval(), images)
    scores = found["flaws"]
    assert scores["map"].shape == (2, *size) and scores["score"].shape == (2,)
    assert torch.equal(scores["score"], scores["map"].amax((1, 2)))
    assert 0 <= scores["map"].min() and scores["map"].max() <= 1


# ---- The reader ----


def dataset(
    folder: Path, labels=("normal", "anomalous"), training=False, **metadata
) -> Path:
    """Images 40x30 called 0.png and so on; the anomalous ones have masks of 20x15,
    white in the upper left quarter."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for i, label in enumerate(labels):
        Image.fromarray(picture(seed=i)).save(folder / "images" / f"{i}.png")
        mask = np.zeros((15, 20), np.uint8)
        mask[:8, :10] = 255
        if label == "anomalous":
            Image.fromarray(mask).save(folder / "masks" / f"{i}.png")
    named = {f"{i}.png": label for i, label in enumerate(labels)}
    (folder / "labels.yaml").write_text(yaml.safe_dump(named))
    entry = {"task": "anomaly detection"}
    if not training:
        entry |= {"annotations": "labels.yaml", "masks": "masks/"}
    (folder / "metadata.yaml").write_text(yaml.safe_dump(entry | metadata))
    return folder


def refusal(reader, folder: Path, **options) -> str:
    with pytest.raises(SystemExit) as caught:
        reader.read_dataset(folder, **options)
    return str(caught.value)


def test_labels_and_masks_are_read(emitted, tmp_path):
    place = dataset(tmp_path, ["normal", "anomalous", None])
    normal, anomalous = emitted.dataset.read_dataset(place)
    assert normal.labels["flaws"] == (False, None)
    assert anomalous.labels["flaws"] == (True, place / "masks" / "1.png")
    mask = emitted.data.read_mask(anomalous.labels["flaws"], 30, 40)
    wanted = np.zeros((30, 40), bool)
    wanted[:16, :20] = True
    assert np.array_equal(mask, wanted)
    assert not emitted.data.read_mask(normal.labels["flaws"], 30, 40).any()


def test_masks_may_be_absent(emitted, tmp_path):
    place = dataset(tmp_path)
    entry = {"task": "anomaly detection", "annotations": "labels.yaml"}
    (place / "metadata.yaml").write_text(yaml.safe_dump(entry))
    *_, anomalous = emitted.dataset.read_dataset(place)
    assert anomalous.labels["flaws"] == (True, None)
    assert emitted.data.read_mask(anomalous.labels["flaws"], 30, 40) is None


def test_sets_to_train_on_are_normal(emitted, tmp_path, capsys):
    plain = dataset(tmp_path / "plain", ["?", "?"], training=True)
    samples = emitted.dataset.read_dataset(plain, training=True)
    assert [sample.labels["flaws"] for sample in samples] == [(False, None)] * 2
    labeled = dataset(tmp_path / "labeled", ["normal", "anomalous", "normal"])
    samples = emitted.dataset.read_dataset(labeled, training=True)
    assert [sample.path.name for sample in samples] == ["0.png", "2.png"]
    assert "images left out: anomalous: 1" in capsys.readouterr().err


def test_a_set_to_validate_on_needs_both_kinds(emitted, tmp_path):
    said = refusal(emitted.dataset, dataset(tmp_path / "none", training=True))
    assert "no `annotations`: which images are anomalous?" in said
    for label, lacking in (("normal", "anomalous"), ("anomalous", "normal")):
        place = dataset(tmp_path / label, [label, label])
        assert f"no image is {lacking}" in refusal(emitted.dataset, place)


@pytest.mark.parametrize("label", ["broken", ["normal"], 1, {"anomalous": 1}])
def test_an_unknown_label_is_told(emitted, tmp_path, label):
    place = dataset(tmp_path, ["normal", "anomalous", label])
    said = refusal(emitted.dataset, place)
    assert f"2.png: neither `normal` nor `anomalous`: {label!r}" in said


def test_wrong_masks_are_told(emitted, tmp_path):
    place = dataset(tmp_path, ["normal", *["anomalous"] * 5])
    masks = place / "masks"
    gray = Image.new("L", (20, 15))
    gray.save(masks / "0.png")
    (masks / "1.png").unlink()
    Image.new("L", (20, 20)).save(masks / "2.png")
    (masks / "3.png").write_text("no image")
    Image.new("F", (20, 15)).save(masks / "4.tif")
    (masks / "4.png").unlink()
    said = refusal(emitted.dataset, place)
    assert "problems: 5" in said
    assert f"0.png: it is normal, and has a mask: {masks / '0.png'}" in said
    assert f"1.png: its map is missing: {masks / '1.png'}" in said
    assert "2.png: its map has another aspect ratio" in said
    assert "3.png: its map is not an image" in said
    assert "4.png: its map is F, not" in said


def test_a_mask_is_white_from_128_on(emitted, tmp_path):
    place = dataset(tmp_path / "set")
    shades = np.tile(np.uint8([0, 1, 127, 128, 255]).repeat(4), (15, 1))
    Image.fromarray(shades).save(place / "masks" / "1.png")
    inspection = emitted.dataset.read_dataset(place)[1].labels["flaws"]
    found = emitted.data.read_mask(inspection, 15, 20)
    assert np.array_equal(found, shades >= 128)


@pytest.mark.parametrize("masks", ["../masks", "nowhere", 3])
def test_a_wrong_folder_of_masks_is_told(emitted, tmp_path, masks):
    place = dataset(tmp_path / "set", masks=masks)
    assert "masks: " in refusal(emitted.dataset, place)


# ---- Calibration and metrics ----


@pytest.mark.slow
def test_few_normal_images_give_an_alarm_once_calibrated(emitted, tmp_path):
    """And what was calibrated goes with the weights."""
    place = dataset(tmp_path, ["normal"] * 20 + ["anomalous"] * 2)
    samples = emitted.dataset.read_dataset(place)
    torch.manual_seed(0)
    model, device = emitted.model.AnomalyDetector(), torch.device("cpu")
    emitted.evaluate.calibrate(model, samples, device)
    found = emitted.evaluate.predict_samples(model, samples[:20], device)
    scores = np.array([words["flaws"]["score"] for words in found])
    assert (scores >= 0.5).sum() == 1  # 0.05 of 20 normal images
    assert model.training
    calibration = model.head.calibration
    first = calibration.alarm.clone(), calibration.spread.clone()
    assert first[1] > 0 and first != (0, 1)
    emitted.evaluate.calibrate(model, samples, device)
    assert torch.equal(first[0], calibration.alarm)
    assert torch.equal(first[1], calibration.spread)
    copy = emitted.model.AnomalyDetector()
    copy.load_state_dict(model.state_dict())
    again = emitted.evaluate.predict_samples(copy, samples[:20], device)
    assert [words["flaws"]["score"] for words in again] == scores.tolist()


def measured(emitted, folder: Path, maps: list[np.ndarray], labels: list[str]):
    samples = emitted.dataset.read_dataset(dataset(folder, labels))
    truth = [sample.labels["flaws"] for sample in samples]
    found = []
    for sample, inspection, values in zip(samples, truth, maps):
        score = float(values.max())
        label = "anomalous" if score >= 0.5 else "normal"
        words = {"label": label, "score": score, "map": np.float32(values)}
        found.append(emitted.evaluate.anomaly_evidence(sample, inspection, words))
    return emitted.evaluate.anomaly_metrics(truth, found)


def test_perfect_maps_have_perfect_metrics(emitted, tmp_path):
    wanted = np.zeros((30, 40))
    wanted[:16, :20] = 1
    labels = ["normal", "anomalous", "anomalous"]
    metrics = measured(emitted, tmp_path, [0 * wanted, wanted, wanted], labels)
    assert metrics == pytest.approx(
        {"image_auroc": 1, "image_f1": 1, "pixel_auroc": 1, "pro": 1}
    )


def test_maps_that_tell_nothing_are_worth_chance(emitted, tmp_path):
    flat = np.full((30, 40), 0.7)
    metrics = measured(emitted, tmp_path, [flat] * 4, ["normal", "anomalous"] * 2)
    assert metrics["image_auroc"] == metrics["pixel_auroc"] == pytest.approx(0.5)
    assert metrics["image_f1"] == pytest.approx(2 / 3)
    assert metrics["pro"] == pytest.approx(0.15)  # half of the rate at its end


def test_metrics_equal_those_by_pairs(emitted, tmp_path):
    """AUROC is the share of pairs, one of each kind, that are in order."""
    rng = np.random.default_rng(0)
    wanted = np.zeros((30, 40), bool)
    wanted[:16, :20] = True
    labels = ["normal"] * 3 + ["anomalous"] * 4
    maps = [rng.uniform(0, 1, (30, 40)) ** 3 for _ in labels]
    for values in maps[3:]:
        values[:16, :20] = np.clip(values[:16, :20] + 0.2, 0, 1)
    metrics = measured(emitted, tmp_path, maps, labels)
    masks = [wanted & (label == "anomalous") for label in labels]
    inside = np.concatenate([x[mask] for x, mask in zip(maps, masks)])
    outside = np.concatenate([x[~mask] for x, mask in zip(maps, masks)])
    order = np.searchsorted(np.sort(outside), inside).mean() / len(outside)
    assert metrics["pixel_auroc"] == pytest.approx(order, abs=2e-3)
    peaks = np.array([values.max() for values in maps])
    pairs = np.sign(peaks[3:, None] - peaks[None, :3])
    assert metrics["image_auroc"] == pytest.approx((pairs.mean() + 1) / 2)
    # Regions of equal size: their mean is that of all their pixels.
    limits = np.quantile(outside, 1 - np.linspace(0, 0.3, 301))
    covered = (inside[:, None] >= limits).mean(0)
    assert metrics["pro"] == pytest.approx(covered.mean(), abs=5e-3)


def test_small_regions_count_as_much_as_large_ones(emitted, tmp_path):
    place = dataset(tmp_path, ["normal", "anomalous"])
    mask = np.zeros((15, 20), np.uint8)
    mask[:8, :10], mask[12, 15] = 255, 255
    Image.fromarray(mask).save(place / "masks" / "1.png")
    sample = emitted.dataset.read_dataset(place)[1]
    values = np.zeros((30, 40), np.float32)
    values[:16, :20] = 0.9  # the large one is found, the small one is not
    words = {"label": "anomalous", "score": 0.9, "map": values}
    inspection = sample.labels["flaws"]
    evidence = emitted.evaluate.anomaly_evidence(sample, inspection, words)
    normal, anomalous, regions = evidence["pixels"]
    assert anomalous.sum() == 16 * 20 + 4 and normal.sum() == 30 * 40 - 16 * 20 - 4
    assert sorted(regions[regions > 0].tolist()) == [1, 1]


def test_without_masks_images_alone_are_measured(emitted):
    inspection = emitted.dataset.Inspection
    truth = [inspection(False, None), inspection(True, None)]
    pixels = np.zeros((3, emitted.evaluate.SCORE_BINS))
    found = [
        {"label": "normal", "score": 0.1, "pixels": pixels},
        {"label": "anomalous", "score": 0.9, "pixels": pixels},
    ]
    metrics = emitted.evaluate.anomaly_metrics(truth, found)
    assert metrics == {"image_auroc": 1, "image_f1": 1}
    alarm = emitted.evaluate.anomaly_metrics(truth[1:], found[1:])
    assert alarm == {"image_f1": 1}  # one kind of images: nothing to rank
    assert emitted.evaluate.anomaly_metrics(truth[:1], found[:1]) == {}


# ---- Drawings ----


def test_drawings_are_red_where_an_image_is_anomalous(emitted, tmp_path):
    sample = emitted.dataset.read_dataset(dataset(tmp_path))[1]
    words = emitted.draw.labels_of(sample)
    gray = np.full((300, 400, 3), 100, np.uint8)
    large = words["flaws"] | {"map": np.kron(words["flaws"]["map"], np.ones((10, 10)))}
    drawn = emitted.draw.draw(gray, {"flaws": large})
    assert drawn[50, 50].tolist() == [208, 30, 30]
    assert drawn[50, 350].tolist() == [100, 100, 100]
    path = tmp_path / "map.png"
    report = emitted.draw.save_anomalies(words["flaws"], path)
    assert report == {"label": "anomalous", "score": 1.0, "map": "map.png"}
    saved = np.array(Image.open(path))
    assert saved.shape == (30, 40) and set(np.unique(saved)) == {0, 255}
