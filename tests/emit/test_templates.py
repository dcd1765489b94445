"""The templates: what they may hold, and what they make of a job's strings."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator

import pytest
from emitted_jobs import write
from jinja2 import nodes
from proof import strings_in_code

from specc import resources
from specc.build import Compiled, compile_job
from specc.commands import probe
from specc.diagnostics import JobError
from specc.emit.render import environment

TEMPLATES = [x for x in resources.names("templates") if x.endswith(".jinja")]
CODE = [name for name in TEMPLATES if name.endswith(".py.jinja")]
TAGS = {"include", "for", "if", "elif", "else", "endfor", "endif"}
ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.For,
    nodes.If,
    nodes.Include,
    nodes.Name,
    nodes.Getattr,
    nodes.Not,
    nodes.Filter,
)
CONTROL_SHARE, SHORT = 0.15, 20  # lines; shorter templates may be all control
CONTROL_HEAVY = {  # template: the reason why its share may be higher
    "backbones/resnet.py.jinja": "two loops of a line each in a short page",
    "backbones/inverted.py.jinja": "loops of a line or two each in a short page",
    "backbones/separable_block.py.jinja": "a short class, with a shortcut or without",
    "backbones/separable_block_squeezed.py.jinja": "the same, with one layer more",
    "README.md.jinja": "rows of two tables, and files that some jobs have",
    "model/one_head.py.jinja": "two loops of a line each in a short page",
    "backbones/timm.py.jinja": "two loops and two flags of a line or two each",
    "model/several_heads.py.jinja": "two loops of a line each in a short page",
    "train.py.jinja": "loops over sections, and sections that some jobs have",
    "data.py.jinja": "a loop and two sections that some jobs have in a short page",
}


def source(name: str) -> str:
    return resources.read_text(f"templates/{name}")


# ---- Hygiene ----


@pytest.mark.slow
def test_templates_only_include_loop_and_test():
    assert [fault for name in TEMPLATES for fault in faults_of(name)] == []


def faults_of(name: str) -> Iterator[str]:
    """Yields what a template does that only the plan may do."""
    text = source(name)
    for tag in sorted(set(re.findall(r"{%-?\s*(\w+)", text)) - TAGS):
        yield f"{name}: the tag {tag}"
    if re.search(r"{[%{#]-|-[%}#]}", text):
        yield f"{name}: space control, which hides the indentation"
    tree = environment().parse(text)
    included = [node.template for node in tree.find_all(nodes.Include)]
    for node in tree.find_all(nodes.Node):
        allowed = (nodes.Const, nodes.Name, nodes.Getattr)
        if not isinstance(node, allowed if node in included else ALLOWED):
            yield f"{name}, line {node.lineno}: {type(node).__name__}"
    for node in tree.find_all(nodes.Filter):
        if node.name != "py":
            yield f"{name}, line {node.lineno}: the filter {node.name}"
    for node in tree.find_all(nodes.Not):
        if not isinstance(node.node, (nodes.Name, nodes.Getattr)):
            yield f"{name}, line {node.lineno}: not {type(node.node).__name__}"


def control_share(name: str) -> float:
    """The share of lines that loop or test, of a template that is not short."""
    lines = source(name).splitlines()
    controls = [line for line in lines if re.match(r"\s*{% (?!include)", line)]
    return len(controls) / len(lines) if len(lines) > SHORT else 0


def test_templates_are_mostly_text():
    heavy = {name for name in TEMPLATES if control_share(name) > CONTROL_SHARE}
    assert heavy == set(CONTROL_HEAVY)  # each of these has its reason


def test_no_value_stands_inside_quotes():
    """Docstrings apart: in them stand only texts that specc chose."""
    assert [line for name in CODE for line in quoted_values(name)] == []


def quoted_values(name: str) -> Iterator[str]:
    text = re.sub(r"^\s*{%.*?%}\n", "", source(name), flags=re.M)
    text = re.sub(r"{#.*?#}", "", text, flags=re.S)
    text = re.sub(r"{{.*?}}", "JINJA", text, flags=re.S)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        # Python 3.12 has tokens for the parts of an f-string.
        if "STRING" in tokenize.tok_name[token.type] and "JINJA" in token.string:
            if not token.string.startswith('"""'):
                yield f"{name}: {token.line.strip()}"


