"""The parts of emitted modules: found by name, put into their blocks, refused if wrong."""

from __future__ import annotations

import json

import black
import pytest
from jinja2 import DictLoader, Environment

from specc import cli, resources
from specc.emit import render as rendering
from specc.emit.format import MODE
from specc.emit.parts import (
    PartError,
    Shelf,
    by_name,
    outline,
    parts_of,
    refuse_tags,
    with_parts,
)
from specc.plan.extras import CONTRACT

PAGE = """\
# parts: classes


def main():
    return head(3)


# parts: losses
"""
FIRST = """\
# ==== classes


class Head:
    size = SIDE


# ==== losses


# The least of them.
def loss(x):
    return floor(x)
"""
SECOND = """\
# ==== classes


def head(size):
    loss = size  # a name of its own, not the part
    return Head()


# ==== losses


def floor(x):
    return max(x, 0)
"""


def shelf(*texts: str):
    files = [f"heads/{number}/model.py" for number in range(len(texts))]
    return [shelf_of(file, text) for file, text in zip(files, texts)]


def shelf_of(file: str, text: str) -> Shelf:
    return Shelf(file, text, lambda: text)


def page_with(*texts: str, page: str = PAGE) -> str:
    return with_parts({"model.py": page}, shelf(*texts))["model.py"]


# ---- What is found ----


def test_a_part_is_emitted_if_something_emitted_uses_its_name():
    """`head` by the page, `Head` by way of it; `loss` and `floor` by nothing."""
    text = page_with(FIRST, SECOND)
    assert text == (
        "class Head:\n    size = SIDE\n\n\n"
        "def head(size):\n    loss = size  # a name of its own, not the part\n"
        "    return Head()\n\n\n"
        "def main():\n    return head(3)\n\n\n"
    )


def test_parts_stand_in_the_order_of_their_shelf_with_their_comments():
    text = page_with(FIRST, SECOND, page=PAGE.replace("head(3)", "loss(3)"))
    assert text.endswith(
        "# The least of them.\ndef loss(x):\n    return floor(x)\n\n\n"
        "def floor(x):\n    return max(x, 0)\n"
    )
    assert "class" not in text and "# parts" not in text and "# ====" not in text


@pytest.mark.parametrize(
    "code",
    [
        "def main(head):\n    return head",
        "def main():\n    head = 1\n    return head",
        "main = [head for head in range(3)]",
        "def main():\n    return main.head",
        'main = "head"',
        "def main():  # head\n    pass",
    ],
)
def test_what_is_no_use_of_a_name_finds_no_part(code):
    page = f"# parts: classes\n\n\n{code}\n# parts: losses\n"
    assert "def head" not in page_with(FIRST, SECOND, page=page)


def test_a_part_may_be_for_another_module_than_that_which_uses_it():
    pages = {
        "model.py": "# parts: classes\n# parts: losses\n",
        "data.py": "x = head(1)\n# parts: placing\n",
    }
    placing = shelf_of("heads/2/data.py", "# ==== placing\n\n\ndef place(): pass\n")
    made = with_parts(pages, [*shelf(FIRST, SECOND), placing])
    assert "def head" in made["model.py"] and "def head" not in made["data.py"]
    assert "place" not in made["data.py"]


# ---- What is refused: the message names file and line ----


def refusal(action) -> str:
    with pytest.raises(PartError) as caught:
        action()
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# ==== losses\n\n\ndef head(:\n    pass\n", "line 4: is not Python: "),
        ("head = 1\n", "line 1: stands in no block"),
        ("# ==== losses\n\n\nhead = 2\nprint(1)\n", "line 5: defines no name"),
        ("# ==== losses\n\n\nhead = 2\nimport os\n", "line 5: defines no name"),
        (
            "\n# ==== steps\n\n\ndef f():\n    pass\n",
            "line 2: the page model.py has no line `# parts: steps`",
        ),
        (
            "# ==== losses\n\n\ndef f():\n    pass\n\n\ndef f():\n    pass\n",
            "line 8: `f` is defined in heads/0/model.py, line 4, too",
        ),
        (
            "# ==== losses\n\n\ndef f():\n    pass\n\n\ndef main():\n    pass\n",
            "line 8: `main` is defined by the page model.py, too",
        ),
    ],
)
def test_a_wrong_file_of_parts_is_named_with_its_line(text, said):
    message = refusal(lambda: page_with(text))
    assert message.startswith(f"templates/heads/0/model.py, {said}"), message


@pytest.mark.parametrize("tag", ["{{ x }}", "{% if x %}", "{# x #}"])
def test_a_tag_in_a_file_that_is_taken_as_it_is_is_refused(tag):
    text = f"# ==== losses\n\n\ndef f():\n    return {tag}\n"
    message = refusal(lambda: refuse_tags("heads/0/model.py", text))
    assert message == (
        "templates/heads/0/model.py, line 5: has a tag of Jinja: "
        "name the file heads/0/model.py.jinja"
    )


def test_a_build_tells_what_is_wrong_with_a_part(place, monkeypatch, capsys):
    """As a bug of specc, in a line, with the place to look at."""
    files = dict(rendering._files())
    file = "heads/regression/data.py"
    files[file] = files[file].replace("def stack_numbers", "def main")
    monkeypatch.setattr(rendering, "_files", lambda: tuple(files.items()))
    head = {"task": "multiclass_classification", "categories": ["a", "b"]}
    job = {"name": "kinds", "data": {"train": "t"}, "model": {"heads": [head]}}
    (place / "job.json").write_text(json.dumps(job))
    assert cli.run_cli(["build", "job.json"]) == 2
    said = capsys.readouterr().err
    assert (
        "bug in specc: PartError: templates/heads/regression/data.py, line 4: " in said
    )
    assert "`main` is defined by the page" in said
    assert not (place / "generated").exists()


def test_a_template_of_parts_that_is_broken_is_named_with_its_line(monkeypatch):
    source = "# ==== losses\n\n\n{% if partial %}\ndef f(): pass\n"
    broken = Environment(loader=DictLoader({"heads/x/model.py.jinja": source}))
    monkeypatch.setattr(rendering, "environment", lambda: broken)
    files = (("heads/x/model.py.jinja", source),)
    monkeypatch.setattr(rendering, "_files", lambda: files)
    (shelf,) = rendering.shelves_for(["model.py"], {})
    message = refusal(lambda: shelf.parts)
    assert message.startswith("templates/heads/x/model.py.jinja, line 4: ")


# ---- The files that specc has ----

FILES = [x for x in resources.names("templates/heads") if not x.endswith(".jinja")]


def test_no_name_is_defined_by_two_parts():
    for modules in (rendering.MODULES, (CONTRACT,)):
        assert len(by_name(rendering.shelves_for(modules, {}))) > 10


def test_a_glance_at_a_file_finds_what_parsing_does():
    for name in FILES:
        text = resources.read_text(f"templates/heads/{name}")
        parts = parts_of(f"heads/{name}", text)
        assert [one for one, _ in outline(text)] == [
            x for p in parts for x in p.defines
        ]


@pytest.mark.slow
def test_parts_are_formatted_as_the_code_that_is_emitted():
    texts = {name: resources.read_text(f"templates/heads/{name}") for name in FILES}
    assert len(texts) > 50
    changed = [
        x for x, text in texts.items() if black.format_str(text, mode=MODE) != text
    ]
    assert changed == []


def test_every_folder_is_that_of_a_head_or_common():
    folders = {name.split("/")[0] for name in resources.names("templates/heads")}
    assert folders == {*rendering.TASK_NAMES, "common", "tables", "names", "files"}
