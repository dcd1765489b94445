"""The values that templates are given, and that are computed around them."""

from __future__ import annotations

import ast
import dataclasses
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from jinja2 import UndefinedError

from specc.build import analyze
from specc.emit.imports import TakenName, UnknownName, with_imports
from specc.emit.render import environment, render
from specc.graph.cost import summarize
from specc.plan.page import plan
from specc.plan.titles import level_table, title_of
from specc.source import constant, literal, mapping

DETECTOR = {
    "name": "cells",
    "task": "object_detection",
    "categories": ["red", "a'b"],
    "top_level": 4,
}
CLASSIFIER = {
    "name": "scene",
    "task": "multiclass_classification",
    "categories": ["day", "night"],
}


def analyzed(*heads: dict, **model):
    job = {
        "name": "test",
        "data": {"train": "train", "resolution": [64, 96]},
        "model": {"heads": list(heads), **model},
    }
    resolved, graph, findings = analyze(json.dumps(job).encode())
    assert not any(finding.is_error for finding in findings)
    return resolved, graph


# ---- literals ----


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-05, "1e-5"),
        (3e-4, "0.0003"),
        (2.5e-10, "2.5e-10"),
        (1e16, "1e16"),
        (1e100, "1e100"),
        (1.0, "1.0"),
        (7, "7"),
        (True, "True"),
        (None, "None"),
        ((), "()"),
        ((1,), "(1,)"),
        ([1, 2], "(1, 2)"),
        ((("a", None), (1e-06,)), "(('a', None), (1e-6,))"),
        ({"a": (1.5, False)}, "{'a': (1.5, False)}"),
        ("it's", '"it\'s"'),
        ('"both\'"', "'\"both\\'\"'"),
        ("a\nb\\", "'a\\nb\\\\'"),
        ("über", "'über'"),
        ("\u202edcba", "'\\u202edcba'"),
    ],
)
def test_a_literal(value, text):
    assert literal(value) == text


VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text()
    # As in JSON: no NaN, no infinity.
    | some.floats(allow_nan=False, allow_infinity=False),
    lambda inner: some.lists(inner).map(tuple) | some.dictionaries(some.text(), inner),
)


# A busy machine is no failure.
@pytest.mark.slow
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES)
def test_python_reads_a_literal_as_its_value(value):
    text = literal(value)
    assert ast.literal_eval(text) == value
    assert text.isprintable()


def test_what_is_no_value_of_a_job_has_no_literal():
    with pytest.raises(TypeError, match="no literal for object"):
        literal((1, object()))


def test_a_note_stands_above_what_is_too_long_for_it():
    short = constant("TRAIN", "train", "paths below --data")
    assert (short.note, short.above) == ("  # paths below --data", "")
    long = constant("TRAIN", "t" * 70, "paths below --data")
    assert (long.note, long.above) == ("", "# paths below --data\n")


def test_a_constant_is_one_assignment():
    line = constant("A, B", (1, (2.0,)), "both")
    assert (line.name, line.source, line.note) == ("A, B", "1, (2.0,)", "  # both")
    assert constant("A", ("x",)).source == "('x',)"
    assert mapping([("a'b", "f(x)"), ("c", "1")]) == "{\"a'b\": f(x), 'c': 1}"


# ---- imports ----

MODEL = '"""Model."""\nfrom torch import nn\n\nWIDTH, HEIGHT = 1, 2\n\n'
MODEL += "class Net(nn.Module):\n    pass\n\n\ndef fit(x):\n    return x\n"


def imported(code: str, earlier: dict[str, str] | None = None) -> list[str]:
    """The lines between the docstring and the code."""
    text = with_imports("new.py", f'"""A module."""\n{code}\n', earlier or {})
    assert text.startswith('"""A module."""\n\n')
    assert text.endswith(f"\n{code}\n")
    compile(text, "new.py", "exec")
    return text.removeprefix('"""A module."""\n').split(code)[0].strip().split("\n")


def test_imports_are_those_that_the_code_uses_in_groups():
    code = "x: Tensor = F.relu(torch.ones(fit(WIDTH)), math.pi, np.pi, Path(), Net())"
    assert imported(code, {"model.py": MODEL}) == [
        "import math",
        "from pathlib import Path",
        "",
        "import numpy as np",
        "import torch",
        "import torch.nn.functional as F",
        "from torch import Tensor",
        "",
        "from model import WIDTH, Net, fit",
    ]


