"""The emitted data.py: images, letterbox and augmentation."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from emitted_jobs import DATA_SIZE, DETECTION
from PIL import Image
from small_data import picture

HEIGHT, WIDTH = DATA_SIZE
EIGHTFOLD = {"vertical_flip": True, "transpose": True, "scale": 0.3, "color": 0}


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
        ("gray.png", "L", 0),
        ("gray.jpg", "L", 3),
        ("deep.png", "I;16", 1),
        ("deep.tif", "I;16", 1),
        ("palette.png", "P", 0),
        ("alpha.png", "RGBA", 0),
        ("ink.jpg", "CMYK", 12),
    ],
)
def test_any_kind_of_image_is_read_as_rgb(
    dataset, data, tmp_path, name, mode, tolerance
):
    path = tmp_path / name
    shown = save(path, mode)
    assert dataset.image_size(path) == (30, 40)
    found = data.read_image(data.Sample(path, 30, 40, {}), 30, 40)
    assert found.dtype == np.uint8 and found.shape == (30, 40, 3)
    assert np.abs(found - shown).mean() <= tolerance


def test_gray_images_keep_their_channel(emitted, tmp_path):
    gray = emitted(DETECTION, channels=1).data
    shown = save(tmp_path / "image.png", "L")
    sample = gray.Sample(tmp_path / "image.png", 30, 40, {})
    found = gray.read_image(sample, 30, 40)
    assert found.shape == (30, 40, 1)
    assert np.abs(found - shown[:, :, :1]).max() <= 1
    canvas = gray.letterbox(sample)
    assert canvas.shape == (HEIGHT, WIDTH, 1)
    for seed in range(5):
        canvas, _ = gray.augment(sample, np.random.default_rng(seed))
        assert canvas.shape == (HEIGHT, WIDTH, 1) and canvas.dtype == np.uint8


@pytest.mark.parametrize("channels", [1, 3])
def test_recoloring_keeps_the_order_of_light_and_dark(emitted, channels):
    """A black pixel never ends lighter than a white one, or than a gray one."""
    data = emitted(DETECTION, channels=channels, augmentation={"color": 0.9}).data
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
def test_boxes_are_in_pixels_as_shown(dataset, data, tmp_path, orientation, suffix):
    """Or the image is refused before training: OpenCV 5.0 reads no transposed TIFF."""
    path = tmp_path / f"image{suffix}"
    save_turned(path, orientation)
    if suffix == ".tif" and orientation > 4 and cv2.imread(str(path)) is None:
        with pytest.raises(ValueError, match="not an image|TIFF"):
            dataset.image_size(path)
        return
    assert dataset.image_size(path) == (30, 40)
    image = data.read_image(data.Sample(path, 30, 40, {}), 30, 40)
    assert extent(image) == pytest.approx(MARKER, abs=1.5)


def test_the_reduced_decoding_is_turned_too(dataset, data, tmp_path):
    """A JPEG that is decoded at an eighth: same picture, same place."""
    stored = cv2.resize(picture(), (800, 1200))
    stored[100:300, 200:600] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "image.jpg", exif=exif)
    height, width = dataset.image_size(tmp_path / "image.jpg")
    assert (height, width) == (800, 1200)
    sample = data.Sample(tmp_path / "image.jpg", height, width, {})
    small = data.read_image(sample, 64, 96)
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
def test_images_of_any_shape_fit_the_canvas(data, tmp_path, size):
    path = tmp_path / "image.png"
    Image.fromarray(np.full((*size, 3), 200, np.uint8)).save(path)
    sample = data.Sample(path, *size, {})
    canvas = data.letterbox(sample)
    assert canvas.shape == (HEIGHT, WIDTH, 3)
    height, width = data.fit(*size)
    assert 1 <= height <= HEIGHT and 1 <= width <= WIDTH
    assert (canvas[:height, :width] == 200).all()
    assert (canvas[height:] == data.PAD).all()
    assert (canvas[:, width:] == data.PAD).all()
    for seed in range(8):
        canvas, transform = data.augment(sample, np.random.default_rng(seed))
        assert canvas.shape == (HEIGHT, WIDTH, 3)
        assert np.isfinite(transform.move(np.float32([[0, 0, 1, 1]]))).all()


def test_an_image_that_breaks_off_is_named(dataset, data, tmp_path):
    path = tmp_path / "image.tif"
    Image.fromarray(picture(300, 400)).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    assert dataset.image_size(path) == (300, 400)  # the header is whole
    with pytest.raises(data.ImageError, match="image.tif: cannot be decoded"):
        data.letterbox(data.Sample(path, 300, 400, {}))


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
    data = emitted(DETECTION, augmentation=CHANGES[changes]).data
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


def test_objects_that_are_nearly_out_of_sight_are_left_out(data):
    boxes = np.float32(
        [[-30, 0, 9, 10], [-30, 0, 11, 10], [0, 0, 10, 10], [96, 0, 99, 5]]
    )
    still = data.Transform(np.float32([1, 1]), np.float32([0, 0]))
    found = data.moved(data.Objects(boxes, np.arange(4)), still)
    assert found.classes.tolist() == [1, 2]
    assert found.boxes.tolist() == [[0, 0, 11, 10], [0, 0, 10, 10]]


def test_a_view_depends_on_seed_epoch_and_index_alone(data, tmp_path):
    cv2.imwrite(str(tmp_path / "image.png"), picture(90, 120))
    objects = data.Objects(np.float32([[5, 5, 60, 60]]), np.int64([0]))
    sample = data.Sample(tmp_path / "image.png", 90, 120, {"cells": objects})
    views = data.TrainingSet([sample, sample], seed=3)
    first, again = views[4, 0], views[4, 0]
    assert (first[0] == again[0]).all()
    assert (first[1]["cells"].boxes == again[1]["cells"].boxes).all()
    others = [views[5, 0], views[4, 1], data.TrainingSet([sample], 9)[4, 0]]
    assert all((first[0] != other[0]).any() for other in others)


def test_without_augmentation_training_letterboxes(emitted, tmp_path):
    data = emitted(DETECTION, augmentation=False).data
    cv2.imwrite(str(tmp_path / "image.png"), picture(90, 120))
    objects = data.Objects(np.float32([[6, 9, 60, 90]]), np.int64([0]))
    sample = data.Sample(tmp_path / "image.png", 90, 120, {"cells": objects})
    canvas, labels, _ = data.TrainingSet([sample], 0)[0, 0]
    assert (canvas == data.letterbox(sample)[0]).all()
    height, width = data.fit(90, 120)
    scale = np.tile([width / 120, height / 90], 2)
    np.testing.assert_allclose(labels["cells"].boxes[0], scale * [6, 9, 60, 90], 1e-5)
    assert not hasattr(data, "augment")
