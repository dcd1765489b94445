"""A run that was killed, and goes on, ends as the run that was not: bit for bit."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from emitted_jobs import build
from runs import (
    PATIENCE,
    SAVES,
    SCENE,
    SHAPES,
    STEP,
    assert_equal_runs,
    checkpoint,
    command,
    make,
    one_core,
    refusal,
    rows,
    train,
    train_until_killed,
)

from specc.shapes.dataset import draw_dataset

pytestmark = pytest.mark.slow

LENGTH = {"max_iterations": 24, "validations": 4}
KILL = "__import__('os').kill(__import__('os').getpid(), 9)"


@pytest.fixture(scope="module")
def job(world) -> Path:
    """A small classifier: a run takes a few seconds."""
    return make(world / "quick", SCENE, backbone={"top_level": 2}, **LENGTH)


@pytest.fixture(scope="module")
def unbroken(job) -> Path:
    output = job.parent / "runs" / "unbroken"
    train(job, output)
    return output


def changed_job(job: Path, **options) -> Path:
    """A folder of the job with other options at its top level."""
    folder = job.with_name(f"{job.name}-{'-'.join(options)}")
    folder.mkdir()
    return build(json.loads((job / "job.json").read_text()) | options, folder)


def changed(job: Path, file: str, old: str, new: str) -> Path:
    """A copy of an emitted folder, with one text in it replaced."""
    folder = job.with_name(f"{job.name}-{file.removesuffix('.py')}-{abs(hash(new))}")
    shutil.copytree(job, folder)
    text = (folder / file).read_text()
    assert text.count(old) == 1
    (folder / file).write_text(text.replace(old, new))
    return folder


# ---- Kills ----

SCORED = '    """Returns the metrics of predictions."""\n'
AFTER_12 = f'{SAVES}        if state.get("iteration") == 12:\n            {KILL}\n'


def half_of(name: str, key: str) -> str:
    """A kill within the write of this file, once it holds the key."""
    return f"""{SAVES}            file.flush()
            if path.name == "{name}" and "{key}" in state:
                file.truncate(1000)
                {KILL}
