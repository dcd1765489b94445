"""The emitted data.py: batches."""

from __future__ import annotations

import itertools
from types import ModuleType

import numpy as np
import pytest
import torch
from emitted_jobs import DATA_SIZE

HEIGHT, WIDTH = DATA_SIZE


# ---- Batches ----


def take(data: ModuleType, count: int, length=10, start=0, rank=0, world=1, seed=0):
    batches = data.batch_keys(length, seed, start, rank, world)
    return list(itertools.islice(batches, count))


def test_every_image_comes_once_in_an_epoch(data):
    keys = sum(take(data, 25), [])  # 25 batches of 4: 10 epochs of 10
    assert len(keys) == 100
    for epoch in range(10):
        own = [index for of, index in keys if of == epoch]
        assert sorted(own) == list(range(10))
        assert own == [index for _, index in keys[10 * epoch : 10 * epoch + 10]]
    orders = {tuple(index for of, index in keys if of == epoch) for epoch in range(10)}
    assert len(orders) == 10
    assert take(data, 25) != take(data, 25, seed=1)


@pytest.mark.parametrize("start", [1, 2, 3, 7, 24])
def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(data, start):
    assert take(data, 25 - start, start=start) == take(data, 25)[start:]


@pytest.mark.parametrize("length", [1, 3, 10])
def test_processes_share_a_batch(data, length):
    whole = take(data, 12, length)
    shares = [take(data, 12, length, rank=rank, world=2) for rank in range(2)]
    for batch, first, second in zip(whole, *shares):
        assert len(first) == len(second) == 2
        assert sorted(first + second) == sorted(batch)


def test_numbers_of_objects_are_few_so_that_few_losses_are_compiled(data):
    def rows(count: int) -> int:
        batch = [
            data.Objects(np.zeros((n, 4), np.float32), np.zeros(n, int))
            for n in (count, 3)
        ]
        return data.stack_objects(batch)["classes"].shape[1]

    found = {rows(count) for count in range(0, 2049, 16)}
    assert found == {16, 32, 64, 128, 256, 512, 1024, 2048}  # 8 compilations
    assert [rows(count) for count in (16, 17, 64, 65)] == [16, 32, 64, 128]


def test_a_batch_pads_its_objects(data):
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    two = data.Objects(np.float32([[0, 0, 1, 2], [3, 4, 5, 6]]), np.int64([2, 0]))
    none = data.Objects(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    batch = [(canvas, {"cells": x}, []) for x in (two, none)]
    images, targets, broken = data.collate(batch)
    assert broken == []
    assert images.shape == (2, 3, HEIGHT, WIDTH) and images.dtype == torch.uint8
    assert targets["cells"]["classes"].tolist() == [[2, 0] + 14 * [-1], 16 * [-1]]
    assert targets["cells"]["boxes"][0, :2].tolist() == [[0, 0, 1, 2], [3, 4, 5, 6]]
    assert not targets["cells"]["boxes"][0, 2:].any()
    assert not targets["cells"]["boxes"][1].any()
    _, targets, _ = data.collate([(canvas, {"cells": none}, [])])
    assert targets["cells"]["classes"].tolist() == [16 * [-1]]
