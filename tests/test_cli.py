"""The command line: what it says, where it writes, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment, python

from specc import cli, resources

JOB = {
    "name": "cells",
    "data": {"train": "data/train", "resolution": [64, 64]},
    "model": {
        "heads": [{"task": "multiclass_classification", "categories": ["a", "b"]}]
    },
}


pytestmark = pytest.mark.usefixtures("place")


def put(path: str, **changes) -> str:
    """Write a job file."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(JOB | changes))
    return path


def wrong_job(path: str = "wrong.json") -> str:
    model = JOB["model"] | {"backbone": {"name": "resnet19"}}
    return put(path, name=Path(path).stem, model=model)


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command line: exit code, stdout, stderr."""

    monkeypatch.delenv("SPECC_DEBUG", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.run_cli(list(arguments))
        return code, *capsys.readouterr()

    return run


# ---- help, version, flags ----


@pytest.mark.parametrize(
    "command",
    [
        "init",
        "data",
        "check",
        "graph",
        "build",
        "adopt",
        "score",
        "bench",
        "annotations",
        "compare",
        "report",
        "sweep",
        "explain",
        "schema",
        "demo",
    ],
)
def test_every_command_has_help_with_an_example(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"\n  specc {command}" in out


def test_version(run):
    assert run("--version") == (0, "specc 0.1.0\n", "")


def test_no_command_shows_help(run):
    code, out, _ = run()
    assert code == 0 and "specc build job.json" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["build"],
        ["build", "--strict", "job.json"],
        ["build", "--format", "github", "job.json"],
        ["build", "--check", "--force", "job.json"],
        ["build", "--check", "--dry-run", "job.json"],
        ["check", "--format", "xml", "job.json"],
        ["demo", "--iterations", "0"],
        ["compile"],
    ],
)
def test_wrong_flags_are_the_users(run, arguments):
    code, out, err = run(*arguments)
    assert code == 1 and out == ""
    assert "Error: " in err and "Traceback" not in err


# ---- check ----


def test_check_of_a_good_job(run):
    assert run("check", put("job.json")) == (0, "job.json: ok\n", "")


def test_check_names_every_wrong_job(run):
    code, out, _ = run("check", wrong_job("a.json"), put("b.json"), wrong_job("c.json"))
    assert code == 1
    assert "a.json:1:" in out and "b.json: ok" in out and "c.json:1:" in out


def test_check_as_json_is_one_object_a_line(run):
    code, out, _ = run("check", "--format", "json", wrong_job("a.json"), "gone.json")
    findings = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert {finding["file"] for finding in findings} == {"a.json", "gone.json"}
    assert findings[-1]["code"] == "E401"


def test_check_for_github(run):
    _, out, _ = run("check", "--format", "github", wrong_job())
    assert out.startswith("::error file=wrong.json,line=1,")


@pytest.mark.parametrize("command", ["check", "build", "graph"])
@pytest.mark.parametrize("path", ["gone.json", "folder", "nul\0.json"])
def test_a_job_that_cannot_be_read(run, command, path):
    Path("folder").mkdir()
    put("folder/job.json")
    code, out, err = run(command, path)
    said = out + err
    assert code == 1
    assert said.count("error[E401]") == 1 and "Traceback" not in said
    assert ("give the file: `folder/job.json`" in said) == (path == "folder")


# ---- graph, explain, schema ----


def test_graph(run):
    job = put("job.json")
    code, out, _ = run("graph", job)
    assert code == 0 and "11,177,538" in out  # timm's ResNet-18 with two classes
    assert run("graph", "--format", "mermaid", job)[1].startswith("flowchart")
    assert "summary" in json.loads(run("graph", "--format", "json", job)[1])


def test_graph_of_a_wrong_job(run):
    code, out, err = run("graph", wrong_job())
    assert code == 1 and out == "" and "wrong.json:1:" in err


def test_explain_lists_every_page(run):
    code, out, _ = run("explain")
    assert code == 0
    assert len(out.splitlines()) == len(resources.names("explain"))
    assert "E403: a build cannot merge your edits" in out


def test_explain_one_in_any_case(run):
    code, out, _ = run("explain", "e403")
    assert code == 0 and out.startswith("# E403: ") and "--force" in out


def test_explain_an_unknown_code(run):
    code, _, err = run("explain", "E4O3")
    assert code == 1 and "did you mean E403?" in err


def test_schema_is_one_document(run):
    code, out, _ = run("schema")
    document = json.loads(out)
    assert code == 0
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"


# ---- build: where to, and what it says ----


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


# ---- build --check ----


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


# ---- our failures, interrupts, colors ----


def test_our_own_failure_is_one_line_and_exit_2(run, monkeypatch):
    monkeypatch.setattr("specc.build.analyze", lambda data: {}["lost"])
    code, out, err = run("check", put("job.json"))
    assert code == 2 and out == ""
    assert err.startswith("specc failed; this is a bug in specc: KeyError: 'lost'\n")
    assert "SPECC_DEBUG=1" in err and "Traceback" not in err


def test_debugging_shows_the_traceback(run, monkeypatch):
    monkeypatch.setenv("SPECC_DEBUG", "1")
    monkeypatch.setattr("specc.build.analyze", lambda data: {}["lost"])
    with pytest.raises(KeyError):
        run("check", put("job.json"))


def test_an_interrupt_exits_130(run, monkeypatch):
    def interrupt(data):
        raise KeyboardInterrupt

    monkeypatch.setattr("specc.build.analyze", interrupt)
    assert run("check", put("job.json"))[0] == 130


@pytest.mark.slow
def test_a_pipe_gets_no_colors():
    done = python("-m", "specc.cli", "check", wrong_job())
    assert done.returncode == 1 and "\x1b" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_gets_colors_unless_no_color(no_color):
    import pty

    main, terminal = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "specc.cli", "check", wrong_job()],
        env=environment(NO_COLOR=no_color, TERM="xterm"),
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    assert (b"\x1b[" in os.read(main, 100_000)) == (no_color == "")
    os.close(main)


@pytest.mark.slow
def test_a_plain_terminal_encoding_is_no_failure():
    Path("zellen-ü.json").write_text("{}")
    arguments = ["-m", "specc.cli", "check", "zellen-ü.json"]
    done = python(*arguments, PYTHONIOENCODING="ascii")
    assert done.returncode == 1 and "error[" in done.stdout


def test_help_imports_no_pass():
    code = "import sys, specc.cli; specc.cli.run_cli(['build', '--help']); "
    code += "print(*[m for m in sys.modules if m in {'networkx', 'jinja2', 'black'}])"
    done = python("-c", code)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == ""
