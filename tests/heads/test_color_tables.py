"""Maps of colors become indices by a table, as by a search among the colors."""

from __future__ import annotations

from types import ModuleType

import cv2
import numpy as np
import pytest
from emitted_jobs import NAMES

COLORS = [[0, 0, 1], [255, 255, 255], [17, 99, 250]]
HEAD = {
    "name": "street",
    "task": "semantic_segmentation",
    "categories": NAMES,
    "colors": COLORS,
}


@pytest.fixture
def data(emitted) -> ModuleType:
    return emitted(HEAD, validation="val").data


def placed(colors) -> tuple:
    """Pairs of a color and the place of its category, as a `ColoredMap` has them."""
    return tuple((color, index) for index, color in enumerate(colors))


def test_colors_become_what_a_search_among_them_finds(data, tmp_path):
    rng = np.random.default_rng(0)
    for count in (3, 60, 400):
        colors = rng.choice(np.arange(1, 1 << 24), count, replace=False)
        colors = [(c >> 16, c >> 8 & 255, c & 255) for c in colors.tolist()]
        colors[0] = (255, 255, 255)
        wanted = rng.integers(-1, count, (37, 53))
        painted = np.array([*colors, (0, 0, 0)], np.uint8)[wanted]
        cv2.imwrite(str(tmp_path / "map.png"), painted[:, :, ::-1])
        found = data.read_categories(tmp_path / "map.png", placed(colors))
        assert found.dtype == np.int16
        np.testing.assert_array_equal(found, wanted)


def test_an_unknown_color_is_named_with_its_place(data, tmp_path):
    painted = np.full((20, 30, 3), COLORS[2], np.uint8)
    painted[4, 9] = 16, 99, 250
    cv2.imwrite(str(tmp_path / "map.png"), painted[:, :, ::-1])
    colors = placed(map(tuple, COLORS))
    said = r"no category has the color \[16, 99, 250\] at x 9, y 4"
    with pytest.raises(data.ImageError, match=said):
        data.read_categories(tmp_path / "map.png", colors)


def test_gray_and_transparent_maps_are_read(data, tmp_path):
    colors = placed([(255, 255, 255), (7, 7, 7)])
    gray = np.array([[0, 7], [255, 7]], np.uint8)
    cv2.imwrite(str(tmp_path / "gray.png"), gray)
    clear = np.dstack([gray, gray, gray, np.zeros_like(gray)])
    cv2.imwrite(str(tmp_path / "clear.png"), clear)
    for name in ("gray.png", "clear.png"):
        found = data.read_categories(tmp_path / name, colors)
        assert found.tolist() == [[-1, 1], [0, 1]]
