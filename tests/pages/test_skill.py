"""SKILL.md: short, and each of its commands runs, in their order, as it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest
from processes import python

from specc import cli
from specc.cli import run_cli
from specc.resources import read_text
from specc.shapes.dataset import draw_dataset

PAGE = read_text("SKILL.md")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
FAST = ["--workers", "0"]
SHORT = ["--max-iterations", "4"]  # the last of two such flags counts
# Commands that need neither PyTorch nor a trained model.
OF_JOBS = ("init", "docs", "check", "explain", "graph", "build", "diff")


def test_the_page_is_short_and_is_printed(capsys):
    assert len(PAGE.splitlines()) <= 80
    assert run_cli(["docs", "skill"]) == 0
    assert capsys.readouterr().out == PAGE


def test_every_command_and_flag_that_is_named_exists():
    context = click.Context(cli.cli)
    named = [x for x in re.findall(r"`([^`\n]+)`", PAGE) if x.startswith("specc ")]
    for line in [*named, *(x for x in COMMANDS if x.startswith("specc "))]:
        name, *words = shlex.split(line)[1:]
        command = cli.cli.get_command(context, name)
        flags = {flag for option in command.params for flag in option.opts}
        assert {x for x in words if x.startswith("-")} <= flags, line


def test_the_fields_named_are_those_of_the_findings(place, capsys):
    place.joinpath("job.json").write_text("{}")
    run_cli(["check", "--format", "json", "job.json"])
    row = json.loads(capsys.readouterr().out.splitlines()[0])
    listed = PAGE.partition("prints a JSON object a line:")[2].partition(".")[0]
    assert {*re.findall(r"`(\w+)`", listed)} <= {*row}


@pytest.mark.slow
def test_the_commands_on_a_job_run_in_their_order(place):
    draw_dataset(place / "shapes", train=6, validation=2)
    run = [line for line in COMMANDS if line.split()[1] in OF_JOBS]
    assert len(run) > 12
    for line in run:
        prepare(line)
        assert run_cli(shlex.split(line)[1:]) == 0, line
    assert json.loads(Path("job.json").read_text())["trainer"]["batch_size"] == 2


@pytest.mark.soak
def test_all_commands_run_in_their_order(place):
    draw_dataset(place / "shapes", train=16, validation=4)
    for line in COMMANDS:
        prepare(line)
        program, *words = shlex.split(line)
        if program == "python" and words[0].endswith(("train.py", "evaluate.py")):
            words += FAST
        if program == "python" and words[0].endswith("train.py"):
            words += SHORT
        words = ["-m", "specc.cli", *words] if program == "specc" else words
        done = python(*words)
        assert done.returncode == 0, (line, done.stdout + done.stderr[-2000:])
    assert Path("runs/moved.pt").exists()


def prepare(line: str) -> None:
    """Writes the change that the page is about, and mistakes that `--fix` mends."""
    if line.startswith("specc check --fix"):
        job = json.loads(Path("job.json").read_text())
        job["data"]["resolution"] = 128
        job["trainer"] = {"max_iters": 40, "batch": "4"}
        Path("job.json").write_text(json.dumps(job))
    if line.startswith("specc diff"):
        change(Path("job.json"))


def change(path: Path) -> None:
    """A smaller batch, and the categories in another order."""
    job = json.loads(path.read_text())
    job["trainer"]["batch_size"] = 2
    job["model"]["heads"][0]["categories"].reverse()
    path.write_text(json.dumps(job))
