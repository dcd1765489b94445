"""Samples of a job that keeps none: they are read at each start, and leave no file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from emitted_jobs import DETECTION, load_all, make_reader
from small_data import box, native

from specc.cli import run_cli
from specc.datasets import start
from specc.shapes.dataset import draw_dataset

LABELS = {
    "0.png": [box(1, 2, 9, 9), box(3, 3, 30, 20, category="no")],
    "1.png": [],
}


@pytest.fixture
def root(tmp_path) -> Path:
    for part in ("train", "val"):
        native(tmp_path / "root" / part, LABELS)
    return tmp_path / "root"


def job_of(folder: Path, **data) -> Path:
    folder.mkdir()
    return make_reader(folder, (DETECTION,), {"validation": "val"} | data)


def test_they_are_those_of_the_reader_and_no_file_is_left(tmp_path, root, cache):
    folder = job_of(tmp_path / "job")
    assert not (folder / "samples.py").exists()
    assert "--reread" not in (folder / "safety.py").read_text("utf-8")
    dataset = load_all(folder, "dataset").dataset
    found, wanted = dataset.read_samples(root), dataset.read_datasets(root)
    for samples, expected in zip(found, wanted, strict=True):
        assert [x[:3] for x in samples] == [x[:3] for x in expected]
        for sample, one in zip(samples, expected, strict=True):
            boxes = sample.labels["cells"].boxes.tolist()
            assert boxes == one.labels["cells"].boxes.tolist()
    assert not list(cache.rglob("*.samples"))


def test_a_set_that_teaches_nothing_ends_the_run(tmp_path, root):
    (root / "train" / "labels.yaml").write_text(json.dumps({"0.png": []}))
    dataset = load_all(job_of(tmp_path / "job"), "dataset").dataset
    with pytest.raises(
        SystemExit, match=r"too few kinds of labels, 0 \(images to train on: 1\)"
    ):
        dataset.read_samples(root)


def test_one_of_several_processes_says_what_is_told(
    tmp_path, root, monkeypatch, capsys
):
    dataset = load_all(job_of(tmp_path / "job"), "dataset").dataset
    for rank, told in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        dataset.read_samples(root)
        assert bool(capsys.readouterr().err) == told


def test_resumed_runs_compare_the_same_fingerprint(tmp_path, root):
    """With the file of samples and without it."""
    plain = load_all(job_of(tmp_path / "plain"), "dataset", "checkpoints")
    kept = load_all(
        job_of(tmp_path / "kept", keep_samples=True), "samples", "checkpoints"
    )
    pairs = zip(plain.dataset.read_samples(root), kept.samples.read_samples(root))
    for one, other in pairs:
        known = plain.checkpoints.fingerprint(one)
        assert known == kept.checkpoints.fingerprint(other) and known.startswith("2 (")
    assert "keep_samples" not in plain.checkpoints.JOB
    assert '"keep_samples": true' in kept.checkpoints.JOB


def test_batches_of_both_are_equal(tmp_path, root):
    batches = []
    for keeps in (False, True):
        folder = job_of(tmp_path / str(keeps), keep_samples=keeps)
        names = ["dataset", *["samples"] * keeps, "data"]
        modules = load_all(folder, *names)
        reader = modules.samples if keeps else modules.dataset
        training, _ = reader.read_samples(root)
        loader = modules.data.training_batches(training, 0, 0, 0, 1, 0)
        batches.append([next(loader) for _ in range(3)])
    for (images, targets), (others, wanted) in zip(*batches, strict=True):
        assert torch.equal(images, others)
        for name, values in targets["cells"].items():
            assert torch.equal(values, wanted["cells"][name])


@pytest.mark.slow
@pytest.mark.parametrize("most, keeps", [(20, True), (21, False)])
def test_init_keeps_samples_of_large_sets(most, keeps, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(start, "KEPT_FROM", most)
    draw_dataset(tmp_path / "shapes", train=20, validation=4)
    assert run_cli(["init", "object_detection", "--data", "shapes/train"]) == 0
    data = json.loads(Path("job.json").read_text("utf-8"))["data"]
    assert data.get("keep_samples", False) == keeps
    assert ("kept in a file" in capsys.readouterr().out) == keeps
