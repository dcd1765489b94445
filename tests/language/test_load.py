"""load: strict JSON, and where everything stands."""

import json
import time

import pytest

from specc.diagnostics import JobError
from specc.language.load import LARGEST_FILE, Span, load, unread

TEXT = """{
  "name": "a\\u00e9\\n",
\t"data": {"sizes": [1, -2.5e3, true], "none": null},
  "empty": {}, "list": []
}
"""


def code_of(data):
    with pytest.raises(JobError) as caught:
        load(data)
    (finding,) = caught.value.diagnostics
    return finding.code


def test_values_are_those_of_json():
    assert load(TEXT.encode()).value == json.loads(TEXT)


@pytest.mark.parametrize(
    "path, span",
    [
        (("name",), Span(2, 11, 11)),
        (("data",), Span(3, 10, 42)),
        (("data", "sizes"), Span(3, 20, 17)),
        (("data", "sizes", 0), Span(3, 21, 1)),
        (("data", "sizes", 1), Span(3, 24, 6)),
        (("data", "none"), Span(3, 47, 4)),
        (("list",), Span(4, 24, 2)),
    ],
)
def test_every_value_has_a_place(path, span):
    source = load(TEXT.encode())
    assert source.locate(path) == span
    line = source.lines[span.line - 1]
    text = line[span.column - 1 :][: span.length]
    value = source.value
    for part in path:
        value = value[part]
    assert json.loads(text) == value


def test_keys_have_a_place():
    source = load(TEXT.encode())
    assert source.locate_key(("data", "sizes")) == Span(3, 11, 7)
    assert source.locate_key(("data", "sizes", 0)) == source.locate(
        ("data", "sizes", 0)
    )


def test_what_is_absent_stands_where_it_would():
    source = load(TEXT.encode())
    assert source.locate(("data", "absent", 3)) == source.locate(("data",))
    assert source.locate(("list", 0)) == source.locate(("list",))
    assert source.locate(("absent",)).line == 1


def test_columns_count_characters_and_lines_end_as_on_windows():
    source = load('{"é": "😀", "a": 1,\r\n "b": 2}'.encode())
    assert source.locate(("a",)) == Span(1, 17, 1)
    assert source.locate(("b",)) == Span(2, 7, 1)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[[{"a":'])
@pytest.mark.parametrize("count", [65, 300_000 // 3])
def test_nesting_never_overflows_the_stack(opening, count):
    assert code_of(opening * count) == "E106"


def test_64_levels_are_read():
    assert load(b'{"a":' * 63 + b"{}" + b"}" * 63).value["a"]


@pytest.mark.parametrize(
    "number", ["1", "-0", "0.5", "1E+2", "-1.5e-7", "9007199254740992"]
)
def test_numbers(number):
    value = load(b'{"a": %s}' % number.encode()).value["a"]
    assert (value, type(value)) == (json.loads(number), type(json.loads(number)))


@pytest.mark.parametrize(
    "word", ["01", "+1", ".5", "1.", "1e", "0x10", "1_000", "--1", "1１"]
)
def test_what_is_not_a_number(word):
    assert code_of(f'{{"a": {word}}}'.encode()) == "E102"


@pytest.mark.parametrize("word", ["1e309", "-1e999", "9007199254740993", "1" * 10_000])
def test_numbers_beyond_a_double(word):
    assert code_of(f'{{"a": {word}}}'.encode()) == "E108"


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "nan", "-inf"])
def test_not_a_number(word):
    assert code_of(f'{{"a": {word}}}'.encode()) == "E104"


def test_zero_itself_is_small_enough():
    assert load(b'{"a": 0.000e-999}').value == {"a": 0.0}


@pytest.mark.parametrize("root", ["[]", "1", '"a"', "null", "true"])
def test_the_root_is_an_object(root):
    assert code_of(root.encode()) == "E110"


def test_every_prefix_is_refused_with_a_place():
    data = TEXT.strip().encode()
    for end in range(len(data)):
        with pytest.raises(JobError) as caught:
            load(data[:end])
        (finding,) = caught.value.diagnostics
        assert finding.position is not None


def test_any_byte_in_any_place_is_read_or_refused():
    data = TEXT.encode()
    for at in range(len(data)):
        for byte in b'\x00"\\{}[],:-\xff\xed9n':
            changed = data[:at] + bytes([byte]) + data[at + 1 :]
            try:
                value = load(changed).value
            except JobError as error:
                assert error.diagnostics[0].code.startswith("E1")
            else:
                assert value == json.loads(changed)


@pytest.mark.slow
def test_a_full_file_is_read_in_time():
    items = ",".join("1" for _ in range(200_000))
    data = f'{{"a": [{items}]}}'.encode()
    assert len(data) < LARGEST_FILE
    start = time.process_time()
    load(data)
    assert time.process_time() - start < 5


def test_unread_shows_what_can_be_shown():
    assert unread(b'{"a": \xff}\n').lines == ['{"a": \ufffd}', ""]
