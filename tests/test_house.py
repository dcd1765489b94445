"""The house: rooms of the compiler, imports between them, and the wording of texts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest
from prose import faults, riddles, spellings

from specc import resources
from specc.heads import TASK_NAMES

ROOT = resources.PACKAGE
MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts): path
    for path in ROOT.rglob("*.py")
}
AT_THE_ROOT = 10  # most modules: the driver, and what all rooms use
IN_A_ROOM = 23  # most modules
OF_ALL_HEADS = 7  # most modules of heads/, besides one for each head


def imports_of(path: Path) -> Iterator[str]:
    """Yields the modules of specc that a module imports, except for types."""
    tree = ast.parse(path.read_text("utf-8"))
    types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in types:
            home = node.module or ""
            for name in node.names:
                one = f"{home}.{name.name}"
                if home.split(".")[0] == "specc":
                    yield one if one in MODULES else home


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def arrows() -> set[tuple[str, str]]:
    """Returns (module, imported module) of all imports."""
    return {
        (name.removesuffix(".__init__"), imported)
        for name, path in MODULES.items()
        for imported in imports_of(path)
    }


def circles(pairs: set[tuple[str, str]]) -> list[set[str]]:
    graph = nx.DiGraph((one, other) for one, other in pairs if one != other)
    return [x for x in nx.strongly_connected_components(graph) if len(x) > 1]


def test_no_module_and_no_room_looks_both_ways():
    found = arrows()
    assert len(found) > 300
    assert circles(found) == []
    assert circles({(room_of(one), room_of(other)) for one, other in found}) == []


def test_few_modules_stand_at_one_level():
    sizes = {
        x: len(list(x.glob("*.py"))) for x in [ROOT, *ROOT.iterdir()] if x.is_dir()
    }
    assert sizes.pop(ROOT) <= AT_THE_ROOT
    assert sizes.pop(ROOT / "heads") - len(TASK_NAMES) <= OF_ALL_HEADS
    assert {room.name: size for room, size in sizes.items() if size > IN_A_ROOM} == {}


def test_every_room_says_its_rule():
    for path in ROOT.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path


def test_no_file_is_too_long():
    lines = {
        name: len(path.read_text("utf-8").splitlines())
        for name, path in MODULES.items()
    }
    assert {name: count for name, count in lines.items() if count > 400} == {}


# ---- wordings ----

CHECKOUT = ROOT.parent.parent
PAGES = ("README.md", "SKILL.md", "CONTRIBUTING.md", "docs/**/*.md", "benchmarks/*.md")
OURS = ("compiler/specc/**/*.py", "compiler/specc/explain/*.md", "schema/**/*.json")
EMITTED = ("templates/**/*", "generated/*/*.py", "generated/*/README.md")
TESTS = ("tests/*.py", "tests/*/*.py")
HOLD_EXAMPLES = (
    "test_house.py",
    "test_texts.py",
    "test_origins.py",
)  # texts with riddles


def wordings(*patterns: str) -> list[str]:
    """Returns `path:line: wording` of all faults in the files of the checkout."""
    files = sorted({x for pattern in patterns for x in CHECKOUT.glob(pattern)})
    assert files
    return [
        f"{path.relative_to(CHECKOUT)}:{line}: {wording}"
        for path in files
        if path.is_file() and path.suffix != ".pyc"
        for line, wording in faults(path)
    ]


@pytest.mark.parametrize(
    "text, kind",
    [
        ("ROUNDS = 16  # of it; even", riddles),
        ("    layers: int  # of the decoder", riddles),
        ("# in words\nx = 1", riddles),
        ('    """What an untrained head says."""', riddles),
        ('"description": "Where the labels are."', riddles),
        ("a labelled dataset of grey images", spellings),
        ("def analyse(job):", spellings),
        ("# normalised by the centre", spellings),
    ],
)
def test_a_riddle_and_a_british_spelling_are_found(text, kind):
    assert list(kind(text))


@pytest.mark.parametrize(
    "text",
    [
        "layers: int  # number of decoder layers",
        "# Boxes are moved, and the labels\n# of the image with them.",
        '"""Returns the labels."""  # 3x3',
        "labels.labeled(); generalized_iou(a, b); x  # promises, premises",
        'rows = targets["labeled"]',
        "generated/licence-plates",
    ],
)
def test_a_whole_phrase_and_a_name_are_none(text):
    assert [*riddles(text), *spellings(text)] == []


def test_texts_have_no_riddles_and_one_spelling():
    assert wordings(*PAGES, *OURS, *EMITTED) == []


def test_tests_have_no_riddles():
    files = sorted(path for pattern in TESTS for path in CHECKOUT.glob(pattern))
    assert files
    found = [
        f"{path.relative_to(CHECKOUT)}:{line}: {wording}"
        for path in files
        if path.name not in HOLD_EXAMPLES
        for line, wording in riddles(path.read_text("utf-8"))
    ]
    assert found == []
