"""Builds of folders that their user has edited: both sides' changes land, or are told."""

from __future__ import annotations

import json
import random
from pathlib import Path

import black
import pytest
from edits import assert_nothing_is_lost, changed
from outputs import output, refusal, tree

from specc.folder import record
from specc.folder.compare import compare
from specc.folder.write import write

LINES = [f"line_{number} = {number}\n" for number in range(12)]
BASE = "".join(LINES)
EDITED = BASE.replace("line_2 = 2", "line_2 = 'mine'")
NEW = BASE.replace("line_9 = 9", "line_9 = 'new'")
RIVAL = BASE.replace("line_2 = 2", "line_2 = 'new'")


def edited(folder: Path, source: Path, text: str, base: str = BASE) -> Path:
    """A model.py that was emitted as `base`, then edited."""
    write(output(folder, source, model=base))
    path = folder / "model.py"
    path.write_bytes(text.encode())
    return path


def is_current(folder: Path, source: Path, text: str, strict: bool = False) -> bool:
    return compare(output(folder, source, model=text)).is_current(strict)


# ---- Merges ----


def test_changes_of_both_sides_land(folder, source):
    path = edited(folder, source, EDITED)
    written = write(output(folder, source, model=NEW))
    assert written.merged == ("model.py",) and written.is_clean
    assert path.read_text() == NEW.replace("line_2 = 2", "line_2 = 'mine'")
    assert record.pristine(folder, "model.py") == NEW
    assert is_current(folder, source, NEW)
    assert not is_current(folder, source, NEW, strict=True)
    assert write(output(folder, source, model=NEW)).kept == ("model.py",)


def test_each_later_change_lands_too(folder, source):
    """An edit that once diverged goes on to get what changes elsewhere."""
    path = edited(folder, source, EDITED)
    for number in (5, 7, 9, 11):
        new = BASE.replace(f"line_{number} = {number}", f"line_{number} = 'new'")
        assert write(output(folder, source, model=new)).merged == ("model.py",)
        assert path.read_text() == new.replace("line_2 = 2", "line_2 = 'mine'")


def test_a_conflict_stands_in_its_file_alone(folder, source):
    write(output(folder, source, model=BASE, train=BASE, data=BASE))
    (folder / "model.py").write_text(EDITED)
    (folder / "train.py").write_text(EDITED)
    written = write(output(folder, source, model=RIVAL, train=NEW, data=RIVAL))
    assert written.conflicts == ("model.py:3",) and not written.is_clean
    assert written.merged == ("train.py",) and written.written == ("data.py",)
    text = (folder / "model.py").read_text()
    assert text.splitlines()[2:9] == [
        "<<<<<<< model.py (yours)",
        "line_2 = 'mine'",
        "||||||| model.py (as specc wrote it before)",
        "line_2 = 2",
        "=======",
        "line_2 = 'new'",
        ">>>>>>> model.py (as the job says now)",
    ]


def test_a_conflict_is_told_until_it_is_resolved(folder, source):
    path = edited(folder, source, EDITED)
    write(output(folder, source, model=RIVAL))
    fresh = output(folder, source, model=RIVAL)
    assert compare(fresh).unfinished == ("model.py:3",)
    assert not compare(fresh).is_current()
    assert write(fresh).conflicts == ("model.py:3",)
    before = tree(folder)
    finding = refusal("E411", write, output(folder, source, model=NEW))
    assert "model.py:3`" in finding.message and tree(folder) == before
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(x for x in lines if not x.startswith("<<<<<<<")))
    assert compare(fresh).unfinished == ("model.py:4", "model.py:8")
    path.write_text(RIVAL.replace("'new'", "'both'"))
    assert write(fresh).is_clean and is_current(folder, source, RIVAL)


def test_a_merge_that_does_not_parse_is_told(folder, source):
    """Both sides are right for themselves: one ends what the other goes on with."""
    base = "a = (\n    1,\n    2,\n    3,\n    4,\n    5,\n)\n"
    mine = base.replace("a = (\n", "a = [\n").replace("\n)\n", "\n]\n")
    new = base.replace("    3,\n", "    3,\n) + (\n")
    path = edited(folder, source, mine, base)
    written = write(output(folder, source, model=new))
    assert not written.is_clean and written.faults[0].startswith("model.py:")
    text = path.read_text()
    assert "[" in text and ") + (" in text
    again = write(output(folder, source, model=new))  # not mended, so not forgotten
    assert again.faults == written.faults and not again.is_clean and not again.kept
    assert path.read_text() == text
    assert compare(output(folder, source, model=new)).unfinished == written.faults
    path.write_text(f"{text.replace('[', '(').replace(']', ')')}mine = 1\n")
    mended = write(output(folder, source, model=new))
    assert mended.kept == ("model.py",) and mended.is_clean


