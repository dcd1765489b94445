"""The emitted data.py on images that do not decode."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from emitted_jobs import DETECTION
from small_data import picture

HEIGHT, WIDTH = 240, 320


def encoded(suffix: str, seed=0) -> bytes:
    return cv2.imencode(suffix, picture(HEIGHT, WIDTH, seed))[1].tobytes()


def samples(data, folder: Path, count: int, broken: set[int]) -> list:
    """JPEGs, some of them cut short; the label of each is a box of its own width."""
    made = []
    for i in range(count):
        path = folder / f"{i:02}.jpg"
        whole = encoded(".jpg", seed=i)
        path.write_bytes(whole[:-200] if i in broken else whole)
        objects = data.Objects(np.float32([[0, 0, 50 + 5 * i, 99]]), np.int64([0]))
        made.append(data.Sample(path, HEIGHT, WIDTH, {"cells": objects}))
    return made


@pytest.mark.parametrize("size", [(240, 320), (120, 160), (60, 80), (30, 40)])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
def test_an_image_cut_short_is_no_image(data, tmp_path, capfd, suffix, share, size):
    """Also a JPEG, of which some decoders make gray pixels, at every reduction."""
    whole = encoded(suffix)
    path = tmp_path / f"image{suffix}"
    sample = data.Sample(path, HEIGHT, WIDTH, {})
    path.write_bytes(whole)
    assert data.read_image(sample, *size).shape == (*size, 3)
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(data.ImageError, match=f"image{suffix}: cannot be decoded"):
        data.read_image(sample, *size)


def test_an_image_that_is_gone_or_a_folder_is_no_image(data, tmp_path):
    (tmp_path / "folder.png").mkdir()
    for name in ("absent.png", "folder.png"):
        with pytest.raises(data.ImageError, match=f"{name}: cannot be decoded"):
            data.read_image(data.Sample(tmp_path / name, 30, 40, {}), 30, 40)


def test_bytes_behind_a_jpeg_do_no_harm(data, tmp_path):
    """Phones put films there."""
    (tmp_path / "image.jpg").write_bytes(encoded(".jpg") + bytes(5000))
    sample = data.Sample(tmp_path / "image.jpg", HEIGHT, WIDTH, {})
    assert data.read_image(sample, HEIGHT, WIDTH).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("augmentation", [None, False])
def test_another_image_with_its_own_labels_takes_the_place(
    emitted, tmp_path, augmentation
):
    options = {} if augmentation is None else {"augmentation": augmentation}
    data = emitted(DETECTION, validation="val", **options).data
    given = samples(data, tmp_path, 6, {0, 1})
    views = data.TrainingSet(given, seed=7)
    chosen = set()
    for epoch in range(20):
        canvas, labels, broken = views[epoch, 0]
        told = {problem.split(": ")[0] for problem in broken}
        paths = {str(sample.path) for sample in given[:2]}
        assert broken and told <= paths
        again = data.TrainingSet(given, seed=7)[epoch, 0]
        assert (canvas == again[0]).all() and broken == again[2]
        assert (labels["cells"].boxes == again[1]["cells"].boxes).all()
        if augmentation is False:
            whole = [views[0, i] for i in range(2, 6)]
            (same,) = [i for i, view in enumerate(whole) if (view[0] == canvas).all()]
            assert (whole[same][1]["cells"].boxes == labels["cells"].boxes).all()
            chosen.add(same)
    assert augmentation is None or len(chosen) == 4
    assert views[0, 2][2] == []


def batches(data, given: list, count: int) -> list:
    loader = data.training_batches(given, 0, 0, 0, 1, 0)
    return list(itertools.islice(loader, count))


def test_few_broken_images_are_named_once_each(data, tmp_path, capsys):
    given = samples(data, tmp_path, 20, set(range(10)))
    assert len(batches(data, given, 20)) == 20
    said = capsys.readouterr().err
    for number, sample in enumerate(given):
        assert said.count(f"{sample.path}: cannot be decoded; ") == (number < 10)
    assert "(10 so far)" in said


def test_more_than_ten_broken_images_end_the_run(data, tmp_path):
    given = samples(data, tmp_path, 20, set(range(11)))
    with pytest.raises(SystemExit, match="11 of 20 training images") as caught:
        batches(data, given, 20)
    lines = str(caught.value).splitlines()
    assert len(lines) == 11 and lines[1].endswith("00.jpg: cannot be decoded")


@pytest.mark.slow
def test_one_in_a_hundred_may_be_broken(data, tmp_path):
    """20 of 2,000 images are broken; one file stands for many samples."""
    given = samples(data, tmp_path, 40, set(range(20)))
    assert len(batches(data, given[:20] + 99 * given[20:], 520)) == 520
    with pytest.raises(SystemExit, match="of 420 training images"):
        batches(data, given[:20] + 20 * given[20:], 110)


@pytest.mark.slow
@pytest.mark.parametrize("count, ends", [(2000, True), (2100, False)])
def test_one_more_than_one_in_a_hundred_may_not(data, dataset, tmp_path, count, ends):
    """21 of 2,000 are too many, of 2,100 they are not: here, and where headers are read."""
    given = samples(data, tmp_path, 22, set(range(21)))
    many = given[:21] + (count - 21) * given[21:]
    problems = [(f"{i}.jpg", dataset.BrokenImage("no image")) for i in range(21)]
    read = (tmp_path, many, problems, Counter())
    if not ends:
        dataset.report(*read, training=True)
        assert len(batches(data, many, 530)) == 530
        return
    with pytest.raises(SystemExit, match=f"21 of {count} training images"):
        batches(data, many, 530)
    with pytest.raises(SystemExit, match="problems: 21"):
        dataset.report(*read, training=True)


def test_nothing_but_broken_images_end_the_run(data, tmp_path):
    given = samples(data, tmp_path, 2, {0, 1})
    with pytest.raises(data.ImageError, match="cannot be decoded"):
        batches(data, given, 1)
