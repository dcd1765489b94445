"""Images of 16 bits of which 8 to 14 are used: `bits` of the data."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from emitted_jobs import CLASSES, NAMES, build, load_all, make_reader

from specc.cli import run_cli

VALUES = np.linspace(0, 4095, 30 * 40).reshape(30, 40).round().astype(np.uint16)


def save(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, values)[1])
    return path


def read(data, path: Path) -> np.ndarray:
    return data.read_image(data.Sample(path, 30, 40, {}), 30, 40)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_largest_value_becomes_white(emitted, tmp_path, suffix, channels):
    data = emitted(CLASSES, format="folders", bits=12, channels=channels).data
    found = read(data, save(tmp_path / f"one{suffix}", VALUES))
    wanted = np.round(VALUES / 4095 * 255)[..., None].repeat(channels, 2)
    assert found.dtype == np.uint8 and np.abs(found - wanted).max() <= 0.5
    assert found.min() == 0 and found.max() == 255 and len(np.unique(found)) == 256


def test_colors_of_16_bits(emitted, tmp_path):
    colors = np.dstack([VALUES, VALUES // 2, VALUES // 4])  # blue first
    found = read(
        emitted(CLASSES, format="folders", bits=12).data,
        save(tmp_path / "one.png", colors),
    )
    wanted = np.round(colors[..., ::-1] / 4095 * 255)
    assert np.abs(found - wanted).max() <= 1


def test_images_of_8_bits_stay_as_they_are(emitted, tmp_path):
    gray = (VALUES >> 4).astype(np.uint8)
    data = emitted(CLASSES, format="folders", bits=12, channels=1).data
    assert np.array_equal(read(data, save(tmp_path / "one.png", gray))[..., 0], gray)


@pytest.mark.parametrize(
    "values, said",
    [
        (VALUES + 1, "a value of 4096, by `bits` 4095 at"),
        (VALUES.astype(np.float32), "values of float32, not of 8 or 16 bits"),
    ],
)
def test_what_has_other_values_is_named(emitted, tmp_path, values, said):
    data = emitted(CLASSES, format="folders", bits=12, channels=1).data
    path = save(tmp_path / "one.tiff", values)
    with pytest.raises(data.ImageError, match=said) as caught:
        read(data, path)
    assert str(path) in str(caught.value)


def test_without_bits_nothing_of_it_is_emitted(tmp_path):
    for name, bits in (("with", {"bits": 10}), ("without", {})):
        (tmp_path / name).mkdir()
        make_reader(tmp_path / name, (CLASSES,), {"format": "folders"} | bits)
    told = (tmp_path / "with" / "data.py").read_text()
    assert "WHITE = 1023" in told and "def in_8_bits" in told
    assert "scale them by 255 / 1023" in (tmp_path / "with" / "README.md").read_text()
    plain = (tmp_path / "without" / "data.py").read_text()
    assert "WHITE" not in plain and "8_bits" not in plain and "ANYDEPTH" not in plain
    assert "bits" not in (tmp_path / "without" / "README.md").read_text()


@pytest.mark.parametrize(
    "largest, bits",
    [
        (255, 8),
        (1000, 10),
        (1100, 12),
        (4095, 12),
        (9000, 14),
        (16384, None),
        (65535, None),
    ],
)
def test_init_finds_the_bits(place, capsys, largest, bits):
    for number in range(8):
        scale = largest if number == 3 else largest // 2
        image = np.round(VALUES / 4095 * scale).astype(np.uint16)
        save(place / "set" / NAMES[number % 2] / f"{number}.png", image)
    assert run_cli(["init", "multiclass_classification", "--data", "set"]) == 0
    job = json.loads((place / "job.json").read_text())
    assert job["data"].get("bits") == bits
    said = capsys.readouterr().out
    assert (f"{bits} of 16 in each value" in said) == (bits is not None)
    data = load_all(build(job, place / "set"), "data").data
    found = read(data, place / "set" / NAMES[1] / "3.png")
    assert found.max() == round(min(255, 255 * largest / (2 ** (bits or 16) - 1)))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_init_finds_the_bits_of_colors(place, suffix):
    """Pillow reads them as 8 bits."""
    colors = np.dstack([VALUES // 4, VALUES, VALUES // 2]).astype(np.uint16)
    for number in range(4):
        save(place / "set" / NAMES[number % 2] / f"{number}.{suffix}", colors)
    assert run_cli(["init", "multiclass_classification", "--data", "set"]) == 0
    job = json.loads((place / "job.json").read_text())
    assert job["data"]["bits"] == 12
    data = load_all(build(job, place / "set"), "data").data
    found = read(data, place / "set" / NAMES[1] / f"3.{suffix}")
    largest = [
        round(255 * int(x.max()) / 4095) for x in (colors[..., i] for i in (2, 1, 0))
    ]
    assert found.reshape(-1, 3).max(0).tolist() == largest


def test_init_leaves_images_of_8_bits_alone(place):
    for number in range(8):
        gray = (VALUES >> 4).astype(np.uint8)
        save(place / "set" / NAMES[number % 2] / f"{number}.png", gray)
    assert run_cli(["init", "multiclass_classification", "--data", "set"]) == 0
    assert "bits" not in json.loads((place / "job.json").read_text())["data"]
