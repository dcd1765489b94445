"""The output folder: all or nothing, and no edit of a user lost."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from specc import record
from specc.compare import compare
from specc.diagnostics import JobError
from specc.write import Output, write

JOB = b'{"name": "cells"}\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "cells.json"
    path.write_bytes(JOB)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out" / "cells"


def output(folder: Path, source: Path, job: dict | None = None, **texts: str) -> Output:
    """An output of `model.py`, ... from `model="text"`, and of the job."""
    files = {f"{name}.py": text.encode() for name, text in texts.items()}
    return Output(folder, files | {"job.json": JOB}, job or {"name": "cells"}, source)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder: bytes of files, None for folders."""
    return {
        path.relative_to(folder).as_posix(): (
            None if path.is_dir() else path.read_bytes()
        )
        for path in sorted(folder.rglob("*"))
    }


def refusal(expected: str, action, *arguments, **flags):
    """The single diagnostic, of this code, with which a call is refused."""
    with pytest.raises(JobError) as caught:
        action(*arguments, **flags)
    (finding,) = caught.value.diagnostics
    assert finding.code == expected
    assert finding.help
    return finding


def test_a_first_build_writes_the_files_and_their_record(folder, source):
    written = write(output(folder, source, model="a = 1\n", train="b = 2\n"))
    assert written.written == ("job.json", "model.py", "train.py")
    assert (folder / "model.py").read_text() == "a = 1\n"
    assert (folder / "job.json").read_bytes() == JOB
    assert (folder / ".specc/pristine/train.py").read_text() == "b = 2\n"
    manifest = json.loads((folder / ".specc/manifest.json").read_text())
    assert manifest["format"] == 1
    assert manifest["job"] == {"name": "cells"}
    assert manifest["files"]["model.py"] == record.digest(b"a = 1\n")
    assert "-diff" in (folder / ".specc/.gitattributes").read_text()
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
    assert (folder / ".specc/pristine/model.py").read_text() == "a = 3\n"


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
    assert not (folder / ".specc/pristine/metrics.py").exists()


def test_folders_that_become_empty_are_removed(folder, source):
    first = output(folder, source, model="a\n")
    write(Output(folder, first.files | {"parts/a/b.py": b"x\n"}, first.job, source))
    write(first)
    assert not (folder / "parts").exists()
    assert not (folder / ".specc/pristine/parts").exists()


def test_an_edited_file_that_is_no_longer_emitted_stays(folder, source):
    write(output(folder, source, model="a\n", metrics="m\n"))
    (folder / "metrics.py").write_text("mine\n")
    written = write(output(folder, source, model="a\n"))
    assert written.kept == ("metrics.py",) and not written.removed
    assert (folder / "metrics.py").read_text() == "mine\n"


def test_an_edit_stays_where_the_job_changes_something_else(folder, source):
    write(output(folder, source, model="a\n", train="b\n"))
    (folder / "train.py").write_text("mine\n")
    written = write(output(folder, source, model="a2\n", train="b\n"))
    assert written.written == ("model.py",) and written.kept == ("train.py",)
    assert (folder / "train.py").read_text() == "mine\n"


def test_edits_in_the_way_are_all_named_and_nothing_is_written(folder, source):
    write(output(folder, source, model="a\n", train="b\n", data="c\n"))
    for name in ("model.py", "train.py"):
        (folder / name).write_text("mine\n")
    before = tree(folder)
    new = output(folder, source, model="a2\n", train="b2\n", data="c2\n")
    finding = refusal("E403", write, new)
    assert "`model.py`, `train.py`" in finding.note and "data.py" not in finding.note
    assert "--force" in finding.help
    assert tree(folder) == before


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


def test_a_deleted_file_is_written_again(folder, source):
    write(output(folder, source, model="a\n"))
    (folder / "model.py").unlink()
    assert write(output(folder, source, model="a\n")).written == ("model.py",)


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


