"""specc build: where it writes, what it says of edits, and what --check finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_jobs import JOB, put, wrong_job

pytestmark = pytest.mark.usefixtures("place")


# ---- Where to, and what it says ----


@pytest.mark.slow
def test_build_goes_below_the_current_folder(run):
    code, out, err = run("build", put("job.json"))
    assert code == 0 and err == ""
    assert "cells: generated/cells (11,177,538 parameters)" in out
    assert "python generated/cells/train.py" in out
    built = Path("generated/cells")
    assert (built / "job.json").read_bytes() == Path("job.json").read_bytes()
    assert (built / "model.py").exists() and (built / ".specc/manifest.json").exists()


@pytest.mark.slow
def test_build_stays_in_a_folder_that_is_named_as_the_job(run):
    job = put("jobs/cells/job.json")
    assert run("build", job)[0] == 0
    assert Path("jobs/cells/model.py").exists() and not Path("generated").exists()


def test_build_into_a_folder(run):
    assert run("build", "-o", "out", put("job.json"))[0] == 0
    assert Path("out/model.py").exists()


@pytest.mark.slow
def test_build_of_several_jobs(run):
    jobs = [put("a.json", name="one"), put("b.json", name="two")]
    code, out, _ = run("build", "-o", "out", *jobs)
    assert code == 0 and "next:" not in out
    assert Path("out/one/model.py").exists() and Path("out/two/model.py").exists()


def test_jobs_of_one_name_are_refused_before_anything_is_written(run):
    code, _, err = run("build", put("a.json"), put("b.json"))
    assert code == 1 and "error[E406]: `a.json` and `b.json`" in err
    assert not Path("generated").exists()


@pytest.mark.slow
def test_a_wrong_job_does_not_stop_the_others(run):
    code, _, err = run("build", wrong_job(), put("job.json"), "gone.json")
    assert code == 1
    assert "wrong.json:1:" in err and "gone.json" in err
    assert Path("generated/cells/model.py").exists()


def test_a_wrong_job_writes_nothing(run):
    assert run("build", wrong_job())[0] == 1
    assert not Path("generated").exists()


@pytest.mark.slow
def test_build_again_says_that_nothing_changed(run):
    job = put("job.json")
    run("build", job)
    code, out, _ = run("build", job)
    assert (code, out) == (
        0,
        "cells: generated/cells, up to date (11,177,538 parameters)\n",
    )


@pytest.mark.slow
def test_edits_survive_and_are_said(run):
    job = put("job.json")
    run("build", job)
    model = Path("generated/cells/model.py")
    text = model.read_text()
    model.write_text(text + "# mine\n")
    for _ in range(2):  # the second time from the stamp
        code, out, _ = run("build", job)
        assert code == 0 and "kept       model.py (edited by you)" in out
    put("job.json", data=JOB["data"] | {"resolution": [96, 64]})
    code, out, _ = run("build", job)
    assert code == 0 and "merged     model.py (your edits, and" in out
    assert "HEIGHT, WIDTH = 96, 64" in model.read_text()
    assert model.read_text().endswith("# mine\n")
    out = run("build", "--force", job)[1]
    assert "# mine" not in model.read_text()
    assert "copied     model.py.orig (what was there before)" in out


@pytest.mark.slow
def test_a_conflict_is_told_with_its_place_until_it_is_resolved(run):
    job = put("job.json")
    run("build", job)
    model = Path("generated/cells/model.py")
    text = model.read_text()
    model.write_text(text.replace("HEIGHT, WIDTH = 64, 64", "HEIGHT, WIDTH = 32, 32"))
    line = text.splitlines().index(
        next(x for x in text.splitlines() if x.startswith("HEIGHT, WIDTH"))
    )
    put("job.json", data=JOB["data"] | {"resolution": [96, 64]})
    before = model.read_text()
    code, out, err = run("build", "--dry-run", job)
    assert code == 1 and "nothing is written" in out and model.read_text() == before
    for _ in range(2):
        code, _, err = run("build", job)
        assert code == 1 and f"conflict: generated/cells/model.py:{line + 1}\n" in err
        assert "specc build --check job.json" in err
    code, out, _ = run("build", "--check", job)
    assert code == 1 and "is half merged" in out
    model.write_text(text.replace("HEIGHT, WIDTH = 64, 64", "HEIGHT, WIDTH = 32, 96"))
    assert run("build", "--check", job)[0] == 0
    code, out, _ = run("build", job)
    assert code == 0 and "`--verify` compares it with the level graph" in out


@pytest.mark.slow
def test_an_edited_file_that_cannot_be_read_is_told_until_it_is_mended(run):
    job = put("job.json")
    run("build", job)
    model = Path("generated/cells/model.py")
    text = model.read_text()
    model.write_text(f"{text}# mine\nvalue = (1\n")
    number = len(text.splitlines()) + 2
    for flags in ([], [], ["--dry-run"]):
        code, out, err = run("build", *flags, job)
        assert code == 1 and "kept" not in out
        assert f"unreadable: generated/cells/model.py:{number}: '(' was never" in err
        assert "mend it, then: specc build --check job.json" in err
    code, out, _ = run("build", "--check", job)
    assert code == 1 and f"model.py:{number}: '(' was never closed" in out
    model.write_text(f"{text}# mine\n")
    assert run("build", job)[0] == run("build", "--check", job)[0] == 0


@pytest.mark.slow
@pytest.mark.soak
def test_verify_warns_of_an_edited_model_that_is_not_the_graph_s(run):
    job = put("job.json")
    run("build", job)
    model = Path("generated/cells/model.py")
    text = model.read_text()
    model.write_text(
        text.replace(
            "self.bn1 = nn.BatchNorm2d(64)",
            "self.bn1 = nn.BatchNorm2d(64, affine=False)",
        )
    )
    assert model.read_text() != text
    code, _, err = run("build", "--verify", job)
    assert code == 0
    assert "warning: generated/cells/model.py: state dict `backbone.bn1.weight`" in err


@pytest.mark.soak
def test_verify_warns_of_an_edited_model_that_does_not_run(run):
    job = put("job.json")
    run("build", job)
    model = Path("generated/cells/model.py")
    text = model.read_text()
    model.write_text(text.replace("import math", "import maths") + "import nowhere\n")
    code, _, err = run("build", "--verify", job)
    assert code == 0 and "does not run" in err


@pytest.mark.slow
def test_a_deleted_file_stays_deleted(run):
    job = put("job.json")
    run("build", job)
    Path("generated/cells/draw.py").unlink()
    readme = Path("generated/cells/model.py")
    readme.unlink()
    for _ in range(2):  # the second time from the stamp
        assert run("build", job)[0] == 0 and not readme.exists()
    put("job.json", data=JOB["data"] | {"resolution": [96, 64]})
    out = run("build", job)[1]
    assert "deleted    model.py (by you, so a change has not landed)" in out
    code, out, _ = run("build", "--check", "--strict", job)
    assert code == 1 and "deleted    draw.py, model.py (by you)" in out
    assert "--strict fails" in out


@pytest.mark.slow
def test_force_restores_an_edit_though_the_job_is_unchanged(run):
    job = put("job.json")
    run("build", job)
    model = Path("generated/cells/model.py")
    text = model.read_text()
    model.write_text("mine\n")
    run("build", job)
    assert "wrote      model.py" in run("build", "--force", job)[1]
    assert model.read_text() == text


# ---- --check ----


@pytest.mark.slow
def test_check_passes_after_a_build(run):
    job = put("job.json")
    run("build", job)
    code, out, _ = run("build", "--check", "--strict", job)
    assert (code, out) == (0, "cells: generated/cells is up to date\n")


def test_check_before_the_first_build(run):
    code, out, _ = run("build", "--check", put("job.json"))
    assert code == 1 and "is not built yet: specc build job.json" in out
    assert not Path("generated").exists()


@pytest.mark.slow
def test_check_shows_what_a_build_would_change(run):
    job = put("job.json")
    run("build", job)
    put("job.json", data=JOB["data"] | {"resolution": [96, 64]})
    code, out, _ = run("build", "--check", job)
    assert code == 1 and "is stale" in out
    assert "--- model.py (as built)" in out and "\n+" in out
    assert "[64, 64]" in Path("generated/cells/job.json").read_text()


@pytest.mark.slow
def test_check_lists_edits_and_only_strict_fails(run):
    job = put("job.json")
    run("build", job)
    Path("generated/cells/train.py").write_text("mine = 1\n")
    code, out, _ = run("build", "--check", job)
    assert code == 0 and "edited     train.py" in out
    code, out, _ = run("build", "--check", "--strict", job)
    assert code == 1 and "--strict fails: files were edited" in out


@pytest.mark.slow
def test_check_tells_tools_what_is_due(run):
    job = put("job.json")
    check = ["build", "--check", "--format", "github", job]
    code, out, err = run(*check)
    assert code == 1 and err == "" and "E439" in out and "is not built yet" in out
    run("build", job)
    assert run(*check) == (0, "", "")
    put("job.json", trainer={"max_iterations": 7})
    code, out, err = run(*check)
    assert code == 1 and err == "" and len(out.splitlines()) == 1
    assert "is stale: a build changes job.json, resolved.json, train.py" in out
    check[3] = "json"
    code, out, err = run(*check[:-1], wrong_job(), "gone.json")
    unreadable, wrong = map(json.loads, out.splitlines())
    assert code == 1 and err == "" and unreadable["code"] == "E401"
    assert wrong["file"] == "wrong.json" and wrong["pointer"] == "/model/backbone/name"


@pytest.mark.slow
def test_check_annotates_edits_at_their_line(run):
    job = put("job.json")
    check = ["build", "--check", "--format", "github", job]
    run("build", job)
    path = Path("generated/cells/train.py")
    text = path.read_text()
    path.write_text(f"# mine\n{text}")
    assert run(*check) == (0, "", "")
    code, out, _ = run(*check, "--strict")
    assert (
        code == 1
        and "title=specc E439::" in out
        and "as specc wrote it: train.py" in out
    )
    path.write_text(f"# mine\nx = (\n{text}")
    code, out, _ = run(*check)
    place = "::error file=generated/cells/train.py,line=2,col=1,title=specc E440::"
    assert code == 1 and out.startswith(place) and "never closed" in out
    put("job.json", trainer={"max_iterations": 7})
    path.write_text(text.replace("MAX_ITERATIONS = 10000", "MAX_ITERATIONS = 8"))
    assert run("build", job)[0] == 1
    code, out, _ = run(*check)
    assert code == 1 and "train.py,line=" in out and "title=specc E411::" in out
