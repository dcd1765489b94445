"""Behaviors of every head: heads x behaviors. A task of the schema is here by
existing; its small job stands in head_jobs.py."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import head_jobs
import keys
import pytest
import torch
from emitted_jobs import load_all
from runs import assert_equal_runs, checkpoint, rows, run, train, train_until_killed
from torchrun import assert_two_are_one

from specc.heads import TASKS
from specc.language.load import load
from specc.language.schema import head as head_schema
from specc.language.schema import metrics_of, part
from specc.resolve import resolve

pytestmark = pytest.mark.slow

KNOWN = part("head")["properties"]["task"]["enum"]
# Heads that share what they are made of with another one, which is no soak.
LIKE_OTHERS = {
    "instance_segmentation": "panoptic_segmentation",
    "quadrilateral_detection": "keypoint_detection",
    "regression": "multilabel_classification",
    "autoregressive_text_recognition": "scene_text_recognition",
}
# Heads that tests/scripts/test_run.py trains, or a file of their own.
RUN_ELSEWHERE = (
    *("anomaly_detection", "autoencoding", "metric_learning"),
    *("multiclass_classification", "object_detection", "semantic_segmentation"),
)


def soaked(tasks: list[str], soak: Callable[[str], bool]) -> list:
    marks = pytest.mark.soak
    return [pytest.param(x, marks=marks if soak(x) else ()) for x in tasks]


def each_of(*tasks: str):
    """All heads: those of `tasks`, and the others in the soak."""
    return pytest.mark.parametrize(
        "task", soaked(KNOWN, lambda task: task not in tasks), scope="module"
    )


each_task = each_of(*(set(KNOWN) - LIKE_OTHERS.keys() - set(RUN_ELSEWHERE)))


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("behaviors")


@pytest.fixture(scope="module")
def job(place, task) -> Path:
    """The code of a task's small job, its dataset beside it."""
    if task not in head_jobs.JOBS:
        pytest.fail(f"add a small job for `{task}` to JOBS of tests/head_jobs.py")
    drawn = head_jobs.JOBS[task].drawn
    if not (place / drawn).exists():
        head_jobs.draw(drawn, place / drawn)
    return head_jobs.make(place / task.replace("_", "-"), task)


@pytest.fixture(scope="module")
def trained(job) -> Path:
    """Returns the folder of a run that nothing interrupted."""
    train(job, f"runs/{job.name}")
    return job.parent / "runs" / job.name


def test_the_jobs_are_those_of_the_schema_s_tasks():
    assert head_jobs.JOBS.keys() == set(KNOWN) == TASKS.keys()
    assert not LIKE_OTHERS.keys() & set(LIKE_OTHERS.values())


@each_task
def test_it_learns(task, trained):
    small = head_jobs.JOBS[task]
    terms = [f"{small.head['name']}/loss/{term}" for term in small.falls]
    losses = [row for row in rows(trained) if row["split"] == "train"]
    for name in ("loss", *terms) if small.soon else ():
        assert losses[-1][name] < losses[0][name], name
    assert cv2.imread(str(trained / "predictions.png")).std() > 5


@each_task
def test_it_is_judged_by_the_metrics_of_its_schema(task, job, trained):
    (head,) = resolve(load((job / "job.json").read_bytes())).heads
    wanted = {f"{head.name}/{metric}" for metric in metrics_of(head)}
    found = [row for row in rows(trained) if row["split"] == "validation"]
    assert len(found) == 2
    sizes = {f"{head.name}/ap_{size}" for size in ("small", "medium", "large")}
    for row in found:
        assert wanted - sizes <= row.keys()  # sizes that occur
        assert all(math.isfinite(row[name]) for name in wanted & row.keys())
    best = f"{head.name}/{metrics_of(head)[0]}"
    lower = best.split("/")[1] in head_schema(task).get("x-lower-is-better", ())
    value = (min if lower else max)(row[best] for row in found)
    assert checkpoint(trained / "last.pt")["best"] == value
    assert checkpoint(trained / "best.pt")["metrics"][best] == value


@each_task
def test_names_of_a_run_are_those_recorded(task, trained):
    assert keys.of_run(trained).items() <= keys.recorded()["heads"][task].items()


@each_of("panoptic_segmentation", "scene_text_recognition")
def test_a_new_process_measures_the_same(task, job, trained):
    flags = ("--weights", trained / "best.pt", "--data", job.parent)
    found = json.loads(run(job, "evaluate.py", *flags).stdout)
    expected = checkpoint(trained / "best.pt")["metrics"]
    assert found == pytest.approx(expected, abs=1e-5)


@each_of("multilabel_classification", "semantic_segmentation")
def test_a_model_in_bfloat16_can_be_judged(task, job, trained):
    """As on a GPU, where a validation has the precision of training. Five images are
    too few for equal metrics."""
    half = job.with_name(f"{job.name}-half")
    shutil.copytree(job, half)
    text, gpu = (half / "evaluate.py").read_text(), 'enabled=device.type == "cuda"'
    assert text.count(gpu) == 1
    (half / "evaluate.py").write_text(text.replace(gpu, "enabled=True"))
    modules, device = load_all(half, "dataset", "evaluate"), torch.device("cpu")
    model = modules.evaluate.load_model(trained / "best.pt", device)
    _, samples = modules.dataset.read_datasets(job.parent)
    found = modules.evaluate.evaluate(model, samples, device)
    expected = checkpoint(trained / "best.pt")["metrics"]
    assert found.keys() == expected.keys()
    assert all(map(math.isfinite, found.values()))


@each_of("depth_estimation", "keypoint_detection")
def test_a_new_process_predicts_the_same_again(task, job, trained):
    written = []
    images = head_jobs.images(job.parent, task)
    for name in ("one", "two"):
        output = job.parent / f"{job.name}-{name}"
        weights = ("--weights", trained / "best.pt")
        run(job, "predict.py", *weights, "--output", output, *images)
        written.append((output / "predictions.json").read_text())
        for image in images:
            assert cv2.imread(str(output / f"{image.stem}.png")) is not None
    report = json.loads(written[0])
    assert list(report) == [str(image) for image in images]
    head = head_jobs.JOBS[task].head["name"]
    assert all(head in words for words in report.values())
    assert (
        keys.of_predictions(report)
        == keys.recorded()["heads"][task]["predictions.json"]
    )
    assert written[0] == written[1]


@each_of("anomaly_detection")  # these checkpoints hold more than weights
def test_a_killed_run_goes_on_bit_for_bit(task, job, trained):
    """It is killed between its two validations, which are after 10 and 20 iterations."""
    output = trained.with_name(f"{job.name}-killed")
    train_until_killed(job, output, at=13)
    assert checkpoint(output / "last.pt")["iteration"] == 10
    train(job, output, "--resume")
    assert_equal_runs(trained, output)


@each_of()
def test_two_processes_are_one(task, job):
    """Alone: tests/scripts/test_partial_labels.py has several heads on one trunk."""
    views = task == "view_invariance_learning"
    metrics = assert_two_are_one(job, TASKS[task].told, views)
    assert {name.split("/")[0] for name in metrics} == {
        head_jobs.JOBS[task].head["name"]
    }
