"""A contract is asked for once, then kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from contracts import JOB, build
from runs import SCENE

from specc.plan.extras import CONTRACT

BOTH = {CONTRACT, "state_dict.json"}


@pytest.fixture
def job(place) -> str:
    Path("job.json").write_text(json.dumps(JOB))
    return "job.json"


def emitted() -> set[str]:
    return {path.name for path in Path("generated/scenes").iterdir()} & BOTH


@pytest.mark.slow
def test_it_is_emitted_where_it_is_asked_for(job):
    assert build(job) == 0 and emitted() == set()
    plain = Path("generated/scenes/README.md").read_text()
    assert build("--tests", job) == 0 and emitted() == BOTH
    assert "pytest\n" in Path("generated/scenes/requirements.txt").read_text()
    assert CONTRACT not in plain
    assert CONTRACT in Path("generated/scenes/README.md").read_text()
    manifest = json.loads(Path("generated/scenes/.specc/manifest.json").read_text())
    assert BOTH <= manifest["files"].keys()


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"trainer": {"batch_size": 4}}])
def test_a_later_build_keeps_it(job, changes, capsys):
    build("--tests", job)
    assert build("--check", "--strict", job) == 0
    Path(job).write_text(json.dumps(JOB | changes))
    assert build(job) == 0 and emitted() == BOTH
    assert build("--check", "--strict", "--tests", job) == 0
    Path(f"generated/scenes/{CONTRACT}").unlink()
    assert build("--check", job) == 0
    assert f"deleted    {CONTRACT} (by you)" in capsys.readouterr().out
    assert build(job) == 0 and CONTRACT not in emitted()
    assert build("--force", job) == 0 and emitted() == BOTH


@pytest.mark.slow
def test_a_contract_that_is_older_than_the_job_is_stale(job, capsys):
    build("--tests", job)
    head = SCENE | {"categories": ["a", "b"]}
    Path(job).write_text(json.dumps(JOB | {"model": {"heads": [head]}}))
    assert build("--check", job) == 1
    assert f"--- {CONTRACT} (as built)" in capsys.readouterr().out


@pytest.mark.slow
def test_it_is_taken_away_where_that_is_asked_for(job):
    build("--tests", job)
    assert build("--check", "--no-tests", job) == 1
    assert build("--no-tests", job) == 0 and emitted() == set()
    assert build(job) == 0 and emitted() == set()
    assert build("--check", "--tests", job) == 1


@pytest.mark.slow
def test_a_damaged_manifest_does_not_forget_it(job):
    build("--tests", job)
    Path("generated/scenes/.specc/manifest.json").write_text("<<<<<<< ours\n")
    head = SCENE | {"categories": ["a", "b"]}
    Path(job).write_text(json.dumps(JOB | {"model": {"heads": [head]}}))
    assert build("--force", job) == 0 and emitted() == BOTH
    assert build("--check", "--strict", job) == 0


@pytest.mark.slow
def test_an_edited_contract_is_kept(job, capsys):
    build("--tests", job)
    path = Path(f"generated/scenes/{CONTRACT}")
    path.write_text(path.read_text() + "# ours\n")
    left = f"left       {CONTRACT} (edited by you; specc does not write it now)"
    for flag, told in (
        ("--tests", f"kept       {CONTRACT} (edited by you)"),
        ("--no-tests", left),
    ):
        assert build(flag, job) == 0
        assert told in capsys.readouterr().out
    assert path.read_text().endswith("# ours\n")


def test_help_says_that_it_stays(capsys):
    assert build("--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "--tests / --no-tests Write test_contract.py too" in said
    assert "[default: keep it where it is]" in said
