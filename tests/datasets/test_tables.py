"""Tables as people have them: found by `specc init`, and read as its job says."""

from __future__ import annotations

import json
from pathlib import Path

import layouts_boxes
import layouts_tables
import pytest

from specc.build import analyze
from specc.cli import run_cli
from specc.datasets.emitted import Emitted, load, words_of
from specc.diagnostics import JobError

LAYOUTS = layouts_tables.LAYOUTS | layouts_boxes.LAYOUTS


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


@pytest.mark.sample(
    "kaggle_ids",
    "two_sets",
    "without_header",
    "one_hot",
    "hugging_face_lines",
    "planet",
    "lists_of_labels",
    "decimal_commas",
    "spaced_text",
    "quoted_text",
    "tensorflow",
    "open_images",
    "centers",
    quick=("one_hot", "hugging_face_lines"),
)
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


def refused(capsys, task: str) -> str:
    assert run_cli(["init", task, "--data", "set"]) == 1
    return capsys.readouterr().err


STARTS = {  # beginning of a path on another machine -> options that read it
    "/home/me/": {"prefix": "/home/me/"},
    "C:\\Users\\me\\": {"prefix": "C:\\Users\\me\\"},
    "s3://bucket/pets/": {"prefix": "s3://bucket/pets/"},
    "/data/local-files/?d=pets/": {"prefix": "/data/local-files/?d=pets/"},
}


@pytest.mark.parametrize("start", STARTS)
def test_paths_of_another_machine_lead_to_images_of_this_one(place, start):
    folder, names = place / "set", ["a/1.png", "b/2.png", "b/3.png"]
    layouts_tables.images(folder, names)
    rows = [[f"{start}{name}", "ab"[i % 2]] for i, name in enumerate(names)]
    layouts_tables.table(folder / "a.csv", ["image", "kind"], rows)
    job = made("multiclass_classification")
    assert job["data"]["layout"] == STARTS[start]
    emitted = load(json.dumps(job).encode())
    found = [one for part in emitted.dataset.read_datasets(Path(".")) for one in part]
    assert {x.path: in_words(emitted, x) for x in found} == {
        Path("set", name): "ab"[i % 2] for i, name in enumerate(names)
    }


def test_paths_of_several_machines_lead_by_their_last_parts(place, capsys):
    folder = place / "set"
    layouts_tables.images(folder / "images", [f"{i} a.png" for i in range(4)])
    for number, (name, machine) in enumerate((("train", "a"), ("val", "b"))):
        rows = [[f"/{machine}/{2 * number + i}%20a.png", "ab"[i]] for i in range(2)]
        layouts_tables.table(folder / f"{name}.csv", ["image", "kind"], rows)
    job = made("multiclass_classification")
    images = {f"{name}_images": "set/images" for name in ("train", "validation")}
    assert job["data"]["layout"] == images | {"file_names": "decoded_last_part"}
    # Two images of one name, in folders that are not there, are not told apart.
    rows = [[f"/{machine}/0%20a.png", "ab"[i]] for i, machine in enumerate("ab")]
    layouts_tables.table(folder / "train.csv", ["image", "kind"], rows)
    for path in (folder / "val.csv", Path("job.json")):
        path.unlink()
    assert "no column names images" in refused(capsys, "multiclass_classification")


def test_numbers_of_a_lexicon_are_no_texts(place, capsys):
    """MJSynth's lists: the word stands in the name of the image."""
    names = [f"{i}_word_{71711 + i}.jpg" for i in range(4)]
    layouts_tables.images(place / "set/1", names)
    rows = [f"./1/{name} {71711 + i}" for i, name in enumerate(names)]
    layouts_tables.lines(place / "set/annotation_train.txt", rows)
    said = refused(capsys, "scene_text_recognition")
    assert "`label` has the numbers that names of images end with, no texts" in said


def test_lists_of_objects_are_no_texts(place, capsys):
    layouts_tables.images(place / "set", ["1.png", "2.png"])
    cell = json.dumps([{"transcription": "a", "points": [[0, 0]]}])
    layouts_tables.lines(place / "set/Label.txt", [f"{i}.png\t{cell}" for i in (1, 2)])
    assert "lists objects, not a text" in refused(capsys, "scene_text_recognition")


def test_a_validation_table_of_another_form_is_told(place, capsys):
    layouts_tables.two_sets(place / "set")
    path = place / "set/val.tsv"
    path.write_text(path.read_text().replace("img", "file"))
    assert "validation" not in made("multiclass_classification")["data"]
    assert "val.tsv is written in another way" in capsys.readouterr().out


def test_two_tables_are_two_datasets(place, capsys):
    layouts_tables.images(place / "set", ["1.png", "2.png"])
    for name in ("one", "two"):
        rows = [["1.png", "a"], ["2.png", "b"]]
        layouts_tables.table(place / f"set/{name}.csv", ["image", "kind"], rows)
    said = refused(capsys, "multiclass_classification")
    assert "holds 2 datasets" in said and "set/one.csv or set/two.csv" in said
    assert run_cli(["init", "multiclass_classification", "--data", "set/two.csv"]) == 0


