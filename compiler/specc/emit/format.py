"""Formats emitted text with black. Text that cannot be parsed is a fault of specc."""

from __future__ import annotations

import ast
import re
from functools import lru_cache

import black

MODE = black.Mode(target_versions={black.TargetVersion.PY310})

STUBS = {
    ast.FunctionDef: "def f{}():\n    pass\n",
    ast.ClassDef: "class C{}:\n    pass\n",
}
PLACE = re.compile(r"^(?:def f\d+\(\)|class C\d+):\n    pass\n", re.MULTILINE)


class BadCode(Exception):
    """A template made text that is no Python; the message shows the lines at the
    fault."""


def format_files(files: dict[str, str]) -> dict[str, str]:
    """Returns Python files formatted, and other files with single blank lines."""
    return {
        path: format_code(path, text) if path.endswith(".py") else _tidy(text)
        for path, text in files.items()
    }


def format_code(path: str, text: str) -> str:
    """Returns formatted code. Raises BadCode with the lines around a fault."""
    try:
        ast.parse(text, path)
        return _formatted(_squeeze(text))
    except (SyntaxError, black.InvalidInput) as error:
        line = getattr(error, "lineno", None) or 1
        lines = text.splitlines()
        first = max(0, line - 4)
        shown = "\n".join(
            f"{number:5} {code}"
            for number, code in enumerate(lines[first : line + 3], first + 1)
        )
        raise BadCode(f"{path}:{line}: {error}\n{shown}") from error


@lru_cache(maxsize=256)
def _formatted(text: str) -> str:
    """Returns formatted code. Functions and classes of the module's top level are
    formatted apart, while a stub holds the place of each: black takes most of a build,
    and jobs of one call share most functions, few modules."""
    lines = text.splitlines(keepends=True)
    blocks, rest, last = {}, [], 0
    for node in ast.parse(text).body:
        if type(node) in STUBS:
            first = node.lineno - 1
            stub = STUBS[type(node)].format(len(blocks))
            blocks[stub] = _formatted_block("".join(lines[first : node.end_lineno]))
            rest += [*lines[last:first], stub]
            last = node.end_lineno
    formatted = _formatted_block("".join([*rest, *lines[last:]]))
    return PLACE.sub(lambda stub: blocks[stub[0]], formatted)


@lru_cache(maxsize=8192)
def _formatted_block(text: str) -> str:
    return black.format_str(text, mode=MODE)


def _squeeze(text: str) -> str:
    """Returns text with one blank line above section rules, where black keeps two."""
    return re.sub(r"\n{3,}(?=# ---- )", "\n\n", text)


def _tidy(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"
