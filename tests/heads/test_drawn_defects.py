"""Drawn defects of anomaly detection, by numbers that a test chooses: where and how."""

from __future__ import annotations

import numpy as np
import pytest
from emitted_jobs import build, load_data

HEAD = {"name": "flaws", "task": "anomaly_detection", "channels": 16}
SIZE = 64, 96


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    job = {
        "name": "tested",
        "data": {"train": "train", "validation": "val", "resolution": SIZE},
        "model": {"backbone": {"top_level": 3}, "heads": [HEAD]},
    }
    return load_data(build(job, tmp_path_factory.mktemp("flaws"))).data


class Drawing:
    """A generator of random numbers, some of which the test chooses."""

    def __init__(self, *chances: float, end=0, normal=0.0, shift=(0, 0)):
        self.chances, self.end = list(chances), end
        self.normal, self.shift = normal, shift

    def random(self) -> float:
        return self.chances.pop(0)

    def uniform(self, *ends: float) -> float:
        return ends[self.end]

    def standard_normal(self) -> float:
        return self.normal

    def integers(self, sides: tuple) -> np.ndarray:
        assert sides == SIZE
        return np.array(self.shift)


def draws(data, monkeypatch, canvas: np.ndarray, rng: Drawing) -> np.ndarray:
    """Returns the pixels where a defect was drawn, of noise that rises from pixel to
    pixel, in a form that reaches over the lower half of the canvas."""
    noise = np.arange(canvas[..., 0].size).reshape(SIZE)
    ragged = np.where(noise // SIZE[1] >= SIZE[0] // 2, 0.31, 0.3)
    maps = [noise, ragged]
    monkeypatch.setattr(data, "blotches", lambda _: maps.pop(0))
    return data.draw_defect(canvas, rng)


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("shade, normal", [(0, 2), (9, -1), (210, 1), (220, -2)])
def test_a_defect_is_lighter_or_darker_by_55_times_a_normal_number(
    data, monkeypatch, shade, normal, end
):
    """A share of 0.3 to 1 is mixed in; the defect covers 0.2 % to 5 % of the image."""
    canvas = np.full((*SIZE, 3), shade, np.uint8)
    rng = Drawing(0.3, 0.4, end=end, normal=normal)
    mask = draws(data, monkeypatch, canvas, rng)
    covered = round((0.002, 0.05)[end] * mask.size)
    assert mask.sum() == pytest.approx(covered, abs=1)
    assert mask.flatten()[-covered + 1 :].all()
    drawn = np.clip(shade + (0.3, 1)[end] * 55 * normal, 0, 255)
    assert np.abs(canvas[mask] - drawn).max() <= 0.51
    assert (canvas[~mask] == shade).all()


@pytest.mark.parametrize("end", [0, 1])
def test_a_defect_may_look_as_another_place_does(data, monkeypatch, end):
    clean = np.random.default_rng(0).integers(0, 256, (*SIZE, 1), np.uint8)
    canvas, rng = clean.copy(), Drawing(0.3, 0.399, end=end, shift=(5, 9))
    mask = draws(data, monkeypatch, canvas, rng)
    for row, column in np.argwhere(mask):
        other = int(clean[row - 5, column - 9, 0])
        own = int(clean[row, column, 0])
        mixed = own + (0.3, 1)[end] * (other - own)
        assert canvas[row, column, 0] == pytest.approx(mixed, abs=0.51)


def test_a_share_of_the_canvases_stays_clean(data, monkeypatch):
    canvas = np.zeros((*SIZE, 3), np.uint8)
    assert not draws(data, monkeypatch, canvas, Drawing(0.299)).any()


def test_where_noise_is_low_there_is_no_defect(data, monkeypatch):
    """So defects are ragged, or in parts."""
    canvas, rng = np.zeros((*SIZE, 3), np.uint8), Drawing(0.3, 0.4, end=1)
    maps = [np.arange(canvas[..., 0].size).reshape(SIZE), np.full(SIZE, 0.3)]
    monkeypatch.setattr(data, "blotches", lambda _: maps.pop(0))
    assert not data.draw_defect(canvas, rng).any()


def test_noise_has_2_to_32_cells_a_side(data):
    """It is drawn with one more cell on each side, and cut out of the middle."""
    sides = set()

    class Counting:
        def __init__(self, seed):
            self.rng = np.random.default_rng(seed)

        def integers(self, *given):
            return self.rng.integers(*given)

        def standard_normal(self, size, kind):
            sides.update(enumerate((size - 2).tolist()))
            return self.rng.standard_normal(size, kind)

        def uniform(self, *given):
            return self.rng.uniform(*given)

    for seed in range(60):
        noise = data.blotches(Counting(seed))
        assert noise.shape == SIZE and noise.dtype == np.float32
    assert sides == {(axis, 2**power) for axis in (0, 1) for power in range(1, 6)}


@pytest.mark.parametrize("share", [0.5, 1, 1.5])
def test_cells_of_noise_fill_the_canvas(data, share):
    """Each of 4x2 cells has 16x48 pixels; the canvas begins half a cell to one and a
    half after the noise does. The only cell above 0 is highest in its middle."""

    class Chosen:
        def integers(self, *given):
            return np.array([2, 1])

        def standard_normal(self, size, kind):
            cells = np.zeros(size, kind)
            cells[2, 1] = 1
            return cells

        def uniform(self, *given):
            assert given == (0.5, 1.5, 2)
            return np.full(2, share)

    noise = data.blotches(Chosen())
    row, column = np.unravel_index(noise.argmax(), SIZE)
    assert row + 0.5 == pytest.approx((2.5 - share) * 16, abs=1)
    assert column + 0.5 == pytest.approx((1.5 - share) * 48, abs=1)
