"""Each of the datasets that people have leads from `init` to a run, or is refused."""

from __future__ import annotations

import json
import re
from importlib import import_module

import pytest
import rows

from specc.cli import run_cli

KINDS = (
    *("yolo", "coco", "tables", "maps", "faults", "odd_tables", "more", "last"),
    *("tools", "habits", "kits", "marks", "blanks"),
)
for name in KINDS:
    import_module(f"rows_{name}")
SLIPS = [  # rows that `init` refuses, each for another reason
    *("f16c", "u01", "u05", "u15", "u31", "u38"),
    *("z15", "z18", "z22", "z35", "w09", "w18", "w01"),
    *("o28", "o51", "j22", "j27", "g05", "g06", "g07", "g08", "g50", "g52", "g54"),
    *("k53", "k58", "k63", "k64", "k65", "k67"),
    *("n8", "n9", "n10", "n12", "n13", "n14", "n15", "n20", "n21"),
]
TELLING = [  # rows that `init` says something of
    *("k50", "k51", "k52", "k54", "k55", "k56", "k57", "k60", "k61", "k62", "k66"),
    *("n16", "n17", "n18"),
]
READ = [  # rows that the reader of the job says something of
    *("n1", "n2", "n3", "n4", "n5", "n6", "n7", "n11", "n19", "n22", "n23"),
]


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("row", rows.ROWS, ids=lambda row: row.name)
def test_a_row(place, monkeypatch, capsys, row):
    rows.follow(row, place, monkeypatch, capsys)


@pytest.mark.parametrize("name", SLIPS)
def test_init_says_what_is_wrong(place, capsys, name):
    [row] = [row for row in rows.ROWS if row.name == name]
    row.make(place / "set")
    assert run_cli(["init", row.task, "--data", "set", *row.flags]) == 1
    assert row.refused in capsys.readouterr().err


@pytest.mark.parametrize("name", TELLING)
def test_init_tells_what_is_read(place, capsys, name):
    [row] = [row for row in rows.ROWS if row.name == name]
    row.make(place / "set")
    assert run_cli(["init", row.task, "--data", "set", *row.flags]) == 0
    assert row.told in capsys.readouterr().out
    rows.assert_right(row, json.loads((place / "job.json").read_text("utf-8")))


@pytest.mark.parametrize("name", READ)
def test_a_reader_tells_what_it_does(place, capsys, name):
    [row] = [row for row in rows.ROWS if row.name == name]
    row.make(place / "set")
    assert run_cli(["init", row.task, "--data", "set", *row.flags]) == 0
    job = json.loads((place / "job.json").read_text("utf-8"))
    if row.refused:
        with pytest.raises(SystemExit, match=re.escape(row.refused)):
            rows.assert_right(row, job)
    else:
        rows.assert_right(row, job)
        assert row.told in capsys.readouterr().err
