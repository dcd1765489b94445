"""README.md, docs/ and the pages of the house say what is so."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path

import click
import pytest
from emitted_jobs import compile_raw

from specc import cli
from specc.build import analyze
from specc.heads import TASK_NAMES
from specc.plan.extras import Extras

CHECKOUT = Path(__file__).parent.parent
README = (CHECKOUT / "README.md").read_text("utf-8")
DOCS = sorted(
    path.relative_to(CHECKOUT).as_posix() for path in CHECKOUT.glob("docs/**/*.md")
)
USERS = ["README.md", *DOCS]  # pages for users of specc
PAGES = [*USERS, "CONTRIBUTING.md", "SKILL.md", "benchmarks/README.md"]
MOST_WORDS = 1500  # most words of README
GOLDEN = CHECKOUT / "generated" / "blood-cells"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^(?: {4} *\S.*\n)+", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FLAG = re.compile(r"--[a-z][a-z0-9_-]+")


def read(page: str) -> str:
    return (CHECKOUT / page).read_text("utf-8")


def blocks(language: str) -> list[tuple[str, str]]:
    """Returns (page, text) of the fenced blocks of a language, in pages for users."""
    found = [
        (page, text)
        for page in USERS
        for name, text in BLOCK.findall(read(page))
        if name == language
    ]
    assert found
    return found


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return BLOCK.sub("", read(page))


def commands(page: str) -> list[list[str]]:
    """The words of every command that a page shows or names."""
    text = prose(page)
    shown = [line for block in INDENTED.findall(text) for line in block.splitlines()]
    for _, block in BLOCK.findall(read(page)):
        shown += [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    lines = [line.strip() for line in shown] + CODE.findall(text)
    lines = [line for line in lines if re.match(r"(specc|make|pytest|torchrun) ", line)]
    lines += [line.strip() for line in shown if line.strip().startswith("python ")]
    return [shlex.split(line, comments=True) for line in lines]


# ---- README ----


def test_the_readme_is_short():
    assert len(README.split()) <= MOST_WORDS


def test_the_readme_has_the_commands_that_set_all_up():
    """.ci/run calls the second; each is alone on its line, but for a comment."""
    shown = [line.split("#")[0].rstrip() for line in README.splitlines()]
    assert "    make demo" in shown and "    make test" in shown
    assert "make test" in (CHECKOUT / ".ci" / "run").read_text("utf-8")


def test_the_readme_leads_to_every_page_of_the_docs():
    for page in DOCS:
        assert f"]({page})" in README or page.startswith("docs/tasks/"), page


def test_five_commands_lead_from_data_to_predictions():
    (shown,) = [x for x in INDENTED.findall(README) if "specc init" in x]
    words = [line.split() for line in shown.splitlines()]
    assert [line[1] for line in words[:3]] == ["init", "data", "build"]
    assert [Path(line[1]).name for line in words[3:]] == ["train.py", "predict.py"]
    # Named as `specc init` names the job for this folder, and train.py its run.
    folder = {Path(line[1]).parent.as_posix() for line in words[3:]}
    assert folder == {"generated/traffic-object-detection"}
    assert "runs/traffic-object-detection/best.pt" in words[4]


def test_numbers_of_tasks_and_examples():
    words = {16: "Sixteen", 19: "Nineteen"}
    assert f"{words[len(TASK_NAMES)]} [tasks]" in README
    examples = len(list((CHECKOUT / "generated").glob("*/job.json")))
    assert f"{words[examples]} [examples]" in README
    assert f"{examples} jobs and their code" in README


def test_figures_of_the_readme_are_those_of_the_page_on_performance():
    costs = README.partition("## What it costs")[2].partition("\n## ")[0]
    figures = re.findall(r"\d+\.\d+", costs)
    table = read("docs/performance.md")
    assert len(figures) > 3
    for figure in figures:
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d])", table), figure


# ---- what is copied ----


def test_the_code_shown_is_the_golden_s():
    model = (GOLDEN / "model.py").read_text("utf-8")
    shown = [x for x in blocks("python") if "from blood_cells" not in x[1]]
    assert len(shown) == 4 and shown[0][0] == "README.md"
    for page, block in shown:
        assert block in model, page


def test_the_code_that_uses_a_copy_of_the_model_fits_it():
    (user,) = [block for _, block in blocks("python") if "from blood_cells" in block]
    names = {
        node.name
        for node in ast.parse((GOLDEN / "model.py").read_text("utf-8")).body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    }
    imports = [n for n in ast.parse(user).body if isinstance(n, ast.ImportFrom)]
    assert {alias.name for n in imports for alias in n.names} <= names


def test_the_diagram_shown_is_the_golden_s(capsys):
    assert cli.run_cli(["graph", "--format", "mermaid", str(GOLDEN / "job.json")]) == 0
    assert capsys.readouterr().out in [block for _, block in blocks("mermaid")]


def test_a_diagnostic_shown_is_one_of_the_rejects():
    shown = [block for _, block in blocks("") if block.startswith("error[")]
    assert len(shown) == 2
    rejects = (CHECKOUT / "tests" / "rejects").glob("E203-*.txt")
    texts = [path.read_text("utf-8") for path in rejects]
    for block in shown:
        assert any(text.startswith(block) for text in texts)


def test_a_job_shown_has_no_findings():
    jobs = [block for _, block in blocks("json") if '"version"' in block]
    assert jobs
    for job in jobs:
        _, _, findings = analyze(job.encode())
        assert findings == []


@pytest.mark.parametrize("page", USERS)
def test_a_part_of_a_job_that_is_shown_is_json(page):
    for block in INDENTED.findall(prose(page)):
        if block.lstrip().startswith(("{", '"')):
            text = block if block.lstrip().startswith("{") else f"{{{block}}}"
            assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize(
    "row, file, others",
    [
        ("data", "data", set()),
        ("model.backbone", "backbone", set()),
        ("trainer", "trainer", {"channels_last"}),
    ],
)
def test_the_options_named_are_those_of_the_schema(row, file, others):
    schema = json.loads(read(f"schema/{file}.json"))
    lines = read("docs/jobs.md").splitlines()
    (line,) = [line for line in lines if line.startswith(f"| `{row}`")]
    assert set(schema["properties"]) - set(CODE.findall(line)) == others


# ---- what is named ----


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_picture_exists(page):
    for target in LINK.findall(prose(page)):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            file = (CHECKOUT / page).parent / path if path else CHECKOUT / page
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target


def anchors(path: Path) -> set[str]:
    """Returns the anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", x).lower().replace(" ", "-") for x in headings}


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
        if program == "specc" and not words[0].startswith("-"):
            command = cli.cli.get_command(context, words[0])
            assert command, words
            known = {
                flag
                for option in command.params
                for flag in (*option.opts, *option.secondary_opts)
            }
            assert {word for word in words if word.startswith("-")} <= known, words


