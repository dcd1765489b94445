"""The emitted data.py: readers, letterbox, augmentation, batches."""

from __future__ import annotations

import importlib
import itertools
import json
import math
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from specc.build import compile_job

HEIGHT, WIDTH = 64, 96
NAMES = ("a", "b", "no")
DETECTION = {"name": "cells", "task": "object_detection", "categories": NAMES}
CLASSES = {"name": "kind", "task": "multiclass_classification", "categories": NAMES}
EIGHTFOLD = {"vertical_flip": True, "transpose": True, "scale": 0.3, "color": 0}


@pytest.fixture(scope="module")
def emitted(tmp_path_factory):
    """Compiles and imports data.py: emitted(heads, **data) -> module, once for each."""
    made: dict[str, ModuleType] = {}

    def get(*heads: dict, **data) -> ModuleType:
        key = json.dumps([heads, data])
        if key not in made:
            made[key] = load(tmp_path_factory.mktemp("emitted"), heads, data)
        return made[key]

    return get


def load(folder: Path, heads: tuple[dict, ...], data: dict) -> ModuleType:
    neck = {"kind": "fpn", "bottom_level": 3, "top_level": 5, "channels": 32}
    detects = any(head["task"] == "object_detection" for head in heads)
    job = {
        "name": "tested",
        "data": {"train": "train", "resolution": [HEIGHT, WIDTH]} | data,
        "model": {"heads": heads, "neck": neck if detects else {"kind": "none"}},
        "trainer": {"batch_size": 4},
    }
    for name, text in compile_job(json.dumps(job).encode()).files.items():
        (folder / name).write_text(text, "utf-8")
    own = ("model", "data")
    before = {name: sys.modules.pop(name, None) for name in own}
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("data")
    finally:
        sys.path.remove(str(folder))
        for name in own:
            del sys.modules[name]
            if before[name] is not None:
                sys.modules[name] = before[name]


@pytest.fixture
def detection(emitted) -> ModuleType:
    return emitted(DETECTION, validation="val")


def picture(height=30, width=40, seed=0) -> np.ndarray:
    """Smooth colors: JPEG and resampling hardly change them."""
    rng = np.random.default_rng(seed)
    return cv2.resize(
        rng.integers(40, 216, (3, 4, 3), np.uint8), (width, height), interpolation=1
    )


# ---- Images ----


def save(path: Path, mode: str, **options) -> np.ndarray:
    """Writes the picture in a mode of Pillow; returns what is seen of it, in RGB."""
    image = Image.fromarray(picture())
    shown = image.convert("L") if mode in ("L", "I;16", "1") else image
    if mode == "I;16":
        deep = Image.fromarray(np.asarray(shown).astype(np.uint16) * 257)
        deep.save(path, **options)
    elif mode == "P":
        image.quantize(64).save(path, **options)
        shown = image.quantize(64)
    else:
        image.convert(mode).save(path, **options)
    return np.asarray(shown.convert("RGB")).astype(float)


@pytest.mark.parametrize(
    "name, mode, tolerance",
    [
        ("image.png", "RGB", 0),
        ("image.jpg", "RGB", 3),
        ("image.bmp", "RGB", 0),
        ("image.tif", "RGB", 0),
        ("image.webp", "RGB", 6),
        ("grey.png", "L", 0),
        ("grey.jpg", "L", 3),
        ("deep.png", "I;16", 1),
        ("deep.tif", "I;16", 1),
        ("palette.png", "P", 0),
        ("alpha.png", "RGBA", 0),
        ("ink.jpg", "CMYK", 12),
    ],
)
def test_any_kind_of_image_is_read_as_rgb(detection, tmp_path, name, mode, tolerance):
    path = tmp_path / name
    shown = save(path, mode)
    assert detection.image_size(path) == (30, 40)
    found = detection.read_image(detection.Sample(path, 30, 40, {}), 30, 40)
    assert found.dtype == np.uint8 and found.shape == (30, 40, 3)
    assert np.abs(found - shown).mean() <= tolerance