"""


@pytest.mark.sample("writing last.pt")
@pytest.mark.parametrize(
    "file, old, new",
    [
        ("checkpoints.py", SAVES, half_of("last.pt", key="run")),
        ("checkpoints.py", SAVES, half_of("best.pt", key="metrics")),
        ("checkpoints.py", SAVES, AFTER_12),
        (
            "evaluate.py",
            SCORED,
            f"{SCORED}    if len(samples) == 4 and getattr(score, 'again', 0):\n"
            f"        {KILL}\n    score.again = 1\n",
        ),
    ],
    ids=["writing last.pt", "writing best.pt", "after last.pt", "second validation"],
)
def test_a_kill_at_the_worst_moment_loses_nothing(unbroken, job, file, old, new):
    broken = changed(job, file, old, new)
    output = broken / "run"
    train(broken, output, code=-signal.SIGKILL)
    train(job, output, "--resume")
    assert_equal_runs(unbroken, output)
    assert not list(output.glob("*.tmp"))


def test_the_log_is_mended_where_it_was_cut(unbroken, job):
    """A kill may leave half a line, and rows that come after the checkpoint."""
    output = unbroken.with_name("cut")
    train_until_killed(job, output, at=15)
    with (output / "metrics.jsonl").open("a") as log:
        log.write('{"iteration": 23, "split": "train", "loss": 1.0}\n{"iterat')
    train(job, output, "--resume")
    assert_equal_runs(unbroken, output)


def start(job: Path, output: Path, workers: int) -> subprocess.Popen:
    """A run that has begun, which it shows by writing its log anew."""
    log = output / "metrics.jsonl"
    before = log.stat().st_ino if log.exists() else 0
    flags = ("--data", job.parent, "--output", output, "--resume", "--workers", workers)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(
        command(job, "train.py", *flags), cwd=job.parent, env=one_core(), **quiet
    )
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        if log.exists() and log.stat().st_ino != before:
            break
        time.sleep(0.01)
    return process


@pytest.fixture(scope="module")
def half_time(job) -> float:
    """Half the seconds from the first step of a run to its end."""
    process = start(job, job.parent / "runs" / "timed-whole", 0)
    began = time.monotonic()
    assert process.wait(PATIENCE) == 0
    return (time.monotonic() - began) / 2


def kill_and_compare(unbroken: Path, job: Path, times: list[float], seed: int) -> None:
    """Kills a run this long after its first step, and again as it goes on; in the end
    it must be the run that was not killed."""
    output = job.parent / "runs" / f"killed-{seed}"
    reached = []
    for number, seconds in enumerate(times):
        process = start(job, output, number % 2)
        time.sleep(seconds)
        process.kill()
        process.wait()
        last = output / "last.pt"
        reached.append(checkpoint(last)["iteration"] if last.exists() else 0)
    train(job, output, "--resume")
    assert_equal_runs(unbroken, output)
    shown = ", ".join(f"{seconds:.2f}" for seconds in times)
    print(f"killed after {shown} s; went on from iterations {reached}")


@pytest.mark.soak
def test_a_run_killed_at_random_ends_as_the_unbroken(unbroken, job, half_time):
    times = [random.Random(0).uniform(0, half_time) for _ in range(2)]
    kill_and_compare(unbroken, job, times, seed=0)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 11))
def test_twenty_kills_at_random_lose_nothing(unbroken, job, half_time, seed):
    rng = random.Random(seed)
    times = [rng.uniform(0, half_time) for _ in range(2)]
    kill_and_compare(unbroken, job, times, seed)


@pytest.mark.soak
def test_a_mean_over_a_stop_is_that_of_the_whole_run(job):
    """Iterations 25 to 30 make one line of the log; the run is stopped at 27, as it was
    at 14 by an older train.py, whose checkpoint does not hold what no line told yet."""
    stops = "        if iteration in (14, 27):\n            votes.signals.append(15)\n"
    stopping = changed(job, "train.py", STEP, STEP + stops)
    length, run = ("--max-iterations", 32), stopping / "run"
    train(job, stopping / "whole", *length)
    train(stopping, run, *length, code=143)
    last = checkpoint(run / "last.pt")
    assert last["iteration"] == 14 and len(last["unlogged"]) == 4
    torch.save({k: v for k, v in last.items() if k != "unlogged"}, run / "last.pt")
    train(stopping, run, *length, "--resume", code=143)
    last = checkpoint(run / "last.pt")
    assert last["iteration"] == 27
    assert [row["loss"] > 0 for row in last["unlogged"]] == 3 * [True]
    train(job, run, *length, "--resume")
    (run / "metrics.jsonl").write_text(without(run, 16))
    whole = stopping / "whole"
    (whole / "metrics.jsonl").write_text(without(whole, 16))
    assert_equal_runs(whole, run)
    means = [row["loss"] for row in rows(whole) if row["split"] == "train"]
    assert len(set(means)) == len(means)


def without(output: Path, iteration: int) -> str:
    """The lines of a log but for one, of which the older checkpoint knew too little."""
    lines = (output / "metrics.jsonl").read_text().splitlines()
    start = f'{{"iteration": {iteration}, "split": "train"'
    return "".join(f"{line}\n" for line in lines if not line.startswith(start))


# ---- Another run ----


def test_other_flags_are_refused(unbroken, job):
    before = (unbroken / "last.pt").read_bytes()
    flags = ("--resume", "--seed", 1, "--max-iterations", 30)
    said = refusal(train(job, unbroken, *flags, code=1))
    assert "last.pt: of another run; see --resume any" in said
    assert "seed: 0, now 1" in said and "max_iterations: 24, now 30" in said
    assert (unbroken / "last.pt").read_bytes() == before


def test_export_may_be_turned_on_for_a_run(unbroken, job):
    """It changes neither weights nor training: --resume goes on as if nothing was."""
    folder, output = changed_job(job, export=True), job.parent / "runs" / "exported"
    train_until_killed(job, output, at=13)
    said = train(folder, output, "--resume").stderr
    assert "another run" not in said
    last, whole = (checkpoint(x / "last.pt") for x in (output, unbroken))
    assert last["run"] == whole["run"] and last["best"] == whole["best"]
    for name, value in whole["model"].items():
        assert torch.equal(value, last["model"][name]), name


def test_any_goes_on_with_more_iterations(unbroken, job):
    output = unbroken.with_name("longer")
    shutil.copytree(unbroken, output)
    promise(output, 2.0)
    flags = ("--resume", "any", "--max-iterations", 30)
    said = train(job, output, *flags).stderr
    assert "last.pt: of another run; it keeps its state, and the best score" in said
    assert "max_iterations: 24, now 30" in said
    state = checkpoint(output / "last.pt")
    assert state["iteration"] == 30 and state["run"]["max_iterations"] == 30
    moments = state["optimizer"]["state"][0]
    assert moments["step"] == 30  # Adam went on
    assert [row["iteration"] for row in rows(output)][-1] == 30
    assert state["best"] == 2.0
    assert same(output / "best.pt", unbroken / "best.pt")


def promise(output: Path, best: float) -> None:
    """As if a run had reached a score, which no later one will beat."""
    state = checkpoint(output / "last.pt")
    torch.save(state | {"best": best}, output / "last.pt")


def same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


@pytest.mark.sample("images")
@pytest.mark.parametrize("changed", ["metric", "images"])
def test_any_forgets_the_score_of_another_metric_or_of_other_images(
    unbroken, world, changed
):
    """Not comparable, it would keep best.pt from ever being written again."""
    name = f"judged-by-other-{changed}"
    metric = "scene/f1" if changed == "metric" else "scene/balanced_accuracy"
    data = (
        {"train": "shapes/val", "validation": "shapes/train"}
        if changed == "images"
        else {}
    )
    own = {"backbone": {"top_level": 2}, "data": data, "best": metric}
    other = make(world / name, SCENE, **own, **LENGTH)
    output = unbroken.with_name(name)
    shutil.copytree(unbroken, output)
    promise(output, 2.0)
    flags = ("--resume", "any", "--max-iterations", 30)
    said = train(other, output, *flags).stderr
    assert ", not the best score" in said
    state = checkpoint(output / "last.pt")
    later = [row for row in rows(output) if row["iteration"] > 24]
    found = [row[metric] for row in later if row["split"] == "validation"]
    assert state["best"] == max(found) <= 1
    assert not same(output / "best.pt", unbroken / "best.pt")


def test_any_takes_the_weights_to_another_job(unbroken, world):
    """Its optimizer is its own; the iteration and the best score go on."""
    other = make(
        world / "other-rate",
        SCENE,
        backbone={"top_level": 2},
        **LENGTH | {"max_iterations": 26},
        optimizer={"kind": "sgd", "learning_rate": 1e-9},
    )
    output = unbroken.with_name("other-rate")
    shutil.copytree(unbroken, output)
    said = train(other, output, "--resume", code=1).stderr
    assert "job/trainer/optimizer/kind: 'adamw', now 'sgd'" in said
    said = train(other, output, "--resume", "any").stderr
    assert "it keeps weights, iteration and time, and the best score" in said
    before, after = checkpoint(unbroken / "last.pt"), checkpoint(output / "last.pt")
    assert after["iteration"] == 26
    kernel = before["model"]["backbone.conv1.weight"]
    assert kernel.allclose(after["model"]["backbone.conv1.weight"], atol=1e-6)
    assert "momentum_buffer" in after["optimizer"]["state"][0]


def test_changed_images_are_refused(world, tmp_path):
    data = tmp_path / "shapes"
    draw_dataset(data, train=6, validation=2)
    job = make(tmp_path / "job", SHAPES, validations=1)
    flags = ("--max-iterations", 2)
    train(job, tmp_path / "run", *flags)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.move(data, moved / "shapes")
    again = ("--data", moved, "--resume", *flags)
    train(job, tmp_path / "run", *again)  # moved is not changed
    for path in (moved / "shapes" / "train").glob("*.yaml"):
        path.write_text(path.read_text().replace("shapes_00002", "renamed"))
    images = moved / "shapes" / "train" / "images"
    (images / "shapes_00002.jpg").rename(images / "renamed.jpg")
    said = refusal(train(job, tmp_path / "run", *again, code=1))
    assert "training images: '6 (" in said and "now '6 (" in said
    assert "validation images" not in said
