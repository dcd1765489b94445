"""A patch on the text of a job: its values change as RFC 6902 says, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from repairs import applied

from specc.diagnostics import certain, drop, likely, move, put
from specc.language.load import load
from specc.language.patch import Unpatchable, patch_of, patched
from specc.language.rewrite import rewritten

JOB = """{
    "name": "cells",   "version": 1,
    "trainer": {
        "lr": 1e-3, "batch_size": "16",
        "optimizer": {}
    },
    "data": {"train": "a", "resolution": [
        256,
        320
    ]}
}
"""


def edited(text: str, *steps) -> str:
    value = json.loads(text)
    patch = patch_of(certain(*steps), value)
    after = rewritten(text.encode(), patch).decode()
    assert json.loads(after) == applied(value, patch) == patched(value, patch)
    return after


def test_what_is_not_touched_stays():
    after = edited(JOB, put(("trainer", "batch_size"), 16))
    assert after == JOB.replace('"16"', "16")
    after = edited(JOB, put(("data", "resolution", 1), 352))
    assert after == JOB.replace("320", "352")


def test_a_moved_value_keeps_its_spelling():
    after = edited(
        JOB, move(("trainer", "lr"), ("trainer", "optimizer", "learning_rate"))
    )
    assert after == JOB.replace('"lr": 1e-3, ', "").replace(
        "{}", '{"learning_rate": 1e-3}'
    )
    renamed = edited(JOB, move(("trainer", "lr"), ("trainer", "rate")))
    assert renamed == JOB.replace('"lr"', '"rate"')


def test_parents_are_made():
    after = edited(JOB, put(("model", "neck", "top_level"), 5))
    lines = '    ]},\n    "model": {"neck": {"top_level": 5}}\n}\n'
    assert after == JOB.replace("    ]}\n}\n", lines)
    null = JOB.replace("{}", "null")
    after = edited(null, move(("trainer", "lr"), ("trainer", "optimizer", "rate")))
    assert after == null.replace('"lr": 1e-3, ', "").replace("null", '{"rate": 1e-3}')


def test_members_are_removed_with_their_commas():
    assert edited(JOB, drop(("trainer", "optimizer"))) == JOB.replace(
        ',\n        "optimizer": {}', ""
    )
    assert edited(JOB, drop(("name",))) == JOB.replace('"name": "cells",   ', "")
    assert edited('{"a": {"b": 1}}', drop(("a", "b"))) == '{"a": {}}'
    assert edited('{"a": [1, 2, 3]}', drop(("a", 0))) == '{"a": [2, 3]}'


@pytest.mark.parametrize(
    "text, after",
    [
        ('{"a":1,"b":2}', '{"a":1,"b":2,"c":3}'),
        ('{"a" : 1 , "b" : 2}', '{"a" : 1 , "b" : 2 , "c" : 3}'),
        ('{"a": 1}', '{"a": 1, "c": 3}'),
        ('{\n\t"a": 1\n}\n', '{\n\t"a": 1,\n\t"c": 3\n}\n'),
        ('{\r\n  "a": 1\r\n}', '{\r\n  "a": 1,\r\n  "c": 3\r\n}'),
        ("{ }", '{"c": 3}'),
    ],
    ids=repr,
)
def test_what_is_added_looks_like_its_neighbors(text, after):
    assert edited(text, put(("c",), 3)) == after


def test_what_is_put_in_brackets_keeps_its_lines():
    value = json.loads(JOB)["trainer"]
    after = edited(JOB, put(("trainer",), [value]))
    assert after == JOB.replace('"trainer": {', '"trainer": [{').replace(
        "{}\n    }", "{}\n    }]"
    )


def test_other_letters_stay_letters():
    assert edited('{"a": "Ä"}', put(("a",), "Ö")) == '{"a": "Ö"}'
    assert edited('{"a": "x"}', put(("a",), "Ö")) == '{"a": "\\u00d6"}'


def test_a_long_value_takes_several_lines():
    names = [f"category {index}" for index in range(9)]
    after = edited(JOB, put(("data", "resolution"), names))
    assert '"resolution": [\n' in after and '\n        "category 8"\n    ]' in after


def test_an_edit_that_does_not_fit_has_no_patch():
    value = json.loads(JOB)
    assert patch_of(likely(put(("name", "x"), 1)), value) == []
    assert patch_of(likely(drop(("trainer", "gone"))), value) == []
    assert patch_of(likely(move(("trainer", "lr"), ("name",))), value) == []
    assert patch_of(None, value) == []
    with pytest.raises(Unpatchable):
        patched(value, [{"op": "remove", "path": "/gone"}])


# ---- any patch on any formatting ----

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)
STYLES = [
    dict(indent=2),
    dict(indent=4, ensure_ascii=False),
    dict(indent="\t"),
    dict(separators=(",", ":")),
    dict(separators=(" , ", " : "), ensure_ascii=False),
    dict(),
]


def paths(value, path=()):
    yield path
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from paths(item, (*path, key))


@st.composite
def patches(draw):
    """A text, and steps that may fit it."""
    value = draw(st.dictionaries(st.text(max_size=3), VALUES, min_size=1, max_size=4))
    text = json.dumps(value, **draw(st.sampled_from(STYLES)))
    text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    known = st.sampled_from([x for x in paths(value) if x])
    new = st.builds(lambda path, key: (*path[:-1], key), known, st.text(max_size=3))
    below = st.builds(lambda path, key: (*path, key), known, st.text(max_size=3))
    places = st.one_of(known, new, below)
    step = st.one_of(
        st.builds(put, places, VALUES),
        st.builds(drop, known),
        st.builds(move, known, places),
    )
    return text, draw(st.lists(step, min_size=1, max_size=3))


@pytest.mark.slow
@seed(0)
@settings(max_examples=100, deadline=None, database=None)
@given(patches())
def test_texts_and_values_agree(case):
    text, steps = case
    value = json.loads(text)
    patch = patch_of(certain(*steps), value)
    if not patch:
        return
    after = rewritten(text.encode(), patch).decode()
    assert load(after.encode()).value == applied(value, patch) == patched(value, patch)
    assert ("\r\n" in after) <= ("\r\n" in text)
