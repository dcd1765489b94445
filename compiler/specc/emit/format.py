"""Formats emitted text with black. Text that cannot be parsed is a fault of specc."""

from __future__ import annotations

import ast
import re
from functools import lru_cache

import black

MODE = black.Mode(target_versions={black.TargetVersion.PY310})


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
    """Returns formatted code, cached: jobs of one call share pages, and black takes
    most of a build."""
    return black.format_str(text, mode=MODE)


def _squeeze(text: str) -> str:
    """Returns text with one blank line above section rules, where black keeps two."""
    return re.sub(r"\n{3,}(?=# ---- )", "\n\n", text)


def _tidy(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"
