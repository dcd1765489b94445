"""The output folder: all or nothing, whatever is in the way or fails."""

from __future__ import annotations

import errno
import itertools
import os
import shutil

import pytest
from outputs import emitted, killed, output, refusal, tree

from specc.diagnostics import JobError
from specc.folder import record
from specc.folder.commit import recover
from specc.folder.compare import compare
from specc.folder.judge import Output
from specc.folder.write import write


@pytest.mark.parametrize(
    "place",
    ["model.py/", ".specc/.gitattributes/", "parts", ".specc"],
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


@pytest.mark.parametrize(
    "link", ["model.py", ".specc", ".specc/manifest.json", ".specc/pristine"]
)
def test_nothing_is_written_through_a_link(folder, source, link, tmp_path):
    write(output(folder, source, model="a\n"))
    (folder / ".specc/pristine").mkdir()  # an old record has it
    (folder / ".specc/pristine/model.py").write_text("a\n")
    target = tmp_path / "elsewhere"
    (folder / link).rename(target)
    (folder / link).symlink_to(target)
    before = tree(target) if target.is_dir() else target.read_bytes()
    for dry_run in (True, False):
        new = output(folder, source, model="b\n")
        refusal("E404", write, new, dry_run=dry_run)
    assert (tree(target) if target.is_dir() else target.read_bytes()) == before


def test_a_dangling_link_is_not_followed(folder, source, tmp_path):
    write(output(folder, source, model="a\n"))
    (folder / "train.py").symlink_to(tmp_path / "nowhere")
    refusal("E404", write, output(folder, source, model="a\n", train="b\n"))
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.sample("unlink-True-1", rest="slow")
@pytest.mark.parametrize(
    "function, built, least",
    [
        ("replace", False, 5),
        ("replace", True, 4),
        ("fsync", True, 5),
        ("unlink", True, 1),
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


@pytest.mark.slow
@pytest.mark.sample("False-rename", "False-fsync", "True-replace", "True-rename")
@pytest.mark.parametrize("function", ["replace", "rename", "unlink", "fsync"])
@pytest.mark.parametrize("built", [False, True])
def test_a_build_that_is_killed_at_any_step_is_taken_up_again(
    folder, source, function, built
):
    """The folder is as it was, or the next build, of whatever job, completes it first."""
    old = output(folder, source, model="a\n", train="b\n", metrics="m\n")
    new = output(folder, source, model="c\n", train="d\n", draw="e\n")
    if built:
        write(old)
    before = emitted(folder)
    for step in itertools.count():
        if not killed(new, function, step):
            break
        assert not compare(new).is_current() or emitted(folder) != before
        recover(folder)
        assert emitted(folder) == before or compare(new).is_current(strict=True)
        assert not list(folder.glob(".specc-*"))
        shutil.rmtree(folder)
        if built:
            write(old)
    assert step >= 2 and compare(new).is_current(strict=True)


@pytest.mark.slow
def test_edits_after_a_kill_are_kept_as_copies(folder, source):
    write(output(folder, source, model="a\n", train="b\n"))
    new = output(folder, source, model="c\n", train="d\n")
    step = 0
    while killed(new, "replace", step) and emitted(folder)["model.py"] != b"c\n":
        step += 1
        recover(folder)
        write(output(folder, source, model="a\n", train="b\n"))
    (folder / "model.py").write_text("mine\n")
    assert "model.py.orig" in write(new).copies
    assert (folder / "model.py.orig").read_text() == "mine\n"
    assert compare(new).is_current(strict=True)


@pytest.mark.parametrize(
    "removed", ['["../prey.py"]', '["/prey.py"]', "{", "[1]", "null"]
)
def test_a_commit_of_others_is_refused(folder, source, removed):
    write(output(folder, source, model="a\n"))
    prey = folder.parent / "prey.py"
    prey.write_text("x\n")
    (folder / ".specc-commit/new").mkdir(parents=True)
    (folder / ".specc-commit/removed.json").write_text(removed)
    before = tree(folder)
    refusal("E404", write, output(folder, source, model="b\n"))
    assert prey.read_text() == "x\n" and tree(folder) == before


def test_a_commit_reaches_nothing_through_links(folder, source, tmp_path):
    write(output(folder, source, model="a\n"))
    (tmp_path / "prey").mkdir()
    (folder / "parts").symlink_to(tmp_path / "prey")
    (folder / ".specc-commit/new/parts").mkdir(parents=True)
    (folder / ".specc-commit/new/parts/x.py").write_text("x\n")
    (folder / ".specc-commit/removed.json").write_text("[]")
    refusal("E404", write, output(folder, source, model="b\n"))
    assert not list((tmp_path / "prey").iterdir())
