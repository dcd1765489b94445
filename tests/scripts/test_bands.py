"""Images of four bands: read, checked, recolored and drawn."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from emitted_jobs import CLASSES, DATA_SIZE, load_data, make_reader
from PIL import Image

HEIGHT, WIDTH = DATA_SIZE
EXACT = {"horizontal_flip": False, "scale": 0}


@pytest.fixture(scope="module")
def emitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bands")
    options = {"channels": 4, "augmentation": EXACT, "validation": "val"}
    return load_data(make_reader(folder, (CLASSES,), options))


@pytest.fixture
def data(emitted):
    return emitted.data


@pytest.fixture
def dataset(emitted):
    return emitted.dataset


def bands(height=HEIGHT, width=WIDTH) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 4), np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_four_bands_are_read_in_their_order(data, tmp_path, name):
    image = bands()
    Image.fromarray(image, "RGBA").save(tmp_path / name)
    sample = data.Sample(tmp_path / name, HEIGHT, WIDTH, {})
    assert (data.read_image(sample, HEIGHT, WIDTH) == image).all()


@pytest.mark.filterwarnings("error")
def test_threads_leave_the_limit_of_pillow_as_it_was(data, tmp_path, monkeypatch):
    """It is one for all threads: the last to end must not restore that of another."""
    image, path = bands(), tmp_path / "a.png"
    Image.fromarray(image, "RGBA").save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    slow = Image.open

    def opens_slowly(*given, **named):
        time.sleep(0.002)
        return slow(*given, **named)

    monkeypatch.setattr(Image, "open", opens_slowly)
    samples = [data.Sample(path, HEIGHT, WIDTH, {})] * 20
    with ThreadPoolExecutor(4) as pool:
        read = [*pool.map(lambda one: data.read_image(one, HEIGHT, WIDTH), samples)]
    assert all((one == image).all() for one in read)
    assert Image.MAX_IMAGE_PIXELS == 1


def test_sixteen_bits_become_eight(data, tmp_path):
    image = bands()
    deep = cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA).astype(np.uint16) * 257
    assert cv2.imwrite(str(tmp_path / "deep.png"), deep)
    sample = data.Sample(tmp_path / "deep.png", HEIGHT, WIDTH, {})
    assert (data.read_image(sample, HEIGHT, WIDTH) == image).all()


def test_the_fourth_band_keeps_its_values_where_colors_change(data):
    image = bands()
    changed = data.recolor(image, np.random.default_rng(1))
    assert changed.shape == image.shape and changed.dtype == np.uint8
    assert (changed[:, :, 3] == image[:, :, 3]).all()
    assert (changed[:, :, :3] != image[:, :, :3]).any()


def test_padding_has_four_bands(data, tmp_path):
    Image.fromarray(bands(8, 8), "RGBA").save(tmp_path / "small.png")
    canvas = data.letterbox(data.Sample(tmp_path / "small.png", 8, 8, {}))
    assert canvas.shape == (HEIGHT, WIDTH, 4)
    assert (canvas[:, -1] == data.PAD).all()


def test_an_image_of_three_bands_is_named(dataset, tmp_path):
    path = tmp_path / "three.png"
    Image.fromarray(bands()[:, :, :3]).save(path)
    with pytest.raises(ValueError, match="not RGB and a fourth band: RGB"):
        dataset.image_size(path)


def test_four_bands_have_the_size_that_their_header_says(dataset, tmp_path):
    Image.fromarray(bands(30, 40), "RGBA").save(tmp_path / "four.png")
    assert dataset.image_size(tmp_path / "four.png") == (30, 40)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    Image.fromarray(bands(30, 40), "RGBA").save(tmp_path / "turned.png", exif=rotated)
    with pytest.raises(ValueError, match="rotated by EXIF"):
        dataset.image_size(tmp_path / "turned.png")


def test_a_broken_image_is_named(data, tmp_path):
    path = tmp_path / "broken.png"
    Image.fromarray(bands(), "RGBA").save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(data.ImageError, match="broken.png: cannot be decoded: "):
        data.read_image(data.Sample(path, HEIGHT, WIDTH, {}), HEIGHT, WIDTH)