# ---- Strings of the job are data, wherever they stand ----


MARK = "zq"  # every hostile string has it, and no text of specc
HOSTILE = (
    'zq"; import os #',
    "zq'; import os #",
    '"""zq',
    "'''zq",
    "zq{{ 7*7 }}",
    "{% if zq %}",
    "{#zq#}",
    "{zq}",
    "zq%s%(name)s",
    "zq\\",
    "\\nzq\\",
    "\\N{BULLET}zq",
    '"zq',
    "'zq",
    "#zq",
    "  zq  ",
    "zq\u202e\u2066\u200b",
    "zq\u2028\u2029",
    "zqÄ漢🦓",
    "e\u0301zq",
    "</script>zq`|*_",
    "zq" + "x" * 198,
)
HOSTILE_PATHS = {
    "train": 'it\'s "zq"/{{ 7*7 }}\\train',
    "validation": "\"\"\"zq'''/#val",
}


def hostile_job(categories: tuple[str, ...]) -> dict:
    """Detection and classification of these categories: two heads, native format."""
    task = {"categories": list(categories)}
    heads = [
        task | {"name": "cells", "task": "object_detection"},
        task | {"name": "kind", "task": "multiclass_classification"},
    ]
    start = {"kind": "checkpoint", "weights": "zq\"'\\{{ 1 }}.pt"}
    return {
        "name": "hostile",
        "data": HOSTILE_PATHS | {"resolution": [128, 128]},
        "model": {"heads": heads},
        "trainer": {"initialization": start},
    }


@pytest.fixture(scope="module")
def hostile() -> Compiled:
    return compile_job(json.dumps(hostile_job(HOSTILE)).encode())


@pytest.mark.slow
def test_strings_of_the_job_are_string_constants_alone(hostile):
    given = {*HOSTILE, *HOSTILE_PATHS.values(), "zq\"'\\{{ 1 }}.pt"}
    assert strings_in_code(hostile.files, MARK) == given


@pytest.mark.slow
def test_strings_of_the_job_come_out_as_they_went_in(hostile, tmp_path):
    values = {}
    for name, text in hostile.files.items():
        if name.endswith(".py"):
            tree = ast.parse(text)
            values |= dict(constants(tree))
    assert values["CELLS_CATEGORIES"] == values["KIND_CATEGORIES"] == HOSTILE
    assert values["TRAIN"] == HOSTILE_PATHS["train"]
    assert values["VALIDATION"] == HOSTILE_PATHS["validation"]
    # And once more by running the module, as its users do.
    path = str(write(hostile, tmp_path) / "model.py")
    model_class = probe.load_class(path, hostile.model_class)
    module = model_class.__init__.__globals__
    assert module["CELLS_CATEGORIES"] == HOSTILE


def constants(tree: ast.Module):
    """Names and values of the module's assignments of literals."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue
            values = value if isinstance(target, ast.Tuple) else [value]
            yield from zip((name.id for name in names), values)


@pytest.mark.parametrize("text", ["a\nb", '\n"""', "\0", "a\x1b[0m", "\x85", "\ud800"])
def test_what_cannot_be_written_is_refused(text):
    with pytest.raises(JobError):
        compile_job(json.dumps(hostile_job((text,))).encode())


@pytest.mark.slow
def test_many_categories_stand_in_a_file_of_their_own(tmp_path):
    categories = (*HOSTILE, *(f"kind {i}" for i in range(10_000 - len(HOSTILE))))
    head = {"task": "multiclass_classification", "categories": categories}
    job = hostile_job(HOSTILE) | {"model": {"heads": [head]}}
    compiled = compile_job(json.dumps(job).encode())
    for name, text in compiled.files.items():
        assert name.endswith(".json") or "kind 77" not in text
    assert tuple(json.loads(compiled.files["categories.json"])) == categories
    path = str(write(compiled, tmp_path) / "model.py")
    model_class = probe.load_class(path, compiled.model_class)
    assert model_class.__init__.__globals__["CATEGORIES"] == categories
