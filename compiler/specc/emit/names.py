"""The names of a module's text, by Python's own rules of scope."""

from __future__ import annotations

import ast
import builtins
import symtable
from functools import lru_cache

_GIVEN = frozenset(dir(builtins)) | {"__file__", "__doc__", "__name__"}


@lru_cache(maxsize=2048)
def used(text: str) -> frozenset[str]:
    """The names that a module takes from elsewhere: neither it nor Python defines them.

    Raises SyntaxError.
    """
    module = symtable.symtable(text, "module", "exec")
    names, tables = set(), [module]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (table is module or symbol.is_global()):
                names.add(symbol.get_name())
    own = {x.get_name() for x in module.get_symbols() if x.is_assigned()}
    return frozenset(names - own - _GIVEN)


@lru_cache(maxsize=256)
def defined(text: str) -> tuple[str, ...]:
    """The names that a module's own statements define, in their order."""
    statements = ast.parse(text).body
    return tuple(name for statement in statements for name in defined_by(statement))


def defined_by(statement: ast.stmt) -> list[str]:
    """The names of a function, a class or an assignment; none of anything else."""
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
