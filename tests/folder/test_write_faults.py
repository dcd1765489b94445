"""The output folder: all or nothing, whatever is in the way or fails."""

from __future__ import annotations

import errno
import os

import pytest
from outputs import output, refusal, tree

from specc.diagnostics import JobError
from specc.folder import record
from specc.folder.compare import compare
from specc.folder.write import Output, write


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
            monkeypatch.setattr("specc.folder.write._restore", lambda *_: None)
            try:
                write(output(folder, source, **texts))
            except SystemExit:
                pass
            monkeypatch.undo()
        write(output(folder, source, **texts))
        assert compare(output(folder, source, **texts)).is_current(strict=True)
