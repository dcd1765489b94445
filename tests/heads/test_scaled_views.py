"""How large the image of a view is, and where on the canvas it lies."""

from __future__ import annotations

import numpy as np
import pytest
from emitted_jobs import CLASSES, DETECTION

STILL = {"horizontal_flip": False, "scale": 0, "color": 0}


def spread(values) -> list[float]:
    return [np.min(values), np.mean(values), np.max(values)]


def factors(data, monkeypatch) -> list[float]:
    """By how much both sides of an image of 32x64 are multiplied to read it, in 200 of its
    views."""
    found = []

    def read_image(_, height: int, width: int, **options) -> np.ndarray:
        least = max((height - 0.5) / 32, (width - 0.5) / 64)
        most = min((height + 0.5) / 32, (width + 0.5) / 64)
        assert least <= most, "of another shape than the image"
        found.append((least + most) / 2)
        return np.zeros((height, width, 3), np.uint8)

    monkeypatch.setattr(data, "read_image", read_image)
    for seed in range(200):
        data.augment(data.Sample("", 32, 64, {}), np.random.default_rng(seed))
    return found


@pytest.mark.parametrize("head", [DETECTION, CLASSES], ids=lambda head: head["task"])
@pytest.mark.parametrize("fits", [(1.5,), (1.5, 1)], ids=["upright", "turned"])
def test_scaled_images_keep_their_shape(emitted, monkeypatch, head, fits):
    """Half as large to half as large again as what fits the canvas, 64x96: as likely
    anywhere. Upright the image fits it 1.5 times as large, turned as it is."""
    options = STILL | {"scale": 0.5, "transpose": len(fits) == 2}
    data = emitted(head, validation="val", augmentation=options).data
    wanted = [0.5 * min(fits), np.mean(fits), 1.5 * max(fits)]
    assert spread(factors(data, monkeypatch)) == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize("head", [DETECTION, CLASSES], ids=lambda head: head["task"])
def test_cropped_images_keep_their_shape(emitted, monkeypatch, head):
    """A share of the area that is as likely anywhere from a quarter on is in sight."""
    options = STILL | {"random_crop": 0.75}
    data = emitted(head, validation="val", augmentation=options).data
    shares = (1.5 / np.array(factors(data, monkeypatch))) ** 2
    assert spread(shares) == pytest.approx([0.25, 0.625, 1], abs=0.06)


@pytest.mark.parametrize("length, canvas", [(10, 13), (13, 10), (10, 10)])
def test_images_lie_anywhere_on_the_canvas_or_beyond_it(data, length, canvas):
    """A smaller one is all on it, a larger one covers it; all offsets are as likely."""
    rng, room = np.random.default_rng(0), canvas - length
    found = [data.random_offset(length, canvas, rng) for _ in range(400)]
    offsets, counts = np.unique(found, return_counts=True)
    assert offsets.tolist() == [*range(min(0, room), max(0, room) + 1)]
    assert counts == pytest.approx(400 / len(offsets), rel=0.3)