@pytest.mark.parametrize("page", PAGES)
def test_every_target_of_make_exists(page):
    makefile = read("Makefile")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    for program, *words in commands(page):
        if program == "make":
            assert words[0] in phony.split(), words
            assert f"\n{words[0]}:" in makefile


def test_every_flag_of_an_emitted_script_exists():
    """Folders that the pages only speak of have the flags of one that is here."""
    seen = set()
    for page in USERS:
        for program, *words in commands(page):
            scripts = [word for word in words if word.endswith(".py")]
            if program in ("python", "torchrun") and scripts:
                script, flags = scripts[0], words[words.index(scripts[0]) :]
                home = (CHECKOUT / script).parent
                home = home if home.exists() else GOLDEN
                files = home / Path(script).name, home / "safety.py"  # train.py's flags
                text = "".join(file.read_text("utf-8") for file in files)
                for flag in (word for word in flags if word.startswith("--")):
                    assert f'"{flag}"' in text, (page, script, flag)
                seen.add(Path(script).name)
    assert seen == {"train.py", "evaluate.py", "predict.py", "export.py"}


@pytest.mark.parametrize("page", USERS)
def test_every_flag_named_alone_is_one_of_a_command_or_a_script(page):
    known = {
        flag
        for command in cli.cli.commands.values()
        for option in command.params
        for flag in (*option.opts, *option.secondary_opts)
    }
    for folder in (GOLDEN, CHECKOUT / "generated" / "photos"):
        for path in folder.glob("*.py"):
            known |= {*re.findall(r"\"(--[a-z][a-z0-9-]+)\"", path.read_text("utf-8"))}
    known |= {"--help", "--test"}  # the second where the job names a test set
    known |= {"--max-restarts", "--nproc_per_node"}  # flags of torchrun
    for code in CODE.findall(prose(page)):
        if code.startswith("--"):
            assert {*FLAG.findall(code)} <= known, code