@pytest.mark.parametrize("path", ["../prey.py", "/tmp/prey.py", ".specc/x", "a\\b"])
def test_a_record_never_reaches_out_of_its_folder(folder, source, path):
    write(output(folder, source, model="a\n"))
    prey = folder.parent / "prey.py"
    prey.write_text("x\n")
    manifest = json.loads((folder / ".specc/manifest.json").read_text())
    manifest["files"][path] = record.digest(b"x\n")
    (folder / ".specc/manifest.json").write_text(json.dumps(manifest))
    write(output(folder, source, model="a\n"))
    assert prey.read_text() == "x\n"
    assert path not in record.read(folder).files


def test_a_newer_record_is_refused(folder, source):
    write(output(folder, source, model="a\n"))
    (folder / ".specc/manifest.json").write_text(
        '{"format": 2, "files": {}, "job": {}}'
    )
    before = tree(folder)
    refusal("E407", write, output(folder, source, model="b\n"))
    assert tree(folder) == before


@pytest.mark.parametrize(
    "place",
    ["model.py/", ".specc/pristine/model.py/", "parts", ".specc"],
)
def test_files_and_folders_in_the_way(folder, source, place):
    wanted = output(folder, source, model="a\n")
    files = wanted.files | {"parts/x.py": b"x\n"}
    folder.mkdir(parents=True)
    (folder / ".specc").mkdir()
    (folder / record.MANIFEST).write_text('{"format": 1, "files": {}, "job": {}}')
    if place == ".specc":
        (folder / record.MANIFEST).unlink()
        (folder / ".specc").rmdir()
    if place.endswith("/"):
        (folder / place).mkdir(parents=True)
    else:
        (folder / place).write_text("a file")
    before = tree(folder)
    refusal("E404", write, Output(folder, files, wanted.job, source))
    assert tree(folder) == before


def test_an_output_folder_that_is_a_file(folder, source):
    folder.parent.mkdir()
    folder.write_text("mine")
    refusal("E404", write, output(folder, source, model="a\n"))
    assert folder.read_text() == "mine"


@pytest.mark.parametrize("link", ["model.py", ".specc", ".specc/pristine"])
def test_nothing_is_written_through_a_link(folder, source, link, tmp_path):
    write(output(folder, source, model="a\n"))
    target = tmp_path / "elsewhere"
    (folder / link).rename(target)
    (folder / link).symlink_to(target)
    before = tree(target) if target.is_dir() else target.read_bytes()
    refusal("E404", write, output(folder, source, model="b\n"))
    assert (tree(target) if target.is_dir() else target.read_bytes()) == before


def test_a_dangling_link_is_not_followed(folder, source, tmp_path):
    write(output(folder, source, model="a\n"))
    (folder / "train.py").symlink_to(tmp_path / "nowhere")
    refusal("E404", write, output(folder, source, model="a\n", train="b\n"))
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "function, built, least",
    [
        ("replace", False, 9),
        ("replace", True, 7),
        ("fsync", True, 7),
        ("unlink", True, 2),
    ],
)
def test_a_failure_at_any_step_leaves_the_folder_as_it_was(
    folder, source, monkeypatch, function, built, least
):
    if built:
        write(output(folder, source, model="a\n", train="b\n", metrics="m\n"))
    before = tree(folder.parent.parent)
    real = getattr(os, function)
    new = output(folder, source, model="a2\n", train="b2\n", draw="d\n")
    for failing in range(100):
        calls = iter(range(1000))

        def fail(*arguments, **options):
            if next(calls) == failing:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments, **options)

        monkeypatch.setattr(os, function, fail)
        try:
            write(new)
        except JobError as error:
            (finding,) = error.diagnostics
            assert finding.code == "E405" and "no space left" in finding.message
            monkeypatch.setattr(os, function, real)
            assert tree(folder.parent.parent) == before
        else:
            break
    monkeypatch.setattr(os, function, real)
    assert failing >= least
    assert (folder / "model.py").read_text() == "a2\n"


