"""One table of all sets: a column tells them apart, in `specc init` and in a run."""

from __future__ import annotations

import json
from pathlib import Path

import layouts_boxes
import layouts_tables
import pytest
from runs import run
from test_tables import made

from specc.build import analyze
from specc.cli import run_cli
from specc.datasets.emitted import load
from specc.diagnostics import JobError

CLASSES = "multiclass_classification"
ROWS = {"split": "Split", "train_rows": "Train", "validation_rows": "Val"}


def sets_of(job: dict) -> list[list]:
    """The samples of the three sets."""
    dataset = load(json.dumps(job).encode()).dataset
    return [*dataset.read_datasets(Path()), dataset.read_test_set(Path())]


def test_rows_are_those_of_their_set(place, capsys):
    layouts_tables.split_column(place / "set")
    job = made(CLASSES)
    said = capsys.readouterr().out
    assert "1 row of set/all.csv is of no set: `Split` has extra" in said
    places = ("train_images", "validation_images", "test_images")
    rows = ROWS | {"test_rows": "Test"}
    assert job["data"]["layout"] == dict.fromkeys(places, "set/all") | rows
    names = [[int(x.path.stem) for x in samples] for samples in sets_of(job)]
    assert names == [[*range(8)], [8, 9, 10], [11, 12]]


def test_images_of_a_set_are_in_its_folder(place):
    layouts_boxes.split_objects(place / "set")
    training, held_out, last = sets_of(made("object_detection"))
    for samples, name in ((training, "train"), (held_out, "valid"), (last, "test")):
        assert {x.path.parent.name for x in samples} == {name}
        assert sum(len(x.labels["objects"].boxes) for x in samples) == 9


def test_a_value_that_is_gone_is_named(place):
    layouts_tables.split_column(place / "set")
    job = made(CLASSES)
    path = Path("set/all.csv")
    path.write_text(path.read_text().replace(",Val", ",Vali"))
    with pytest.raises(SystemExit, match="set/all.csv: no row with 'Val' in Split"):
        sets_of(job)
    path.write_text(path.read_text().replace("Split", "split"))
    with pytest.raises(SystemExit, match="has no column Split\n  its columns are"):
        sets_of(job)


@pytest.mark.parametrize(
    "layout, sets, said",
    [
        (
            {"validation_rows": None},
            {},
            "nothing says which rows are of the validation",
        ),
        (
            {"validation_rows": "Train"},
            {},
            "the training set and the validation set are",
        ),
        (
            {},
            {"validation": None},
            "`validation_rows` is of a validation set, which the",
        ),
        (
            {"split": None},
            {},
            "`train_rows` is not read where the layout lacks `split`",
        ),
        (
            {"test_rows": "Val"},
            {"test": "a.csv"},
            "the validation set and the test set",
        ),
    ],
)
def test_each_set_has_rows_of_its_own(layout, sets, said):
    data = {"train": "a.csv", "validation": "a.csv", "format": "csv"}
    data |= {"layout": ROWS | layout} | sets
    head = {"task": CLASSES, "categories": ["a", "b"]}
    job = {"name": "a", "data": data, "model": {"heads": [head]}}
    try:
        findings = analyze(json.dumps(job).encode())[2]
    except JobError as error:
        findings = error.diagnostics
    assert {finding.code for finding in findings} == {"E398"}
    assert said in findings[0].message


@pytest.mark.soak
def test_a_table_of_all_sets_is_learned_from(place):
    layouts_boxes.split_objects(place / "set")
    job = made("object_detection")
    assert run_cli(["build", "job.json"]) == 0
    code, flags = place / "generated" / job["name"], ("--data", place, "--workers", 0)
    output = place / "run"
    run(code, "train.py", *flags, "--output", output, "--max-iterations", 3)
    done = run(code, "evaluate.py", *flags, "--weights", output / "best.pt", "--test")
    assert json.loads(done.stdout).keys()
