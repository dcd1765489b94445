"""Checks of the emitted code of one job."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Callable
from functools import cache
from pathlib import Path

import black
from emitted_jobs import write
from general_code import bare_numbers, parsed, unread_parameters
from mixtures import job_of
from pyflakes.checker import Checker

from specc.build import Compiled, compile_job
from specc.commands import probe, verify
from specc.emit.format import MODE
from specc.plan.extras import CONTRACT, Extras
from specc.source import COLUMNS


def compiled_with_tests(choice: dict) -> Compiled:
    return compile_job(json.dumps(job_of(choice)).encode(), Extras(tests=True))


def check_code(compiled: Compiled) -> None:
    assert_none(compiled, names_misused)


@cache
def names_misused(text: str) -> list[str]:
    messages = Checker(parsed(text), filename="emitted").messages
    return [str(message) for message in messages]


def assert_none(compiled: Compiled, faults: Callable[[str], list[str]]) -> None:
    """Modules have no faults. Many jobs share a module, which is looked at once."""
    found = {
        name: faults(text)
        for name, text in compiled.files.items()
        if name.endswith(".py")
    }
    assert not any(found.values()), {name: x for name, x in found.items() if x}


def check_model(compiled: Compiled, folder: Path, capsys) -> None:
    """The model must be the graph's."""
    size = map(int, (*compiled.job.data.resolution, compiled.job.data.channels))
    model = str(write(compiled, folder) / "model.py")
    probe.main(model, compiled.model_class, *size)
    found = json.loads(capsys.readouterr().out)
    assert verify.compare(compiled.summary, found) == []


def check_comments(compiled: Compiled) -> None:
    """On the text before black, which breaks a statement that is too long with its
    comment, however short it is without."""
    assert_none(compiled, lambda text: long_tokens(text)["#"])


def check_docstrings(compiled: Compiled) -> None:
    """Black leaves them as long as they are."""
    assert_none(compiled, lambda text: long_tokens(text)['"'])


@cache
def long_tokens(text: str) -> dict[str, list[str]]:
    """The lines of comments and of docstrings that are too long, by the first sign."""
    lines = text.splitlines()
    found = {"#": [], '"': []}
    if all(len(line) <= COLUMNS for line in lines):
        return found
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.string.startswith(("#", '"""')):
            own = lines[token.start[0] - 1 : token.end[0]]
            found[token.string[0]] += [line for line in own if len(line) > COLUMNS]
    return found


def check_calls(compiled: Compiled) -> None:
    """A number at a call of a function of the folder has the name of its parameter."""
    modules = {x: text for x, text in compiled.files.items() if x.endswith(".py")}
    assert bare_numbers(modules) == []


def check_parameters(compiled: Compiled) -> None:
    """Each parameter is read. A learning rate is a function of the progress, also where
    it is constant; contracts have a function for each format."""
    for name, text in compiled.files.items():
        if name.endswith(".py") and name != CONTRACT:
            found = {*unread_parameters(parsed(text))}
            assert found <= {"learning_rate(progress) is never read"}, name


def check_imports(compiled: Compiled) -> None:
    """Importing a module changes nothing elsewhere: at its top level it calls no function
    for its effect, nor sets an attribute of another module."""
    assert_none(compiled, effects)


@cache
def effects(text: str) -> list[str]:
    found = []
    for node in parsed(text).body:
        if isinstance(node, ast.Expr):
            found += [] if isinstance(node.value, ast.Constant) else [node]
        elif isinstance(node, ast.Assign):
            found += [x for x in node.targets if isinstance(x, ast.Attribute)]
        elif isinstance(node, ast.FunctionDef):
            found += [x for x in node.decorator_list if "register" in ast.unparse(x)]
    return [f"line {node.lineno}: {ast.unparse(node)}" for node in found]


def check_format(compiled: Compiled) -> None:
    for name, text in compiled.files.items():
        if name.endswith(".py"):
            assert black.format_str(text, mode=MODE) == text, name
            for line in text.splitlines():
                assert len(line) <= COLUMNS or is_one_string(line), f"{name}: {line}"


def is_one_string(line: str) -> bool:
    """A category or a path cannot be broken over two lines."""
    return bool(re.fullmatch(r"""(\w+ = )?(["']).*\2,?(  # .*)?""", line.strip()))
