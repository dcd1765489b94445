"""Emitted scripts end with one message where data, flags or places are wrong."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from runs import (
    PATIENCE,
    SHAPES,
    STEP,
    assert_equal_runs,
    command,
    make,
    one_core,
    refusal,
    run,
    train,
    train_until_killed,
)

from specc.shapes.dataset import draw_dataset

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def detector(world) -> Path:
    """The folder of a job that gets wrong data and flags."""
    return make(world / "refusing", SHAPES)


# ---- Data and flags that are wrong ----


def test_missing_data_is_told(detector, tmp_path):
    flags = ("--data", tmp_path, "--output", tmp_path / "run")
    said = refusal(run(detector, "train.py", *flags, code=1))
    assert "metadata.yaml: cannot be read" in said
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def damaged(tmp_path_factory) -> Path:
    """A world in which one of eight training images is cut short, its header whole."""
    folder = tmp_path_factory.mktemp("damaged")
    draw_dataset(folder / "shapes", train=8, validation=2)
    path = folder / "shapes" / "train" / "images" / "shapes_00002.jpg"
    path.write_bytes(path.read_bytes()[:-500])
    return folder


def test_a_broken_image_is_replaced_named_and_counted(damaged):
    """The same in every run: with workers, and over a stop."""
    job = make(damaged / "job", SHAPES, max_iterations=12, validations=2)
    path = damaged / "shapes" / "train" / "images" / "shapes_00002.jpg"
    told = f"{path}: cannot be decoded; another image takes its place (1 so far)"
    whole = train(job, damaged / "whole", "--workers", 1).stderr
    assert whole.count(told) == 1 and "Traceback" not in whole
    train_until_killed(job, damaged / "stopped", at=8)
    assert told in train(job, damaged / "stopped", "--resume").stderr
    assert_equal_runs(damaged / "whole", damaged / "stopped")


@pytest.mark.sample("0")
@pytest.mark.parametrize("workers", [0, 1])
def test_too_many_broken_images_end_the_run(damaged, tmp_path, workers):
    draw_dataset(tmp_path / "shapes", train=14, validation=3)
    images = sorted((tmp_path / "shapes" / "train" / "images").iterdir())
    for path in images[:12]:
        path.write_bytes(path.read_bytes()[:-500])
    job = make(tmp_path / "job", SHAPES)
    said = train(job, tmp_path / "run", "--workers", workers, code=1).stderr
    assert " of 14 training images cannot be decoded, among them\n" in said
    assert said.count(f"\n  {images[0].parent}") == 10 and "Traceback" not in said


def test_a_broken_image_ends_what_would_be_falsified_without_it(whole, world):
    """Validation, evaluation and prediction: the image is named, and nothing written."""
    job = make(world / "to-break", SHAPES, data={"validation": "broken/val"})
    draw_dataset(world / "broken", train=1, validation=3)
    path = world / "broken" / "val" / "images" / "shapes_00001.jpg"
    path.write_bytes(path.read_bytes()[:-500])
    told = f"{path}: cannot be decoded"
    weights = ("--weights", whole / "best.pt")
    done = run(job, "evaluate.py", *weights, "--data", world, code=1)
    assert refusal(done) == told and not done.stdout
    flags = (*weights, "--output", world / "nothing")
    said = refusal(run(job, "predict.py", *flags, path, code=1))
    assert said == f"{told}\nleft out: 1"
    assert not (world / "nothing").exists()
    for workers in (0, 1):
        flags = (f"runs/broken-{workers}", "--workers", workers)
        said = train(job, *flags, "--max-iterations", 4, code=1).stderr
        assert told in said and "Traceback" not in said


@pytest.mark.sample("flags0", "flags5")
@pytest.mark.parametrize(
    "flags",
    [
        ("--max-iterations", 0),
        ("--overfit", 0),
        ("--workers", -1),
        ("--seed", -1),
        ("--device", "tpu"),
        ("--no-such-flag",),
    ],
)
def test_wrong_flags_end_as_those_of_other_commands(detector, flags):
    done = run(detector, "train.py", *flags, code=2)
    assert "Traceback" not in done.stderr and done.stderr.startswith("usage: ")


@pytest.mark.soak
def test_a_second_interrupt_ends_a_run_at_once(detector):
    """The first waits for the step under way, in which this one sleeps."""
    slow = detector.with_name("slow-steps")
    shutil.copytree(detector, slow)
    text = (slow / "train.py").read_text()
    assert text.count(STEP) == 1
    sleep = "        (args.output / 'asleep').touch()\n        time.sleep(300)\n"
    (slow / "train.py").write_text(text.replace(STEP, STEP + sleep))
    flags = ("--data", slow.parent, "--output", slow / "run", "--workers", 1)
    words, quiet = command(slow, "train.py", *flags), {"stderr": subprocess.PIPE}
    process = subprocess.Popen(words, env=one_core(), text=True, **quiet)
    end = time.monotonic() + PATIENCE
    while not (slow / "run" / "asleep").exists() and time.monotonic() < end:
        time.sleep(0.02)
    for _ in range(2):
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "Traceback" not in said


def test_output_that_cannot_be_written_is_told(detector, tmp_path):
    (tmp_path / "file").write_text("")
    said = train(detector, tmp_path / "file" / "run", code=1).stderr
    assert "Traceback" not in said and "file" in said
