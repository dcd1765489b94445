"""The judged model is the one that ships: weights, images, numbers and precision of
validation, evaluate.py, predict.py and the `predict` of model.py are the same."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import head_jobs
import numpy as np
import pytest
import torch
from emitted_jobs import load_all
from runs import (
    BACKBONE,
    DEPTHS,
    REGIONS,
    SCENE,
    SHAPES,
    checkpoint,
    make,
    rows,
    run,
    train,
)

from specc.heads import TASKS

CPU = torch.device("cpu")
NUMBER = {"name": "number", "task": "regression", "range": [0.0, 0.001]}


# ---- Images ----


def noise(path: Path, height: int, width: int, channels: int = 3) -> np.ndarray:
    """Saves an image in which each pixel differs from its neighbors."""
    rng = np.random.default_rng(height)
    shape = (height, width, channels) if channels > 1 else (height, width)
    image = rng.integers(0, 256, shape, dtype=np.uint8)
    cv2.imwrite(str(path), image)
    return image


def seen_by(model: torch.nn.Module) -> list[torch.Tensor]:
    seen = []
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0].float()))
    return seen


def judged_and_shipped(folder: Path, path: Path, class_name: str) -> tuple:
    """Returns what the model sees of an image in a validation and in a product, and what
    evaluate.py and `predict` then find."""
    names = ("model", "dataset", "data", "evaluate")
    modules = load_all(folder, *names)
    torch.manual_seed(0)
    model = getattr(modules.model, class_name)().eval()
    seen = seen_by(model)
    sample = modules.dataset.Sample(path, *modules.dataset.image_size(path), labels={})
    (words,) = modules.evaluate.predict_samples(model, [sample], CPU)
    whole = modules.data.read_image(sample, sample.height, sample.width)
    image = torch.from_numpy(whole).permute(2, 0, 1)[None]
    found = modules.model.predict(model, image)
    return *seen, words, found


@pytest.mark.sample("1-size0", "3-size1", "3-size3", "4-size2")
@pytest.mark.parametrize("size", [(121, 181), (40, 50), (64, 96), (300, 310)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_are_resized_by_one_filter(tmp_path, size, channels):
    """It aliases nowhere, at no factor; every pixel is the same."""
    job = make(tmp_path / "job", SCENE, data={"channels": channels})
    noise(tmp_path / "noise.png", *size, channels)
    judged, shipped, *_ = judged_and_shipped(job, tmp_path / "noise.png", "Classifier")
    assert judged.shape == shipped.shape == (1, channels, 64, 96)
    assert torch.equal(judged, shipped)


@pytest.mark.parametrize("resizes", [True, False])
def test_what_is_judged_is_what_the_product_finds(tmp_path, resizes):
    """With `resize_input` off an image is seen at its own size, not at the job's."""
    backbone = BACKBONE | {"resize_input": resizes}
    heads = (REGIONS, DEPTHS, SHAPES | {"score_threshold": 0.0})
    job = make(tmp_path / "job", *heads, backbone=backbone)
    noise(tmp_path / "large.png", 130, 200)
    judged, shipped, words, found = judged_and_shipped(
        job, tmp_path / "large.png", "Network"
    )
    assert judged.shape == (1, 3, *((64, 96) if resizes else (160, 224)))
    assert torch.equal(judged, shipped)
    assert (words["regions"] == found["regions"]["categories"][0].numpy()).all()
    if not resizes:
        depth = found["depths"]["depth"].view(130, 200)
        np.testing.assert_allclose(words["depths"], depth, rtol=1e-6)
        boxes = [item["bbox"] for item in words["shapes"]]
        expected = found["shapes"]["boxes"][0, : len(boxes)].numpy()
        assert len(boxes) > 50
        np.testing.assert_allclose(boxes, expected, atol=1e-3)


