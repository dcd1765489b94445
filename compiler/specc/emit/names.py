"""The names of a module's text, by Python's own rules of scope."""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from functools import lru_cache

_NUMBER = re.compile(r"(?<![\w.])\d[\w.]*")
_GIVEN = frozenset(dir(builtins)) | {"__file__", "__doc__", "__name__"}


def used(text: str) -> frozenset[str]:
    """Returns the names that neither the module itself nor Python defines.

    Raises SyntaxError.
    """
    return _scopes(text)[0]


def bound(text: str) -> frozenset[str]:
    """Returns the names that a module binds outside its functions. Raises
    SyntaxError."""
    return _scopes(text)[1]


@lru_cache(maxsize=2048)
def _scopes(text: str) -> tuple[frozenset[str], frozenset[str]]:
    return _scopes_of(_NUMBER.sub("0", text))


@lru_cache(maxsize=2048)
def _scopes_of(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Returns the names of a text in which all numbers are the same, as they are no
    names."""
    module = symtable.symtable(text, "module", "exec")
    names, tables = set(), [module]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (table is module or symbol.is_global()):
                names.add(symbol.get_name())
    own = {x.get_name() for x in module.get_symbols() if x.is_assigned()}
    return frozenset(names - own - _GIVEN), frozenset(own)


@lru_cache(maxsize=64)
def parsed(text: str) -> ast.Module:
    """Returns the syntax tree of a module, cached. Raises SyntaxError."""
    return ast.parse(text)


@lru_cache(maxsize=256)
def defined(text: str) -> tuple[str, ...]:
    """Returns the names that a module's top-level statements define, in order."""
    return tuple(name for one in parsed(text).body for name in defined_by(one))


def defined_by(statement: ast.stmt) -> list[str]:
    """Returns the names that a definition or an assignment defines; else none."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return [statement.name]
    if isinstance(statement, ast.Assign):
        return sorted(
            node.id
            for target in statement.targets
            for node in ast.walk(target)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        )
    return []