@pytest.mark.parametrize("new", [NEW, RIVAL])
def test_line_ends_of_windows_are_no_conflict_and_stay(folder, source, new):
    path = edited(folder, source, BASE.replace("\n", "\r\n"))
    assert is_current(folder, source, BASE, strict=True)
    assert write(output(folder, source, model=new)).written == ("model.py",)
    assert path.read_bytes() == new.replace("\n", "\r\n").encode()
    path.write_bytes(path.read_bytes() + b"mine = 1\r\n")
    newer = new.replace("line_5 = 5", "line_5 = 'newer'")
    assert write(output(folder, source, model=newer)).merged == ("model.py",)
    assert path.read_bytes() == (newer + "mine = 1\n").replace("\n", "\r\n").encode()


def test_line_ends_of_both_kinds_are_no_conflict(folder, source):
    """An editor of Windows wrote most lines; the byte order mark is its, too."""
    text = EDITED.replace("\n", "\r\n").replace("line_4 = 4\r\n", "line_4 = 4\n")
    path = edited(folder, source, f"\ufeff{text}")
    assert write(output(folder, source, model=NEW)).merged == ("model.py",)
    both = NEW.replace("line_2 = 2", "line_2 = 'mine'").replace("\n", "\r\n")
    assert path.read_bytes() == f"\ufeff{both}".encode()


def test_an_edit_in_another_layout_is_merged_in_one(folder, source):
    """Black with other lines than specc's changes what surrounds each edit."""
    call = "value = function({})\n"
    base = "".join(call.format(f"first_{i}, second_{i}, third_{i}") for i in range(9))
    new = base.replace("third_5", "newer_5")
    mine = base.replace("first_2", "mine_2")
    narrow = black.format_str(mine, mode=black.Mode(line_length=30))
    path = edited(folder, source, narrow, base)
    assert write(output(folder, source, model=new)).merged == ("model.py",)
    assert path.read_text() == new.replace("first_2", "mine_2")


# ---- What cannot be merged ----


def test_without_git_nothing_is_written(folder, source, monkeypatch):
    edited(folder, source, EDITED)
    before = tree(folder)
    monkeypatch.setattr("shutil.which", lambda name: None)
    finding = refusal("E403", write, output(folder, source, model=NEW))
    assert "git" in finding.note and tree(folder) == before


@pytest.mark.parametrize(
    "script", ["#!/bin/sh\nexit 0\n", "#!/not/there\n", "exit 9\n"]
)
def test_a_git_that_does_not_work_loses_nothing(folder, source, monkeypatch, script):
    edited(folder, source, EDITED)
    before, git = tree(folder), source.parent / "git"
    git.write_text(script)
    git.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(git))
    finding = refusal("E403", write, output(folder, source, model=NEW))
    assert "`model.py`: git" in finding.note and tree(folder) == before


def test_letters_of_another_encoding_are_told_with_their_line(folder, source):
    path = edited(folder, source, EDITED)
    path.write_bytes(path.read_bytes() + "# caf\xe9\n".encode("latin-1"))
    fresh = output(folder, source, model=NEW)
    for _ in range(2):
        (fault,) = write(fresh).faults
        assert fault.startswith(f"model.py:{len(LINES) + 1}: 'utf-8' codec")
    assert compare(fresh).unfinished == (fault,)


def test_a_file_that_is_no_text_is_named(folder, source):
    path = edited(folder, source, "mine\0\n")
    finding = refusal("E403", write, output(folder, source, model=NEW))
    assert "`model.py`: it is no text" in finding.note
    assert path.read_bytes() == b"mine\0\n"


def test_a_record_that_was_edited_is_no_base(folder, source):
    edited(folder, source, EDITED)
    place = folder / record.MANIFEST
    text = place.read_text()
    word, *_ = json.loads(text)["files"]["model.py"]
    place.write_text(text.replace(word, word[:8] + "AAAA" + word[12:]))
    for data in (place.read_text(), "[" * 100_000):
        place.write_text(data)
        assert record.read(folder) == record.EMPTY
        finding = refusal("E403", write, output(folder, source, model=NEW))
        assert f"`specc adopt {folder}` writes the record anew" in finding.help


