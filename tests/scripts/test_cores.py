"""Workers and threads: how they share the cores, and what a resumed run does."""

from __future__ import annotations

import json
import os
import shutil
from argparse import Namespace

import pytest
import torch
from emitted_jobs import CLASSES, load_all
from emitted_jobs import make as make_job
from runs import (
    BACKBONE,
    PATIENCE,
    SCENE,
    checkpoint,
    images,
    make,
    one_core,
    run,
    train,
    train_until_killed,
    warm,
)

# ---- How they share the cores ----


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory):
    return load_all(
        make_job(tmp_path_factory.mktemp("cores"), [CLASSES]), "evaluate"
    ).evaluate


@pytest.fixture
def share(evaluate, monkeypatch):
    """share_cores of a process that may use some of the cores of a larger machine."""
    before = torch.get_num_threads()

    def of(cores, processes, workers, threads, device="cuda"):
        affinity = set(range(3, 3 + cores))
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: affinity, raising=False)
        monkeypatch.setattr(os, "cpu_count", lambda: 128)
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
        flags = Namespace(device=device, workers=workers, threads=threads)
        evaluate.share_cores(flags)
        assert torch.get_num_threads() == flags.threads
        return flags.workers, flags.threads

    yield of
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    "cores, processes, expected",
    [
        (1, 1, (0, 1)),
        (2, 1, (1, 1)),
        (3, 1, (1, 2)),
        (8, 1, (4, 4)),
        (8, 4, (1, 1)),
        (4, 8, (0, 1)),  # more processes than cores
        (20, 1, (8, 12)),  # more workers would read no faster
    ],
)
def test_workers_and_threads_fill_the_cores_of_a_process(
    share, monkeypatch, cores, processes, expected
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # torchrun sets this
    assert share(cores, processes, None, None) == expected


@pytest.mark.parametrize(
    "cores, expected", [(1, (0, 1)), (2, (0, 2)), (7, (0, 7)), (16, (2, 14))]
)
def test_where_the_cpu_computes_few_cores_read(share, cores, expected):
    assert share(cores, 1, None, None, "cpu") == expected


@pytest.mark.parametrize(
    "asked, expected",
    [
        ((0, None), (0, 8)),
        ((6, None), (6, 2)),
        ((12, None), (12, 1)),
        ((None, 1), (7, 1)),
        ((None, 8), (0, 8)),
        ((None, 9), (0, 9)),
        ((5, 5), (5, 5)),
    ],
)
def test_what_is_asked_for_is_kept_and_the_other_follows(share, asked, expected):
    assert share(8, 1, *asked) == expected


@pytest.mark.parametrize("asked", [(-1, None), (0, 0), (None, -2)])
def test_no_less_than_one_thread(share, asked):
    with pytest.raises(SystemExit, match="--workers starts at 0, --threads at 1"):
        share(8, 1, *asked)


# ---- Runs ----

SHORT = {"max_iterations": 2, "validations": 1}


@pytest.fixture(scope="module")
def job(world):
    """With one thread: two that share a busy core wait for each other."""
    small = {"backbone": {"top_level": 2}, "max_iterations": 4, "validations": 2}
    return make(world / "threads", SCENE, **small)


def unasked(job, output, *arguments):
    """train.py with the threads that it chooses itself."""
    flags = ("--data", job.parent, "--output", output, "--workers", 0, *arguments)
    words = [str(job / "train.py"), *map(str, flags)]
    done = warm().run(words, job.parent, one_core(), PATIENCE, False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_a_resumed_run_has_the_threads_it_began_with(job, tmp_path):
    began = tmp_path / "began"
    train_until_killed(job, began, "--threads", 1, at=3)
    assert checkpoint(began / "last.pt")["threads"] == 1
    asked, old = tmp_path / "asked", tmp_path / "old"
    for copy in (asked, old):
        shutil.copytree(began, copy)
    assert "threads" not in unasked(job, began, "--resume").stderr
    assert checkpoint(began / "last.pt")["threads"] == 1

    said = train(job, asked, "--resume", "--threads", 2).stderr
    assert f"{asked / 'last.pt'}: of 1 threads: sums will differ" in said
    assert checkpoint(asked / "last.pt")["threads"] == 2

    state = checkpoint(old / "last.pt")
    del state["threads"]  # older checkpoints lack them
    torch.save(state, old / "last.pt")
    assert "threads" not in train(job, old, "--resume", "--threads", 2).stderr
    assert checkpoint(old / "last.pt")["threads"] == 2


@pytest.mark.sample("False")
@pytest.mark.slow
@pytest.mark.parametrize("resized", [True, False])
def test_workers_change_neither_metrics_nor_predictions(world, tmp_path, resized):
    """Nor the order of images, whose sizes differ."""
    backbone = BACKBONE | {"resize_input": resized}
    job = make(world / f"read-{resized}".lower(), SCENE, backbone=backbone, **SHORT)
    output, found = tmp_path / "run", []
    train(job, output)
    weights = ("--weights", output / "best.pt")
    for workers in (0, 2):
        flags = (*weights, "--data", world, "--workers", workers)
        metrics = run(job, "evaluate.py", *flags).stdout
        place = tmp_path / f"predictions-{workers}"
        flags = (*weights, "--output", place, "--workers", workers)
        run(job, "predict.py", *flags, *images(world))
        found.append((metrics, (place / "predictions.json").read_text()))
    assert found[0] == found[1] and len(json.loads(found[0][1])) == 2
