"""The record: what it holds, records of earlier formats, and those of a merge."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from outputs import output, refusal, tree

from specc.folder import record
from specc.folder.compare import compare
from specc.folder.judge import Output
from specc.folder.write import write

OLD = {"model.py": b"a = 1\nb = 2\n", "job.json": b'{"name": "cells"}\n'}


def as_format_1(folder: Path, files: dict[str, bytes] = OLD) -> None:
    """Writes files with a record as specc did until it merged records."""
    hashes = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    manifest = {"format": 1, "job": {"name": "cells"}, "files": hashes}
    copies = {f".specc/pristine/{path}": data for path, data in files.items()}
    copies[".specc/manifest.json"] = json.dumps(manifest, indent=2).encode()
    for path, data in (files | copies).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def test_a_record_keeps_texts_as_they_are(folder, source):
    texts = {
        "a.py": "no end",
        "b.txt": "",
        "c.md": "tabs\t \n\n\n",
        "d.json": '"\u00e9\u2028\x0c"\n',
    }
    files = {path: text.encode() for path, text in texts.items()}
    write(Output(folder, files, {"name": "cells"}, source))
    assert record.read(folder) == record.Record(files, {"name": "cells"})


def test_a_search_and_replace_over_the_folder_is_an_edit(folder, source):
    """Also where it reaches hidden files: the record has no word of the texts."""
    write(output(folder, source, model="learning_rate = 1\n"))
    for path in (folder / "model.py", folder / record.MANIFEST):
        path.write_text(path.read_text().replace("learning_rate", "lr"))
    assert write(output(folder, source, model="learning_rate = 1\n")).kept
    assert (folder / "model.py").read_text() == "lr = 1\n"


# ---- Format 1 ----


def test_an_old_record_is_read_and_replaced(folder, source):
    as_format_1(folder)
    (folder / "model.py").write_bytes(b"a = 1\nb = 2\nmine = 3\n")
    same = output(folder, source, model="a = 1\nb = 2\n")
    assert compare(same).is_current() and compare(same).edited == ("model.py",)
    assert write(output(folder, source, model="a = 0\nb = 2\n")).merged == ("model.py",)
    assert (folder / "model.py").read_bytes() == b"a = 0\nb = 2\nmine = 3\n"
    assert sorted(tree(folder / ".specc")) == [".gitattributes", "manifest.json"]
    assert json.loads((folder / record.MANIFEST).read_text())["format"] == 2


def test_a_copy_that_was_edited_is_no_base(folder, source):
    as_format_1(folder)
    (folder / "model.py").write_bytes(b"mine = 3\n")
    (folder / ".specc/pristine/model.py").write_bytes(b"mine = 3\n")
    before = tree(folder)
    finding = refusal("E403", write, output(folder, source, model="a = 0\n"))
    assert "damaged" in finding.note and tree(folder) == before


# ---- Records that git merged ----


def conflict(one: bytes, other: bytes) -> bytes:
    """Both texts between git's markers, as a whole."""
    return b"<<<<<<< HEAD\n%b=======\n%b>>>>>>> other\n" % (one, other)


def two_records(folder: Path, source: Path, model: str, other: str) -> None:
    """A folder in whose record and model.py the texts of two branches stand."""
    found = []
    for text in (model, other):
        shutil.rmtree(folder, ignore_errors=True)
        write(output(folder, source, model=text))
        found.append(((folder / record.MANIFEST).read_bytes(), text.encode()))
    (first, one), (second, two) = found
    (folder / record.MANIFEST).write_bytes(conflict(first, second))
    (folder / "model.py").write_bytes(conflict(one, two))


def test_what_both_branches_emitted_is_no_conflict(folder, source):
    two_records(folder, source, "a = 1\nb = 2\n", "a = 1\nb = 3\n")
    new = output(folder, source, model="a = 1\nb = 5\n")
    assert not compare(new).is_current()
    assert write(new).written == ("model.py",)
    assert (folder / "model.py").read_text() == "a = 1\nb = 5\n"
    assert compare(new).is_current(strict=True)


@pytest.mark.parametrize("side", ["a = 1\nb = 2\n", "a = 1\nb = 3\n"])
def test_one_side_that_the_user_chose_is_no_edit(folder, source, side):
    two_records(folder, source, "a = 1\nb = 2\n", "a = 1\nb = 3\n")
    (folder / "model.py").write_text(side)
    assert write(output(folder, source, model="a = 1\nb = 5\n")).written
    assert (folder / "model.py").read_text() == "a = 1\nb = 5\n"


def test_an_edit_beside_the_markers_stays(folder, source):
    lines = "".join(f"c_{i} = {i}\n" for i in range(6))
    two_records(folder, source, f"{lines}b = 2\n", f"{lines}b = 3\n")
    path = folder / "model.py"
    path.write_bytes(f"mine = 0\n{lines}".encode() + conflict(b"b = 2\n", b"b = 3\n"))
    written = write(output(folder, source, model=f"{lines}b = 5\n"))
    assert written.merged == ("model.py",) and written.is_clean
    assert path.read_text() == f"mine = 0\n{lines}b = 5\n"


def test_an_edit_inside_the_markers_is_the_users_to_choose(folder, source):
    two_records(folder, source, "a = 1\nb = 2\n", "a = 1\nb = 3\n")
    (folder / "model.py").write_bytes(conflict(b"b = 'mine'\n", b"b = 3\n"))
    before = tree(folder)
    finding = refusal("E411", write, output(folder, source, model="a = 1\nb = 5\n"))
    assert "model.py:1`" in finding.message and tree(folder) == before


def test_markers_of_specc_itself_are_no_choice_of_branches(folder, source):
    """The user's line is in one side alone, and the base has the new one."""
    write(output(folder, source, model="a = 1\n"))
    (folder / "model.py").write_text("a = 'mine'\n")
    write(output(folder, source, model="a = 2\n"))
    before = tree(folder)
    refusal("E411", write, output(folder, source, model="a = 3\n"))
    assert tree(folder) == before


def test_a_record_of_a_newer_specc_in_one_branch_is_refused(folder, source):
    two_records(folder, source, "a = 1\n", "a = 2\n")
    path = folder / record.MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"format": 2', b'"format": 3', 1))
    before = tree(folder)
    refusal("E407", write, output(folder, source, model="a = 3\n"))
    assert tree(folder) == before
