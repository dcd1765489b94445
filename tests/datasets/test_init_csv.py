"""CSV files as people have them: what `specc init` makes of their columns and cells."""

from __future__ import annotations

import json
from pathlib import Path

import layouts
import pytest

from specc.cli import run_cli

CLASSES = "multiclass_classification"
PETS = ("cat", "dog", "cat", "dog", "cat", "dog")


def table(name: str, header: str, cells: tuple[str, ...]):
    """A row an image, with images of their own."""
    stem = Path(name).stem
    rows = [f"{stem}{i}.png,{cell}" for i, cell in enumerate(cells)]
    for i in range(len(cells)):
        layouts.save(Path(f"{stem}{i}.png"), i)
    Path(name).write_text("\n".join([header, *rows]))


def refused(capsys, task: str) -> str:
    assert run_cli(["init", task, "--data", "."]) == 1
    assert not Path("job.json").exists()
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "header, cells", [("image,note", PETS), ("image,label", ("",) * 6)]
)
def test_a_table_without_the_labels_validates_nothing(place, capsys, header, cells):
    """As the test.csv of a competition."""
    table("train.csv", "image,label", PETS)
    table("test.csv", header, cells)
    assert run_cli(["init", CLASSES, "--data", ".", "--labels", "label"]) == 0
    job = json.loads(Path("job.json").read_text())
    assert "validation" not in job["data"]
    assert job["model"]["heads"][0]["categories"] == ["cat", "dog"]
    said = capsys.readouterr().out
    assert "none found: a tenth" in said and "(test.csv has nothing in `label`)" in said


@pytest.mark.parametrize(
    "cells, said",
    [
        (("'1,250'", "'2,500'", "'3,750'"), "line 2 is not a number: '1,250'"),
        (("5 kg", "6 kg", "7 kg"), "line 2 is not a number: '5 kg'"),
        (("1", "NA", "3"), "line 3 is not a number: 'NA'"),
        (("1", "2", "inf"), "line 4 is not a number: 'inf'"),
    ],
)
def test_what_is_no_number_is_named_with_its_line(place, capsys, cells, said):
    table("prices.csv", "image,price", tuple(c.replace("'", '"') for c in cells))
    assert f"prices.csv: `price` in {said}" in refused(capsys, "regression")


@pytest.mark.parametrize(
    "cells, help",
    [
        (
            ("'674,994'", "'1,250,000'", "'9,000'"),
            "separators, as 674994; if the comma is a",
        ),
        (
            ("'1,250'", "'2,500'", "'3,750'"),
            "as 1250; if the comma is a decimal one, as 1.250",
        ),
        (("'1,250,000.5'", "'2,500.5'", "7.5"), "thousands separators, as 1250000.5\n"),
        (("-1 250", "2 500", "3"), "thousands separators, as -1250\n"),
        (("1.250.000", "9.5", "7.5"), "thousands separators, as 1250000\n"),
        (
            ("5 kg", "6 kg", "7 kg"),
            "write a plain number in each cell; rows whose cell is",
        ),
    ],
)
def test_what_is_no_number_is_shown_as_one(place, capsys, cells, help):
    table("prices.csv", "image,price", tuple(c.replace("'", '"') for c in cells))
    assert help in refused(capsys, "regression")


def test_what_is_no_number_in_a_validation_set(place, capsys):
    table("train.csv", "image,price", ("1", "2", "3"))
    table("val.csv", "image,price", ("1", "?", "3"))
    said = refused(capsys, "regression")
    assert "val.csv: `price` in line 3 is not a number: '?'" in said


def test_a_cell_with_several_names_has_no_category(place, capsys):
    table("labels.csv", "image,label", ("dog|cat", "dog", "cat", "dog", "cat", "dog"))
    said = "`label` in line 2 holds several names: 'dog|cat'; a row has one"
    assert said in refused(capsys, CLASSES)


def test_columns_of_flags_are_one_head_or_one_each(place, capsys):
    """Rows with two flags, or none, have no category."""
    table("labels.csv", "image,cat,dog", ("0,1", "1,1", "1,0", "0,1"))
    said = refused(capsys, CLASSES)
    assert (
        "add --labels cat or --labels dog, for one of these columns of 0 and 1" in said
    )
    assert run_cli(["init", "multilabel_classification", "--data", "."]) == 0
    job = json.loads(Path("job.json").read_text())
    assert job["data"]["layout"]["columns"] == {"labels": ["cat", "dog"]}
    assert job["model"]["heads"][0]["labels"] == ["cat", "dog"]


@pytest.mark.parametrize("header", ["filename,note", "picture,note"])
def test_columns_without_images_are_shown(place, capsys, header):
    Path("labels.csv").write_text("\n".join([header, *("gone.png,x",) * 6]))
    said = f"labels.csv: has columns {header.replace(',', ', ')}, and 6 rows; no column"
    assert f"{said} names images below ." in refused(capsys, CLASSES)
    layouts.as_yolo(place / "set")  # tables beside a dataset are no matter
    (place / "labels.csv").rename(place / "set" / "results.csv")
    assert run_cli(["init", "object_detection", "--data", "set"]) == 0


def test_a_path_that_leads_out_is_named_with_its_line(place, capsys):
    table("labels.csv", "image,label", PETS)
    path = Path("labels.csv")
    path.write_text(path.read_text().replace("labels1.png", "/home/me/1.png"))
    said = refused(capsys, CLASSES)
    assert "labels.csv: line 3: leads out of" in said and "'/home/me/1.png'" in said