def test_grey_images_keep_their_channel(emitted, tmp_path):
    grey = emitted(DETECTION, channels=1)
    shown = save(tmp_path / "image.png", "L")
    sample = grey.Sample(tmp_path / "image.png", 30, 40, {})
    found = grey.read_image(sample, 30, 40)
    assert found.shape == (30, 40, 1)
    assert np.abs(found - shown[:, :, :1]).max() <= 1
    canvas, _ = grey.letterbox(sample)
    assert canvas.shape == (HEIGHT, WIDTH, 1)
    for seed in range(5):
        canvas, _ = grey.augment(sample, np.random.default_rng(seed))
        assert canvas.shape == (HEIGHT, WIDTH, 1) and canvas.dtype == np.uint8


@pytest.mark.parametrize("channels", [1, 3])
def test_recoloring_keeps_the_order_of_light_and_dark(emitted, channels):
    """A black pixel never ends lighter than a white one, or than a grey one."""
    data = emitted(DETECTION, channels=channels, augmentation={"color": 0.9})
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(channels, 2)
    for seed in range(30):
        found = data.recolor(ramp, np.random.default_rng(seed))
        assert found.shape == ramp.shape and found.dtype == np.uint8
        assert (np.diff(found.reshape(256, channels).astype(int), axis=0) >= 0).all()


ORIENTATIONS = range(1, 9)
MARKER = (18, 6, 36, 16)  # left, top, right, bottom as it is shown, of 40x30


def save_turned(path: Path, orientation: int):
    """An image that is shown as 40x30 with the marker, however it is stored."""
    shown = np.zeros((30, 40, 3), np.uint8)
    left, top, right, bottom = MARKER
    shown[top:bottom, left:right] = 255
    stored = {
        1: shown,
        2: shown[:, ::-1],
        3: shown[::-1, ::-1],
        4: shown[::-1],
        5: shown.transpose(1, 0, 2),
        6: np.rot90(shown, 1),
        7: shown[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(shown, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_boxes_are_in_pixels_as_shown(detection, tmp_path, orientation, suffix):
    """Or the image is refused before training: OpenCV 5.0 reads no transposed TIFF."""
    path = tmp_path / f"image{suffix}"
    save_turned(path, orientation)
    if suffix == ".tif" and orientation > 4 and cv2.imread(str(path)) is None:
        with pytest.raises(ValueError, match="not an image|TIFF"):
            detection.image_size(path)
        return
    assert detection.image_size(path) == (30, 40)
    image = detection.read_image(detection.Sample(path, 30, 40, {}), 30, 40)
    assert extent(image) == pytest.approx(MARKER, abs=1.5)


def test_the_reduced_decoding_is_turned_too(detection, tmp_path):
    """A JPEG that is decoded at an eighth: same picture, same place."""
    stored = cv2.resize(picture(), (800, 1200))
    stored[100:300, 200:600] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "image.jpg", exif=exif)
    height, width = detection.image_size(tmp_path / "image.jpg")
    assert (height, width) == (800, 1200)
    sample = detection.Sample(tmp_path / "image.jpg", height, width, {})
    small = detection.read_image(sample, 64, 96)
    turned = np.rot90(stored, -1)
    expected = cv2.resize(turned, (96, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - expected).mean() < 3


def extent(image: np.ndarray) -> tuple[float, ...]:
    """Left, top, right, bottom of what is light in an image, to a part of a pixel."""
    light = image[:, :, 0].astype(float) / 255
    light[light < 0.15] = 0
    columns, rows = light.max(0), light.max(1)
    found = []
    for line in (columns, rows):
        inside = np.nonzero(line > 0.5)[0]
        first, last = inside[0], inside[-1] + 1
        before = line[first - 1] if first > 0 else 0
        after = line[last] if last < len(line) else 0
        found.append((first - before, last + after))
    return found[0][0], found[1][0], found[0][1], found[1][1]


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 500), (500, 1), (3, 2000), (2000, 3), (64, 96), (65, 97)]
)
def test_images_of_any_shape_fit_the_canvas(detection, tmp_path, size):
    path = tmp_path / "image.png"
    Image.fromarray(np.full((*size, 3), 200, np.uint8)).save(path)
    sample = detection.Sample(path, *size, {})
    canvas, transform = detection.letterbox(sample)
    assert canvas.shape == (HEIGHT, WIDTH, 3)
    height, width = detection.fit(*size)
    assert 1 <= height <= HEIGHT and 1 <= width <= WIDTH
    assert (canvas[:height, :width] == 200).all()
    assert (canvas[height:] == detection.PAD).all()
    assert (canvas[:, width:] == detection.PAD).all()
    whole = transform.move(np.float32([[0, 0, size[1], size[0]]]))
    np.testing.assert_allclose(whole, [[0, 0, width, height]], atol=1e-3)
    for seed in range(8):
        canvas, transform = detection.augment(sample, np.random.default_rng(seed))
        assert canvas.shape == (HEIGHT, WIDTH, 3)
        assert np.isfinite(transform.move(np.float32([[0, 0, 1, 1]]))).all()


