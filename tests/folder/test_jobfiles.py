"""The folder that a job is built into, and jobs that are copies of others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from outputs import JOB, output, refusal

from specc.cli import run_cli
from specc.folder.jobfiles import one_for_each_folder, open_job
from specc.folder.write import write

OTHER = b'{"name": "cells", "version": 1}\n'
COPY = "generated/cells/job.json"


@pytest.fixture
def built(place) -> Path:
    """A folder as the first build of `job.json` leaves it."""
    Path("job.json").write_bytes(JOB)
    write(output(Path("generated/cells"), Path("job.json"), model="x = 1\n"))
    return Path(COPY)


def chosen(*paths: str) -> list[str]:
    files = [open_job(path, None, True) for path in paths]
    return [file.path for file in one_for_each_folder(files)]


@pytest.mark.parametrize("paths", [(COPY, "job.json"), ("job.json", COPY)])
def test_the_copy_in_the_folder_is_no_job_of_its_own(built, paths):
    assert chosen(*paths) == ["job.json"]
    Path("job.json").write_bytes(OTHER)  # another job, not built yet
    assert chosen(*paths) == ["job.json"]
    assert chosen(COPY) == [COPY]
    assert chosen("job.json", "./job.json") == ["job.json"]


def test_a_copy_that_is_laid_out_anew_is_still_one(built):
    built.write_text(json.dumps(json.loads(JOB), indent=4) + "\r\n")
    assert chosen("job.json", COPY) == ["job.json"]


def test_a_copy_that_was_edited_is_refused_beside_its_job(built):
    built.write_bytes(OTHER)
    files = [open_job(path, None, True) for path in ("job.json", COPY)]
    finding = refusal("E406", one_for_each_folder, files)
    assert f"`{COPY}` is the copy" in finding.note and "copy the job" in finding.help


def test_a_folder_of_any_name_is_that_of_its_job(place):
    folder = Path("vision/blood_cells")
    write(output(folder, Path("job.json"), model="x = 1\n"))
    assert open_job(str(folder / "job.json"), None, False).folder == folder
    shutil.copy(folder / "job.json", folder / "other.json")
    assert open_job(str(folder / "other.json"), None, False).folder != folder
    shutil.rmtree(folder / ".specc")
    named = open_job(str(folder / "job.json"), None, False).folder
    assert named == Path("generated/cells")


@pytest.mark.parametrize("form", ["json", "github"])
def test_two_jobs_of_a_folder_are_told_in_the_form_asked_for(built, capsys, form):
    built.write_bytes(OTHER)
    assert run_cli(["build", "--check", "--format", form, "job.json", COPY]) == 1
    out, err = capsys.readouterr()
    assert "E406" in out and "was edited" in out and not err
