"""`specc forecast`: a run reckoned from a few of its steps."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import head_jobs
import pytest
import yaml
from emitted_jobs import GENERATED
from runs import SHAPES, make

from specc.build import compile_job
from specc.cli import run_cli
from specc.forecast.command import advised, halved, reckoned, told
from specc.forecast.measure import Sets, Steps, part_of, reader_of


def compiled_with(folder: Path, **trainer: object):
    path = make(folder / "job", SHAPES, **trainer) / "job.json"
    return compile_job(path.read_bytes())


def found(**values: object) -> dict:
    """Returns values as measure.py prints them of a run on a processor."""
    steps = {"seconds_to_start": 5.0, "seconds_a_step": 0.5, "seconds_waiting": 0.01}
    validation = {"seconds_judging": 2.0, "images_validated": 10}
    validation["seconds_keeping"] = 1.0
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
def test_all_lines_of_a_refusal_are_told(world, tmp_path, capsys):
    """The last line alone, one of several objects, says neither of what nor how many."""
    shutil.copytree(world / "shapes", tmp_path / "shapes")
    place = tmp_path / "shapes" / "train" / "boxes.yaml"
    labels = yaml.safe_load(place.read_text())
    for objects in list(labels.values())[:2]:
        objects[:] = [{"category": "circle", "bbox": [1, 2]}]
    place.write_text(yaml.safe_dump(labels))
    job = make(tmp_path / "refused", SHAPES) / "job.json"
    assert run_cli(["forecast", str(job), "--data", str(tmp_path)]) == 1
    first, note, *_ = capsys.readouterr().err.splitlines()
    assert first.startswith("error[E454]: train.py does not train here: ")
    assert "shapes/train: problems: 2" in first and note.count("four numbers") == 2


@pytest.mark.slow
def test_a_run_is_its_steps_and_its_validations(tmp_path):
    compiled = compiled_with(tmp_path, max_iterations=1000, validations=5)
    run = reckoned(compiled, found())
    assert run.seconds_a_validation == 9.0  # 40 images, of which 10 took 2 s, and 1 s
    assert run.seconds == 5 + 1000 * 0.5 + 5 * 9
    assert "0:09:10" in told("job", run)[1] and not advised(compiled, run)


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
    assert "20 take 54% of the run" in told("job", run)[3]


@pytest.mark.sample("1-None", rest="slow")
@pytest.mark.parametrize("batch, parts", [(8, 2), (4, None), (1, None)])
def test_half_the_images_of_a_pass(tmp_path, batch, parts):
    given = {"batch_size": batch} | ({"accumulation": parts} if parts else {})
    path = make(tmp_path / "job", SHAPES, **given) / "job.json"
    job = json.loads(path.read_bytes())
    edits = halved(job, compile_job(path.read_bytes()))
    assert edits == [] if batch == 1 else edits[-1]["value"] == 2 * (parts or 1)


@pytest.mark.parametrize("path", sorted(GENERATED.glob("*/train.py")), ids=str)
def test_measure_finds_what_it_stands_before(path):
    """Jobs whose labels are no numbers or names read by another function."""
    text = path.read_text()
    reader = reader_of(SimpleNamespace(**dict.fromkeys(imported(text))))
    assert f"training, validation = {reader}(args.data" in text
    assert "pace = Pace(" in text and "pace.validated(" in text
    assert "metrics = evaluate(" in text


def imported(text: str) -> set[str]:
    froms = [x for x in ast.parse(text).body if isinstance(x, ast.ImportFrom)]
    return {name.name for one in froms for name in one.names}


@pytest.mark.slow
@pytest.mark.sample("anomaly_detection", "semantic_segmentation")
@pytest.mark.parametrize("task", sorted(head_jobs.JOBS))
def test_every_task_has_a_forecast(tmp_path, monkeypatch, capsys, task):
    monkeypatch.chdir(tmp_path)
    drawn = head_jobs.JOBS[task].drawn
    head_jobs.draw(drawn, tmp_path / drawn)
    job = head_jobs.make(tmp_path / "job", task, max_iterations=100, validations=50)
    flags = ("--workers", "0", "--threads", "1", "--seconds", "1", "--format", "json")
    assert run_cli(["forecast", str(job / "job.json"), *flags]) == 0
    run = json.loads(capsys.readouterr().out)
    assert run["seconds_a_step"] > 0 and run["seconds_a_validation"] > 0
    assert run["steps"] >= 3  # none of them a validation, of which two steps have one


def inspected(*anomalous: bool) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(labels={"flaws": SimpleNamespace(anomalous=x)})
        for x in anomalous
    ]


def test_a_part_of_a_validation_is_from_all_over_the_set():
    assert part_of(range(100), 4) == range(0, 100, 25)
    assert part_of(range(7), 4) == range(0, 7, 2) and part_of(range(3), 9) == range(3)


def test_a_part_of_inspected_images_has_a_normal_one():
    samples = inspected(*[True] * 9, False, *[True] * 6)
    part = part_of(samples, 2)
    assert samples[9] in part
    assert part_of(inspected(False, *[True] * 7), 2) != []


def test_steps_are_measured_though_no_other_one_follows():
    steps = Steps(seconds=60)
    for _ in steps.timed(iter([1])):
        break
    assert len(steps.times) == len(steps.waits) == 1


def test_what_a_start_takes_is_measured_once():
    sets = Sets(lambda root: ([1, 2, 3], list(range(10))))
    assert sets("data") == ([1, 2, 3], list(range(10)))
    seconds, sets.most = sets.seconds, 5
    assert sets("data") == ([1, 2, 3], [0, 2, 4, 6, 8])
    assert (sets.seconds, sets.training, sets.validation) == (seconds, 3, 10)
    assert sets.judged == 5
