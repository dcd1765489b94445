"""Weights and resolved jobs of all examples keep their names: see keys.py."""

from __future__ import annotations

import keys
import pytest


def test_the_recorded_examples_are_those_that_exist():
    assert list(keys.recorded()["examples"]) == keys.EXAMPLES


@pytest.mark.slow
@pytest.mark.sample(
    "documents",
    "faces",
    "flowers",
    "melodies",
    "nuclei",
    "shapes-and-scenes",
    "street-scenes",
    "tiles",
    "vehicles",
)
@pytest.mark.parametrize("name", keys.EXAMPLES)
def test_names_of_an_example_are_those_recorded(name, tmp_path):
    assert keys.of_example(name, tmp_path) == keys.recorded()["examples"][name]
