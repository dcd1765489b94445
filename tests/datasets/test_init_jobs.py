"""`specc init`: the job that it writes, its name and places, and what it says."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import layouts
import layouts_coco
import pytest
from test_init import CLASSES, DETECTION, assert_is_right, init

from specc.build import analyze
from specc.cli import run_cli
from specc.datasets.found import Found
from specc.datasets.layout import COLUMNS, job_text
from specc.datasets.start import recipe

# ---- What it says and writes ----


def test_the_next_commands_are_told(place, capsys):
    layouts.as_native(place / "cells")
    job, _ = init(DETECTION, "--data", "cells")
    said = capsys.readouterr().out
    assert job["name"] == "cells-object-detection"
    assert "next: specc data job.json\n      specc build job.json\n" in said
    assert f"python {Path('generated', job['name'], 'train.py')}" in said


@pytest.mark.slow
def test_a_job_is_small_and_readable(place):
    layouts.as_native(place / "cells")
    init(DETECTION, "--data", "cells")
    assert Path("job.json").read_text("utf-8") == """{
  "version": 1,
  "name": "cells-object-detection",
  "data": {"train": "cells/train", "validation": "cells/val", "resolution": [128, 160]},
  "model": {"heads": [{"task": "object_detection", "categories": ["a"]}]},
  "trainer": {
    "max_iterations": 1000,
    "batch_size": 2,
    "gradient_clipping": 10.0,
    "optimizer": {"learning_rate": 0.001}
  }
}
"""


CLASSIFIED = CLASSES, [64, 64]


@pytest.mark.parametrize(
    ("task", "resolution", "images", "batch", "iterations"),
    [
        (*CLASSIFIED, 50_000, 64, 20_000),  # no more than these iterations
        (*CLASSIFIED, 5_000, 32, 4_700),  # 30 epochs
        (*CLASSIFIED, 1_840, 16, 3_500),  # an epoch has a hundred steps
        (*CLASSIFIED, 300, 16, 1_000),
        (*CLASSIFIED, 20, 4, 1_000),  # an epoch has four
        (CLASSES, [160, 160], 50_000, 32, 20_000),
        (DETECTION, [256, 256], 1_840, 8, 11_500),  # 50 epochs
        ("view_invariance_learning", [64, 64], 1_840, 64, 2_900),  # 100 epochs
    ],
)
def test_the_recipe_follows_the_dataset(task, resolution, images, batch, iterations):
    paths = (Path("0.png"),) * images
    found = Found("native", task, Path("train"), Path("val"), {}, paths)
    trainer = recipe(found, resolution)
    assert (trainer["batch_size"], trainer["max_iterations"]) == (batch, iterations)


def test_long_lists_are_filled_line_by_line():
    names = [f"category {i}" for i in range(100)]
    job = {"model": {"heads": [{"task": "x", "categories": names, "empty": []}]}}
    text = job_text(job)
    assert json.loads(text) == job
    assert max(map(len, text.splitlines())) <= COLUMNS
    assert len(text.splitlines()) < 40


def test_a_job_is_never_overwritten_unasked(place, capsys):
    layouts.as_native(place / "set")
    Path("job.json").write_text("mine")
    assert run_cli(["init", DETECTION, "--data", "set"]) == 1
    assert "error[E423]: `job.json` is there already" in capsys.readouterr().err
    assert Path("job.json").read_text() == "mine"
    assert run_cli(["init", DETECTION, "--data", "set", "--force"]) == 0
    assert run_cli(["init", DETECTION, "--data", "set", "-o", "a/b/c.json"]) == 0
    name = json.loads(Path("a/b/c.json").read_text())["name"]
    assert name == "set-object-detection-2"  # the name in job.json, and a number


@pytest.mark.slow
def test_a_job_is_named_by_dataset_and_task_and_never_as_one_that_exists(place):
    layouts.as_native(place / "cells")
    names = [init(DETECTION, "--data", "cells")[0]["name"]]
    names.append(init(DETECTION, "--data", "cells", "--force")[0]["name"])
    (place / "generated" / "cells-object-detection").mkdir(parents=True)
    names.append(init(DETECTION, "--data", "cells", "--force")[0]["name"])
    Path("job.json").rename("one.json")
    Path("list.json").write_text("[1]")
    names.append(init(DETECTION, "--data", "cells")[0]["name"])
    (place / "runs" / "cells-object-detection-3").mkdir(parents=True)
    Path("job.json").unlink()
    Path("one.json").unlink()
    (place / "generated" / "cells-object-detection-2").mkdir(parents=True)
    names.append(init(DETECTION, "--data", "cells")[0]["name"])
    numbers = [name.removeprefix("cells-object-detection") for name in names]
    assert numbers == ["", "", "", "-2", "-4"]
    other = init("multilabel_classification", "--data", "cells", "--force")[0]["name"]
    assert other == "cells-multilabel-classification"
    (place / "n").mkdir()
    layouts.as_native(place / "n" / ("long" * 30))
    job, code = init(DETECTION, "--data", place / "n" / ("long" * 30), "--force")
    assert code == 0 and len(job["name"]) <= 64 and job["name"].endswith("-detection")


def test_places_of_a_layout_begin_at_the_root_too(place):
    root = place / "drive"
    layouts_coco.as_unpacked(root / "coco")
    job, _ = init(DETECTION, "--data", root / "coco", "--root", root)
    assert job["data"]["train"] == "coco/annotations/instances_train2017.json"
    assert job["data"]["layout"]["train_images"] == "coco/train2017"
    assert job["data"]["layout"]["validation_images"] == "coco/val2017"


@pytest.mark.slow
def test_no_path_of_a_machine_is_in_a_job_with_a_root(place, capsys):
    layouts.as_native(place / "drive" / "cells")
    here = place / "work"
    here.mkdir()
    os.chdir(here)
    root = place / "drive"
    job, code = init(DETECTION, "--data", root / "cells", "--root", root)
    assert code == 0 and str(place) not in Path("job.json").read_text()
    assert job["data"]["train"] == "cells/train"
    assert job["data"]["validation"] == "cells/val"
    said = capsys.readouterr().out
    assert (
        f"next: specc data job.json --data {root}\n      specc build job.json\n" in said
    )
    assert f"train.py --data {root}\n" in said
    assert run_cli(["data", "job.json", "--data", str(root), "-o", "looked"]) == 0
    # Links lead there as well, and a root beside the dataset does not.
    Path("link").symlink_to(root)
    job, _ = init(DETECTION, "--data", root / "cells", "--root", "link", "--force")
    assert job["data"]["train"] == "cells/train"
    capsys.readouterr()
    assert init(DETECTION, "--data", root / "cells", "--root", here, "--force")[1] == 1
    assert "is not below --root" in capsys.readouterr().err


def test_without_a_root_paths_begin_in_this_folder(place, capsys):
    layouts.as_native(place / "cells")
    job, _ = init(DETECTION, "--data", place / "cells")
    assert job["data"]["train"] == "cells/train"
    assert "of this machine" not in capsys.readouterr().out
    (place / "work").mkdir()
    os.chdir(place / "work")
    job, _ = init(DETECTION, "--data", place / "cells")
    assert job["data"]["train"] == (place / "cells" / "train").as_posix()
    assert "its paths are of this machine: --root" in capsys.readouterr().out


def test_weights_are_proposed_and_never_written(place, capsys):
    layouts.as_native(place / "cells")
    job, _ = init(DETECTION, "--data", "cells")
    said = capsys.readouterr().out
    resolved = analyze(Path("job.json").read_bytes())[0]
    assert resolved.trainer.initialization.kind == "random"
    edits = re.findall("edit: set /trainer/initialization to (.*)", said)
    assert [json.loads(edit).get("weights") for edit in edits] == [None, "resnet18.bin"]
    for edit in edits:
        job["trainer"]["initialization"] = json.loads(edit)
        assert_is_right(job)
    assert "curl -L -o resnet18.bin https://huggingface.co/timm/resnet18." in said
