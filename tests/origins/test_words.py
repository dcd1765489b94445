"""The words of code that may be names of its module."""

from specc.origins.words import code_of


def test_docstrings_strings_comments_and_attributes_hold_no_names():
    lines = ['"""Says what', "it may write", '"""', '"""In one line: write."""']
    lines += ["x = file.write('write') + y  # write", 'z = f\'{write(1)}\' + "a\\"b"']
    assert list(code_of(lines)) == 4 * [""] + [
        "x = file() + y  ",
        "z = f'{write(1)}' + ",
    ]
