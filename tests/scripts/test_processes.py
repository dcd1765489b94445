"""Several processes on one machine: one log, and as good at being stopped as one.

That they are as one: tests/heads/test_behaviors.py, test_partial_labels.py."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
from runs import (
    PATIENCE,
    SAVES,
    SCENE,
    STEP,
    assert_equal_runs,
    checkpoint,
    group,
    make,
    one_core,
    rows,
)
from torchrun import start, torchrun

from specc.shapes.dataset import draw_dataset

pytestmark = pytest.mark.slow

LEAVES = "    leave(world)\n"
LENGTH = {"max_iterations": 12, "validations": 2}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A dataset whose five images to validate on two processes cannot halve."""
    folder = tmp_path_factory.mktemp("processes")
    draw_dataset(folder / "shapes", train=7, validation=5)
    return folder


@pytest.fixture(scope="module")
def job(place) -> Path:
    """Process 0 reads the dataset, and the other one maps what is kept of it."""
    options = {"backbone": {"top_level": 2}, "data": {"keep_samples": True}}
    return make(place / "two", SCENE, **options, **LENGTH)


def flags(job: Path, output: Path) -> tuple:
    return ("--data", job.parent, "--output", output, "--workers", 0, "--resume")


@pytest.fixture(scope="module")
def unbroken(job) -> Path:
    output = job.parent / "unbroken"
    group(job, "train.py", *flags(job, output))
    return output


def test_the_log_is_that_of_all_processes(unbroken, job):
    assert checkpoint(unbroken / "last.pt")["run"]["processes"] == 2
    (row,) = [row for row in rows(unbroken) if row["iteration"] == 10]
    assert row["loss"] == row["scene/loss/class"] > 0
    assert len([row for row in rows(unbroken) if "scene/f1" in row]) == 2


def test_metrics_are_worked_out_by_rank_0_alone(job):
    """The others are told them, as each process compares them with the best."""
    telling = job.with_name("telling")
    shutil.copytree(job, telling)
    path, line = telling / "evaluate.py", "\n    metrics = "
    text = path.read_text()
    assert text.count(line) == 1
    tell = f"\n    Path(__file__).with_name(os.environ['RANK']).touch(){line}"
    path.write_text(text.replace(line, tell))
    group(telling, "train.py", *flags(telling, telling / "run"))
    assert (telling / "0").exists() and not (telling / "1").exists()
    assert [row for row in rows(telling / "run") if "scene/f1" in row]


# ---- Ends, stops and restarts ----

ENDS = """
import os
import runpy
import sys
from pathlib import Path

folder = Path(__file__).parent
sys.path.insert(0, str(folder))
try:
    runpy.run_path(str(folder / "train.py"), run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
left = [name for name in threads if "gloo" in name]
(folder / f"left-{os.environ['RANK']}").write_text(f"{len(threads)} threads, {left}")
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no threads in /proc")
@pytest.mark.parametrize(
    "compiles", [False, pytest.param(True, marks=pytest.mark.soak)]
)
def test_a_group_leaves_no_threads(place, compiles):
    """A thread of gloo's that wants Python while it ends aborts the whole process."""
    short = {"max_iterations": 2, "validations": 1, "compile": compiles}
    folder = make(place / f"ends-{compiles}".lower(), SCENE, **short)
    (folder / "ends.py").write_text(ENDS)
    group(folder, "ends.py", *flags(folder, folder / "run"))
    for rank in range(2):
        assert "threads, []" in (folder / f"left-{rank}").read_text()


DIES = """        iteration += 1
        if iteration == 8 and rank == 1 and not __import__("os").environ["TORCHELASTIC_RESTART_COUNT"] > "0":
            __import__("signal").raise_signal(9)
"""


@pytest.mark.soak
def test_a_killed_process_is_started_again(unbroken, job):
    """torchrun ends the others, and starts all from the last checkpoint."""
    broken = job.with_name("broken")
    shutil.copytree(job, broken)
    text = (broken / "train.py").read_text()
    assert text.count("        iteration += 1\n") == 1
    (broken / "train.py").write_text(text.replace("        iteration += 1\n", DIES))
    output = job.parent / "restarted"
    said = torchrun(broken / "train.py", *flags(broken, output), restarts=1)
    assert "exitcode: -9" in said
    assert_equal_runs(unbroken, output)


def wait_for(path: Path, process: subprocess.Popen) -> None:
    end = time.monotonic() + PATIENCE
    while not path.exists() and time.monotonic() < end:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)


