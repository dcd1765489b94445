"""`specc check --fix`: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from specc.mending import files

JOB = """{
  "name": "cells",
  "data": {"train": "data/train",   "resolution": 64},
  "model": {
    "heads": [{"task": "classification", "classes": ["a", "b"]}]
  },
  "trainer": {"lr": 1e-3, "batch_size": "16"}
}
"""
MENDED = """{
  "name": "cells",
  "data": {"train": "data/train",   "resolution": [64, 64]},
  "model": {
    "heads": [{"task": "multiclass_classification", "categories": ["a", "b"]}]
  },
  "trainer": {"batch_size": 16, "optimizer": {"learning_rate": 1e-3}}
}
"""
LIKELY = MENDED.replace("[64, 64]", "[64, 16]")


def write(text: str = JOB, name: str = "job.json", ends: str = "\n") -> Path:
    path = Path(name)
    path.write_bytes(text.replace("\n", ends).encode())
    return path


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_certain_edits_keep_the_formatting(run, ends):
    path = write(ends=ends)
    code, out, err = run("check", "--fix", "job.json")
    assert (code, err) == (0, "")
    assert path.read_bytes() == MENDED.replace("\n", ends).encode()
    assert out == """\
job.json: 5 edits
  E122  /data/resolution: 64 -> [64, 64]
  E121  /model/heads/0/classes -> /model/heads/0/categories
  E124  /model/heads/0/task: "classification" -> "multiclass_classification"
  E120  /trainer/optimizer: {}
  E120  /trainer/lr -> /trainer/optimizer/learning_rate
  E122  /trainer/batch_size: "16" -> 16
job.json: ok
"""
    assert run("check", "--fix", "job.json") == (0, "job.json: ok\n", "")
    assert run("check", "job.json") == (0, "job.json: ok\n", "")


def test_check_alone_writes_nothing_and_names_the_command(run):
    path = write()
    code, out, _ = run("check", "job.json")
    assert code == 1 and path.read_bytes() == JOB.encode()
    assert out.endswith("6 edits are certain: specc check --fix job.json\n")


def test_likely_edits_need_a_flag(run):
    path = write(LIKELY)
    code, out, _ = run("check", "--fix", "job.json")
    assert code == 1 and path.read_bytes() == LIKELY.encode() and "E123" in out
    code, out, _ = run("check", "--fix", "--unsafe", "job.json")
    assert code == 0 and json.loads(path.read_bytes())["data"]["resolution"] == [64, 32]
    assert "16 -> 32  (likely)" in out


def test_json_tells_the_edits_and_what_is_left(run):
    write(JOB.replace("64", "[64, 16]"))
    code, out, _ = run("check", "--fix", "--format", "json", "job.json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [row["applied"] for row in rows] == [True] * (len(rows) - 1) + [False]
    assert all(row["certain"] for row in rows[:-1])
    moved = next(row for row in rows if row["pointer"] == "/trainer/lr")
    assert moved["patch"] == [
        {"op": "add", "path": "/trainer/optimizer", "value": {}},
        {
            "op": "move",
            "from": "/trainer/lr",
            "path": "/trainer/optimizer/learning_rate",
        },
    ]
    assert (rows[-1]["code"], rows[-1]["certain"]) == ("E123", False)
    assert rows[-1]["patch"] == [
        {"op": "replace", "path": "/data/resolution/1", "value": 32}
    ]


def test_several_jobs(run):
    one, two = write(name="a.json"), write('{"name": ', name="b.json")
    write(MENDED, name="c.json")
    code, out, _ = run("check", "--fix", "a.json", "b.json", "c.json", "gone.json")
    assert code == 1
    assert one.read_text() == MENDED and two.read_text() == '{"name": '
    for part in ("a.json: 5 edits", "E102", "c.json: ok", "E401"):
        assert part in out


def test_permissions_stay(run):
    path = write()
    path.chmod(0o640)
    assert run("check", "--fix", "job.json")[0] == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir() == ["job.json"]


def test_a_link_is_not_replaced(run):
    write(name="real.json")
    Path("job.json").symlink_to("real.json")
    code, out, _ = run("check", "--fix", "job.json")
    assert code == 1 and Path("job.json").is_symlink()
    assert "E431" in out and "symbolic link" in out and "real.json" in out
    assert "E124" in out and Path("real.json").read_bytes() == JOB.encode()


def test_a_read_only_job_stays(run):
    path = write()
    path.chmod(0o444)
    code, out, _ = run("check", "--fix", "job.json")
    assert code == 1 and path.read_bytes() == JOB.encode()
    assert "E431" in out and "read-only" in out
    path.chmod(0o644)
    write(MENDED)
    path.chmod(0o444)  # nothing to write
    assert run("check", "--fix", "job.json") == (0, "job.json: ok\n", "")


def test_a_job_that_changes_meanwhile_stays(run, monkeypatch):
    path = write()
    fsync = os.fsync
    monkeypatch.setattr(
        files.os, "fsync", lambda file: (fsync(file), path.write_text("{}"))
    )
    code, out, _ = run("check", "--fix", "job.json")
    assert code == 1 and "E432" in out
    assert path.read_text() == "{}" and os.listdir() == ["job.json"]


def test_a_full_disk_leaves_the_job(run, monkeypatch):
    path = write()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    code, out, _ = run("check", "--fix", "job.json")
    assert code == 1 and "E431" in out and "no space" in out
    assert path.read_bytes() == JOB.encode() and os.listdir() == ["job.json"]


@pytest.mark.parametrize(
    "flags", [["--unsafe"], ["--fix", "--format", "github"]], ids=" ".join
)
def test_flags_that_do_not_go_together(run, flags):
    path = write()
    code, _, err = run("check", *flags, "job.json")
    assert code == 1 and "--fix" in err and path.read_bytes() == JOB.encode()


def test_what_an_edit_uncovers_is_told_before(run):
    """`Cells` can only be `cells`, which another head is named."""
    head = '{"task": "object_detection", "categories": ["a"], "name": "%s"}'
    heads = f"{head % 'cells'}, {head % 'Cells'}"
    old = '{"task": "multiclass_classification", "categories": ["a", "b"]}'
    path = write(MENDED.replace(old, heads).replace("[64, 64]", "[128, 128]"))
    for flags, codes, names in (
        ([], {"E125": True, "E301": False}, ["cells", "Cells"]),
        (["--fix"], {"E125": True, "E301": False}, ["cells", "cells"]),
        (["--fix", "--unsafe"], {"E301": False}, ["cells", "cells_1"]),
    ):
        _, out, _ = run("check", "--format", "json", *flags, "job.json")
        rows = [json.loads(line) for line in out.splitlines()]
        assert {row["code"]: row["certain"] for row in rows} == codes
        found = json.loads(path.read_bytes())["model"]["heads"]
        assert [one["name"] for one in found] == names


@pytest.mark.slow
def test_an_edit_that_would_make_another_error_is_not_made(run):
    """A hundred numbers are to be names: only different ones become texts."""
    numbers = [*range(200), *range(200)]
    job = json.loads(MENDED)
    job["model"]["heads"][0]["categories"] = numbers
    path = write(json.dumps(job))
    assert run("check", "--fix", "job.json")[0] == 1
    names = json.loads(path.read_bytes())["model"]["heads"][0]["categories"]
    texts = [one for one in names if isinstance(one, str)]
    assert len(texts) == len({*texts}) >= 100
