"""Changes that a formatter, a fixer or a clone makes are no edits; all others are."""

from __future__ import annotations

import json
from pathlib import Path

import black
import pytest
from emitted_jobs import GENERATED
from outputs import output

from specc.emit.format import MODE
from specc.folder.compare import compare
from specc.folder.texts import bare, dressed, is_same
from specc.folder.write import write

CODE = '''"""A module.

It has a docstring.
"""

import math

NAMES = ("first", "second")  # in the order of the outputs


def area(radius: float, *, scale: float = 1.0) -> float:
    """Returns an area."""
    # The scale is squared, as both sides grow.
    return math.pi * radius**2 * scale**2, f"{radius}" "long" "er"


class Empty: ...
'''
FILES = [
    path
    for path in sorted((GENERATED / "shapes-and-scenes").iterdir())
    if path.suffix in (".py", ".json", ".md", ".txt")
]


def windows(text: bytes) -> bytes:
    return b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n")


@pytest.mark.sample("README.md", "job.json", rest="slow")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_clone_on_windows_and_a_fixer_edit_nothing(path):
    text = path.read_bytes()
    assert is_same(path.name, windows(text), text)
    assert dressed(bare(windows(text)), windows(text)) == windows(text)
    assert is_same(path.name, text.rstrip() + b"\n\n\n", text)
    spaced = text.replace(b"\n\n", b"  \n\n", 1)
    assert is_same(path.name, spaced, text) or path.suffix == ".py"
    assert not is_same(path.name, text.replace(b"e", b"f", 1), text)


@pytest.mark.parametrize(
    "name, length",
    [
        pytest.param("melodies", 79, marks=pytest.mark.slow),
        *(
            pytest.param(folder.name, length, marks=pytest.mark.soak)
            for folder in sorted(GENERATED.iterdir())
            for length in (60, 79, 100, 120, 200)
        ),
    ],
)
def test_black_at_another_line_length_edits_nothing(name, length):
    changed = 0
    for path in sorted((GENERATED / name).glob("*.py")):
        text = path.read_text()
        mode = black.Mode(MODE.target_versions, line_length=length)
        other = black.format_str(text, mode=mode)
        changed += other != text
        assert is_same(path.name, other.encode(), text.encode()), path.name
    assert changed


def test_black_may_move_a_comment_inside_a_statement():
    text = "NAMES = {  # names\n    1: 'one',\n    2: 'two',\n}\n"
    other = "NAMES = {1: 'one', 2: 'two'}  # names\n"
    assert is_same("a.py", other.encode(), text.encode())
    above = "# names\nNAMES = {1: 'one', 2: 'two'}\n"
    assert not is_same("a.py", above.encode(), text.encode())


@pytest.mark.parametrize(
    "old, new",
    [
        ('("first", "second")', "(\n    'first',\n    'second',\n)"),
        ("radius**2 * scale**2", "radius ** 2 * (scale**2)"),
        ("class Empty: ...", "class Empty:\n    ...\n\n"),
        ('"long" "er"', '"longer"'),
        ("It has a docstring.\n", "It has a docstring.   \n\n"),
        ("    # The", "\n    # The"),
    ],
)
def test_the_layout_is_no_edit(old, new):
    assert old in CODE
    assert is_same("a.py", CODE.replace(old, new).encode(), CODE.encode())


@pytest.mark.parametrize(
    "old, new",
    [
        ("radius**2", "radius**3"),
        ("radius**2 * scale**2", "(radius * scale)**2"),
        ('"second"', '"Second"'),
        ("# in the order of the outputs", "# sorted"),
        ("  # in the order of the outputs", ""),
        ("It has a docstring.", "It has one."),
        ("    # The scale is squared, as both sides grow.\n", ""),
        ("import math\n", "# fmt: off\nimport math\n"),
        ("radius: float", "radius"),
        ('"first", "second"', '"first" "second"'),
        ("class Empty", "class  (Empty"),
    ],
)
def test_anything_else_is_an_edit(old, new):
    assert old in CODE
    assert not is_same("a.py", CODE.replace(old, new).encode(), CODE.encode())


def test_a_comment_that_moves_is_an_edit():
    moved = "a = 1\n# about it\nb = 2\n", "# about it\na = 1\nb = 2\n"
    assert not is_same("a.py", *(text.encode() for text in moved))


def test_json_may_be_laid_out_and_sorted_anew():
    value = {"b": [1, 2], "a": {"c": None, "d": True}}
    text, other = json.dumps(value, indent=2), json.dumps(value, sort_keys=True)
    assert is_same("a.json", other.encode(), text.encode())
    changed = other.replace("[1, 2]", "[2, 1]"), other.replace("true", "1")
    assert not any(is_same("a.json", x.encode(), text.encode()) for x in changed)
    assert not is_same("a.json", b"{", text.encode())


# ---- In a folder ----


def formatted(path: Path, length: int = 40) -> str:
    text = black.format_str(path.read_text(), mode=black.Mode(line_length=length))
    path.write_text(text)
    return text


@pytest.mark.slow
def test_a_formatted_file_is_as_emitted(folder, source):
    write(output(folder, source, model=CODE, train="t = 1\n"))
    text = formatted(folder / "model.py")
    assert text != CODE
    same = output(folder, source, model=CODE, train="t = 2\n")
    comparison = compare(output(folder, source, model=CODE, train="t = 1\n"))
    assert comparison.is_current(strict=True) and not comparison.edited
    assert write(same).unchanged == ("job.json", "model.py")
    assert (folder / "model.py").read_text() == text
    new = f"{CODE}\n\nLIMIT = 1\n"
    assert write(output(folder, source, model=new)).written == ("model.py",)
    # The rest stays in the layout of the user.
    assert (folder / "model.py").read_text() == f"{text}\n\nLIMIT = 1\n"
    newest = new.replace("radius**2", "radius**3")
    assert write(output(folder, source, model=newest)).written == ("model.py",)
    assert (
        folder / "model.py"
    ).read_text() == newest  # the edited line is laid out anew


def test_a_formatted_file_is_removed_with_what_it_was(folder, source):
    write(output(folder, source, model=CODE, train="t = 1\n"))
    formatted(folder / "model.py")
    assert write(output(folder, source, train="t = 1\n")).removed == ("model.py",)


def test_a_new_layout_of_specc_is_written(folder, source):
    """Files that nobody formatted follow specc, layout and all."""
    write(output(folder, source, model=CODE))
    (folder / "model.py").write_bytes(CODE.replace("\n", "\r\n").encode())
    new = CODE.replace("\n\n\nclass", "\n\n\n\nclass")
    assert write(output(folder, source, model=new)).written == ("model.py",)
    assert (folder / "model.py").read_bytes() == new.replace("\n", "\r\n").encode()