@pytest.mark.soak
def test_a_stopped_group_saves_and_goes_on(unbroken, job):
    output = job.parent / "stopped"
    process = start(job / "train.py", *flags(job, output))
    wait_for(output / "last.pt", process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert 6 <= checkpoint(output / "last.pt")["iteration"] <= 12
    group(job, "train.py", *flags(job, output))
    assert_equal_runs(unbroken, output)


@pytest.mark.soak
def test_means_over_a_stop_are_those_of_the_whole_run(job):
    """Rank 1 is stopped at 17; all agree within ten steps, and none of them is lost."""
    stopping, whole = job.with_name("stopping"), job.parent / "long"
    shutil.copytree(job, stopping)
    text = (stopping / "train.py").read_text()
    assert text.count(STEP) == 1
    stop = "        if rank == 1 and iteration == 17:\n            votes.signals.append(15)\n"
    (stopping / "train.py").write_text(text.replace(STEP, STEP + stop))
    output, length = stopping / "run", ("--max-iterations", 30)
    group(job, "train.py", *flags(job, whole), *length)
    group(stopping, "train.py", *flags(job, output), *length, code=143)
    last = checkpoint(output / "last.pt")
    assert 17 <= last["iteration"] <= 27
    assert len(last["unlogged"]) == last["iteration"] % 10
    group(job, "train.py", *flags(job, output), *length)
    assert_equal_runs(whole, output)


def test_nobody_leaves_before_the_checkpoint_is_written(job):
    """torchrun ends all processes soon after one has left; rank 0 may still write."""
    slow = job.with_name("slow")
    shutil.copytree(job, slow)
    for file, old, new in (
        ("checkpoints.py", SAVES, f"            __import__('time').sleep(2)\n{SAVES}"),
        ("train.py", STEP, f"{STEP}        votes.signals += [15] * (iteration == 4)\n"),
        (
            "train.py",
            LEAVES,
            f"{LEAVES}    (args.output / str(rank)).write_bytes(last.read_bytes())\n",
        ),
    ):
        text = (slow / file).read_text()
        assert text.count(old) == 1
        (slow / file).write_text(text.replace(old, new))
    output = slow / "run"
    group(slow, "train.py", *flags(job, output), code=143)
    for rank in "01":
        assert 4 <= checkpoint(output / rank)["iteration"] < 12


def test_another_number_of_processes_is_refused(unbroken, job):
    from runs import refusal, train

    said = refusal(train(job, unbroken, "--resume", code=1))
    assert "processes: 2, now 1" in said


# ---- Slurm ----


@pytest.mark.soak
def test_slurm_stops_and_requeues(place):
    """With an srun that starts the command here, and an scontrol that writes down."""
    slurm = {"nodes": 1, "gpus_per_node": 2, "hours": 1.5}
    job = make(
        place / "cluster", SCENE, backbone={"top_level": 2}, slurm=slurm, **LENGTH
    )
    text = (job / "slurm.sbatch").read_text()
    assert "#SBATCH --time=90\n" in text and "#SBATCH --gpus-per-node=2\n" in text
    tools = place / "tools"
    tools.mkdir()
    torchrun_module = "python -m torch.distributed.run"
    for name, lines in {
        "srun": 'exec "$@"',
        "scontrol": '[ "$1" = hostnames ] || [ "$1" = show ] && echo localhost\n'
        'echo "$@" >> scontrol.log',
        "torchrun": f'exec {torchrun_module} "$@"',
    }.items():
        (tools / name).write_text(f"#!/bin/bash\n{lines}\n")
        (tools / name).chmod(stat.S_IRWXU)
    path = f"{tools}:{Path(os.sys.executable).parent}:{os.environ['PATH']}"
    environment = one_core() | {
        "PATH": path,
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NODELIST": "localhost",
        "SLURM_NNODES": "1",
        "SLURM_GPUS_ON_NODE": "2",
    }
    last = job / "runs" / "cluster" / "last.pt"

    def batch() -> subprocess.Popen:
        command = ["bash", "slurm.sbatch", str(place)]
        quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=job, env=environment, **quiet)

    process = batch()
    wait_for(last, process)
    process.send_signal(signal.SIGTERM)  # to the script alone, as B: has it
    said, _ = process.communicate(timeout=PATIENCE)
    noticed = (job / "scontrol.log").read_text()
    if checkpoint(last)["iteration"] < 12:
        assert noticed.endswith("requeue 4711\n"), said
    process = batch()
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said[-2000:]
    assert checkpoint(last)["iteration"] == 12