def test_every_extra_that_pip_is_asked_for_exists():
    project = read("pyproject.toml").partition("[project.optional-dependencies]")[2]
    extras = {*re.findall(r"^(\w+) = \[", project, re.MULTILINE)}
    asked = [x for page in PAGES for x in re.findall(r"'\.\[([\w,]+)\]'", read(page))]
    assert asked and {x for one in asked for x in one.split(",")} <= extras


def test_every_example_is_in_the_gallery():
    for job in (CHECKOUT / "generated").glob("*/job.json"):
        name = job.parent.name
        assert f"](../generated/{name}/job.json)" in read("docs/gallery.md")


def test_every_command_of_specc_is_in_the_docs():
    named = {x[1] for x in commands("docs/commands.md") if x[0] == "specc"}
    assert named == set(cli.cli.commands)


def test_every_module_of_an_emitted_folder_is_in_the_docs():
    table = read("docs/emitted.md").partition("| file |")[2]
    for path in GOLDEN.iterdir():
        assert f"`{path.name}" in table, path.name


def test_every_file_that_a_job_may_add_is_in_the_docs():
    table = read("docs/emitted.md").partition("| file |")[2]
    names = [f"kind {i}" for i in range(101)]
    head = {"task": "semantic_segmentation", "categories": names}
    job = {
        "name": "all",
        "export": True,
        "data": {"train": "t", "cache": "c", "keep_samples": True},
        "model": {"heads": [head | {"colors": [[i, 1, 2] for i in range(101)]}]},
        "trainer": {"slurm": {}},
    }
    extras = Extras(tests=True, package="all")
    files = compile_raw(json.dumps(job).encode(), extras).files
    assert {"colors.json", "categories.json", "slurm.sbatch", "__init__.py"} <= {*files}
    assert [name for name in files if f"`{name}`" not in table] == []


# ---- figures ----


def test_figures_are_measured():
    table = read("docs/performance.md")
    parts = re.findall(r"^\|.*\n\|-.*\n((?:\|.*\n)+)", table, re.MULTILINE)
    rows = "".join(parts).splitlines()
    assert len(parts) == 2 and len(rows) > 20
    for row in rows:
        assert re.search(r"\d", "".join(row.split("|")[3:])), row


@pytest.mark.parametrize("task", TASK_NAMES)
def test_what_a_task_reached_is_what_a_test_asserts(task):
    """A bound in the page stands in the test that the page names."""
    said = read(f"docs/tasks/{task}.md").partition("## Results")[2]
    sources = [x for x in CODE.findall(said) if x.endswith(".py")]
    assert sources
    text = "".join(read(source) for source in sources)
    bounds = re.findall(r"^- `(\w+)` (above|below) ([\d.]+)$", said, re.MULTILINE)
    for metric, side, value in bounds:
        sign = {"above": ">", "below": "<"}[side]
        assert f'/{metric}"] {sign} {value}' in text, metric
    for share in re.findall(r"below (\d+) % of the first", said):
        assert f"losses[-1] < {int(share) / 100} * losses[0]" in text
    for figure in re.findall(r"0\.\d\d\d", said):
        assert figure in read("docs/performance.md")