def test_the_next_batch_is_begun_before_this_one_is_read(tmp_path, monkeypatch):
    """So that a GPU works meanwhile; each result stays with its own sample."""
    job = make(tmp_path / "job", SCENE, batch_size=2)
    modules = load_all(job, "model", "dataset", "data", "evaluate")
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        noise(path, 60 + number, 90)
    samples = [
        modules.dataset.Sample(path, 60 + i, 90, {}) for i, path in enumerate(paths)
    ]
    evaluate, model, steps = modules.evaluate, modules.model.Classifier(), []
    alone = [evaluate.predict_samples(model, [sample], CPU)[0] for sample in samples]
    model.register_forward_hook(lambda *_: steps.append("batch"))
    to_annotations = evaluate.to_annotations
    monkeypatch.setattr(
        evaluate,
        "to_annotations",
        lambda *given: steps.append("words") or to_annotations(*given),
    )
    found = evaluate.predict_samples(model, samples, CPU)
    batch, words = ["batch"], ["words"]
    assert steps == batch + batch + 2 * words + batch + 2 * words + words
    for one, other in zip(found, alone):
        top = other["scene"]["top5"]
        assert one["scene"]["top5"] == pytest.approx(top, rel=1e-4)
    assert evaluate.predict_samples(model, [], CPU) == []


def test_batches_are_pinned_for_a_model_on_a_gpu_alone(tmp_path, monkeypatch):
    """Not for `--device cpu` where there is one."""
    data = load_all(make(tmp_path / "job", SCENE), "model", "dataset", "data").data
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for used in (False, True):
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: used)
        assert data.loading(0)["pin_memory"] == used


def test_a_cache_keeps_images_at_the_size_that_is_judged(tmp_path):
    backbone = BACKBONE | {"resize_input": False}
    cache = {"cache": str(tmp_path / "cache")}
    job = make(tmp_path / "job", SCENE, backbone=backbone, data=cache)
    modules = load_all(job, "dataset", "data")
    pixels = noise(tmp_path / "large.png", 130, 200)
    sample = modules.dataset.Sample(tmp_path / "large.png", 130, 200, {"scene": 0})
    _, kept = modules.data.cached([sample], [sample], verbose=False)
    for _ in range(2):  # decoded, then read again
        (image,) = modules.data.ValidationSet(kept)
        assert (image.permute(1, 2, 0).numpy() == pixels[:, :, ::-1]).all()


# ---- What `predict` refuses ----

WRONG = {
    "floats": torch.zeros(1, 3, 40, 60),
    "channels last": torch.zeros(1, 40, 60, 3, dtype=torch.uint8),
    "no batch": torch.zeros(3, 40, 60, dtype=torch.uint8),
    "one channel": torch.zeros(1, 1, 40, 60, dtype=torch.uint8),
    "16 bits": torch.zeros(1, 3, 40, 60, dtype=torch.int16),
}


@pytest.mark.parametrize("images", WRONG.values(), ids=WRONG)
def test_predict_refuses_images_that_are_not_its_own(detector, images):
    model = detector.Detector().eval()
    with pytest.raises(ValueError, match=r"not uint8 \(B, C, h, w\): torch\."):
        detector.predict(model, images)


@pytest.mark.parametrize("resizes", [True, False])
def test_predict_refuses_a_model_in_training(tmp_path, resizes):
    backbone = BACKBONE | {"resize_input": resizes}
    job = make(tmp_path / "job", REGIONS, backbone=backbone)
    module = load_all(job, "model").model
    images = torch.zeros(1, 3, 40, 60, dtype=torch.uint8)
    model = module.Segmenter()
    with pytest.raises(ValueError, match=r"call model\.eval\(\) first"):
        module.predict(model, images)
    assert module.predict(model.eval(), images)["regions"]


# ---- Numbers ----


def test_numbers_keep_their_significant_digits(tmp_path):
    """In whatever lists and mappings they stand; other values stay as they are."""
    predict = load_all(make(tmp_path / "job", NUMBER), "predict").predict
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, 200) * 10.0 ** rng.integers(-30, 12, 200)
    values = [float(np.float32(value)) for value in values]
    found = predict.rounded({"a": {"b": [values, 0.9, 3, "0.123456789", True, None]}})
    (inner,) = found.values()
    numbers, *others = inner["b"]
    np.testing.assert_allclose(numbers, values, rtol=5e-7)
    assert others == [0.9, 3, "0.123456789", True, None]
    assert predict.rounded({"a": float(np.float32(0.9))}) == {"a": 0.9}


