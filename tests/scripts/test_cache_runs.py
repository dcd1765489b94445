"""Decoded images that are kept, shared by processes, and over runs that are killed."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import pytest
from emitted_jobs import DETECTION, load_data, make_reader
from runs import (
    SCENE,
    assert_equal_runs,
    checkpoint,
    group,
    make,
    refusal,
    rows,
    run,
    train,
)
from test_cache import SIZES, draw, kept
from torchrun import torchrun

pytestmark = pytest.mark.slow

# ---- Processes ----

FILL = """
import hashlib, os, pickle, sys
from pathlib import Path

import cv2
import numpy as np

import cache, data
from dataset import Objects, Sample
from samples import Samples, columns_of

folder, first, deadly = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
first += 3 if os.environ["RANK"] == "2" else 0
given = []
for path in sorted(folder.glob("*.png")):
    height, width, _ = cv2.imread(str(path)).shape
    none = Objects(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    given.append(Sample(path, height, width, {"cells": none}))
given = Samples(columns_of(given))
training, _ = data.cached(given, given, verbose=False)
fill, filled = cache.fill, []


def deadly_fill(slot, image):
    filled.append(slot)
    if len(filled) == deadly:  # with the pixels half written
        with slot.file.open("r+b") as file:
            file.seek(slot.offset)
            file.write(image.tobytes()[: slot.size // 2])
            file.flush()
            os.kill(os.getpid(), 9)
    fill(slot, image)


cache.fill = deadly_fill
views = data.TrainingSet(training, seed=1)
for i in range(len(given)):
    views[0, (first + i) % len(given)]
views = pickle.loads(pickle.dumps(views))  # spawned workers get pickles
digest = hashlib.sha256()
for key in np.ndindex(3, len(given)):
    digest.update(views[key][0].tobytes())
print(digest.hexdigest(), len(pickle.dumps(views)))
"""


@pytest.fixture
def filler(tmp_path):
    """Runs processes that fill the cache, the last of three from the middle, the others
    from image `first` on, and then digest all views; returns what they say. They die as
    they write image number `deadly`."""
    folder = tmp_path / "job"
    folder.mkdir()
    job = {"validation": "val", "cache": str(tmp_path / "cache"), "keep_samples": True}
    make_reader(folder, (DETECTION,), job)
    draw(load_data(folder).data, tmp_path / "images")
    (folder / "fill.py").write_text(FILL)

    def fill(first=0, deadly=0, processes=1, code=0) -> str:
        words = (tmp_path / "images", first, deadly)
        how = {"processes": processes, "code": code}
        return group(folder, "fill.py", *words, **how).stdout

    return fill


def test_processes_fill_one_file_together(filler, tmp_path):
    expected = filler()
    shutil.rmtree(tmp_path / "cache")
    together = filler(processes=3).splitlines(keepends=True)
    assert together == [expected] * 3
    assert len(kept(tmp_path)) == 2  # training, validation
    assert int(expected.split()[1]) < 10_000  # no pixels travel to workers


def test_a_kill_leaves_nothing_that_counts_and_is_not_whole(filler, tmp_path):
    expected = filler()
    for deadly in (1, 4, len(SIZES)):
        shutil.rmtree(tmp_path / "cache")
        filler(deadly=deadly, code=-signal.SIGKILL)
        ends = [path.read_bytes()[-36 - len(SIZES) :] for path in kept(tmp_path)]
        assert sum(sum(end[: len(SIZES)]) for end in ends) == deadly - 1
        assert filler(first=2) == expected


# ---- Runs ----

SMALL = {"backbone": {"top_level": 2}, "max_iterations": 8, "validations": 2}


@pytest.fixture(scope="module")
def job(world) -> Path:
    data = {"cache": "decoded", "keep_samples": True}
    return make(world / "cached", SCENE, data=data, **SMALL)


@pytest.fixture(scope="module")
def unbroken(job) -> Path:
    """The output of a run whose cache was empty."""
    train(job, "runs/cached")
    return job.parent / "runs" / "cached"


def test_a_run_on_a_warm_cache_is_the_same(unbroken, job):
    count = len(kept(job.parent, "decoded"))
    said = train(job, "runs/warm", "--workers", 2).stdout
    assert "decoded: 0.4 MB for 20 decoded images; 20 of them are there" in said
    assert_equal_runs(unbroken, job.parent / "runs" / "warm")
    assert len(kept(job.parent, "decoded")) == count == 2
    weights = unbroken / "best.pt"
    run(job, "evaluate.py", "--weights", weights, "--data", job.parent)
    image = next((job.parent / "shapes" / "val" / "images").iterdir())
    run(job, "predict.py", "--weights", weights, image)
    assert len(kept(job.parent, "decoded")) == 2


@pytest.mark.parametrize(
    "workers, fill",
    [
        (0, 3),
        *(pytest.param(*at, marks=pytest.mark.soak) for at in [(2, 3), (0, 8), (2, 8)]),
    ],
)
def test_a_run_that_was_killed_as_it_filled_the_cache_goes_on(
    unbroken, job, fill, workers
):
    """At the third or eighth image of the process that fills it."""
    broken = job.with_name(f"broken-{fill}-{workers}")
    shutil.copytree(job, broken)
    text = (broken / "cache.py").read_text()
    place = "            file.seek(slot.mark)\n"
    count = "getattr(fill, 'count', 0) + 1"
    dies = f"            fill.count = {count}\n            if fill.count == {fill}:\n"
    dies += "                os.kill(os.getpid(), 9)\n"
    assert text.count(place) == 1
    (broken / "cache.py").write_text(text.replace(place, dies + place))
    shutil.rmtree(job.parent / "decoded")
    output = broken / "run"
    train(broken, output, "--workers", workers, code=1 if workers else -signal.SIGKILL)
    train(job, output, "--workers", workers, "--resume")
    assert_equal_runs(unbroken, output)


@pytest.mark.soak
def test_metrics_are_those_without_a_cache(world):
    """Without scaled views all pixels are."""
    logs = []
    for name, cache in (("with", {"cache": "kept"}), ("without", {})):
        data = {"augmentation": {"scale": 0}} | cache
        train(make(world / f"{name}-cache", SCENE, data=data, **SMALL), f"runs/{name}")
        logs.append(rows(world / "runs" / name))
    assert logs[0] == logs[1]


@pytest.mark.soak
def test_two_processes_fill_it_for_each_other(world, job):
    """A second pair of them reads what the first one kept, and ends alike."""
    shutil.rmtree(world / "decoded", ignore_errors=True)
    outputs = [world / "runs" / f"pair{i}" for i in range(2)]
    for output, known in zip(outputs, ("0 of them", "20 of them")):
        flags = ("--data", world, "--output", output, "--workers", 0)
        text = torchrun(job / "train.py", *flags)
        assert text.count("decoded images; ") == 1 and f"images; {known}" in text
    assert_equal_runs(*outputs)
    assert checkpoint(outputs[0] / "last.pt")["run"]["processes"] == 2


@pytest.mark.sample("0")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_full_disk_ends_a_run_in_one_line(job, workers):
    broken = job.with_name(f"full-{workers}")
    shutil.copytree(job, broken)
    text = (broken / "cache.py").read_text()
    place = "            file.write(image)\n"
    full = f'            raise OSError(28, "No space left on device")\n{place}'
    assert text.count(place) == 1
    (broken / "cache.py").write_text(text.replace(place, full))
    shutil.rmtree(job.parent / "decoded", ignore_errors=True)
    done = train(broken, broken / "run", "--workers", workers, code=1)
    said = done.stderr.replace("\r", "\n")
    assert "Traceback" not in said and "Error:" not in said
    (line,) = [line for line in said.splitlines() if ".u8" in line]
    assert re.search(
        r"decoded/\w+-0\.u8: cannot be written, is the disk full\? \(", line
    )
    assert line.endswith("(No space left on device)")


def test_a_cache_in_place_of_a_file_is_refused(job):
    shutil.rmtree(job.parent / "decoded", ignore_errors=True)
    (job.parent / "decoded").write_text("")
    said = refusal(train(job, "runs/refused", code=1))
    assert said.endswith("decoded images cannot be made: File exists")
    (job.parent / "decoded").unlink()
