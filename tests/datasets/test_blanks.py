"""Numbers that stand for missing ones, marks that `specc data` tells of, and commands
that turn arrays into images."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import rows_blanks
from rows import DEPTH, DETECTION, SEMANTIC, plain
from rows_coco import COUNT, four, item

from specc.cli import run_cli
from specc.datasets import pictures
from specc.datasets.emitted import load, words_of
from specc.datasets.tables.sentinels import sentinels, told


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ([21, 22, -999, 24, 25, 26, -999], [-999]),
        ([21, 22, -999, 24, 25, 26, 27], []),  # once: an outlier
        ([21, 22, 9999, 24, 25, 26, 9999], [9999]),
        ([0, 20, 40, 60, 80, 90, -1, -1], [-1]),  # near, but alone below 0
        ([0, 20, 40, 60, 80, 90, -0.5, -0.5], []),
        ([-3, 20, 40, 60, 80, 90, -1, -1], []),
        ([-1, -1, 0, 1, 1, 0], []),  # three moods
        ([-9, -9, 21, 22, 23, 24, 25, 26, 999, 999], [-9, 999]),
        ([0, 0, 0, 0, 0, 0, 0, 21, 22, 23, 24, 25], []),  # most are 0
    ],
)
def test_the_ends_of_numbers_that_may_be_missing_ones(numbers, found):
    assert sentinels(list(map(float, numbers))) == found


def test_one_text_can_be_that_of_missing_numbers():
    """The layout has one: cells of the second value are to be emptied."""
    texts = [*"123456", "-9", "-9", "99", "99"]
    first, second = told("age", list(map(float, texts)), texts, False)
    assert first.startswith("`age` is -9 in 2 rows, else 1 to 6: ")
    assert 'add "missing": "-9" to `layout`' in first
    assert "`age` is 99 in 2 rows" in second and "empty these cells" in second


def test_the_missing_text_leaves_the_rows_out(place, capsys):
    rows_blanks.ages_of_minus_999(place / "set")
    assert run_cli(["init", "regression", "--data", "set"]) == 0
    job = json.loads(Path("job.json").read_text("utf-8"))
    job["data"]["layout"] = {"missing": "-999"}
    job["model"]["heads"][0]["range"] = [20, 30]
    emitted = load(json.dumps(job).encode())
    training, held_out = emitted.dataset.read_datasets(Path())
    values = [plain(words_of(emitted, x)["age"]) for x in training + held_out]
    assert sorted(values) == [21, 22, 24, 26, 27, 28]
    assert "an empty cell: 2" in capsys.readouterr().err


@pytest.mark.parametrize("crowd", [0, 1])
def test_data_tells_of_marks_that_no_reader_reads(place, monkeypatch, capsys, crowd):
    for name in ("save_sheet", "save_histograms"):
        monkeypatch.setattr(pictures, name, lambda *_: None)
    marked = item(9, of=1, bbox=[40, 30, 10, 10], ignore=1, iscrowd=crowd)
    four(place / "set", [*(item(i, ignore=0) for i in COUNT), marked])
    assert run_cli(["init", DETECTION, "--data", "set"]) == 0
    capsys.readouterr()
    run_cli(["data", "job.json", "--format", "json"])
    notes = json.loads(capsys.readouterr().out)["notes"]
    [*found] = [n for what, n in notes.items() if "`ignore` 1, learned as any" in what]
    assert found == [1] * (crowd == 0)


@pytest.mark.parametrize(
    ("task", "write", "label"),
    [
        (SEMANTIC, rows_blanks.masks_in_npy, [0, 1, 2]),
        (SEMANTIC, rows_blanks.masks_in_npz, [0, 1]),
        (DEPTH, rows_blanks.depths_in_npz, [1, 2]),
    ],
)
def test_the_command_turns_arrays_into_images_that_are_read(
    place, capsys, task, write, label
):
    write(place / "set")
    assert run_cli(["init", task, "--data", "set"]) == 1
    [command] = [x for x in capsys.readouterr().err.splitlines() if "python -c" in x]
    _, flag, code, files = shlex.split(command.partition("= help: ")[2])
    words = [sys.executable, flag, code, *map(str, sorted(place.glob(files)))]
    subprocess.run(words, check=True)
    assert run_cli(["init", task, "--data", "set"]) == 0
    emitted = load(Path("job.json").read_bytes())
    sample = emitted.dataset.read_datasets(Path())[0][0]
    [found] = map(plain, words_of(emitted, sample).values())
    assert found == pytest.approx(label)
