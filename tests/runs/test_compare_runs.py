"""`specc compare`: runs that are read without PyTorch, side by side."""

from __future__ import annotations

import json
import os
import pickle
import re
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from processes import python

from specc.build import analyze
from specc.cli import run_cli
from specc.plan.resolved import as_job
from specc.runs.charts import axis, chart
from specc.runs.checkpoint import NoCheckpoint, read_checkpoint
from specc.words import figure

HEAD = {"name": "cells", "task": "object_detection", "categories": ["a", "<b>"]}


def resolved(name: str, **trainer) -> str:
    job = {
        "name": name,
        "data": {"train": "train", "validation": "val", "resolution": [64, 64]},
        "model": {
            "neck": {"kind": "fpn", "bottom_level": 3, "top_level": 5},
            "heads": [HEAD],
        },
        "trainer": trainer,
    }
    return json.dumps(as_job(analyze(json.dumps(job).encode())[0]))


def write_run(folder: Path, scores: list[float], losses=(2.0, 1.0), **trainer) -> Path:
    """A run as train.py leaves it, with a validation every ten iterations."""
    folder.mkdir(parents=True)
    job = resolved(folder.name, **trainer)
    rows = []
    for number, score in enumerate(scores, 1):
        place = {"iteration": 10 * number}
        rows.append(place | {"split": "train", "loss": losses[number % 2]})
        metrics = {"cells/ap": score, "cells/ap50": 1 - score}
        rows.append(place | {"split": "validation"} | metrics)
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    (folder / "metrics.jsonl").write_text(text)
    best = max(scores)
    state = OrderedDict(weight=torch.rand(3, 2), count=torch.tensor(3))
    common = {"format": 1, "job": job, "model": state}
    metrics = {"cells/ap": best, "cells/ap50": 1 - best}
    torch.save(common | {"metrics": metrics}, folder / "best.pt")
    run = {"seed": 7, "max_iterations": 30, "processes": 1}
    last = {"run": run, "iteration": 10 * len(scores), "elapsed_seconds": 90.0}
    torch.save(common | last, folder / "last.pt")
    return folder


@pytest.fixture
def two(place) -> list[str]:
    """Two runs, of which the second has a larger batch and is better at last."""
    write_run(place / "runs/small", [0.25, 0.5, 0.375], batch_size=4)
    write_run(place / "runs/large", [0.5, 0.75], batch_size=8)
    return ["runs/small", "runs/large"]