@pytest.mark.parametrize(
    "line, said",
    [
        ("[1]", "line 2: not an object: [1]"),
        ('{"file_name": ', "metadata.jsonl: cannot be read"),
    ],
)
def test_broken_lines_of_json_are_named(place, capsys, line, said):
    layouts_tables.images(place / "set", ["1.png"])
    entries = [{"file_name": "1.png", "label": "a"}, line]
    layouts_tables.lines(place / "set/metadata.jsonl", entries)
    assert said in refused(capsys, "multiclass_classification")


# ---- The reader ----


def read(layout: dict, rows: list, head: dict, header: list | None = None) -> list:
    """The labels of the images that a table in this folder names."""
    layouts_tables.table(Path("a.csv"), header, rows)
    data = {"train": "a.csv", "format": "csv", "layout": layout}
    job = {"name": "a", "data": data, "model": {"heads": [head]}}
    emitted = load(json.dumps(job).encode())
    return [x.labels[head["name"]] for x in emitted.dataset.read_dataset(Path("a.csv"))]


BOXED = {"name": "cells", "task": "object_detection", "categories": ["a", "b"]}
SIDES = ["l", "t", "r", "b"]


@pytest.mark.sample("row3-0.png: a box outside the 40x30 image", rest="slow")
@pytest.mark.parametrize(
    "row, said",
    [
        (
            ["0.png", 1, 2, "x", 4, "a"],
            "0.png: not a category of the job with a bbox of",
        ),
        (
            ["0.png", 1, 2, 3, "", "a"],
            "0.png: not a category of the job with a bbox of",
        ),
        (["0.png", 9, 2, 3, 4, "a"], "0.png: not left, top, right, bottom"),
        (["0.png", 50, 2, 60, 4, "a"], "0.png: a box outside the 40x30 image"),
        (["../0.png", 1, 2, 3, 4, "a"], "../0.png: leads out of"),
    ],
)
def test_what_is_wrong_with_a_box_is_named(place, row, said):
    layouts_tables.images(place, ["0.png"])
    header = ["image", *SIDES, "cells"]
    with pytest.raises(SystemExit) as end:
        read({"box": SIDES}, [row], BOXED, header)
    assert said in str(end.value)


def test_a_job_may_know_fewer_categories_than_a_table(place, capsys):
    layouts_tables.images(place, ["0.png"])
    rows = [["0.png", 1, 2, 3, 4, kind] for kind in ("a", "c", "a")]
    (label,) = read({"box": SIDES}, rows, BOXED, ["image", *SIDES, "cells"])
    assert label.boxes.tolist() == [[1, 2, 3, 4]]
    said = capsys.readouterr().err
    assert "what the job does not name, left out: c: 1" in said
    assert "equal objects left out: 1" in said


@pytest.mark.parametrize(
    "cells, said",
    [
        ((1, 1), "line 2: 0.png: not one column with a 1, but ['a', 'b']"),
        ((0, 0), "line 2: 0.png: not one column with a 1, but []"),
        ((2, 0), "line 2: 0.png: neither 0 nor 1 in a: '2'"),
    ],
)
def test_flags_that_tell_no_category_are_named(place, cells, said):
    layouts_tables.images(place, ["0.png"])
    head = {
        "name": "kind",
        "task": "multiclass_classification",
        "categories": ["a", "b"],
    }
    with pytest.raises(SystemExit) as end:
        read(
            {"columns": {"kind": ["a", "b"]}},
            [["0.png", *cells]],
            head,
            ["image", "a", "b"],
        )
    assert said in str(end.value)


def test_a_column_that_is_gone_is_named(place):
    layouts_tables.images(place, ["0.png"])
    with pytest.raises(SystemExit, match="has no column r or b\n  its columns are"):
        read(
            {"box": SIDES}, [["0.png", 1, 2, "a"]], BOXED, ["image", "l", "t", "cells"]
        )


@pytest.mark.parametrize("cell", ["1", "1.0", "True"])
def test_a_crowd_is_ignored_however_its_flag_is_written(place, capsys, cell):
    layouts_tables.images(place, ["0.png"])
    rows = [["0.png", 1, 2, 9, 8, "a", cell], ["0.png", 3, 4, 9, 8, "b", "0"]]
    layout = {"box": SIDES, "crowd": "group"}
    (label,) = read(layout, rows, BOXED, ["image", *SIDES, "cells", "group"])
    assert label.ignored.tolist() == [True, False]
    assert "objects ignored in training and in metrics: 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "layout, code, said",
    [
        ({"prefix": "/home/"}, "", ""),
        ({"prefix": "/home/", "file_names": "last_part"}, "E387", "has no `prefix`"),
        ({"box": ["l", "t", "r", "b"], "decimal": "comma"}, "", ""),
        ({"box": ["box"], "decimal": "comma"}, "E396", "one cell lists the numbers"),
    ],
)
def test_options_of_names_and_numbers_fit_each_other(layout, code, said):
    task = "object_detection" if "box" in layout else "multiclass_classification"
    head = {"name": "kind", "task": task, "categories": ["a", "b"]}
    data = {"train": "a.csv", "format": "csv", "layout": layout}
    job = {"name": "a", "data": data, "model": {"heads": [head]}}
    try:
        findings = analyze(json.dumps(job).encode())[2]
    except JobError as error:
        findings = error.diagnostics
    errors = [finding for finding in findings if finding.is_error]
    assert [finding.code for finding in errors] == [code] * bool(code)
    assert all(said in finding.message for finding in errors)
