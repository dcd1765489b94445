"""README.md and CONTRIBUTING.md say what is so."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path

import click
import pytest

from specc import cli
from specc.build import analyze

CHECKOUT = Path(__file__).parent.parent
README = (CHECKOUT / "README.md").read_text("utf-8")
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "SKILL.md",
    "benchmarks/README.md",
    "docs/glossary.md",
]
GOLDEN = CHECKOUT / "generated" / "blood-cells"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^(?: {4}\S.*\n)+", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(language: str) -> list[str]:
    found = [text for name, text in BLOCK.findall(README) if name == language]
    assert found
    return found


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return BLOCK.sub("", (CHECKOUT / page).read_text("utf-8"))


def commands(page: str) -> list[list[str]]:
    """The words of every command that a page shows or names."""
    text = prose(page)
    shown = [line for block in INDENTED.findall(text) for line in block.splitlines()]
    lines = [line.strip() for line in shown] + CODE.findall(text)
    lines = [line for line in lines if re.match(r"(specc|make|pytest|torchrun) ", line)]
    lines += [line.strip() for line in shown if line.strip().startswith("python ")]
    return [shlex.split(line, comments=True) for line in lines]


# ---- what is copied ----


def test_the_code_shown_is_the_golden_s():
    model = (GOLDEN / "model.py").read_text("utf-8")
    shown = [block for block in blocks("python") if "from blood_cells" not in block]
    assert len(shown) == 3
    for block in shown:
        assert block in model


def test_the_code_that_uses_a_copy_of_the_model_fits_it():
    (user,) = [block for block in blocks("python") if "from blood_cells" in block]
    names = {
        node.name
        for node in ast.parse((GOLDEN / "model.py").read_text("utf-8")).body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    }
    imports = [n for n in ast.parse(user).body if isinstance(n, ast.ImportFrom)]
    assert {alias.name for n in imports for alias in n.names} <= names


@pytest.mark.parametrize("form", ["table", "mermaid"])
def test_the_graph_shown_is_the_golden_s(form, capsys):
    assert cli.run_cli(["graph", "--format", form, str(GOLDEN / "job.json")]) == 0
    language = {"table": "", "mermaid": "mermaid"}[form]
    assert capsys.readouterr().out in blocks(language)


def test_the_diagnostic_shown_is_one_of_the_rejects():
    (shown,) = [block for block in blocks("") if block.startswith("error[")]
    rejects = (CHECKOUT / "tests" / "rejects").glob("E203-*.txt")
    assert any(path.read_text("utf-8").startswith(shown) for path in rejects)


def test_the_job_shown_has_no_findings():
    (job,) = blocks("json")
    _, _, findings = analyze(job.encode())
    assert findings == []


def test_the_options_named_are_those_of_the_schema():
    schema = json.loads((CHECKOUT / "schema" / "trainer.json").read_text("utf-8"))
    (row,) = [line for line in README.splitlines() if line.startswith("| `trainer`")]
    assert set(schema["properties"]) - set(CODE.findall(row)) == {"channels_last"}


# ---- what is named ----


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_picture_exists(page):
    for target in LINK.findall(prose(page)):
        if not target.startswith("https://"):
            assert ((CHECKOUT / page).parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_every_path_named_exists(page):
    """Paths in the checkout's own folders."""
    folder = re.compile(r"(compiler|templates|schema|tests|benchmarks|\.ci)/[\w./-]*")
    for name in CODE.findall(prose(page)):
        if folder.fullmatch(name):
            assert (CHECKOUT / name).exists(), name


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_specc_exists(page):
    context = click.Context(cli.cli)
    for program, *words in commands(page):
        if program == "specc":
            command = cli.cli.get_command(context, words[0])
            assert command, words
            known = {flag for option in command.params for flag in option.opts}
            assert {word for word in words if word.startswith("-")} <= known, words


@pytest.mark.parametrize("page", PAGES)
def test_every_target_of_make_exists(page):
    makefile = (CHECKOUT / "Makefile").read_text("utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    for program, *words in commands(page):
        if program == "make":
            assert words[0] in phony.split(), words
            assert f"\n{words[0]}:" in makefile


def test_every_flag_of_an_emitted_script_exists():
    seen = set()
    for program, *words in commands("README.md"):
        scripts = [word for word in words if word.endswith(".py")]
        if program in ("python", "torchrun") and scripts:
            script, flags = scripts[0], words[words.index(scripts[0]) :]
            path = CHECKOUT / script
            files = path, path.with_name("safety.py")  # which has the flags of train.py
            text = "".join(file.read_text("utf-8") for file in files)
            for flag in (word for word in flags if word.startswith("--")):
                assert f'"{flag}"' in text, (script, flag)
            seen.add(Path(script).name)
    assert seen == {"train.py", "evaluate.py", "predict.py", "export.py"}


def test_every_example_is_in_the_gallery():
    for job in (CHECKOUT / "generated").glob("*/job.json"):
        assert f"](generated/{job.parent.name}/job.json)" in README


def test_every_command_of_specc_is_in_the_readme():
    named = {words[1] for words in commands("README.md") if words[0] == "specc"}
    assert named == set(cli.cli.commands)


def test_figures_are_measured():
    table = README[README.index("## Speed") : README.index("## Limits")]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert rows
    for row in rows:
        assert re.search(r"\d", row.split("|")[3]), row
