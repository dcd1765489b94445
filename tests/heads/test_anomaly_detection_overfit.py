"""`--overfit` on normal images: it validates on drawn defects too."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from emitted_jobs import load_all
from runs import checkpoint, rows, train
from test_anomaly_detection_runs import HEAD, make
from torchrun import torchrun

from specc.shapes.tiles import draw_dataset

KIND = {"name": "kind", "task": "multiclass_classification", "categories": ["a", "b"]}
FLAGS = ("--overfit", 6)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiles")
    draw_dataset(folder / "tiles", train=12, validation=4)
    return folder


def modules_of(folder: Path) -> SimpleNamespace:
    return load_all(folder, "model", "dataset", "data", "train")


@pytest.fixture(scope="module")
def modules(place) -> SimpleNamespace:
    return modules_of(make(place / "plain"))


def test_each_normal_image_gets_a_copy_with_a_drawn_defect(modules, place, tmp_path):
    samples = modules.dataset.read_datasets(place)[0][:3]
    made = modules.train.with_defects(samples, tmp_path / "defects", 0, 1)
    assert made[:3] == samples and len(made) == 6
    for sample, copy in zip(samples, made[3:]):
        found = modules.data.letterbox(copy)
        mask = modules.data.read_mask(copy.labels["flaws"], copy.height, copy.width)
        assert found.shape[:2] == mask.shape == (64, 96)
        changed = (found != modules.data.letterbox(sample)).any(2)
        assert mask.any() and changed.any() and not changed[~mask].any()


def test_they_are_the_same_in_every_run(modules, place, tmp_path):
    samples = modules.dataset.read_datasets(place)[0][:2]
    for name in ("one", "two"):
        modules.train.with_defects(samples, tmp_path / name, 0, 1)
    files = sorted((tmp_path / "one").iterdir())
    assert len(files) == 4
    for file in files:
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_other_processes_write_none_of_them(modules, place, tmp_path):
    samples = modules.dataset.read_datasets(place)[0][:2]
    first, second = (
        modules.train.with_defects(samples, tmp_path / "defects", rank, 1)
        for rank in (1, 0)
    )
    assert (
        list(first) == list(second) and len(list((tmp_path / "defects").iterdir())) == 4
    )


@pytest.mark.parametrize(
    "heads",
    [
        (HEAD, KIND),
        pytest.param((HEAD, HEAD | {"name": "more"}, KIND), marks=pytest.mark.soak),
    ],
)
def test_only_images_that_are_known_to_be_normal_get_copies(heads, place, tmp_path):
    """An image that other heads alone have labels for may hold anything."""
    modules = modules_of(make(tmp_path / "both", *heads))
    names = [head["name"] for head in heads if head != KIND]
    other = modules.dataset.Sample
    normal = modules.dataset.Inspection(False, None)
    path = next((place / "tiles" / "train" / "images").iterdir())
    size = modules.dataset.image_size(path)
    samples = [
        other(path, *size, {"kind": 0}),
        other(path, *size, {"kind": 1, names[-1]: normal}),
    ]
    made = modules.train.with_defects(samples, tmp_path / "defects", 0, 1)
    assert made[:2] == samples and len(made) == 3
    assert list(made[2].labels) == names[-1:]
    assert all(label.anomalous for label in made[2].labels.values())


@pytest.mark.soak
def test_a_working_job_learns_them(place):
    job = make(place / "learns", max_iterations=200)
    train(job, place / "runs" / "learns", *FLAGS)
    metrics = checkpoint(place / "runs" / "learns" / "best.pt")["metrics"]
    assert metrics["flaws/image_auroc"] > 0.95
    assert metrics["flaws/pixel_auroc"] > 0.9
    assert metrics["flaws/image_f1"] > 0.8


@pytest.mark.soak
def test_two_processes_measure_all_of_them(place):
    job = make(place / "pair", max_iterations=2, validations=1)
    flags = ("--data", place, "--output", place / "runs" / "pair", "--workers", 0)
    torchrun(job / "train.py", *flags, *FLAGS)
    run = checkpoint(place / "runs" / "pair" / "last.pt")["run"]
    assert run["training images"].startswith("6 (")
    assert run["validation images"].startswith("12 (")
    metrics = rows(place / "runs" / "pair")[-1]
    assert metrics["split"] == "validation" and 0 < metrics["flaws/image_auroc"] <= 1