def test_metrics_of_best_pt_and_fields_that_differ(two, capsys):
    assert run_cli(["compare", *two, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["metrics"] == {"cells/ap": [0.5, 0.75], "cells/ap50": [0.5, 0.25]}
    assert told["best"] == {"cells/ap": [1], "cells/ap50": [0]}
    # Rates and names follow from nothing here: the batch alone differs.
    assert told["fields"] == {"/trainer/batch_size": [4, 8]}
    small, large = told["runs"]
    assert (small["iterations"], small["best_iteration"]) == (30, 20)
    assert large["best_iteration"] == 20 and large["elapsed_seconds"] == 90
    assert small["chosen_by"] == "cells/ap"


def test_the_table_marks_the_best(two, capsys):
    assert run_cli(["compare", *two]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert rows["cells/ap"] == ["0.5", "0.75", "*"]
    assert rows["cells/ap50"] == ["0.5", "*", "0.25"]
    assert rows["/trainer/batch_size"] == ["4", "8"]
    assert rows["minutes"] == ["1.5", "1.5"]


def test_the_seed_is_compared_where_each_run_has_its_last_pt(two, capsys):
    last = torch.load("runs/large/last.pt", weights_only=True)
    last["run"]["seed"] = 8
    torch.save(last, "runs/large/last.pt")
    assert run_cli(["compare", *two, "--format", "json"]) == 0
    fields = json.loads(capsys.readouterr().out)["fields"]
    assert fields == {"/trainer/batch_size": [4, 8], "seed": [7, 8]}
    Path("runs/large/last.pt").unlink()
    assert run_cli(["compare", *two, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [*told["fields"]] == ["/trainer/batch_size"]
    assert told["runs"][1]["elapsed_seconds"] is None


def test_equal_runs_differ_in_nothing(place, capsys):
    for name in ("one", "two"):
        write_run(place / name, [0.5])
    assert run_cli(["compare", "one", "two"]) == 0
    assert "no field of the jobs differs" in capsys.readouterr().out


def test_the_page_is_one_file_with_curves_and_nothing_to_load(two, capsys):
    assert run_cli(["compare", *two, "-o", "out/compare.html"]) == 0
    assert "wrote out/compare.html" in capsys.readouterr().out
    page = Path("out/compare.html").read_text("utf-8")
    assert page.count("<polyline") == 2 * 3  # a curve a run: loss and two metrics
    assert "/trainer/batch_size" in page and "0.75 *" in page
    assert not re.search(r"(src|href)=|url\(|https?:|<script|@import", page)
    assert os.listdir("out") == ["compare.html"]


def test_names_of_folders_are_escaped_in_the_page(place, capsys):
    bad = write_run(place / "new", [0.5]).rename(place / "<script>alert(1)<")
    write_run(place / "other", [0.25])
    assert run_cli(["compare", bad.name, "other", "-o", "c.html"]) == 0
    page = Path("c.html").read_text("utf-8")
    assert "<script" not in page and "&lt;script&gt;alert(1)&lt;" in page


def test_it_imports_no_pytorch(two):
    code = "import sys; from specc.cli import run_cli; code = run_cli(sys.argv[1:]);"
    code += " assert 'torch' not in sys.modules; sys.exit(code)"
    done = python("-c", code, "compare", *two)
    assert done.returncode == 0, done.stderr


# ---- Checkpoints ----


def test_a_checkpoint_is_read_without_its_tensors(place):
    write_run(place / "run", [0.5])
    found = read_checkpoint(place / "run/last.pt")
    theirs = torch.load(place / "run/last.pt", weights_only=True)
    assert {*found} == {*theirs} and {*found["model"]} == {*theirs["model"]}
    for name in ("format", "job", "run", "iteration", "elapsed_seconds"):
        assert found[name] == theirs[name]


class Calls:
    """An object whose pickle calls a function when it is read."""

    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


def test_a_checkpoint_of_a_stranger_runs_nothing(place):
    with zipfile.ZipFile("evil.pt", "w") as archive:
        archive.writestr("evil/data.pkl", pickle.dumps({"job": "{}", "x": Calls()}))
    assert read_checkpoint(Path("evil.pt"))["job"] == "{}"
    assert not Path("made-by-a-pickle").exists()


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x02}."])
def test_another_file_is_no_checkpoint(place, content):
    Path("x.pt").write_bytes(content)
    with pytest.raises(NoCheckpoint):
        read_checkpoint(Path("x.pt"))


# ---- Bad input ----


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda run: (run / "best.pt").unlink(), "it has no best.pt"),
        (lambda run: (run / "metrics.jsonl").unlink(), "it has no metrics.jsonl"),
        (
            lambda run: (run / "metrics.jsonl").write_text('{"iteration": 1, "sp'),
            "no validation is in its log",
        ),
        (
            lambda run: (run / "best.pt").write_bytes(
                (run / "best.pt").read_bytes()[:500]
            ),
            "its best.pt is no whole checkpoint",
        ),
        (
            lambda run: torch.save({"job": "{}", "metrics": {}}, run / "best.pt"),
            "its best.pt holds no resolved job",
        ),
    ],
)
def test_a_run_that_is_half_written_is_told(two, capsys, damage, said):
    damage(Path(two[1]))
    assert run_cli(["compare", *two, "-o", "page.html"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("error[") == 1
    assert f"error[E448]: `runs/large` is no run that can be read: {said}" in err
    assert not Path("page.html").exists()


def test_a_folder_that_is_none_is_told(two, capsys):
    assert run_cli(["compare", two[0], "runs/gone"]) == 1
    assert "error[E448]: there is no folder `runs/gone`" in capsys.readouterr().err


def test_a_last_line_that_is_cut_short_is_left_out_and_told(two, capsys):
    with open("runs/large/metrics.jsonl", "a") as log:
        log.write('{"iteration": 30, "split": "valid')
    assert run_cli(["compare", *two, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert err == "runs/large: metrics.jsonl: a line cut short, left out\n"
    assert [run["left_out_lines"] for run in json.loads(out)["runs"]] == [0, 1]


def test_a_page_that_cannot_be_written_is_told(two, capsys):
    Path("file").write_text("")
    assert run_cli(["compare", *two, "-o", "file/page.html"]) == 1
    assert "error[E405]: cannot write `file/page.html`" in capsys.readouterr().err


# ---- Charts ----


def test_an_axis_has_round_marks_inside_its_range():
    found = axis(0.12, 0.88, start=0, end=100)
    assert found.marks == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert found.place(0.12) == 0 and found.place(0.88) == 100
    assert found.place(0.5) == pytest.approx(50)


def test_an_axis_of_one_value_and_a_logarithmic_one():
    assert axis(3, 3, start=0, end=10).place(3) == pytest.approx(5)
    assert axis(0, 0, start=0, end=10).place(0) == 0  # nothing below it
    found = axis(0.02, 30, start=0, end=400, log=True)
    assert (found.low, found.high) == (0.01, 100)
    assert found.place(1) == pytest.approx(200)


def test_a_chart_escapes_names_and_leaves_out_what_is_no_number():
    points = [(1, 0.5), (2, float("nan")), (3, -1.0)]
    drawn = chart("<loss>", {"a&b": points, "none": []}, log=True)
    assert "<loss>" not in drawn and "&lt;loss&gt;" in drawn and "a&amp;b" in drawn
    assert drawn.count("<polyline") == drawn.count("<circle") == 1
    assert chart("empty", {"none": []}) == ""
    assert 'aria-label="&lt;loss&gt;"' in drawn  # all that a screen reader tells of it


def test_a_curve_has_the_color_and_the_name_of_its_run_where_another_has_none():
    """Charts of the same runs stand beside each other: blue is the first one in all."""
    points = [(1, 0.5), (2, 0.75)]
    both = chart("ap", {"first": points, "second": points})
    alone = chart("ap_small", {"first": [], "second": points})
    curve = re.compile(r'stroke="(#\w+)"[^>]*><title>(\w+)</title>')
    _, second = curve.findall(both)
    assert curve.findall(alone) == [second] and second[1] == "second"
    assert alone.count('class="key"') == 1 and "first" not in alone
    assert 'class="key"' not in chart("loss", {"loss": points})


@pytest.mark.parametrize(
    "value, text",
    [
        (0.51992, "0.5199"),
        (1e-5, "1e-05"),
        (9999.4, "9999"),
        (9999.6, "10,000"),
        (-265461.41, "-265,461"),
        (1e20, "1e+20"),
        (float("inf"), "inf"),
    ],
)
def test_a_large_figure_is_told_in_full(value, text):
    assert figure(value) == text
