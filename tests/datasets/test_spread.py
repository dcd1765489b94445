"""Samples of large sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from specc.datasets import init, start
from specc.datasets.files import spread
from specc.datasets.found import Found

PAIRS = tuple(Path(f"{i:06}_{side}.png") for i in range(3000) for side in "ab")


@pytest.mark.parametrize("count, most", [(0, 5), (5, 5), (6, 5), (1000, 100), (12, 1)])
def test_items_are_from_all_over_in_their_order(count, most):
    found = spread(range(count), most)
    assert found == sorted({*found}) == spread(range(count), most)
    assert len(found) == min(count, most)
    ends = [i * count // most for i in range(most + 1)]
    if count > most:
        assert all(a <= x < b for a, x, b in zip(ends, found, ends[1:]))


@pytest.mark.parametrize("period", [2, 3, 4, 10, 15])
def test_kinds_that_take_turns_are_all_seen(period):
    kinds = [i % period for i in spread(range(6000), 400)]
    assert min(map(kinds.count, range(period))) > 0.5 * 400 / period


def test_sizes_of_both_images_of_pairs_are_measured(monkeypatch):
    size = {"a": (100, 200), "b": (300, 400)}
    monkeypatch.setattr(start, "image_size", lambda path: size[path.stem[-1]])
    assert {*start.measure(PAIRS).heights} == {100, 300}


def test_bits_are_those_of_the_brighter_images_of_pairs(monkeypatch):
    most = {"a": 255, "b": 4095}
    monkeypatch.setattr(start, "largest_value", lambda path: most[path.stem[-1]])
    assert start.bits_of(PAIRS) == start.bits_of(PAIRS[1:]) == 12


def test_every_second_image_turned_by_exif_is_told_of(monkeypatch):
    monkeypatch.setattr(init, "is_turned", lambda path: path.stem[-1] == "b")
    found = Found("native", "object_detection", Path(), None, {}, PAIRS)
    count, _, total, *_ = init.turned_in_words(found).split()
    assert int(total) / 3 < int(count) < int(total) / 1.5
