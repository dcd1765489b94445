"""Maps of values: the categories of grays, of the indices of palettes, and of bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_data import picture

# A gray that only a map of 16 bits has, the black of masks, and an order of its own.
VALUES, IGNORED = [300, 0, 2, 255], [7, 65535]
CATEGORIES = ["far", "black", "second", "white"]
HEAD = {"name": "street", "task": "semantic_segmentation", "values": VALUES}
HEAD |= {"categories": CATEGORIES, "ignored": IGNORED}
LAYOUT = {"train_labels": "maps", "validation_labels": "maps"}


@pytest.fixture
def job(emitted):
    return emitted(HEAD, validation="val", format="maps", layout=LAYOUT)


def written(folder: Path, pixels: np.ndarray, suffix=".png", **made) -> Path:
    """Writes an image 40x30, and its map; returns the path of the map."""
    for name in ("images", "maps"):
        (folder / name).mkdir(parents=True)
    Image.fromarray(picture()).save(folder / "images" / "0.png")
    file, path = Image.fromarray(pixels), folder / "maps" / f"0{suffix}"
    if made.get("palette"):
        file.putpalette(made["palette"])
    (file.convert(made["mode"]) if "mode" in made else file).save(path)
    return path


def read(job, path: Path) -> np.ndarray:
    """Returns the categories of the map as they are read once the dataset is."""
    folder = path.parent.parent
    (sample,) = job.dataset.read_dataset(folder / "images", folder / "maps")
    assert sample.labels == {"street": path}
    return job.data.read_values(path, job.dataset.VALUES, job.dataset.IGNORED)


def bands(*values: int, kind: type = np.uint8) -> np.ndarray:
    """Returns a map 40x30 with a band of rows for each value."""
    rows = np.repeat(np.array(values, kind), 30 // len(values))
    return np.tile(rows[:, None], (1, 40))


def of_bands(found: np.ndarray, count: int) -> list[int]:
    """Returns the category of each band, which is the same in all of its pixels."""
    assert found.dtype == np.int16 and found.shape == (30, 40)
    parts = [np.unique(part) for part in np.split(found, count)]
    assert all(len(part) == 1 for part in parts)
    return [part.item() for part in parts]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grays_of_sixteen_bits_are_read(job, tmp_path, suffix):
    """The value is the whole of both bytes: 300 is 44 in the lower."""
    path = written(tmp_path, bands(0, 300, 2, 7, 65535, kind=np.uint16), suffix)
    assert of_bands(read(job, path), 5) == [1, 0, 2, -1, -1]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_grays_of_eight_bits_are_read(job, tmp_path, suffix):
    path = written(tmp_path, bands(255, 0, 7, 2, 0), suffix)
    assert of_bands(read(job, path), 5) == [3, 1, -1, 2, 1]


def test_the_index_of_a_palette_counts_and_not_its_color(job, tmp_path):
    """Index 2 is drawn in the gray 255, and 255 in black."""
    palette = np.repeat(255 - np.arange(256), 3)
    palette[6:9], palette[-3:] = 255, 0
    path = written(tmp_path, bands(2, 255, 0, 7, 2), palette=palette.tolist())
    assert Image.open(path).mode == "P"
    assert of_bands(read(job, path), 5) == [2, 3, 1, -1, 2]


def test_a_bit_is_black_or_white(job, tmp_path):
    path = written(tmp_path, bands(255, 0, 255), mode="1")
    assert Image.open(path).mode == "1"
    assert job.data.gray_of(path)[::10, 0].tolist() == [255, 0, 255]
    assert of_bands(read(job, path), 3) == [3, 1, 3]


@pytest.mark.parametrize("kind, value", [(np.uint8, 1), (np.uint16, 299)])
def test_a_value_of_no_category_is_told_with_its_place(job, tmp_path, kind, value):
    """The first of two, row by row."""
    pixels = np.zeros((30, 40), kind)
    pixels[12, 34] = pixels[20, 3] = value
    path = written(tmp_path, pixels)
    with pytest.raises(job.data.ImageError) as told:
        read(job, path)
    what = f"no category has the value {value} at x 34, y 12"
    assert (
        str(told.value) == f"{path}: {what}: add it to the job's `values` or `ignored`"
    )


def test_each_value_of_sixteen_bits_has_its_place_in_the_table(job):
    table = job.data.table_of_values((300, 0, 65535), (7, 65534))
    assert table.shape == (65536,) and table.dtype == np.int16
    wanted = {300: 0, 0: 1, 65535: 2, 7: -1, 65534: -1}
    assert {place: table[place].item() for place in wanted} == wanted
    assert (np.delete(table, [*wanted]) == -2).all()
    again = job.data.table_of_values((0, 300, 65535), (7, 65534))
    assert again[[0, 300]].tolist() == [0, 1]  # the order of the categories


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_a_map_of_colors_has_no_values(job, tmp_path, mode):
    path = written(tmp_path, bands(0, 255, 2), mode=mode)
    with pytest.raises(SystemExit) as told:
        read(job, path)
    assert f"its map is {mode}, not 1 or L or P or I;16: {path}" in str(told.value)


def test_a_map_that_breaks_off_is_named(job, tmp_path):
    """Its header is whole, so that it is found once it is decoded."""
    noise = np.random.default_rng(0).integers(0, 2, (30, 40), np.uint8) * 255
    path = written(tmp_path, noise)
    path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(job.data.ImageError) as told:
        read(job, path)
    assert str(told.value) == f"{path}: cannot be decoded"