@pytest.mark.slow
def test_a_small_range_is_written_with_all_its_digits(tmp_path):
    job = make(tmp_path / "job", NUMBER)
    modules = load_all(job, "model", "evaluate")
    torch.manual_seed(0)
    model = modules.model.Regressor().eval()
    torch.nn.init.normal_(model.head.linear.weight)
    saved = {"job": modules.evaluate.JOB, "model": model.state_dict()}
    torch.save(saved, tmp_path / "weights.pt")
    images = [tmp_path / f"{height}.png" for height in (64, 70)]
    for path in images:
        noise(path, int(path.stem), 96)
    flags = ("--weights", tmp_path / "weights.pt", "--output", tmp_path / "out")
    run(job, "predict.py", *flags, *images)
    report = json.loads((tmp_path / "out" / "predictions.json").read_text())
    values = [report[str(path)]["number"]["value"] for path in images]
    image = torch.from_numpy(cv2.imread(str(images[0]))[:, :, ::-1].copy())
    found = modules.model.predict(model, image.permute(2, 0, 1)[None])["number"]
    assert values[0] == pytest.approx(found["value"].item(), rel=1e-6)
    assert 0 < values[0] < 0.001 and values[0] != values[1]


# ---- Precision ----


@pytest.mark.slow
@pytest.mark.sample(
    "instance_segmentation",
    "panoptic_segmentation",
    "depth_estimation",
    "anomaly_detection",
    "metric_learning",
    "autoregressive_text_recognition",
)
@pytest.mark.parametrize("task", TASKS)
def test_outputs_are_in_float32_whatever_a_gpu_computes_in(task, tmp_path):
    """Thresholds and metrics then are those of one precision: that of the job."""
    folder = head_jobs.make(tmp_path / "job", task)
    job = json.loads((folder / "job.json").read_text())
    height, width = job["data"]["resolution"]
    shape = (2, job["data"].get("channels", 3), height, width)
    module = load_all(folder, "model").model
    model = getattr(module, TASKS[task].model_class)().eval()
    images = torch.randint(0, 256, shape, dtype=torch.uint8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        outputs = model(images)
    if task == "metric_learning":  # cosines leave autocast out on a GPU alone
        outputs = outputs.embedding
    assert set(types_of(outputs)) <= {torch.float32, torch.int64, torch.bool}


def types_of(outputs: object) -> list[torch.dtype]:
    if isinstance(outputs, torch.Tensor):
        return [outputs.dtype]
    items = outputs.values() if isinstance(outputs, dict) else outputs
    return [kind for item in items for kind in types_of(item)]


# ---- Weights ----


@pytest.fixture(scope="module")
def averaged(world) -> tuple[Path, Path]:
    """A job whose weights are averaged, and the output of its run."""
    job = make(
        world / "shipped-average",
        SCENE,
        backbone={"top_level": 2},
        ema=0.9,
        max_iterations=10,
        validations=1,
    )
    train(job, "runs/shipped-average")
    return job, world / "runs" / "shipped-average"


@pytest.mark.slow
def test_the_last_weights_are_those_that_were_validated(averaged):
    job, output = averaged
    flags = ("--weights", output / "last.pt", "--data", job.parent)
    found = json.loads(run(job, "evaluate.py", *flags).stdout)
    logged = rows(output)[-1]
    assert found == pytest.approx({name: logged[name] for name in found}, abs=1e-6)
    model = load_all(job, "evaluate").evaluate.load_model(output / "last.pt", CPU)
    assert_equal(model.state_dict(), checkpoint(output / "last.pt")["ema"])


@pytest.mark.slow
def test_another_job_starts_from_the_averaged_weights(averaged, tmp_path):
    job, output = averaged
    weights = {"kind": "checkpoint", "weights": str(output / "last.pt")}
    own = {"backbone": {"top_level": 2}, "initialization": weights}
    other = make(tmp_path / "other", SCENE, **own)
    modules = load_all(other, "model", "train")
    model = modules.model.Classifier()
    modules.train.load_matching(model)
    assert_equal(model.state_dict(), checkpoint(output / "last.pt")["ema"])


def assert_equal(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
