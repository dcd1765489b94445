"""A module is formatted as black formats it whole."""

from __future__ import annotations

import black
import pytest
from specc.emit.format import MODE, BadCode, format_code

MODULE = '''
"""Text."""
import os
# About the function.
def first(a, b,): return {  'a': a, "b": b }
# ---- A rule ----
@property
# About what is decorated.

@os.cache
def second(self):

    """Returns text
    of two lines."""
    return """
def f0():
    pass
"""

    # The end of the body.
# Not of the body.
class Third(   os.PathLike ):
    x=1
    def method(self): pass
    class Inner(): pass
class Fourth(): pass
async def fifth(): await first (1,2)
if os.name == 'nt':
    def sixth(): return 1
else:
    sixth = first
x = [first(1,
  2)]
def seventh(): pass; return x  # One line.
'''


def test_blocks_apart_are_the_module_whole():
    assert format_code("m.py", MODULE) == black.format_str(MODULE, mode=MODE)


@pytest.mark.parametrize("end", ["def last(): pass", "class Last: x = 1", "x = 1", ""])
@pytest.mark.parametrize("begin", ["def one(): pass\n", "x = 1\n", "# Alone.\n\n", ""])
def test_begin_and_end_of_a_module(begin, end):
    text = f"{begin}import os\n\n\n\n{end}"
    assert format_code("m.py", text) == black.format_str(text, mode=MODE)


def test_a_fault_is_shown_with_its_line():
    with pytest.raises(BadCode, match="m.py:3: ") as caught:
        format_code("m.py", "x = 1\n\ndef f(:\n    pass\n")
    assert "    3 def f(:" in str(caught.value)
