"""The output folder: what a build writes, removes and keeps, and its record of it."""

from __future__ import annotations

import base64
import json
import os

import pytest
from outputs import JOB, output, refusal, tree

from specc.folder import record
from specc.folder.compare import compare
from specc.folder.judge import Output
from specc.folder.write import write


def test_a_first_build_writes_the_files_and_their_record(folder, source):
    written = write(output(folder, source, model="a = 1\n", train="b = 2\n"))
    assert written.written == ("job.json", "model.py", "train.py")
    assert (folder / "model.py").read_text() == "a = 1\n"
    assert (folder / "job.json").read_bytes() == JOB
    manifest = json.loads((folder / ".specc/manifest.json").read_text())
    assert manifest["format"] == 2
    assert manifest["job"] == {"name": "cells"}
    word, end = manifest["files"]["train.py"]
    assert base64.b64decode(word)[3:] == b"b = 2\n" and end == ""
    assert record.pristine(folder, "train.py") == "b = 2\n"
    assert "-diff" in (folder / ".specc/.gitattributes").read_text()
    assert sorted(os.listdir(folder / ".specc")) == [".gitattributes", "manifest.json"]
    assert sorted(os.listdir(folder)) == [".specc", "job.json", "model.py", "train.py"]


def test_a_second_build_touches_nothing(folder, source):
    write(output(folder, source, model="a = 1\n"))
    before = {path: path.stat() for path in folder.rglob("*")}
    written = write(output(folder, source, model="a = 1\n"))
    assert written.unchanged == ("job.json", "model.py") and not written.written
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == {
        path: status.st_mtime_ns for path, status in before.items()
    }


def test_only_what_changed_is_written(folder, source):
    write(output(folder, source, model="a = 1\n", train="b = 2\n"))
    inode = (folder / "train.py").stat().st_ino
    written = write(output(folder, source, model="a = 3\n", train="b = 2\n"))
    assert written.written == ("model.py",)
    assert written.unchanged == ("job.json", "train.py")
    assert (folder / "train.py").stat().st_ino == inode
    assert record.pristine(folder, "model.py") == "a = 3\n"


@pytest.mark.slow
def test_the_record_does_not_depend_on_where_or_when(tmp_path, source):
    records = []
    for name in ("one", "two"):
        write(output(tmp_path / name, source, model="a = 1\n"))
        records.append(tree(tmp_path / name / ".specc"))
    assert records[0] == records[1]


def test_files_no_longer_emitted_are_removed(folder, source):
    write(output(folder, source, model="a\n", metrics="m\n"))
    written = write(output(folder, source, model="a\n"))
    assert written.removed == ("metrics.py",)
    assert not (folder / "metrics.py").exists()
    assert "metrics.py" not in record.read(folder).texts


def test_folders_that_become_empty_are_removed(folder, source):
    first = output(folder, source, model="a\n")
    write(Output(folder, first.files | {"parts/a/b.py": b"x\n"}, first.job, source))
    write(first)
    assert not (folder / "parts").exists()


def test_an_edited_file_that_is_no_longer_emitted_stays(folder, source):
    write(output(folder, source, model="a\n", metrics="m\n"))
    (folder / "metrics.py").write_text("mine\n")
    written = write(output(folder, source, model="a\n"))
    assert written.kept == written.dropped == ("metrics.py",) and not written.removed
    assert (folder / "metrics.py").read_text() == "mine\n"


def test_an_edit_stays_where_the_job_changes_something_else(folder, source):
    write(output(folder, source, model="a\n", train="b\n"))
    (folder / "train.py").write_text("mine\n")
    written = write(output(folder, source, model="a2\n", train="b\n"))
    assert written.written == ("model.py",) and written.kept == ("train.py",)
    assert (folder / "train.py").read_text() == "mine\n"


def test_force_overwrites_every_edit(folder, source):
    write(output(folder, source, model="a\n", train="b\n"))
    for name in ("model.py", "train.py"):
        (folder / name).write_text("mine\n")
    written = write(output(folder, source, model="a2\n", train="b\n"), force=True)
    assert written.written == ("model.py", "train.py")
    assert (folder / "train.py").read_text() == "b\n"


