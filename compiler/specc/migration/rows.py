"""The rows of tensors that depend on the names of a head, each with its name."""

from __future__ import annotations

from specc.differences.sides import Side
from specc.graph.levels import head_components
from specc.graph.names import dependents, named_options
from specc.job import Head
from specc.words import number_of

Row = tuple[str, int]  # a name, and the number of the row among those of the name
END = "\0end"  # the end of a text, which is no token
THING = "\0thing"  # any thing, in a map that tells kinds of stuff apart


def named_rows(side: Side) -> dict[str, list[Row]]:
    """Returns key of the state dict -> its rows, of all tensors whose first dimension
    has the names of a head: names in order, each with the same number of rows."""
    found: dict[str, list[Row]] = {}
    for head in side.job.heads:
        for option in named_options(head):
            for key in dependents(side.job, side.summary, head, option):
                found[key] = _rows(head, option, key, side.summary.state[key][0])
    return found


def _rows(head: Head, option: str, key: str, count: int) -> list[Row]:
    names = list(getattr(head, option))
    if hasattr(head, "things") and ".stuff." in key:
        stuff = [name for name in head.categories if name not in head.things]
        names = [THING, *stuff]
    if option == "tokens":
        names.append(END)
    each = count // len(names)
    if each * len(names) != count:
        raise ValueError(
            f"{key}: {number_of(count, 'row')} for {number_of(len(names), 'name')}"
        )
    return [(name, place) for name in names for place in range(each)]


def components(side: Side) -> dict[str, str]:
    """Returns name of a head -> its module in the model."""
    names = (head.name for head in side.job.heads)
    return dict(zip(names, head_components(side.job)))
