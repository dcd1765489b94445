"""The command line: what it says, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_jobs import put, wrong_job
from processes import environment, python

from specc import resources

pytestmark = pytest.mark.usefixtures("place")


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
