"""Test sets: that `specc init` finds them, and that `evaluate.py --test` measures them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import layouts
import pytest
import torch
from emitted_jobs import GENERATED, compile_raw, write
from processes import python
from test_init import CLASSES, DETECTION, init

from specc.datasets.emitted import load
from specc.datasets.found import pair


@pytest.fixture
def three_sets(monkeypatch):
    monkeypatch.setattr(layouts, "SETS", ("train", "val", "test"))


@pytest.mark.parametrize(
    "names, expected",
    [
        (["train", "val", "test"], ("train", "val", "test")),
        (["test", "train"], ("train", "test", None)),
        (["training", "testing", "dev"], ("training", "dev", "testing")),
        (["valid", "test"], (None, "valid", "test")),
        (["train2017", "val2017", "test2017"], ("train2017", "val2017", "test2017")),
        (["attest", "trainer"], (None, None, None)),
    ],
)
def test_sets_are_paired_by_their_names(names, expected):
    assert pair(names) == expected


@pytest.mark.sample("as_voc-object_detection-ImageSets/Main/{}.txt", rest="slow")
@pytest.mark.parametrize(
    "make, task, sets",
    [
        (layouts.as_native, DETECTION, "{}"),
        (layouts.as_folders, CLASSES, "{}"),
        (layouts.as_folders, "metric_learning", "{}"),
        (layouts.as_coco, DETECTION, "{}.json"),
        (layouts.as_voc, DETECTION, "ImageSets/Main/{}.txt"),
        (layouts.as_csv, "regression", "{}.csv"),
    ],
)
def test_three_sets_are_found_and_read(place, three_sets, capsys, make, task, sets):
    make(place / "set")
    job, code = init(task, "--data", "set")
    assert code == 0
    named = [job["data"][key] for key in ("train", "validation", "test")]
    assert named == [f"set/{sets.format(name)}" for name in layouts.SETS]
    test = Path("set", sets.format("test"))
    assert f"test         {test}, which evaluate.py" in capsys.readouterr().out
    reader = load(Path("job.json").read_bytes()).dataset
    training, validation = reader.read_datasets(Path())
    tested = reader.read_test_set(Path())
    paths = [{one.path for one in of} for of in (training, validation, tested)]
    assert all(paths) and len(set.union(*paths)) == sum(map(len, paths))
    assert len(tested) == len(validation)


def test_the_test_split_of_yolo_is_read(place):
    layouts.as_yolo(place / "set")
    shutil.copytree(place / "set" / "images" / "val", place / "set" / "images" / "last")
    shutil.copytree(place / "set" / "labels" / "val", place / "set" / "labels" / "last")
    with (place / "set" / "data.yaml").open("a") as file:
        file.write("test: images/last\n")
    job, _ = init(DETECTION, "--data", "set")
    job["data"]["test"] = "set/data.yaml"
    tested = load(json.dumps(job).encode()).dataset.read_test_set(Path())
    assert {one.path.parent.name for one in tested} == {"last"} and len(tested) == 6


def test_a_test_set_without_labels_is_none(place, three_sets):
    layouts.as_csv(place / "set")
    path = place / "set" / "test.csv"
    rows = [line.partition(",")[0] for line in path.read_text().splitlines()]
    path.write_text("\n".join(rows))
    job, code = init("regression", "--data", "set")
    assert code == 0 and job["data"]["validation"] == "set/val.csv"
    assert "test" not in job["data"]


@pytest.mark.slow
def test_datasets_apart_have_one_test_set_each(place):
    names = {"categories": ["a", "b"]}
    for name in "xy":
        layouts.as_folders(place / name)
    own = {"train": "y/train", "validation": "y/val", "test": "y/val/a"}
    heads = [{"task": CLASSES, "name": name} | names for name in ("one", "other")]
    heads[1]["data"] = own | {"test": "y/test"}
    (place / "x" / "val").rename(place / "x" / "test")
    shutil.copytree(place / "y" / "val", place / "y" / "test")
    data = {"train": "x/train", "test": "x/test", "format": "folders"}
    job = {"version": 1, "name": "two", "data": data, "model": {"heads": heads}}
    tested = load(json.dumps(job).encode()).dataset.read_test_set(Path())
    found = {(one.path.parts[0], *one.labels) for one in tested}
    assert found == {("x", "one"), ("y", "other")} and len(tested) == 24


@pytest.mark.sample("None")
@pytest.mark.slow
@pytest.mark.parametrize("validation", ["set/val", None])
def test_evaluate_measures_the_test_set(place, three_sets, validation):
    layouts.as_folders(place / "set")
    head = {"task": CLASSES, "categories": ["a", "b"], "level": 5}
    data = {"train": "set/train", "validation": validation, "test": "set/test"}
    data |= {"format": "folders", "resolution": [32, 32]}
    model = {"backbone": {"name": "mobilenetv2_035"}, "heads": [head]}
    job = {"version": 1, "name": "tested", "data": data, "model": model}
    compiled = compile_raw(json.dumps(job).encode())
    write(compiled, place)
    model = getattr(load(json.dumps(job).encode()).model, compiled.model_class)()
    weights = model.state_dict()
    torch.save({"job": Path("resolved.json").read_text(), "model": weights}, "best.pt")
    shutil.rmtree(place / "set" / "train")
    shutil.rmtree(place / "set" / "val")
    shutil.rmtree(place / "set" / "test" / "b")
    given = ["--weights", "best.pt", "--device", "cpu", "--workers", "0"]
    done = python("evaluate.py", *given, "--test")
    assert done.returncode == 0, done.stderr
    assert "multiclass_classification/accuracy" in json.loads(done.stdout)
    done = python("evaluate.py", *given)
    assert done.returncode == 1 and done.stderr.endswith("no such folder\n")


def test_without_a_test_set_there_is_no_flag():
    text = (GENERATED / "blood-cells" / "evaluate.py").read_text("utf-8")
    assert "--test" not in text and "read_test_set" not in text