def test_an_image_that_breaks_off_is_named(detection, tmp_path):
    path = tmp_path / "image.tif"
    Image.fromarray(picture(300, 400)).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    assert detection.image_size(path) == (300, 400)  # its header is whole
    with pytest.raises(detection.ImageError, match="image.tif: cannot be decoded"):
        detection.letterbox(detection.Sample(path, 300, 400, {}))


# ---- Augmentation ----

CHANGES = {
    "mirrored": {"scale": 0, "color": 0},
    "upside down": {"horizontal_flip": False, "vertical_flip": True, "color": 0},
    "transposed": {
        "horizontal_flip": False,
        "transpose": True,
        "scale": 0,
        "color": 0,
    },
    "scaled": {"horizontal_flip": False, "scale": 0.5, "color": 0},
    "all": EIGHTFOLD,
}


@pytest.mark.parametrize("size", [(90, 120), (200, 130), (40, 300)])
@pytest.mark.parametrize("changes", CHANGES)
def test_augmented_boxes_stay_on_their_objects(emitted, tmp_path, changes, size):
    data = emitted(DETECTION, augmentation=CHANGES[changes])
    height, width = size
    box = np.float32([width // 3, height // 4, width * 3 // 4, height * 5 // 8])
    left, top, right, bottom = box.astype(int)
    image = np.zeros((*size, 3), np.uint8)
    image[top:bottom, left:right] = 255
    cv2.imwrite(str(tmp_path / "image.png"), image)
    sample = data.Sample(tmp_path / "image.png", height, width, {})
    seen = set()
    for seed in range(40):
        canvas, transform = data.augment(sample, np.random.default_rng(seed))
        objects = data.moved(data.Objects(box[None], np.int64([1])), transform)
        canvas = np.where((canvas == data.PAD).all(2, keepdims=True), 0, canvas)
        if len(objects.boxes) == 0:
            visible = (canvas > 127).mean() * HEIGHT * WIDTH
            whole = abs(np.prod(transform.scale)) * (right - left) * (bottom - top)
            assert visible < 0.35 * whole + 4
            continue
        assert objects.boxes[0] == pytest.approx(extent(canvas), abs=1.5)
        assert objects.classes.tolist() == [1]
        signs = tuple(np.sign(transform.scale).tolist())
        seen.add((signs, getattr(transform, "transposed", False)))
    flips = [CHANGES[changes].get("horizontal_flip", True)]
    flips += [
        CHANGES[changes].get(key, False) for key in ("vertical_flip", "transpose")
    ]
    assert len(seen) == 2 ** sum(flips)


def test_objects_that_are_nearly_out_of_sight_are_left_out(detection):
    boxes = np.float32(
        [[-30, 0, 9, 10], [-30, 0, 11, 10], [0, 0, 10, 10], [96, 0, 99, 5]]
    )
    still = detection.Transform(np.float32([1, 1]), np.float32([0, 0]))
    found = detection.moved(detection.Objects(boxes, np.arange(4)), still)
    assert found.classes.tolist() == [1, 2]
    assert found.boxes.tolist() == [[0, 0, 11, 10], [0, 0, 10, 10]]


def test_a_view_depends_on_seed_epoch_and_index_alone(detection, tmp_path):
    cv2.imwrite(str(tmp_path / "image.png"), picture(90, 120))
    objects = detection.Objects(np.float32([[5, 5, 60, 60]]), np.int64([0]))
    sample = detection.Sample(tmp_path / "image.png", 90, 120, {"cells": objects})
    views = detection.TrainingSet([sample, sample], seed=3)
    first, again = views[4, 0], views[4, 0]
    assert (first[0] == again[0]).all()
    assert (first[1]["cells"].boxes == again[1]["cells"].boxes).all()
    others = [views[5, 0], views[4, 1], detection.TrainingSet([sample], 9)[4, 0]]
    assert all((first[0] != other[0]).any() for other in others)


def test_without_augmentation_training_letterboxes(emitted, tmp_path):
    data = emitted(DETECTION, augmentation=False)
    cv2.imwrite(str(tmp_path / "image.png"), picture(90, 120))
    objects = data.Objects(np.float32([[6, 9, 60, 90]]), np.int64([0]))
    sample = data.Sample(tmp_path / "image.png", 90, 120, {"cells": objects})
    canvas, labels = data.TrainingSet([sample], 0)[0, 0]
    assert (canvas == data.letterbox(sample)[0]).all()
    height, width = data.fit(90, 120)
    scale = np.tile([width / 120, height / 90], 2)
    np.testing.assert_allclose(labels["cells"].boxes[0], scale * [6, 9, 60, 90], 1e-5)
    assert not hasattr(data, "augment")


# ---- Batches ----


def take(data: ModuleType, count: int, length=10, start=0, rank=0, world=1, seed=0):
    batches = data.Batches(length, seed, start, rank, world)
    return list(itertools.islice(batches, count))


def test_every_image_comes_once_in_an_epoch(detection):
    keys = sum(take(detection, 25), [])  # 25 batches of 4: 10 epochs of 10
    assert len(keys) == 100
    for epoch in range(10):
        own = [index for of, index in keys if of == epoch]
        assert sorted(own) == list(range(10))
        assert own == [index for _, index in keys[10 * epoch : 10 * epoch + 10]]
    orders = {tuple(index for of, index in keys if of == epoch) for epoch in range(10)}
    assert len(orders) == 10
    assert take(detection, 25) != take(detection, 25, seed=1)


@pytest.mark.parametrize("start", [1, 2, 3, 7, 24])
def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(detection, start):
    assert take(detection, 25 - start, start=start) == take(detection, 25)[start:]


@pytest.mark.parametrize("length", [1, 3, 10])
def test_processes_share_a_batch(detection, length):
    whole = take(detection, 12, length)
    shares = [take(detection, 12, length, rank=rank, world=2) for rank in range(2)]
    for batch, first, second in zip(whole, *shares):
        assert len(first) == len(second) == 2
        assert sorted(first + second) == sorted(batch)


def test_a_batch_pads_its_objects(detection):
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    two = detection.Objects(np.float32([[0, 0, 1, 2], [3, 4, 5, 6]]), np.int64([2, 0]))
    none = detection.Objects(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    images, targets = detection.collate([(canvas, {"cells": x}) for x in (two, none)])
    assert images.shape == (2, 3, HEIGHT, WIDTH) and images.dtype == torch.uint8
    assert targets["cells"]["classes"].tolist() == [[2, 0], [-1, -1]]
    assert targets["cells"]["boxes"][0].tolist() == [[0, 0, 1, 2], [3, 4, 5, 6]]
    assert not targets["cells"]["boxes"][1].any()
    _, targets = detection.collate([(canvas, {"cells": none})])
    assert targets["cells"]["classes"].tolist() == [[-1]]


# ---- Readers: a native dataset ----


def native(folder: Path, labels: object, task="object detection", **metadata):
    """A dataset with images 40x30 called 0.png and so on."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for i in range(4):
        Image.fromarray(picture(seed=i)).save(folder / "images" / f"{i}.png")
    entry = {"task": task, "categories": list(NAMES), "annotations": "labels.yaml"}
    (folder / "metadata.yaml").write_text(yaml.safe_dump(entry | metadata))
    text = labels if isinstance(labels, str) else yaml.safe_dump(labels)
    (folder / "labels.yaml").write_text(text, "utf-8")
    return folder


def box(*bbox: object, category: object = "a") -> dict:
    return {"category": category, "bbox": list(bbox)}


def test_a_native_dataset_is_read(detection, tmp_path, capsys):
    labels = {
        "2.png": [box(1, 2, 30.5, 20), box(0, 0, 40, 30, category="no")],
        "0.png": [],
        "1.png": None,
    }
    samples = detection.read_dataset(native(tmp_path, labels))
    assert [sample.path.name for sample in samples] == ["0.png", "2.png"]
    assert all((sample.height, sample.width) == (30, 40) for sample in samples)
    assert samples[0].labels["cells"].boxes.shape == (0, 4)
    assert samples[1].labels["cells"].boxes.tolist() == [
        [1, 2, 30.5, 20],
        [0, 0, 40, 30],
    ]
    assert samples[1].labels["cells"].classes.tolist() == [0, 2]
    assert "images left out: null: 1" in capsys.readouterr().err


def test_boxes_are_clipped_and_counted(detection, tmp_path, capsys):
    labels = {
        "0.png": [box(-5, 2, 30, 45), box(1, 1, 5, 5)],
        "1.png": [box(4, 4, 4, 9), box(2, 9, 8, 9)],
    }
    first, second = detection.read_dataset(native(tmp_path, labels))
    assert first.labels["cells"].boxes.tolist() == [[0, 2, 30, 30], [1, 1, 5, 5]]
    assert second.labels["cells"].boxes.shape == (0, 4)
    said = capsys.readouterr().err
    assert "boxes clipped to their image: 1" in said
    assert "boxes without area left out: 2" in said


WRONG_OBJECTS = {
    "not a list": "a",
    "a mapping": box(1, 2, 3, 4),
    "a number": 3,
    "no category": [{"bbox": [1, 2, 3, 4]}],
    "no box": [{"category": "a"}],
    "a bare name": ["a"],
    "an unknown category": [box(1, 2, 3, 4, category="d")],
    "three numbers": [box(1, 2, 3)],
    "five numbers": [box(1, 2, 3, 4, 5)],
    "a word": [box(1, 2, 3, "x")],
    "nothing": [box(1, 2, 3, None)],
    "not a number": [box(1, 2, 3, math.nan)],
    "infinity": [box(1, 2, 3, math.inf)],
    "a huge number": [box(1, 2, 3, 10**400)],
    "lists": [box([1], [2], [3], [4])],
    "right before left": [box(9, 2, 3, 4)],
    "outside, to the right": [box(41, 2, 50, 4)],
    "outside, above": [box(1, -9, 5, -2)],
}


@pytest.mark.parametrize("wrong", WRONG_OBJECTS)
def test_wrong_objects_are_named_with_their_image(detection, tmp_path, wrong):
    labels = {"0.png": [box(1, 2, 3, 4)], "1.png": WRONG_OBJECTS[wrong]}
    with pytest.raises(SystemExit) as caught:
        detection.read_dataset(native(tmp_path, labels))
    first, second, *rest = str(caught.value).splitlines()
    assert first == f"{tmp_path}: 1 problems" and not rest
    assert second.startswith("  1.png: ") and len(second) < 400
    if "outside" in wrong:
        assert "outside the 40x30 image" in second


def test_every_problem_is_told_at_once(detection, tmp_path):
    folder = native(tmp_path, {})
    (folder / "images" / "3.png").write_text("no image")
    labels = {
        "0.png": "a",
        "3.png": [],
        "absent.png": [],
        "../x.png": [],
        "/etc/passwd": [],
        "2.png": [],
    }
    with pytest.raises(SystemExit) as caught:
        detection.read_dataset(native_labels(folder, labels))
    said = str(caught.value)
    assert said.startswith(f"{tmp_path}: 5 problems\n")
    for name, reason in {
        "0.png": "not a list of objects: 'a'",
        "3.png": "not an image",
        "absent.png": "no such image",
        "../x.png": "leads out of",
        "/etc/passwd": "leads out of",
    }.items():
        assert f"\n  {name}: {reason}" in said


def native_labels(folder: Path, labels: dict) -> Path:
    (folder / "labels.yaml").write_text(yaml.safe_dump(labels))
    return folder


def test_no_more_than_twenty_problems_are_listed(detection, tmp_path):
    labels = {f"absent{i}.png": [] for i in range(50)}
    with pytest.raises(SystemExit) as caught:
        detection.read_dataset(native(tmp_path, labels))
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("50 problems") and lines[-1] == "  and 30 more"
    assert len(lines) == 22


@pytest.mark.parametrize(
    "metadata, said",
    [
        ({"task": "regression"}, "no entry with `task: object detection`"),
        ({"categories": ["a", "b", "c"]}, "differ from the job's"),
        ({"categories": ["a", "b"]}, "only in the job: no"),
        ({"categories": [*NAMES, "extra"]}, "only in the dataset: extra"),
        ({"categories": "a"}, "`categories` is not a list of names"),
        ({"annotations": "../labels.yaml"}, "leads out of"),
        ({"annotations": "/etc/passwd"}, "leads out of"),
        ({"annotations": None}, "not a file name"),
        ({"annotations": "absent.yaml"}, "absent.yaml: cannot be read"),
        ({"annotations": "images"}, "images: cannot be read"),
    ],
)
def test_wrong_metadata_is_told(detection, tmp_path, metadata, said):
    with pytest.raises(SystemExit) as caught:
        detection.read_dataset(native(tmp_path, {"0.png": []}, **metadata))
    assert said in str(caught.value) and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    "text", ["a: [", "- 1", "a", "", "\t- a", "? [b]\n: c", "'\\x'"]
)
def test_annotations_that_are_none_are_told(detection, tmp_path, text):
    with pytest.raises(SystemExit, match="labels.yaml: "):
        detection.read_dataset(native(tmp_path, text))


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "\xff"])
def test_metadata_that_is_none_is_told(detection, tmp_path, text):
    native(tmp_path, {})
    (tmp_path / "metadata.yaml").write_text(text, "latin-1")
    with pytest.raises(SystemExit, match="metadata.yaml: "):
        detection.read_dataset(tmp_path)


def test_missing_metadata_and_an_empty_dataset_are_told(detection, tmp_path):
    with pytest.raises(SystemExit, match="metadata.yaml: cannot be read"):
        detection.read_dataset(tmp_path)
    with pytest.raises(SystemExit, match="no labelled images"):
        detection.read_dataset(native(tmp_path, {"0.png": None}))


def test_metadata_may_be_json_and_hold_several_tasks(emitted, tmp_path):
    both = emitted(DETECTION, CLASSES)
    native(tmp_path, {"0.png": [box(1, 2, 3, 4)], "1.png": [], "2.png": None})
    entries = [
        {"task": "object detection", "categories": ["x"], "annotations": "none.yaml"},
        yaml.safe_load((tmp_path / "metadata.yaml").read_text()),
        {
            "task": "multiclass_classification",
            "categories": list(NAMES),
            "annotations": "kinds.yaml",
        },
    ]
    (tmp_path / "metadata.yaml").unlink()
    (tmp_path / "metadata.json").write_text(json.dumps(entries))
    (tmp_path / "kinds.yaml").write_text("0.png: b\n2.png: a\n3.png: a\n")
    (sample,) = both.read_dataset(tmp_path)
    assert sample.labels["kind"] == 1
    assert sample.labels["cells"].boxes.tolist() == [[1, 2, 3, 4]]


def test_categories_of_images_are_read(emitted, tmp_path):
    data = emitted(CLASSES, validation="val")
    task = "multiclass classification"
    folder = native(tmp_path, "0.png: 'no'\n1.png: b\n2.png: null\n", task)
    assert [sample.labels["kind"] for sample in data.read_dataset(folder)] == [2, 1]
    with pytest.raises(SystemExit, match="1.png: not a category of the job: 'd'"):
        data.read_dataset(native(tmp_path, {"1.png": "d"}, task))
    with pytest.raises(SystemExit, match="1.png: not a category of the job"):
        data.read_dataset(native(tmp_path, {"1.png": ["a"]}, task))


# ---- Readers: folders and COCO ----


def test_class_folders_are_read(emitted, tmp_path):
    data = emitted(CLASSES, format="folders", validation="val")
    for number, name in enumerate(NAMES):
        (tmp_path / name).mkdir()
        Image.fromarray(picture()).save(tmp_path / name / f"{number}.PNG")
    (tmp_path / "a" / "notes.txt").write_text("no image")
    samples = data.read_dataset(tmp_path)
    assert [sample.path.name for sample in samples] == ["0.PNG", "1.PNG", "2.PNG"]
    assert [sample.labels["kind"] for sample in samples] == [0, 1, 2]
    (tmp_path / "b" / "broken.jpg").write_text("no image")
    with pytest.raises(SystemExit, match="1 problems\n  b/broken.jpg: not an image"):
        data.read_dataset(tmp_path)
    (tmp_path / "extra").mkdir()
    with pytest.raises(SystemExit, match="only in the dataset: extra"):
        data.read_dataset(tmp_path)
    with pytest.raises(SystemExit, match="absent: no such folder"):
        data.read_dataset(tmp_path / "absent")


def coco(folder: Path, **changes) -> Path:
    """A COCO file with two images, the second without objects."""
    (folder / "images").mkdir(exist_ok=True)
    for i in range(2):
        Image.fromarray(picture(seed=i)).save(folder / "images" / f"{i}.png")
    content = {
        "images": [{"id": 7, "file_name": "0.png"}, {"id": 9, "file_name": "1.png"}],
        "annotations": [
            {"image_id": 7, "category_id": 5, "bbox": [1, 2, 10, 20]},
            {"image_id": 7, "category_id": 3, "bbox": [30, 2, 20, 10]},
            {"image_id": 7, "category_id": 3, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        ],
        "categories": [
            {"id": 3, "name": "a"},
            {"id": 5, "name": "b"},
            {"id": 8, "name": "no"},
        ],
    }
    (folder / "train.json").write_text(json.dumps(content | changes))
    return folder / "train.json"


def test_a_coco_file_is_read(emitted, tmp_path, capsys):
    data = emitted(DETECTION, format="coco", validation="val.json")
    first, second = data.read_dataset(coco(tmp_path))
    assert first.path == tmp_path / "images" / "0.png"
    assert first.labels["cells"].boxes.tolist() == [[1, 2, 11, 22], [30, 2, 40, 12]]
    assert first.labels["cells"].classes.tolist() == [1, 0]
    assert second.labels["cells"].boxes.shape == (0, 4)
    assert "boxes clipped to their image: 1" in capsys.readouterr().err
    # A folder named as the file comes before `images`.
    (tmp_path / "images").rename(tmp_path / "train")
    assert data.read_dataset(tmp_path / "train.json")[1].path.parent.name == "train"


OF_IMAGE_7 = {"image_id": 7, "category_id": 5}
WRONG_COCO = {
    "no images": {"images": None},
    "no list": {"annotations": 3},
    "an annotation that is a list": {"annotations": [[1, 2]]},
    "an annotation without an image": {"annotations": [{"bbox": [1, 2, 3, 4]}]},
    "an annotation of another image": {"annotations": [OF_IMAGE_7 | {"image_id": 1}]},
    "an unknown category": {
        "annotations": [OF_IMAGE_7 | {"category_id": 1, "bbox": [1, 2, 3, 4]}]
    },
    "no box": {"annotations": [OF_IMAGE_7]},
    "three numbers": {"annotations": [OF_IMAGE_7 | {"bbox": [1, 2, 3]}]},
    "words": {"annotations": [OF_IMAGE_7 | {"bbox": ["1", "2", "3", "4"]}]},
    "outside": {"annotations": [OF_IMAGE_7 | {"bbox": [50, 2, 3, 4]}]},
    "negative": {"annotations": [OF_IMAGE_7 | {"bbox": [20, 2, -3, 4]}]},
    "categories": {"categories": [{"id": 5, "name": "b"}, {"id": 3, "name": "d"}]},
    "a missing image": {"images": [{"id": 7, "file_name": "absent.png"}]},
    "an image outside": {"images": [{"id": 7, "file_name": "../images/0.png"}]},
    "an image without a name": {"images": [{"id": 7}]},
}


@pytest.mark.parametrize("wrong", WRONG_COCO)
def test_what_is_wrong_in_a_coco_file_is_told(emitted, tmp_path, wrong):
    data = emitted(DETECTION, format="coco", validation="val.json")
    with pytest.raises(SystemExit, match="train.json: "):
        data.read_dataset(coco(tmp_path, **WRONG_COCO[wrong]))


@pytest.mark.parametrize("text", [None, "{", "[]", "3", "{}"])
def test_a_file_that_is_not_coco_is_told(emitted, tmp_path, text):
    data = emitted(DETECTION, format="coco", validation="val.json")
    path = tmp_path / "train.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit, match="train.json: not a COCO file of boxes"):
        data.read_dataset(path)


# ---- The validation split ----


def test_the_held_out_images_are_always_the_same(emitted, tmp_path):
    data = emitted(DETECTION, validation_fraction=0.25)
    folder = tmp_path / "train"
    (folder / "images").mkdir(parents=True)
    for i in range(20):
        Image.fromarray(picture()).save(folder / "images" / f"{i:02}.png")
    labels = {f"{i:02}.png": [] for i in range(20)}
    native(folder, labels)
    training, validation = data.read_datasets(tmp_path)
    assert len(training) == 15 and len(validation) == 5
    names = [{sample.path.name for sample in part} for part in (training, validation)]
    assert not names[0] & names[1] and names[0] | names[1] == set(labels)
    again = data.read_datasets(tmp_path)
    assert [x.path for x in again[1]] == [x.path for x in validation]
    assert [x.path for x in training] == sorted(x.path for x in training)


def test_one_image_cannot_be_split(emitted, tmp_path):
    data = emitted(DETECTION, validation_fraction=0.25)
    native(tmp_path / "train", {"0.png": []})
    with pytest.raises(SystemExit, match="too few images to hold some out"):
        data.read_datasets(tmp_path)
    native(tmp_path / "train", {"0.png": [], "1.png": []})
    training, validation = data.read_datasets(tmp_path)
    assert len(training) == len(validation) == 1


def test_named_datasets_are_read_below_the_root(detection, tmp_path):
    native(tmp_path / "train", {"0.png": []})
    native(tmp_path / "val", {"1.png": [], "2.png": []})
    training, validation = detection.read_datasets(tmp_path)
    assert [len(training), len(validation)] == [1, 2]
