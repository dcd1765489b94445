"""`specc forecast`: a run reckoned from a few of its steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from runs import SHAPES, make

from specc.build import compile_job
from specc.cli import run_cli
from specc.forecast.command import advised, halved, reckoned, told


def compiled_with(folder: Path, **trainer: object):
    path = make(folder / "job", SHAPES, **trainer) / "job.json"
    return compile_job(path.read_bytes())


def found(**values: object) -> dict:
    """Returns values as measure.py prints them of a run on a processor."""
    steps = {"seconds_to_start": 5.0, "seconds_a_step": 0.5, "seconds_waiting": 0.01}
    validation = {"seconds_a_validation": 2.0, "images_validated": 10}
    sizes = {"training_images": 100, "validation_images": 40, "steps_measured": 9}
    memory = {"peak_memory": 10**9, "memory": 8 * 10**9, "device": "cpu"}
    return steps | validation | sizes | memory | values


@pytest.mark.slow
def test_it_measures_the_code_of_the_job_and_writes_nothing(world, monkeypatch, capsys):
    monkeypatch.chdir(world)
    small = {"backbone": {"top_level": 3}, "max_iterations": 1000, "validations": 4}
    job = make(world / "forecast", SHAPES, **small)
    before = sorted(world.rglob("*"))
    flags = ("--workers", "0", "--threads", "1", "--seconds", "2", "--format", "json")
    assert run_cli(["forecast", str(job / "job.json"), *flags]) == 0
    run = json.loads(capsys.readouterr().out)
    assert run["iterations"] == 1000 and run["validations"] == 4
    assert run["steps"] >= 3 and run["validation_images"] == 4
    assert 0 <= run["seconds_waiting"] < run["seconds_a_step"]
    assert run["seconds"] > 1000 * run["seconds_a_step"]
    assert 10**8 < run["peak_memory"] < run["memory"]
    assert sorted(world.rglob("*")) == before


@pytest.mark.slow
def test_what_train_py_refuses_is_told(world, tmp_path, capsys):
    job = make(world / "refused", SHAPES) / "job.json"
    assert run_cli(["forecast", str(job), "--data", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "error[E454]: train.py does not train here: " in said
    assert str(tmp_path) in said and "Traceback" not in said


@pytest.mark.slow
def test_a_run_is_its_steps_and_its_validations(tmp_path):
    compiled = compiled_with(tmp_path, max_iterations=1000, validations=5)
    run = reckoned(compiled, found())
    assert run.seconds_a_validation == 8.0  # 40 images, of which 10 took 2 s
    assert run.seconds == 5 + 1000 * 0.5 + 5 * 8
    assert "0:09:05" in told("job", run)[1] and not advised(compiled, run)


@pytest.mark.slow
def test_hours_end_a_run(tmp_path):
    compiled = compiled_with(tmp_path, max_iterations=10**6, max_hours=0.5)
    run = reckoned(compiled, found())
    assert run.limited and abs(run.seconds - 1800) < 1
    assert "where `max_hours` ends it" in told("job", run)[0]


@pytest.mark.slow
def test_many_validations_and_slow_images_have_edits(tmp_path):
    compiled = compiled_with(tmp_path, max_iterations=300, validations=20)
    run = reckoned(compiled, found(seconds_waiting=0.3))
    fewer, cache = advised(compiled, run)
    assert fewer["path"] == "/trainer/validations" and cache["path"] == "/data/cache"
    better = compiled_with(tmp_path, max_iterations=300, validations=fewer["value"])
    assert reckoned(better, found()).validation_share <= 0.1
    assert "20 take 51% of the run" in told("job", run)[3]


@pytest.mark.sample("1-None", rest="slow")
@pytest.mark.parametrize("batch, parts", [(8, 2), (4, None), (1, None)])
def test_half_the_images_of_a_pass(tmp_path, batch, parts):
    given = {"batch_size": batch} | ({"accumulation": parts} if parts else {})
    path = make(tmp_path / "job", SHAPES, **given) / "job.json"
    job = json.loads(path.read_bytes())
    edits = halved(job, compile_job(path.read_bytes()))
    assert edits == [] if batch == 1 else edits[-1]["value"] == 2 * (parts or 1)
