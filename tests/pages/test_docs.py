"""`specc docs`: pages made from the schema say what the schema says."""

from __future__ import annotations

import re

import pytest

from specc.cli import run_cli
from specc.language.places import ANY, places
from specc.language.schema import head, part
from specc.pages.language import option_page
from specc.resources import names, read_text

TASKS = part("head")["properties"]["task"]["enum"]
FORMATS = [x for x in part("common")["$defs"]["format"]["enum"] if x]


@pytest.fixture
def docs(capsys):
    """Returns the text of a topic; "" where there is none."""

    def docs(*topic: str) -> str:
        code = run_cli(["docs", *topic])
        out, err = capsys.readouterr()
        assert (code, bool(out), bool(err)) in ((0, True, False), (1, False, True))
        return out

    return docs


def flat(text: str) -> str:
    return " ".join(text.split())


def test_topics_are_listed(docs):
    listed = [line.split()[0] for line in docs().split("\n\n")[0].splitlines()]
    files = {
        x.removesuffix(".md") for x in names("docs") if re.match(r"[\w-]+\.md$", x)
    }
    assert {"native", "glossary", "tutorial", "vendoring"} <= files
    assert {"job", "skill", *files, *TASKS, *FORMATS} == {*listed}
    for topic in listed:
        assert docs(topic).startswith(("# ", "---\n"))


def test_the_page_of_the_job_has_every_option_but_those_of_tasks(docs):
    page = docs("job")
    lines = page.splitlines()
    for place in places():
        of_a_task = "heads" in place.path and len(place.path) > 2
        assert ("/" + "/".join(place.path) in lines) != of_a_task
        assert of_a_task or flat(place.schema["description"]) in flat(page)
    assert all(task in page for task in TASKS)


@pytest.mark.parametrize("task", TASKS)
def test_the_page_of_a_task(docs, task):
    page, schema = docs(task), head(task)
    assert flat(schema["description"]) in flat(page)
    for metric in schema["x-metrics"]:
        assert metric in page
    assert "## Method and loss\n" in page and "## Results\n" in page
    for name, option in schema["properties"].items():
        assert f"/model/heads/*/{name}\n" in page
        assert flat(option["description"]) in flat(page)
    for form in schema["x-formats"]:
        assert form in page
    native = "native" in schema["x-formats"] and task != "autoencoding"
    assert ("metadata.yaml" in page) or not native


@pytest.mark.parametrize("form", [x for x in FORMATS if x != "native"])
def test_the_page_of_a_format(docs, form):
    page = docs(form)
    for task in TASKS:
        assert (task in page) == (form in head(task)["x-formats"])
    for place in places():
        if place.path[:2] == ("data", "layout") and len(place.path) == 3:
            pointer = f"/data/layout/{place.path[-1]}\n"
            assert (pointer in page) == (form in place.schema["x-formats"])


def test_every_option_has_a_page():
    for place in places():
        pointer = "/" + "/".join("0" if x == ANY else x for x in place.path)
        page = option_page(pointer)
        assert page.startswith(f"# {pointer.replace('/0', '/*')}\n")
        assert flat(place.schema["description"]) in flat(page)


def test_a_part_has_its_options_by_kind(docs):
    page = docs("/trainer/optimizer")
    assert "/trainer/optimizer/momentum" in page and 'of "sgd"' in page
    assert "more than 0 and at most 1000" in page
    assert "default 0.0003" in page and "default 0.01" in page


def test_findings_stand_on_the_page_of_what_they_are_about(docs):
    assert "E309: " in docs("/trainer/batch_size")
    assert "E344: " in docs("keypoint_detection")


def test_names_of_other_tools_lead_to_the_page(docs):
    assert docs("lr") == docs("/trainer/optimizer/learning_rate")
    assert docs("batch_size") == docs("/trainer/batch_size") == docs("batchSize")
    assert docs("detection") == docs("object_detection")
    for place in ("/trainer/lr", "trainer.lr", "optimizer.learning_rate"):
        assert docs(place) == docs("lr")
    assert docs("epochs") == docs("/trainer/epochs")
    assert "set /trainer/max_iterations to epochs x images" in docs("epochs")
    assert docs("E203") == read_text("explain/E203.md")


@pytest.mark.parametrize("topic", ["nothing", "/trainer/nothing", "/", "../README"])
def test_what_has_no_page(topic, capsys):
    assert run_cli(["docs", topic]) == 1
    assert "E429" in capsys.readouterr().err
