"""No emitted folder holds code that is there for another job."""

from __future__ import annotations

from pathlib import Path

import pytest
from general_code import bare_numbers, general_code

GENERATED = Path(__file__).parent.parent.parent / "generated"
FOLDERS = sorted(path.parent for path in GENERATED.glob("*/job.json"))
# The reader's text is one with what `specc init` runs; it serves sets of either use.
KNOWN = (
    "dataset.py: read_dataset(training) is always True",
    # A job may have several such heads.
    "evaluate.py: a loop over [(model.head.calibration, 'defects', FALSE_ALARMS)]",
)


@pytest.mark.slow
@pytest.mark.sample("documents", "melodies", "nuclei", "street-photos")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_folder_is_written_for_its_job(folder):
    modules = {path.name: path.read_text("utf-8") for path in folder.glob("*.py")}
    assert bare_numbers(modules) == []
    modules.pop("test_contract.py", None)
    assert [x for x in general_code(modules) if x not in KNOWN] == []


@pytest.mark.parametrize(
    "text, fault",
    [
        ("for x in [1]:\n    print(x)", "a.py: a loop over [1]"),
        ("[x for x in (1,)]", "a.py: a loop over (1,)"),
        ("def f(x):\n    return g(x)", "a.py: f is a wrapper: g(x)"),
        ("def f(x):\n    return {'x': x}", "a.py: f is a wrapper: {'x': x}"),
        ("def f(x, y):\n    return x + 1", "a.py: f(y) is never read"),
        (
            "def f(kind):\n    return 1 if kind else 2\nf('a')\nf('a')",
            "a.py: f(kind) is always 'a'",
        ),
        (
            "def f(x, deep=False):\n    if deep:\n        return x\nf(1)",
            "a.py: f(deep) is always False",
        ),
    ],
)
def test_general_code_is_found(text, fault):
    assert general_code({"a.py": text}) == [fault]


@pytest.mark.parametrize(
    "text",
    [
        "for x in [1, 2]:\n    print(x)",
        "for x in [*y]:\n    print(x)",
        "def f(x):\n    return g(x, 1)",
        "def f(x, _):\n    return x + 1",
        "def f(kind):\n    return 1 if kind else 2\nf('a')\nf('b')",
        "def f(width):\n    return g(width, width)\nf(3)\nf(3)",  # a size
        "def f(kind):\n    return 1 if kind else 2",  # called from elsewhere
    ],
)
def test_a_special_line_is_none(text):
    assert general_code({"a.py": text}) == []


BLOCK = """
class Block:
    def __init__(self, inputs, outputs, kernel, layers):
        self.reach(layers)

    def reach(self, limit):
        return limit


class Size(NamedTuple):
    height: int


def decode(outputs, min_score):
    return min_score
"""


@pytest.mark.parametrize(
    "call, fault",
    [
        ("decode(x, 0.05)", "a.py: decode(x, 0.05): min_score?"),
        ("decode(x, -2)", "a.py: decode(x, -2): min_score?"),
        ("Block(3, 8, 3, 2)", "a.py: Block(3, 8, 3, 2): layers?"),
        ("Size(7)", "a.py: Size(7): height?"),
        ("self.reach(9)", "a.py: self.reach(9): limit?"),
    ],
)
def test_a_bare_number_at_a_call_is_found(call, fault):
    assert bare_numbers({"a.py": f"{BLOCK}\n{call}"}) == [fault]


@pytest.mark.parametrize(
    "call",
    [
        "decode(x, min_score=0.05)",
        "decode(x, 0)",
        "decode(x, -1)",
        "decode(x, True)",
        "Block(3, 8, 3, layers=2)",
        "nn.Conv2d(3, 8, 3, 2)",
        "x.reach(9)",  # method of another object
    ],
)
def test_a_number_that_explains_itself_is_none(call):
    assert bare_numbers({"a.py": f"{BLOCK}\n{call}"}) == []
