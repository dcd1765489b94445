"""Maps and masks above the limits of Pillow, which warns from 89 megapixels on and
refuses 179: read as images are, up to the limit of the reader, which here is small."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from rows import MASKS, SEMANTIC, images
from rows_maps import COUNT, beside, stripes

from specc.cli import run_cli
from specc.datasets.emitted import Emitted, load, words_of

LIMIT = 64 * 48  # pixels of the images and maps
DEPTH = "depth_estimation"


def of_depth(folder: Path) -> None:
    beside(folder, stripes(1000, 5000, kind=np.uint16), "depth/{}.png")


def of_instances(folder: Path) -> None:
    for number in COUNT:
        images(folder / f"a{number}" / "images", f"{number}.png")
        mask = folder / f"a{number}" / "masks" / "0.png"
        mask.parent.mkdir()
        cv2.imwrite(str(mask), stripes(0, 255, 0, 0))


CASES = {
    "index maps": (SEMANTIC, lambda folder: beside(folder, stripes(0, 1, 2, 2))),
    "depth in millimeters": (DEPTH, of_depth),
    "numbers": (MASKS, lambda folder: beside(folder, stripes(0, 1, 2, 0))),
    "a mask an instance": (MASKS, of_instances),
}


def emitted(place: Path, name: str) -> Emitted:
    task, make = CASES[name]
    make(place / "set")
    assert run_cli(["init", task, "--data", "set"]) == 0
    return load((place / "job.json").read_bytes())


def labels(of: Emitted) -> list:
    training, held_out = of.dataset.read_datasets(Path())
    return [words_of(of, sample) for sample in training + held_out]


@pytest.mark.sample("2.5-depth in millimeters", rest="slow")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("share", [1.5, 2.5])
def test_the_readers_limit_is_the_only_one(place, monkeypatch, name, share):
    """With so small a limit Pillow warns, or refuses at twice as many pixels."""
    of = emitted(place, name)
    known = labels(of)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(LIMIT / share))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert str(labels(of)) == str(known)
    assert Image.MAX_IMAGE_PIXELS == int(LIMIT / share)


@pytest.mark.parametrize("name", CASES)
def test_above_the_limit_a_map_is_refused(place, monkeypatch, name):
    of = emitted(place, name)
    monkeypatch.setattr(of.dataset, "MOST_PIXELS", LIMIT - 1)
    monkeypatch.setattr(of.dataset, "image_size", lambda _: (48, 64))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(SystemExit, match="more than 3,071 pixels"):
        labels(of)
    assert Image.MAX_IMAGE_PIXELS is None


def test_importing_a_reader_changes_nothing_of_pillow(place):
    limit = Image.MAX_IMAGE_PIXELS
    emitted(place, "index maps")
    assert Image.MAX_IMAGE_PIXELS == limit
