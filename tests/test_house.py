"""The rooms of the compiler: what stands where, and who may look at whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx as nx

from specc import resources
from specc.heads import TASK_NAMES

ROOT = resources.PACKAGE
MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts): path
    for path in ROOT.rglob("*.py")
}
AT_THE_ROOT = 10  # modules: the driver, and the words that all rooms speak
IN_A_ROOM = 23  # modules
OF_ALL_HEADS = 7  # modules of heads/ beside one for each head


def imports_of(path: Path) -> Iterator[str]:
    """The modules of specc that a module imports at any time, types apart."""
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
    """From each module to those that it imports."""
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
