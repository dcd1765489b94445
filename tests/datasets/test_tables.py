"""Tables as people have them: found by `specc init`, and read as its job says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from layouts_tables import LAYOUTS

from specc.cli import run_cli
from specc.datasets.emitted import Emitted, load, words_of


def made(task: str, *arguments: str) -> dict:
    """The job that init writes for the dataset in `set`."""
    assert run_cli(["init", task, "--data", "set", *arguments]) == 0
    return json.loads(Path("job.json").read_text("utf-8"))


def in_words(emitted: Emitted, sample) -> object:
    """The label of a sample as a layout tells it."""
    (name,) = sample.labels
    words, label = words_of(emitted, sample)[name], sample.labels[name]
    if hasattr(label, "boxes"):
        label = label.labeled() if hasattr(label, "labeled") else label
        kinds = [emitted.job.heads[0].categories[index] for index in label.classes]
        return sorted(zip(kinds, map(tuple, label.boxes.round(3).tolist())))
    if "labels" in words:
        return sorted(words["labels"])
    return next(words[key] for key in ("category", "value", "text") if key in words)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_table_is_found_and_read(place, capsys, name):
    case = LAYOUTS[name](place / "set")
    job = made(case.task)
    emitted = load(json.dumps(job | {"trainer": {}}).encode())
    training, held_out = emitted.dataset.read_datasets(Path("."))
    assert ("validation" in job["data"]) == (case.held_out > 0)
    if case.held_out:
        assert len(held_out) == case.held_out
    else:
        training = training + held_out
    found = {sample.path.name: in_words(emitted, sample) for sample in training}
    expected = case.labels
    if case.task == "object_detection":
        expected = {image: sorted(items) for image, items in expected.items()}
    assert found == expected
    assert {sample.height for sample in training} == {30}
