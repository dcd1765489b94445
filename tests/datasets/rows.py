"""Datasets as people have them, and the way of each: `init`, `data`, `build`, three
iterations without an edit of what is said of the data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from layouts import save
from runs import command, one_core, warm

from specc.cli import run_cli
from specc.datasets import pictures
from specc.datasets.emitted import load, words_of

DETECTION, MASKS = "object_detection", "instance_segmentation"
POINTS, CORNERS = "keypoint_detection", "quadrilateral_detection"
CLASSES, LABELS = "multiclass_classification", "multilabel_classification"
SEMANTIC, DEPTH = "semantic_segmentation", "depth_estimation"
NUMBER, TEXT = "regression", "scene_text_recognition"
HEIGHT, WIDTH = 48, 64
SMALL = {"name": "mobilenetv2_035"}  # instead of what init writes: quick to run
NEVER = "Traceback"


class Row(NamedTuple):
    name: str
    task: str
    make: Callable[[Path], Any]
    right: dict[str, Any]  # end of an image's path -> its label, in plain words
    count: int  # images of all sets that are read; 0: not looked at
    categories: list[str] | None
    refused: str  # part of what the command says that refuses
    told: str  # part of what one of the commands says
    flags: tuple[str, ...]  # `specc init` gets these


ROWS: list[Row] = []


def row(
    name: str,
    task: str = DETECTION,
    right: dict | None = None,
    count: int = 0,
    categories: list[str] | None = None,
    refused: str = "",
    told: str = "",
    flags: tuple[str, ...] = (),
) -> Callable:
    """Registers the dataset that a function writes."""

    def add(make: Callable[[Path], Any]) -> Callable:
        assert right or count or refused or told, name
        of = right or {}
        ROWS.append(Row(name, task, make, of, count, categories, refused, told, flags))
        return make

    return add


def images(folder: Path, *names: str, height: int = HEIGHT, width: int = WIDTH) -> None:
    """Saves images that differ."""
    for name in names:
        save(folder / name, sum(map(ord, str(folder / name))), height, width)


def write(path: Path, text: str | bytes | dict | list, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(text, bytes):
        path.write_bytes(text)
        return
    text = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
    path.write_bytes(text.encode(encoding))


# ---- Labels in plain words ----


def plain(label: Any) -> Any:
    """Returns a label as numbers and names alone: of each object its category and its
    box, number of pixels, points or corners; of a map its values."""
    if isinstance(label, list):
        return [_thing(thing) for thing in label]
    if isinstance(label, np.ndarray):
        return np.unique(np.round(label, 4)).tolist()
    if isinstance(label, dict) and len(label) == 1:
        return next(iter(label.values()))
    return label


def _thing(thing: dict) -> tuple:
    if "mask" in thing:
        from faster_coco_eval.core import mask as coco_mask

        return thing["category"], int(coco_mask.area([thing["mask"]])[0])
    if "keypoints" in thing:
        return tuple(thing["keypoints"].items())
    numbers = thing.get("quadrilateral", thing.get("bbox"))
    return thing["category"], *np.ravel(numbers).tolist()


def assert_alike(found: Any, wanted: Any) -> None:
    if isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted), (found, wanted)
        for one, other in zip(found, wanted):
            assert_alike(one, other)
    elif isinstance(wanted, (int, float)):
        assert found == pytest.approx(wanted, abs=0.02)
    else:
        assert found == wanted


# ---- The way ----


def follow(row: Row, place: Path, monkeypatch, capsys) -> None:
    """Asserts that a dataset is learned from as it is meant, or refused as it should."""
    for name in ("save_sheet", "save_histograms"):
        monkeypatch.setattr(pictures, name, lambda *_: None)
    row.make(place / "set")
    code = run_cli(["init", row.task, "--data", "set", *row.flags])
    said = "".join(capsys.readouterr())
    assert NEVER not in said
    if code:
        assert row.refused and row.refused in said, said
        assert not (place / "job.json").exists()
        return
    job = json.loads((place / "job.json").read_text("utf-8"))
    job["model"]["backbone"] = {**job["model"].get("backbone", {}), **SMALL}
    (place / "job.json").write_text(json.dumps(job))
    if not row.refused:
        assert_right(row, job)
    code = run_cli(["data", "job.json"])
    said += "".join(capsys.readouterr())
    assert code == bool(row.refused), said
    assert run_cli(["build", "job.json"]) == 0
    trained = train(place, job["name"])
    said += "".join(capsys.readouterr()) + trained.stderr
    assert trained.returncode == bool(row.refused), said
    assert NEVER not in said and row.told in said, said
    if row.refused:
        assert row.refused in trained.stderr, trained.stderr
    else:
        assert (place / "run" / "best.pt").exists()


def train(place: Path, name: str):
    """Trains for three iterations."""
    code = place / "generated" / name
    flags = ("--data", place, "--output", place / "run", "--workers", 0)
    words = command(code, "train.py", *flags, "--max-iterations", 3)[1:]
    if warm().has_ended:
        warm.cache_clear()
    return warm().run(words, place, one_core(), 120)


def assert_right(row: Row, job: dict) -> None:
    emitted = load(json.dumps(job).encode())
    training, held_out = emitted.dataset.read_datasets(Path())
    samples = training + held_out
    if "test" in job["data"]:
        samples += emitted.dataset.read_test_set(Path())
    paths = [sample.path.as_posix() for sample in samples]
    assert not row.count or len(paths) == row.count, sorted(paths)
    assert len({*paths}) == len(paths)
    if row.categories is not None:
        [head] = job["model"]["heads"]
        [names] = [head[x] for x in ("categories", "labels", "keypoints") if x in head]
        assert names == row.categories
    for end, wanted in row.right.items():
        [sample] = [x for x in samples if x.path.as_posix().endswith(end)]
        [label] = words_of(emitted, sample).values()
        assert_alike(plain(label), wanted)
