"""Runs that end by the clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from runs import SCENE, checkpoint, make, rows, train, train_until_killed

pytestmark = pytest.mark.slow

HOURS, NOISE = 0.004, 3.0  # noise: seconds that a busy machine may take
TIMED = {
    "backbone": {"top_level": 2},
    "max_iterations": None,
    "max_hours": HOURS,
    "validations": 3,
}
VALIDATION = 2.0  # seconds, at least: without a reserve the run would end late


@pytest.fixture(scope="module")
def job(world) -> Path:
    """Its validations are slow."""
    folder = make(world / "timed", SCENE, **TIMED)
    text = (folder / "evaluate.py").read_text()
    line = "\n    metrics = "
    slow = f"\n    __import__('time').sleep({VALIDATION}){line}"
    assert text.count(line) == 1
    (folder / "evaluate.py").write_text(text.replace(line, slow))
    return folder


@pytest.fixture(scope="module")
def timed(job) -> Path:
    output = job.parent / "runs" / "timed"
    train(job, output)
    return output


@pytest.mark.soak
def test_a_timed_run_ends_in_time_and_at_the_end_of_its_decay(timed):
    state = checkpoint(timed / "last.pt")
    budget = 3600 * HOURS
    assert budget - NOISE < state["elapsed_seconds"] < budget + NOISE / 2
    assert state["reserve_seconds"] >= VALIDATION
    validated = [row["iteration"] for row in rows(timed) if "scene/f1" in row]
    assert len(validated) in (2, 3) and validated[-1] == state["iteration"]
    rates = [row["learning_rate"] for row in rows(timed) if row["split"] == "train"]
    assert rates[-1] < 0.03 * max(rates)


@pytest.mark.soak
def test_hours_count_over_resumes(timed, job):
    iteration = checkpoint(timed / "last.pt")["iteration"]
    train(job, timed, "--resume")
    assert checkpoint(timed / "last.pt")["iteration"] == iteration


def test_the_larger_fraction_is_the_progress(world):
    """The schedule ends with the iterations where they are fewer than the time allows."""
    job = make(world / "counted", SCENE, **TIMED)
    output = world / "runs" / "counted"
    train(job, output, "--max-iterations", 6)
    assert checkpoint(output / "last.pt")["iteration"] == 6
    rates = [row["learning_rate"] for row in rows(output) if row["split"] == "train"]
    assert len([row for row in rows(output) if "scene/f1" in row]) == 3
    assert rates[-1] < rates[-2]


def test_a_shortened_run_has_the_whole_schedule(world):
    """The job has 16 iterations: warm-up and decay remain, and validations are as far
    apart, so that they take no larger share of the run."""
    cycle = {"kind": "one_cycle", "warmup": 0.25}
    small = {"backbone": {"top_level": 2}, "scheduler": cycle}
    job = make(world / "short", SCENE, **small, max_iterations=16, validations=16)
    output = world / "runs" / "short"
    train(job, output, "--max-iterations", 8)
    found = rows(output)
    validated = [row["iteration"] for row in found if "scene/f1" in row]
    assert validated == [*range(1, 9)]
    rates = [row["learning_rate"] for row in found if row["split"] == "train"]
    assert len(rates) == 8 and max(rates) == rates[2]  # after a quarter
    assert sorted(rates[2:], reverse=True) == rates[2:]
    assert rates[0] == pytest.approx(0.04 * rates[2]) and rates[-1] < 0.1 * rates[2]


def test_a_run_cut_very_short_validates_once(world):
    """The job has 1,000 iterations and 8 validations, 125 iterations apart."""
    small = {"backbone": {"top_level": 2}}
    job = make(world / "very-short", SCENE, **small, max_iterations=1000, validations=8)
    said = train(job, "runs/very-short", "--max-iterations", 12).stderr
    found = rows(world / "runs" / "very-short")
    assert [row["iteration"] for row in found if "scene/f1" in row] == [12]
    assert "without the validations (1); " in said


def test_a_resumed_run_counts_the_validations_to_come(world):
    """Two of four are over after half of the run."""
    job = make(world / "halfway", SCENE, max_iterations=24, validations=4)
    train_until_killed(job, "runs/halfway", at=13)
    said = train(job, "runs/halfway", "--resume").stderr
    assert "without the validations (2); " in said
