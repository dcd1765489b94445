"""Maps of depths beside images: whole numbers in a unit, floats, and arrays of NumPy."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_data import picture

HEAD = {"name": "room", "task": "depth_estimation", "range": [0.5, 10]}
LAYOUT = {"train_labels": "maps", "validation_labels": "maps"}
UNKNOWN = -1


@pytest.fixture
def job(emitted):
    """The modules of a job whose maps are images in millimeters."""
    head = HEAD | {"unit": 0.001}
    return emitted(head, validation="val", format="maps", layout=LAYOUT)


@pytest.fixture
def meters(emitted):
    """The modules of a job whose maps are images in meters."""
    return emitted(HEAD, validation="val", format="maps", layout=LAYOUT)


@pytest.fixture
def arrays(emitted):
    """The modules of a job whose maps are arrays in centimeters."""
    layout, head = LAYOUT | {"label_ending": ".npy"}, HEAD | {"unit": 0.01}
    return emitted(head, validation="val", format="maps", layout=layout)


def written(folder: Path, pixels: np.ndarray, suffix=".png") -> Path:
    """Writes an image 40x30, and its map; returns the path of the map."""
    for name in ("images", "maps"):
        (folder / name).mkdir(parents=True)
    Image.fromarray(picture()).save(folder / "images" / "0.png")
    path = folder / "maps" / f"0{suffix}"
    if suffix == ".npy":
        np.save(path, pixels)
    else:
        Image.fromarray(pixels).save(path)
    return path


def read(job, path: Path) -> np.ndarray:
    """Returns the depths of the map as they are read once the dataset is."""
    folder = path.parent.parent
    (sample,) = job.dataset.read_dataset(folder / "images", folder / "maps")
    assert sample.labels == {"room": path}
    arrays = path.suffix == ".npy"
    return (job.data.read_depth_array if arrays else job.data.read_depth_image)(
        path, job.dataset.UNIT
    )


def refused(job, path: Path) -> str:
    with pytest.raises(SystemExit) as told:
        read(job, path)
    return str(told.value)


def columns(*values: float, kind: type) -> np.ndarray:
    """Returns a map 40x30 with as many pixels of each value, side by side."""
    row = np.repeat(np.array(values, kind), 40 // len(values))
    return np.tile(row, (30, 1))


def of_columns(found: np.ndarray, count: int) -> list[float]:
    """Returns the depth of each column, which is the same in all of its pixels."""
    assert found.dtype == np.float32 and found.shape == (30, 40)
    parts = [np.unique(part) for part in np.split(found, count, 1)]
    assert all(len(part) == 1 for part in parts)
    return [part.item() for part in parts]


# ---- Images ----


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_millimeters(job, tmp_path, suffix):
    """Depths beyond the range stay what they are; 0 is unknown, and 1 is not."""
    path = written(tmp_path, columns(0, 1, 2500, 65535, kind=np.uint16), suffix)
    wanted = [UNKNOWN, 0.001, 2.5, 65.535]
    assert of_columns(read(job, path), 4) == pytest.approx(wanted, rel=1e-6)


def test_eight_bits_are_millimeters_too(job, tmp_path):
    """Not codes of a range, as in the native layout."""
    found = read(job, written(tmp_path, columns(255, 0, 1, 100, kind=np.uint8)))
    wanted = [0.255, UNKNOWN, 0.001, 0.1]
    assert of_columns(found, 4) == pytest.approx(wanted, rel=1e-6)


def test_values_are_depths_where_no_unit_is_named(meters, tmp_path):
    assert meters.dataset.UNIT == 1
    path = written(tmp_path, columns(0, 1, 3, 7, kind=np.uint8))
    assert of_columns(read(meters, path), 4) == [UNKNOWN, 1, 3, 7]


def test_floats_that_are_no_depth_are_unknown(meters, tmp_path):
    values = [0.25, 9.75, 0, -0.0, -3, np.nan, np.inf, -np.inf]
    path = written(tmp_path, columns(*values, kind=np.float32), ".tif")
    wanted = [0.25, 9.75] + 6 * [UNKNOWN]
    assert of_columns(read(meters, path), 8) == wanted


def test_an_image_that_breaks_off_is_named(job, tmp_path):
    path = written(tmp_path, columns(1, 2, 3, 4, kind=np.uint16))
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(job.data.ImageError) as told:
        read(job, path)
    assert str(told.value) == f"{path}: cannot be decoded"


# ---- Arrays ----


@pytest.mark.parametrize(
    "kind", [np.uint8, np.uint16, np.int32, np.float16, np.float32, np.float64]
)
def test_arrays_of_any_numbers_are_in_the_unit(arrays, tmp_path, kind):
    path = written(tmp_path, columns(200, 0, 1, 50, kind=kind), ".npy")
    wanted = [2, UNKNOWN, 0.01, 0.5]
    assert of_columns(read(arrays, path), 4) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_numbers_of_arrays_that_are_no_depth_are_unknown(arrays, tmp_path, kind):
    path = written(tmp_path, columns(np.nan, np.inf, -5, 150, kind=kind), ".npy")
    wanted = [UNKNOWN, UNKNOWN, UNKNOWN, 1.5]
    assert of_columns(read(arrays, path), 4) == pytest.approx(wanted, rel=1e-6)


def test_an_array_may_have_a_channel(arrays, tmp_path):
    """Its rows and columns come first, row by row."""
    pixels = np.arange(1, 1201).reshape(30, 40, 1)
    found = read(arrays, written(tmp_path, pixels, ".npy"))
    assert found == pytest.approx(pixels[..., 0] / 100, rel=1e-6)


@pytest.mark.parametrize(
    "pixels",
    [
        np.ones((30, 40, 3)),
        np.ones((1, 30, 40)),
        np.ones((30, 40), complex),
        np.ones((30, 40), bool),
        np.ones(1200),
        np.float32(1),
        np.ones((0, 0)),
    ],
    ids=lambda pixels: f"{pixels.dtype} {pixels.shape}",
)
def test_an_array_that_is_no_map_is_named(arrays, tmp_path, pixels):
    path = written(tmp_path, pixels, ".npy")
    what = f"its map is {pixels.dtype} {pixels.shape}, no depths: {path}"
    assert what in refused(arrays, path)


def test_an_array_of_another_shape_is_named(arrays, tmp_path):
    path = written(tmp_path, np.ones((40, 30)), ".npy")
    assert f"{path} is 30x40, the image 40x30" in refused(arrays, path)


def test_an_array_that_breaks_off_is_named(arrays, tmp_path):
    """By the header alone, or as it is decoded where a file changes in between."""
    path = written(tmp_path, np.ones((30, 40)), ".npy")
    path.write_bytes(path.read_bytes()[:1000])
    assert f"its map is not an array: {path}: " in refused(arrays, path)
    with pytest.raises(arrays.data.ImageError) as told:
        arrays.data.read_depth_array(path, 1.0)
    assert str(told.value) == f"{path}: cannot be decoded"


class Acting:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_objects_of_an_array_are_never_made(arrays, tmp_path):
    """Neither by the header nor as it is decoded: they could run any code."""
    acting = np.full((30, 40), Acting(tmp_path / "made"), object)
    path = written(tmp_path, acting, ".npy")
    assert f"its map is not an array: {path}: " in refused(arrays, path)
    with pytest.raises(arrays.data.ImageError):
        arrays.data.read_depth_array(path, 1.0)
    assert not (tmp_path / "made").exists()
    np.load(path, allow_pickle=True)
    assert (tmp_path / "made").exists()
