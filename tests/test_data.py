"""The emitted data.py: batches, and the images that are held out."""

from __future__ import annotations

import itertools
from types import ModuleType

import numpy as np
import pytest
import torch
from emitted_jobs import DATA_SIZE, DETECTION
from PIL import Image
from small_data import native, picture

HEIGHT, WIDTH = DATA_SIZE


# ---- Batches ----


def take(data: ModuleType, count: int, length=10, start=0, rank=0, world=1, seed=0):
    batches = data.Batches(length, seed, start, rank, world)
    return list(itertools.islice(batches, count))


def test_every_image_comes_once_in_an_epoch(detection):
    keys = sum(take(detection, 25), [])  # 25 batches of 4: 10 epochs of 10
    assert len(keys) == 100
    for epoch in range(10):
        own = [index for of, index in keys if of == epoch]
        assert sorted(own) == list(range(10))
        assert own == [index for _, index in keys[10 * epoch : 10 * epoch + 10]]
    orders = {tuple(index for of, index in keys if of == epoch) for epoch in range(10)}
    assert len(orders) == 10
    assert take(detection, 25) != take(detection, 25, seed=1)


@pytest.mark.parametrize("start", [1, 2, 3, 7, 24])
def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(detection, start):
    assert take(detection, 25 - start, start=start) == take(detection, 25)[start:]


@pytest.mark.parametrize("length", [1, 3, 10])
def test_processes_share_a_batch(detection, length):
    whole = take(detection, 12, length)
    shares = [take(detection, 12, length, rank=rank, world=2) for rank in range(2)]
    for batch, first, second in zip(whole, *shares):
        assert len(first) == len(second) == 2
        assert sorted(first + second) == sorted(batch)


def test_a_batch_pads_its_objects(detection):
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    two = detection.Objects(np.float32([[0, 0, 1, 2], [3, 4, 5, 6]]), np.int64([2, 0]))
    none = detection.Objects(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    images, targets = detection.collate([(canvas, {"cells": x}) for x in (two, none)])
    assert images.shape == (2, 3, HEIGHT, WIDTH) and images.dtype == torch.uint8
    assert targets["cells"]["classes"].tolist() == [[2, 0], [-1, -1]]
    assert targets["cells"]["boxes"][0].tolist() == [[0, 0, 1, 2], [3, 4, 5, 6]]
    assert not targets["cells"]["boxes"][1].any()
    _, targets = detection.collate([(canvas, {"cells": none})])
    assert targets["cells"]["classes"].tolist() == [[-1]]


# ---- The validation split ----


def test_the_held_out_images_are_always_the_same(emitted, tmp_path):
    data = emitted(DETECTION, validation_fraction=0.25)
    folder = tmp_path / "train"
    (folder / "images").mkdir(parents=True)
    for i in range(20):
        Image.fromarray(picture()).save(folder / "images" / f"{i:02}.png")
    labels = {f"{i:02}.png": [] for i in range(20)}
    native(folder, labels)
    training, validation = data.read_datasets(tmp_path)
    assert len(training) == 15 and len(validation) == 5
    names = [{sample.path.name for sample in part} for part in (training, validation)]
    assert not names[0] & names[1] and names[0] | names[1] == set(labels)
    again = data.read_datasets(tmp_path)
    assert [x.path for x in again[1]] == [x.path for x in validation]
    assert [x.path for x in training] == sorted(x.path for x in training)


def test_one_image_cannot_be_split(emitted, tmp_path):
    data = emitted(DETECTION, validation_fraction=0.25)
    native(tmp_path / "train", {"0.png": []})
    with pytest.raises(SystemExit, match="too few images to hold some out"):
        data.read_datasets(tmp_path)
    native(tmp_path / "train", {"0.png": [], "1.png": []})
    training, validation = data.read_datasets(tmp_path)
    assert len(training) == len(validation) == 1


def test_named_datasets_are_read_below_the_root(detection, tmp_path):
    native(tmp_path / "train", {"0.png": []})
    native(tmp_path / "val", {"1.png": [], "2.png": []})
    training, validation = detection.read_datasets(tmp_path)
    assert [len(training), len(validation)] == [1, 2]
