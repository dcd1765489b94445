"""`build --check`: what differs between a folder and a fresh build."""

from __future__ import annotations

from outputs import JOB, output, tree

from specc.folder import record
from specc.folder.compare import compare
from specc.folder.judge import Output
from specc.folder.write import write


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


def test_check_lists_deleted_files_and_only_strict_minds(folder, source):
    write(output(folder, source, model="a\n"))
    (folder / "model.py").unlink()
    comparison = compare(output(folder, source, model="a\n"))
    assert comparison.gone == ("model.py",)
    assert comparison.is_current() and not comparison.is_current(strict=True)


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
