"""Every head alike: it learns, resumes exactly, and counts the same in two processes."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from head_jobs import LEARNABLE, QUICK, head_of
from runs import PATIENCE, assert_equal_runs, command, make, one_core, rows, run, train
from torchrun import torchrun

from specc.heads import TASKS
from specc.shapes.dataset import draw_dataset

pytestmark = pytest.mark.slow

# Not the small backbone of other tests: in 24 iterations it learns too little to see.
RUN = {"max_iterations": 24, "validations": 4, "backbone": {"name": "resnet18"}}

# Runs evaluate.py's own functions in each process of a group.
MEASURE = """
import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist

sys.path.insert(0, str(Path(__file__).parent))
from dataset import VALIDATION, read_dataset
from evaluate import evaluate, load_model


def main():
    dist.init_process_group("gloo")
    device, rank = torch.device("cpu"), dist.get_rank()
    model = load_model(Path(sys.argv[1]), device)
    samples = read_dataset(Path(sys.argv[2]) / VALIDATION)
    metrics = evaluate(model, samples, device, 0, rank, dist.get_world_size())
    if rank == 0:
        Path(sys.argv[3]).write_text(json.dumps(metrics))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A dataset whose five images to validate on two processes cannot halve."""
    folder = tmp_path_factory.mktemp("heads")
    draw_dataset(folder / "shapes", train=16, validation=5)
    return folder


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=() if name in QUICK else pytest.mark.soak)
        for name in LEARNABLE
    ],
)
def job(place, request) -> Path:
    return make(place / request.param, head_of(request.param), **RUN)


@pytest.fixture(scope="module")
def unbroken(job) -> Path:
    output = job.parent / f"{job.name}-unbroken"
    train(job, output)
    return output


def test_every_task_is_here():
    """Text and anomalies are drawn on images of their own, in test_text_recognition_runs.py and
    test_anomaly_detection_runs.py."""
    here = {head["task"] for head, _ in LEARNABLE.values()}
    apart = {"anomaly_detection", *(t for t in TASKS if t.endswith("text_recognition"))}
    assert TASKS.keys() - apart == here


def test_it_learns_and_tells_its_metrics(job, unbroken):
    losses = [row["loss"] for row in rows(unbroken) if row["split"] == "train"]
    assert losses[-1] < losses[0]
    _, metric = LEARNABLE[job.name]
    told = [row for row in rows(unbroken) if row["split"] == "validation"]
    assert all(f"{job.name}/{metric}" in row for row in told)


def test_it_predicts_in_a_new_process(job, unbroken, place):
    images = sorted((place / "shapes/val/images").iterdir())
    written = []
    for name in ("one", "two"):
        output = job.parent / f"{job.name}-{name}"
        weights = ("--weights", unbroken / "best.pt")
        run(job, "predict.py", *weights, "--output", output, *images)
        written.append((output / "predictions.json").read_text())
        assert len(list(output.glob("shapes_*.png"))) >= len(images)
    report = json.loads(written[0])
    assert len(report) == len(images)
    assert all(job.name in words for words in report.values())
    assert written[0] == written[1]


@pytest.mark.soak
def test_it_resumes_as_if_it_had_not_been_killed(job, unbroken):
    output = job.parent / f"{job.name}-killed"
    flags = ("--data", job.parent, "--output", output, "--workers", 0)
    process = subprocess.Popen(
        command(job, "train.py", *flags), cwd=job.parent, env=one_core()
    )
    late = time.monotonic() + PATIENCE
    while not (output / "last.pt").exists() and time.monotonic() < late:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    train(job, output, "--resume")
    assert_equal_runs(output, unbroken)


@pytest.mark.soak
def test_two_processes_measure_what_one_does(job, unbroken):
    weights = unbroken / "best.pt"
    alone = run(job, "evaluate.py", "--weights", weights, "--data", job.parent)
    script, answer = job / "measure.py", job.parent / f"{job.name}-measured.json"
    script.write_text(MEASURE)
    torchrun(script, weights, job.parent, answer)
    wanted = json.loads(alone.stdout)
    assert json.loads(answer.read_text()) == pytest.approx(wanted, rel=1e-6, abs=1e-6)
