"""The proof that strings of a job are data: constants of the emitted code, and no more."""

from __future__ import annotations

import ast
import io
import json
import tokenize
from collections.abc import Collection, Mapping


def strings_in_code(files: Mapping[str, str], mark: str) -> set[str]:
    """The string constants of emitted modules that hold the mark.

    Raises AssertionError where the mark stands anywhere else: in a name, a comment, a
    docstring, or a file that is neither a module nor JSON; SyntaxError where a module is
    none.
    """
    found = set()
    for name, text in files.items():
        if name.endswith(".py"):
            found |= _strings(name, text, mark)
        elif name.endswith(".json"):
            json.loads(text)
        else:
            assert mark not in text, name
    return found


def assert_data(files: Mapping[str, str], mark: str, given: Collection[str]):
    """Whatever holds the mark is one of the strings that the job gave, as a whole."""
    strange = strings_in_code(files, mark) - set(given)
    assert not strange, strange


def _strings(name: str, text: str, mark: str) -> set[str]:
    tree = ast.parse(text)
    if mark not in text:
        return set()
    hidden = docstrings(tree)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and mark in str(node.value):
            assert node not in hidden, (name, node.value)
            found.add(node.value)
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    outside = [t.string for t in tokens if t.type != tokenize.STRING]
    assert not [string for string in outside if mark in string], name
    return found


def docstrings(tree: ast.Module) -> list[ast.Constant]:
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return [
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, owners) and ast.get_docstring(node) is not None
    ]
