"""Texts by their meaning: apart from line ends, and from what a formatter may change.

A clone by git on Windows, an editor, black at another line length and fixers of white
space change the bytes of an emitted file, but edit nothing.
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import tokenize
from collections.abc import Callable, Iterator

BOM = b"\xef\xbb\xbf"
_FORM = {  # tokens that are no part of a statement
    *(tokenize.ENCODING, tokenize.NL, tokenize.INDENT, tokenize.DEDENT),
    tokenize.COMMENT,
}
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def bare(data: bytes) -> bytes:
    """Returns a text with the line ends of Unix, without a byte order mark."""
    return data.removeprefix(BOM).replace(b"\r\n", b"\n")


def dressed(text: bytes, like: bytes) -> bytes:
    """Returns a bare text with the byte order mark of another one, and with the line
    ends that most of its lines have."""
    if 2 * like.count(b"\r\n") > like.count(b"\n"):
        text = text.replace(b"\n", b"\r\n")
    return BOM + text if like.startswith(BOM) else text


def is_same(path: str, one: bytes, other: bytes) -> bool:
    """Returns whether two texts of a file differ in their form at most.

    Python may differ in its layout, quotes and white space, not in its comments nor in
    their places; JSON in its layout and in the order of its keys; any text in its line
    ends, in spaces at the ends of lines and in empty lines at its end.
    """
    one, other = bare(one), bare(other)
    if one == other:
        return True
    meaning = _meaning_of(path)
    try:
        return meaning(one) == meaning(other)
    except (SyntaxError, ValueError, RecursionError, tokenize.TokenError):
        return False


def _meaning_of(path: str) -> Callable[[bytes], object]:
    if path.endswith(".py"):
        return _of_python
    return _of_json if path.endswith(".json") else _of_lines


def _of_lines(text: bytes) -> list[bytes]:
    return [line.rstrip() for line in text.rstrip().split(b"\n")]


def _of_json(text: bytes) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _of_python(text: bytes) -> tuple[str, list[tuple[int, bool, str]]]:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False):
            constant = node.body[0].value
            lines = inspect.cleandoc(constant.value).splitlines()
            constant.value = "\n".join(line.rstrip() for line in lines).strip()
    return ast.dump(tree), list(_comments(text))


def _comments(text: bytes) -> Iterator[tuple[int, bool, str]]:
    """Yields the place and the text of each comment: the number of statements that end
    before it, and whether another has begun. Black moves comments inside of one."""
    ended, begun = 0, False
    for token in tokenize.tokenize(io.BytesIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield ended, begun, token.string.rstrip()
        elif token.type == tokenize.NEWLINE:
            ended, begun = ended + 1, False
        elif token.type not in _FORM:
            begun = True
