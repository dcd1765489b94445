"""report: findings as text, JSON and GitHub commands."""

import json

import pytest

from specc.commands.report import harmless, report
from specc.diagnostics import Diagnostic
from specc.language.load import load, unread

SOURCE = load(b'{\n  "a": [1, 22],\n\t"b": {"c": "x"}\n}\n')
ERROR = Diagnostic("E123", "`a[1]` is wrong", ("a", 1), help="write 2", note="a note")
WARNING = Diagnostic("W201", "`c` is odd", ("b", "c"), help="say so", at_key=True)


def test_text():
    assert report([ERROR, WARNING], SOURCE, "job.json") == """\
error[E123]: `a[1]` is wrong
 --> job.json:2:12  /a/1
  |
2 |   "a": [1, 22],
  |            ^^
  = note: a note
  = help: write 2

warning[W201]: `c` is odd
 --> job.json:3:8  /b/c
  |
3 |     "b": {"c": "x"}
  |           ^^^
  = help: say so

1 error, 1 warning
"""


def test_nothing_to_report():
    for form in ("text", "json", "github"):
        assert report([], SOURCE, "job.json", form) == ""


def test_the_summary_counts():
    said = report([ERROR] * 1002, SOURCE, "job.json")
    assert said.endswith("\n1,002 errors\n")
    assert report([WARNING], SOURCE, "job.json").endswith("\n1 warning\n")


def test_color_changes_nothing_but_color():
    from click import unstyle

    plain = report([ERROR, WARNING], SOURCE, "job.json")
    colored = report([ERROR, WARNING], SOURCE, "job.json", color=True)
    assert "\x1b[31m" in colored
    assert unstyle(colored) == plain


def test_json_lines():
    said = report([ERROR, WARNING], SOURCE, "job.json", "json")
    first, second = map(json.loads, said.splitlines())
    assert first == {
        "code": "E123",
        "severity": "error",
        "message": "`a[1]` is wrong",
        "file": "job.json",
        "line": 2,
        "column": 12,
        "length": 2,
        "pointer": "/a/1",
        "note": "a note",
        "help": "write 2",
        "patch": [],
        "certain": False,
        "applied": False,
    }
    assert (second["severity"], second["column"], second["length"]) == ("warning", 8, 3)


def test_github_commands_are_escaped():
    one = Diagnostic("E101", "50% of\r\n::error::x", position=(1, 1), help="a, b")
    said = report([one], unread(b""), "a,b:c%.json", "github")
    assert said == (
        "::error file=a%2Cb%3Ac%25.json,line=1,col=1,title=specc E101"
        "::50%25 of%0D%0A::error::x%0Ahelp: a, b\n"
    )


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_nothing_reaches_the_terminal_unescaped(form):
    name = "\\u001b]0;title\\u0007\\u202e\\u009b"
    source = load(f'{{"{name}": "\x7f\x9b\u202e"}}'.encode())
    (key,) = source.value
    one = Diagnostic("E120", f"no `{key}`", (key,), help=key, note=key, at_key=True)
    said = report([one], source, "a\x1b[2J\n.json", form)
    assert not {"\x1b", "\x07", "\x7f", "\x9b", "\u202e"} & set(said)


def test_harmless_keeps_what_can_be_read():
    assert harmless("a é 日本 😀\t|") == "a é 日本 😀    |"
    assert harmless("\x1b[31m\u200b") == "\\x1b[31m\\u200b"


def test_wide_characters_are_underlined_in_full():
    source = load('{"日本": "猫と犬", "é": 1}'.encode())
    one = Diagnostic("E122", "x", ("日本",))
    lines = report([one], source, "job.json").splitlines()
    assert lines[4] == "  |          ^^^^^^^^"
    assert lines[1] == " --> job.json:1:8  /日本"


@pytest.mark.parametrize("at", [0, 500, 999])
def test_long_lines_are_cut_around_the_span(at):
    items = ", ".join(str(10_000 + index) for index in range(1000))
    source = load(f'{{"a": [{items}]}}'.encode())
    lines = report([Diagnostic("E123", "x", ("a", at))], source, "j").splitlines()
    assert max(map(len, lines)) < 120
    mark = lines[4].index("^")
    assert lines[3][mark : mark + 5] == str(10_000 + at)
    assert lines[4].count("^") == 5


def test_a_span_of_many_lines_is_marked_on_its_first():
    source = load(b'{"a": {\n  "b": 1\n}}')
    lines = report([Diagnostic("E121", "x", ("a",))], source, "j").splitlines()
    assert lines[3:5] == ['1 | {"a": {', "  |       ^"]


def test_pointers_are_escaped():
    source = load(b'{"a/b~c": 1}')
    said = report([Diagnostic("E120", "x", ("a/b~c",))], source, "j")
    assert "j:1:11  /a~1b~0c" in said


def test_a_position_behind_the_end_is_shown():
    said = report([Diagnostic("E102", "x", position=(9, 9))], unread(b"{"), "j")
    assert "j:9:9" in said