@pytest.mark.parametrize(
    "code",
    [
        "def f(math, *torch, np=1, **cv2):\n    return math, torch, np, cv2",
        "y = [math for math in range(3)]",
        "try:\n    len([])\nexcept ValueError as io:\n    print(io)",
        "with open(__file__) as json:\n    json.read()",
        "def f():\n    class Path:\n        pass\n\n    return Path()",
        "(lambda time: time)(1)",
        "value = 1\nvalue.math.torch = 2",
    ],
)
def test_what_the_code_binds_is_not_imported(code):
    assert imported(code) == [""]


def test_a_name_comes_from_the_module_that_defines_it_first():
    again = '"""Data."""\nfrom model import fit\n\nfit = fit\nBATCH = fit(3)\n'
    earlier = {"model.py": MODEL, "data.py": again}
    assert imported("print(fit(BATCH))", earlier) == [
        "from data import BATCH",
        "from model import fit",
    ]


def test_a_name_that_nothing_defines_is_our_fault():
    with pytest.raises(UnknownName, match="new.py: nothing defines alpha, beta"):
        with_imports("new.py", '"""A module."""\nprint(beta, alpha)\n', {})


@pytest.mark.parametrize(
    "code",
    ["class Counter:\n    pass", "def tqdm(x):\n    return x", "np, other = 1, 2"],
)
def test_a_name_of_a_library_cannot_be_defined(code):
    """A model class `Counter` would stand in for that of collections wherever a later
    module counts."""
    name = {"class": "Counter", "def": "tqdm", "np,": "np"}[code.split()[0]]
    with pytest.raises(TakenName, match=f"new.py: defines {name}, which"):
        with_imports("new.py", f'"""A module."""\n{code}\n', {})


# ---- the texts ----


def test_the_level_table_is_aligned():
    job, graph = analyzed(DETECTOR, CLASSIFIER)
    rows = level_table(summarize(job, graph))
    assert rows == [
        "level         1      2      3      4      5",
        "stride        2      4      8     16     32",
        "size      32x48  16x24   8x12    4x6    2x3",
        "backbone     64     64    128    256    512",
        "neck                      128    128",
        "cells                       x      x",
        "scene                                     x",
    ]


@pytest.mark.parametrize(
    ("heads", "title"),
    [
        ([DETECTOR], "Object detection: ResNet-18 -> FPN -> 2 categories"),
        (
            [DETECTOR | {"categories": ["x"]}],
            "Object detection: ResNet-18 -> FPN -> 1 category",
        ),
        (
            [DETECTOR, CLASSIFIER],
            "Object detection and multiclass classification:"
            " ResNet-18 -> FPN -> 2 heads",
        ),
    ],
)
def test_the_title(heads, title):
    job, _ = analyzed(*heads)
    assert title_of(job) == title


def test_the_title_names_the_neck():
    job, _ = analyzed(DETECTOR, neck={"kind": "bifpn"})
    assert title_of(job) == "Object detection: ResNet-18 -> BiFPN -> 2 categories"


# ---- the plan ----


@pytest.mark.parametrize(
    "heads", [[DETECTOR], [CLASSIFIER], [DETECTOR, CLASSIFIER]], ids=len
)
def test_a_plan_is_plain_values(heads):
    values = dataclasses.asdict(plan(*analyzed(*heads)))
    found = json.loads(json.dumps(values))
    assert [head["name"] for head in found["heads"]] == [h["name"] for h in heads]
    assert found["backbone"]["class_name"] == "ResNet18"
    names = [
        line["name"] for of_file in found["constants"].values() for line in of_file
    ]
    assert {"HEIGHT, WIDTH", "TRAIN", "LEARNING_RATE"} <= set(names)


def test_a_template_cannot_use_what_the_plan_lacks():
    with pytest.raises(UndefinedError, match="'lost' is undefined"):
        environment().from_string("{{ lost }}").render()


def test_many_categories_stand_in_a_file_of_their_own():
    names = [f"kind {index}" for index in range(101)]
    files = render(plan(*analyzed(CLASSIFIER | {"categories": names})))
    assert json.loads(files["categories.json"]) == names
    assert "kind 7" not in files["model.py"]
    few = render(plan(*analyzed(CLASSIFIER | {"categories": names[:100]})))
    assert "categories.json" not in few and "'kind 7'" in few["model.py"]