def test_an_edit_that_equals_the_new_text_is_no_edit(folder, source):
    write(output(folder, source, model="a\n"))
    (folder / "model.py").write_text("a2\n")
    assert "model.py" in write(output(folder, source, model="a2\n")).unchanged
    assert compare(output(folder, source, model="a2\n")).is_current(strict=True)


def test_a_users_own_file_is_not_taken_for_specc_s(folder, source):
    write(output(folder, source, model="a\n"))
    (folder / "metrics.py").write_text("mine\n")
    refusal("E403", write, output(folder, source, model="a\n", metrics="m\n"))
    assert (folder / "metrics.py").read_text() == "mine\n"


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_of_others_is_refused(folder, source, force):
    folder.mkdir(parents=True)
    (folder / "thesis.tex").write_text("years of work")
    before = tree(folder)
    finding = refusal("E402", write, output(folder, source, model="a\n"), force=force)
    assert "thesis.tex" in finding.note
    assert tree(folder) == before


def test_the_jobs_own_folder_may_hold_the_job(folder):
    folder.mkdir(parents=True)
    source = folder / "job.json"
    source.write_bytes(JOB)
    (folder / "job.schema.json").write_text("{}")
    (folder / ".git").mkdir()
    inode = source.stat().st_ino
    assert write(output(folder, source, model="a\n")).written == ("model.py",)
    assert source.stat().st_ino == inode


def test_a_damaged_record_counts_every_difference_as_an_edit(folder, source):
    write(output(folder, source, model="a\n", train="b\n"))
    (folder / ".specc/manifest.json").write_text("<<<<<<< HEAD\n")
    finding = refusal("E403", write, output(folder, source, model="a2\n", train="b\n"))
    assert "damaged" in finding.note and "train.py" not in finding.note
    write(output(folder, source, model="a2\n", train="b\n"), force=True)
    assert compare(output(folder, source, model="a2\n", train="b\n")).is_current(True)


def test_a_damaged_record_is_told_by_itself(folder, source):
    """Files that are what specc emits are neither edited nor stale."""
    new = output(folder, source, model="a\n", train="b\n")
    write(new)
    (folder / record.MANIFEST).write_text("{")
    found = compare(new)
    assert found.lost and not found.is_current() and found.edited == ()
    assert found.stale == {record.MANIFEST: ""}
    assert write(new, dry_run=True).written == (record.MANIFEST,)
    (folder / "train.py").write_text("mine\n")
    found = compare(new)
    assert found.edited == found.conflicts == ("train.py",)
    assert set(found.stale) == {record.MANIFEST, "train.py"}
    (folder / "train.py").write_text("b\n")
    assert write(new).written == (record.MANIFEST,) and compare(new).is_current(
        strict=True
    )
    assert write(new).written == ()


@pytest.mark.parametrize("path", ["../prey.py", "/tmp/prey.py", ".specc/x", "a\\b"])
def test_a_record_never_reaches_out_of_its_folder(folder, source, path):
    write(output(folder, source, model="a\n", prey="x\n"))
    prey = folder.parent / "prey.py"
    prey.write_text("x\n")
    manifest = json.loads((folder / ".specc/manifest.json").read_text())
    manifest["files"][path] = manifest["files"]["prey.py"]
    (folder / ".specc/manifest.json").write_text(json.dumps(manifest))
    assert record.read(folder) == record.EMPTY
    write(output(folder, source, model="a\n"))
    assert prey.read_text() == "x\n"
    assert path not in record.read(folder).texts


def test_a_newer_record_is_refused(folder, source):
    write(output(folder, source, model="a\n"))
    (folder / ".specc/manifest.json").write_text(
        '{"format": 3, "files": {}, "job": {}}'
    )
    before = tree(folder)
    refusal("E407", write, output(folder, source, model="b\n"))
    assert tree(folder) == before


def test_the_mode_of_a_file_is_kept(folder, source):
    write(output(folder, source, train="b\n"))
    (folder / "train.py").chmod(0o755)
    write(output(folder, source, train="b2\n"))
    assert (folder / "train.py").stat().st_mode & 0o777 == 0o755
