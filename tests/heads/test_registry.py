"""A head is whole: each thing that it lacks is named with its path."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import head_jobs
import mixture_heads
import pytest

from specc import heads, resources
from specc.heads import HEADS, TASK_NAMES, TASKS, Incomplete

CHECKOUT = Path(__file__).parents[2]
SCHEMAS = [name.removesuffix(".json") for name in resources.names("schema/heads")]
NO_EXAMPLE: dict[str, str] = {}  # task: the reason why generated/ shows none
NO_MIXTURE: dict[str, str] = {}  # task: the reason why no mixture has it


def tasks_of_examples() -> set[str]:
    jobs = (CHECKOUT / "generated").glob("*/job.json")
    return {
        head["task"]
        for path in jobs
        for head in json.loads(path.read_text("utf-8"))["model"]["heads"]
    }


def tasks_of_mixtures() -> set[str]:
    choice = {
        "format": "native",
        "categories": 3,
        "loss_weight": 1,
        "validation": "val",
    }
    choice |= {"augmentation": {}}
    names = {name for of_job in mixture_heads.HEADS.values() for name in of_job}
    return {mixture_heads.head_named(name, (3, 5), choice)["task"] for name in names}


def lacking(name: str) -> list[str]:
    """Yields what a head still needs, in the order of CONTRIBUTING's "Add a head"."""
    if name not in SCHEMAS:
        return [f"schema/heads/{name}.json"]
    task, home = TASKS[name], f"templates/heads/{name}"
    found = []
    if not callable(getattr(HEADS[name], "build", None)):
        found.append(f"compiler/specc/heads/{name}.py: a function `build`")
    if task.title.replace(" ", "_") != name:
        found.append(f"compiler/specc/heads/{name}.py: the title of TASK is another")
    if not {f"{home}/model.py", f"{home}/model.py.jinja"} & parts():
        found.append(f"{home}/model.py")
    if task.contract is None:
        found.append(f"compiler/specc/heads/{name}.py: `contract` of TASK")
    if task.annotated is None and not task.unlabeled:
        found.append(f"compiler/specc/heads/{name}.py: `annotated` of TASK")
    if name not in tasks_of_mixtures() | NO_MIXTURE.keys():
        found.append("tests/mixture_heads.py: a head in HEADS and head_named")
    if name not in head_jobs.JOBS:
        found.append("tests/head_jobs.py: a small job in JOBS")
    if name not in tasks_of_examples() | NO_EXAMPLE.keys():
        found.append("generated/: a job, or NO_EXAMPLE of this file: the reason")
    if f"`{name}`" not in (CHECKOUT / "docs" / "jobs.md").read_text("utf-8"):
        found.append("docs/jobs.md: the rows of `model.heads` and of the methods")
    if not (CHECKOUT / "docs" / "tasks" / f"{name}.md").exists():
        found.append(f"docs/tasks/{name}.md: method, loss, and what it reached")
    return found


def parts() -> set[str]:
    return {f"templates/heads/{name}" for name in resources.names("templates/heads")}


@pytest.mark.parametrize("name", [*TASK_NAMES, *sorted({*SCHEMAS} - {*TASK_NAMES})])
def test_a_head_lacks_nothing(name):
    missing = lacking(name)
    assert not missing, "\n".join(missing)


def test_what_a_new_head_lacks_is_named(monkeypatch):
    """One that has its schema, a row and a module that is a copy of another's."""
    monkeypatch.setitem(TASKS, "unheard_of", TASKS["autoencoding"])
    monkeypatch.setitem(HEADS, "unheard_of", sys)
    monkeypatch.setattr(sys.modules[__name__], "SCHEMAS", ["unheard_of"])
    assert lacking("unheard_of") == [
        "compiler/specc/heads/unheard_of.py: a function `build`",
        "compiler/specc/heads/unheard_of.py: the title of TASK is another",
        "templates/heads/unheard_of/model.py",
        "tests/mixture_heads.py: a head in HEADS and head_named",
        "tests/head_jobs.py: a small job in JOBS",
        "generated/: a job, or NO_EXAMPLE of this file: the reason",
        "docs/jobs.md: the rows of `model.heads` and of the methods",
        "docs/tasks/unheard_of.md: method, loss, and what it reached",
    ]
    assert lacking("lost") == ["schema/heads/lost.json"]


def test_a_schema_without_a_row_is_named(monkeypatch):
    monkeypatch.setattr(heads, "names", lambda folder: ["a.json", "b.json"])
    monkeypatch.setattr(heads, "TASK_NAMES", ("a",))
    with pytest.raises(
        Incomplete, match="schema/heads/b.json has no row in TASK_NAMES"
    ):
        heads._refuse_incomplete()


def test_a_row_without_schema_parts_or_module_is_named(monkeypatch):
    files = {"schema/heads": ["a.json"], "templates/heads": ["a/model.py"]}
    monkeypatch.setattr(heads, "names", files.get)
    monkeypatch.setattr(heads, "TASK_NAMES", ("a", "b"))
    with pytest.raises(
        Incomplete, match="`b` has a row .*, and no schema/heads/b.json"
    ):
        heads._refuse_incomplete()
    files["schema/heads"].append("b.json")
    with pytest.raises(Incomplete, match="and no templates/heads/b/model.py"):
        heads._refuse_incomplete()
    with pytest.raises(Incomplete, match="and no module unheard_of.py beside it"):
        heads._module_of("unheard_of")
