"""Changes of one operator, comparison, constant, axis or order of arguments in a function."""

from __future__ import annotations

import ast
import copy
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
OPPOSITES = {
    one: other
    for pair in (
        ("min", "max"),
        ("amin", "amax"),
        ("argmin", "argmax"),
        ("minimum", "maximum"),
        ("any", "all"),
        ("floor", "ceil"),
        ("sum", "mean"),
        ("tril", "triu"),
    )
    for one, other in (pair, pair[::-1])
}
# Functions whose first two arguments may change places; a value clipped by 0 is one.
SYMMETRIC = (
    *("max", "min", "maximum", "minimum", "sym_max", "sym_min"),
    *("clip", "gcd", "union1d"),
)


def changed(node: ast.AST) -> Iterator[ast.AST]:
    """The node with one change, for each that there is."""
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in OPERATORS:
        yield with_field(node, "op", OPERATORS[type(node.op)]())
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in OPERATORS:
        ops = [OPERATORS[type(node.ops[0])](), *node.ops[1:]]
        yield with_field(node, "ops", ops)
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        yield copy.deepcopy(node.operand)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, float):
        yield ast.Constant(node.value * 1.2 + 0.1)
    elif isinstance(node, ast.Attribute) and node.attr in OPPOSITES:
        yield with_field(node, "attr", OPPOSITES[node.attr])
    elif isinstance(node, ast.Call):
        if len(node.args) >= 2 and not (is_symmetric(node) or starred(node)):
            yield with_field(node, "args", [node.args[1], node.args[0], *node.args[2:]])
        for index, keyword in enumerate(node.keywords):
            if keyword.arg in ("min", "max"):
                given = copy.deepcopy(node.keywords)
                given[index].arg = OPPOSITES[keyword.arg]
                yield with_field(node, "keywords", given)


def is_symmetric(node: ast.Call) -> bool:
    return ast.unparse(node.func).split(".")[-1] in SYMMETRIC


def starred(node: ast.Call) -> bool:
    return any(isinstance(argument, ast.Starred) for argument in node.args[:2])


def with_field(node: ast.AST, name: str, value: object) -> ast.AST:
    made = copy.deepcopy(node)
    setattr(made, name, value)
    return made


class Mutant(NamedTuple):
    """A node of a function, told by its text and its turn among equal ones, and its change."""

    function: str
    before: str
    turn: int
    after: str

    def __str__(self) -> str:
        turn = f" (no. {self.turn + 1})" if self.turn else ""
        return f"{self.function}: {self.before}{turn}  ->  {self.after}"


def mutants_of(name: str, function: ast.FunctionDef) -> list[Mutant]:
    turns, found = defaultdict(int), []
    for node in sites(function):
        before = ast.unparse(node)
        for other in changed(node):
            after = ast.unparse(ast.fix_missing_locations(other))
            if after != before:
                turn = turns[before]
                found.append(Mutant(name, before, turn, after))
        turns[before] += 1
    return found


def sites(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """Yields the nodes that are executed: no docstrings, annotations, messages."""
    for statement in function.body:
        for node in walk(statement):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                yield node


def walk(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Raise | ast.JoinedStr):
        return
    yield node
    for name, field in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in field if isinstance(field, list) else [field]:
            if isinstance(child, ast.AST):
                yield from walk(child)


class Replace(ast.NodeTransformer):
    """Replaces the node of a mutant in a function; `done` tells whether it stood there."""

    def __init__(self, mutant: Mutant, function: ast.FunctionDef):
        self.after = ast.parse(mutant.after, mode="eval").body
        equal = [x for x in sites(function) if ast.unparse(x) == mutant.before]
        self.node = equal[mutant.turn] if mutant.turn < len(equal) else None
        self.done = self.node is not None

    def visit(self, node: ast.AST) -> ast.AST:
        return self.after if node is self.node else self.generic_visit(node)
