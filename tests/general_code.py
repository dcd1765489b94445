"""Finds code in an emitted folder that is there for another job than the folder's own."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LOOPS = (ast.For, ast.comprehension)
# Parameters of blocks that stand in the order of nn.Conv2d, which everybody knows.
AS_IN_TORCH = ("inputs", "outputs", "width", "channels", "squeezed", "kernel")


@lru_cache(maxsize=64)  # modules of a few folders, which several checks look at
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


def general_code(modules: dict[str, str]) -> list[str]:
    """Returns a line for each place where a reader of these modules, by path, would
    stop."""
    trees = {path: parsed(text) for path, text in modules.items()}
    return sorted(
        [
            *(
                f"{path}: {what}"
                for path, tree in trees.items()
                for what in _loops(tree)
            ),
            *(
                f"{path}: {what}"
                for path, tree in trees.items()
                for what in _wrappers(tree)
            ),
            *(
                f"{path}: {what}"
                for path, tree in trees.items()
                for what in unread_parameters(tree)
            ),
            *_parameters(trees),
        ]
    )


def _loops(tree: ast.Module) -> Iterator[str]:
    """Loops over a literal list of one value, or of none."""
    for node in ast.walk(tree):
        if isinstance(node, LOOPS) and isinstance(node.iter, (ast.List, ast.Tuple)):
            values = node.iter.elts
            starred = any(isinstance(value, ast.Starred) for value in values)
            if len(values) < 2 and not starred:
                yield f"a loop over {ast.unparse(node.iter)}"


def bare_numbers(modules: dict[str, str]) -> list[str]:
    """Calls of the folder's own functions and classes with a number that no keyword
    explains: `decode(outputs, 0.05)`. 0, 1 and -1 need no explanation."""
    trees = {path: parsed(text) for path, text in modules.items()}
    parameters = _own_parameters(trees)
    found = []
    for path, tree in trees.items():
        for node in ast.walk(tree):
            name = _own_name(node.func) if isinstance(node, ast.Call) else ""
            for place, value in enumerate(node.args if name in parameters else ()):
                names = parameters[name][place : place + 1]
                if _is_bare(value) and names and names[0] not in AS_IN_TORCH:
                    found.append(f"{path}: {ast.unparse(node)}: {names[0]}?")
    return sorted(found)


def _own_parameters(trees: dict[str, ast.Module]) -> dict[str, list[str]]:
    """Names of the parameters, in order, of each function, method and class."""
    found = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, FUNCTIONS) and node.name != "__init__":
                found[node.name] = _names(node)
            elif isinstance(node, ast.ClassDef):
                methods = {x.name: x for x in node.body if isinstance(x, FUNCTIONS)}
                fields = [x for x in node.body if isinstance(x, ast.AnnAssign)]
                found[node.name] = (
                    _names(methods["__init__"])
                    if "__init__" in methods
                    else [x.target.id for x in fields]
                )
    return found


def _names(function: ast.FunctionDef) -> list[str]:
    return [a.arg for a in function.args.args if a.arg not in ("self", "cls")]


def _own_name(function: ast.expr) -> str:
    """The name of a function or class that is called, or of a method of `self`."""
    if isinstance(function, ast.Attribute):
        of_self = isinstance(function.value, ast.Name) and function.value.id == "self"
        return function.attr if of_self else ""
    return getattr(function, "id", "")


def _is_bare(value: ast.expr) -> bool:
    if isinstance(value, ast.UnaryOp):
        value = value.operand
    number = getattr(value, "value", None)
    return type(number) in (int, float) and number not in (0, 1)


def _wrappers(tree: ast.Module) -> Iterator[str]:
    """Functions that hand their parameters on, as they are, or in a dictionary."""
    for node in tree.body:
        if not isinstance(node, FUNCTIONS) or node.decorator_list:
            continue
        body = node.body[1:] if ast.get_docstring(node) else node.body
        if len(body) != 1 or not isinstance(body[0], ast.Return):
            continue
        names = [argument.arg for argument in node.args.args]
        value = body[0].value
        if isinstance(value, ast.Dict):
            handed = value.values
        elif isinstance(value, ast.Call) and not value.keywords:
            handed = value.args
        else:
            continue
        if [ast.unparse(one) for one in handed] == names:
            yield f"{node.name} is a wrapper: {ast.unparse(value)}"


def unread_parameters(tree: ast.Module) -> Iterator[str]:
    """Parameters that their function never reads; `_` says that somebody else wants
    them."""
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            read = {x.id for x in ast.walk(node) if isinstance(x, ast.Name)}
            for parameter in _names(node):
                if parameter not in read and not parameter.startswith("_"):
                    yield f"{node.name}({parameter}) is never read"


def _parameters(trees: dict[str, ast.Module]) -> Iterator[str]:
    """Parameters that choose among branches, and have one value at all calls."""
    defined = {
        node.name: (path, node)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS)
    }
    calls = defaultdict(list)
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                function = node.func
                name = getattr(function, "id", getattr(function, "attr", ""))
                calls[name].append(node)
    mentioned = _mentions(trees)
    for name, (path, node) in defined.items():
        known = calls[name]
        if not known or mentioned[name] > len(known):  # called elsewhere, or handed on
            continue
        if any(isinstance(a, ast.Starred) for call in known for a in call.args):
            continue
        names = _names(node)
        defaults = dict(zip(reversed(names), reversed(node.args.defaults)))
        for place, parameter in enumerate(names):
            values = {_value(call, place, parameter, defaults) for call in known}
            if len(values) == 1 and values != {None} and _chooses(node, parameter):
                yield f"{path}: {name}({parameter}) is always {values.pop()}"


def _chooses(function: ast.FunctionDef, parameter: str) -> bool:
    """Whether a parameter decides what a function does: in a branch, or in a call that
    it hands the parameter to. What names a head or a task stands in messages."""
    if parameter in ("head", "task", "key", "name", "use"):
        return False
    for node in ast.walk(function):
        decisive = []
        if isinstance(node, (ast.If, ast.IfExp, ast.While)):
            decisive = [node.test]
        elif isinstance(node, ast.BoolOp):
            decisive = node.values
        elif isinstance(node, ast.Call):
            decisive = [*node.args, *(keyword.value for keyword in node.keywords)]
        if any(isinstance(one, ast.Name) and one.id == parameter for one in decisive):
            return True
    return False


def _mentions(trees: dict[str, ast.Module]) -> dict[str, int]:
    """Returns how often each name is read, imports and definitions aside."""
    counts: dict[str, int] = defaultdict(int)
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                counts[node.id] += 1
            elif isinstance(node, ast.Attribute):
                counts[node.attr] += 1
    return counts


def _value(call: ast.Call, place: int, name: str, defaults: dict) -> str | None:
    """A parameter's literal at a call; None if it is a number, or computed."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if None in given:  # **options
        return None
    value = (
        call.args[place]
        if place < len(call.args)
        else given.get(name, defaults.get(name))
    )
    if not isinstance(value, ast.Constant):
        return None
    is_number = isinstance(value.value, (int, float)) and not isinstance(
        value.value, bool
    )
    return None if is_number else repr(value.value)