# ---- Deleted files, force, dry runs ----


def test_a_deleted_file_stays_deleted_and_a_change_of_it_is_told(folder, source):
    write(output(folder, source, model=BASE))
    (folder / "model.py").unlink()
    same = write(output(folder, source, model=BASE))
    assert same.gone == ("model.py",) and not same.not_landed
    assert is_current(folder, source, BASE)
    assert not is_current(folder, source, BASE, strict=True)
    assert write(output(folder, source, model=NEW)).not_landed == ("model.py",)
    assert not (folder / "model.py").exists()
    assert "model.py" in write(output(folder, source, model=NEW), force=True).written
    assert (folder / "model.py").read_text() == NEW


def test_force_keeps_copies_and_overwrites_none(folder, source):
    path = edited(folder, source, EDITED)
    new = output(folder, source, model=NEW)
    assert write(new, force=True).copies == ("model.py.orig",)
    path.write_text("again\n")
    assert write(new, force=True).copies == ("model.py.orig.2",)
    assert path.read_text() == NEW
    assert (folder / "model.py.orig").read_text() == EDITED
    assert (folder / "model.py.orig.2").read_text() == "again\n"
    assert is_current(folder, source, NEW, strict=True)


def test_force_ends_a_merge_that_is_not_finished(folder, source):
    path = edited(folder, source, EDITED)
    write(output(folder, source, model=RIVAL))
    half = path.read_text()
    assert write(output(folder, source, model=NEW), force=True).is_clean
    assert path.read_text() == NEW and (folder / "model.py.orig").read_text() == half


@pytest.mark.parametrize("force", [False, True])
def test_a_dry_run_says_what_happens_and_writes_nothing(folder, source, force):
    write(output(folder, source, model=BASE, train=BASE, data=BASE, draw=BASE))
    (folder / "model.py").write_text(EDITED)
    (folder / "train.py").write_text(EDITED)
    (folder / "data.py").unlink()
    before = tree(folder)
    new = output(folder, source, model=RIVAL, train=NEW, data=NEW, metrics="m\n")
    said = write(new, force, dry_run=True)
    assert tree(folder) == before
    assert said == write(new, force)
    assert said.removed == ("draw.py",) and "metrics.py" in said.written


# ---- No edit lost, no change lost ----


@pytest.mark.parametrize(
    "text",
    [
        "b\nnew\nc\n",  # the user's line is lost
        "mine\nb\nc\n",  # the line of the render is lost
        "mine\na\nb\nnew\nc\n",  # lines that the user deleted are back
        "mine\nb\nnew\n",  # a line that nobody deleted is gone
        "mine\nb\nnew\nc\nof nobody\n",
        "<<<<<<< x\nmine\n||||||| x\na\n=======\na\n>>>>>>> x\nb\nc\n",
    ],
)
def test_a_loss_would_be_found(text):
    base, mine, new = "a\nb\nc\nd\n", "mine\nb\nc\nd\n", "a\nb\nnew\nc\n"
    sides = [x.splitlines(keepends=True) for x in (base, mine, new)]
    assert_nothing_is_lost(*sides, "mine\nb\nnew\nc\n")
    with pytest.raises(AssertionError):
        assert_nothing_is_lost(*sides, text)


@pytest.mark.parametrize("seed", range(25))
def test_no_edit_and_no_change_is_lost(folder, source, seed):
    check_random_edits(folder, source, random.Random(seed))


@pytest.mark.soak
def test_no_edit_and_no_change_is_lost_in_many(tmp_path, source):
    for seed in range(1000):
        check_random_edits(tmp_path / str(seed), source, random.Random(seed))


def check_random_edits(folder: Path, source: Path, rng: random.Random):
    base = [f"a_{number} = {number}\n" for number in range(rng.randint(3, 30))]
    mine, new = (changed(base, rng, side) for side in ("mine", "new"))
    path = edited(folder, source, "".join(mine), "".join(base))
    wanted = output(folder, source, model="".join(new))
    written = write(wanted)
    text = path.read_text()
    if mine != base and new != base and text != "".join(new):
        assert "model.py" in written.edited
    assert_nothing_is_lost(base, mine, new, text)
    assert record.pristine(folder, "model.py") == "".join(new)
    assert compare(wanted).is_current() == written.is_clean