def test_an_interrupt_leaves_the_folder_as_it_was(folder, source, monkeypatch):
    write(output(folder, source, model="a\n", train="b\n"))
    before, real = tree(folder), os.replace

    def interrupt(old, new):
        monkeypatch.setattr(os, "replace", real)
        real(old, new)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(output(folder, source, model="a2\n", train="b2\n"))
    assert tree(folder) == before


def test_a_killed_build_is_taken_up_again(folder, source, monkeypatch):
    """However far a first or a second build came, the next one completes it."""
    for texts in ({"model": "a\n", "train": "b\n"}, {"model": "c\n", "train": "d\n"}):
        for moves in range(8):
            real, calls = os.replace, iter(range(100))

            def kill(old, new):
                if next(calls) == moves:
                    raise SystemExit
                real(old, new)

            monkeypatch.setattr(os, "replace", kill)
            monkeypatch.setattr("specc.write._restore", lambda *_: None)
            try:
                write(output(folder, source, **texts))
            except SystemExit:
                pass
            monkeypatch.undo()
        write(output(folder, source, **texts))
        assert compare(output(folder, source, **texts)).is_current(strict=True)


def test_the_mode_of_a_file_is_kept(folder, source):
    write(output(folder, source, train="b\n"))
    (folder / "train.py").chmod(0o755)
    write(output(folder, source, train="b2\n"))
    assert (folder / "train.py").stat().st_mode & 0o777 == 0o755


# ---- compare ----


def test_check_of_a_current_folder(folder, source):
    write(output(folder, source, model="a\n"))
    comparison = compare(output(folder, source, model="a\n"))
    assert comparison.is_current(strict=True)
    assert not comparison.stale and not comparison.edited


def test_check_shows_what_is_stale_against_the_record(folder, source):
    write(output(folder, source, model="a\nb\n", train="t\n", metrics="m\n"))
    (folder / "model.py").write_text("mine\n")
    before = tree(folder)
    fresh = output(folder, source, model="a\nc\n", train="t\n", draw="d\n")
    comparison = compare(fresh)
    assert set(comparison.stale) == {"model.py", "metrics.py", "draw.py"}
    assert "-b\n+c\n" in comparison.stale["model.py"]
    assert "mine" not in comparison.stale["model.py"]
    assert comparison.conflicts == ("model.py",)
    assert not comparison.is_current()
    assert tree(folder) == before


def test_check_lists_edits_and_only_strict_minds(folder, source):
    write(output(folder, source, model="a\n"))
    (folder / "model.py").write_text("mine\n")
    comparison = compare(output(folder, source, model="a\n"))
    assert comparison.edited == ("model.py",)
    assert comparison.is_current() and not comparison.is_current(strict=True)


def test_check_minds_a_missing_file(folder, source):
    write(output(folder, source, model="a\n"))
    (folder / "model.py").unlink()
    comparison = compare(output(folder, source, model="a\n"))
    assert comparison.missing == ("model.py",) and not comparison.is_current()


def test_check_minds_a_change_of_the_resolved_job_alone(folder, source):
    write(output(folder, source, model="a\n"))
    changed = output(folder, source, {"name": "cells", "option": 1}, model="a\n")
    comparison = compare(changed)
    assert '+    "option": 1' in comparison.stale[record.MANIFEST]
    assert not comparison.is_current()


def test_reformatting_a_job_in_its_own_folder_is_not_stale(folder):
    folder.mkdir(parents=True)
    source = folder / "job.json"
    source.write_bytes(JOB)
    write(output(folder, source, model="a\n"))
    source.write_bytes(b'{\n  "name": "cells"\n}\n')
    fresh = output(folder, source, model="a\n")
    files = fresh.files | {"job.json": source.read_bytes()}
    assert compare(Output(folder, files, fresh.job, source)).is_current(strict=True)
