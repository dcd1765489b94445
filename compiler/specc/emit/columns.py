"""The columns in which samples.py keeps labels, chosen by the types that dataset.py
declares."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from specc.emit.parts import Part, Shelf, by_name, fail
from specc.plan.heads import HeadPlan
from specc.source import literal


@dataclass(frozen=True)
class Kind:
    """How values of a type are kept. In expressions, `value` is a value, `name` the
    name of the value's column, `at` its index there, and `which` the name of the column
    with the indices of values that samples share."""

    function: str  # name of the part that makes the column; "": np.array does
    kept: str
    made: str  # expression that makes the value again


_NUMBER = Kind("", "{value}", "self.columns[{name}][{at}].item()")
# Type of a value, as written in dataset.py -> how such values are kept.
KINDS = {
    "bool": _NUMBER,
    "int": _NUMBER,
    "float": _NUMBER,
    "str": Kind("texts", "{value}", "self.text({name}, {at})"),
    "Identity": Kind(
        "identities",
        "{value}",
        "Identity(self.text({name}, self.columns[{which}][{at}]),"
        " self.columns[{which}][{at}].item())",
    ),
    "Path": Kind("texts", "str({value})", "Path(self.text({name}, {at}))"),
    "Path | None": Kind(
        "texts",
        'str({value} or "")',
        "Path(path) if (path := self.text({name}, {at})) else None",
    ),
    "tuple[tuple, ...]": Kind(
        "shared", "{value}", "value_in(self.text({name}, self.columns[{which}][{at}]))"
    ),
    "np.ndarray": Kind("ragged", "{value}", "self.rows({name}, {at})"),
    "list[int]": Kind(
        "ragged", "np.array({value}, np.int64)", "self.rows({name}, {at}).tolist()"
    ),
    "tuple[int, int] | None": Kind(
        "ragged",
        "np.array({value} or (), np.int64)",
        "tuple(self.rows({name}, {at}).tolist()) or None",
    ),
    "dict[int, int]": Kind(
        "ragged",
        "np.array([*{value}.items()], np.int64).reshape(-1, 2)",
        "dict(self.rows({name}, {at}).tolist())",
    ),
    "tuple[dict, ...]": Kind(
        "texts",
        'b" ".join(mask["counts"] for mask in {value})',
        "encoded_masks(self.text({name}, {at}), height, width)",
    ),
}


@dataclass(frozen=True)
class Column:
    """A column of a head's labels."""

    name: str
    function: str
    kept: str  # expression that makes the column from the labels of all samples


@dataclass(frozen=True)
class LabelColumns:
    """The columns of a head, and the expression that makes a label from them."""

    head: str
    place: str  # column with the indices of labels, where images may lack labels
    columns: tuple[Column, ...]
    made: str


def label_columns(
    heads: Iterable[HeadPlan], labels: Iterable[str], shelves: list[Shelf], at: str
) -> list[LabelColumns]:
    """Returns the columns of each head; `labels` are the types of their labels, `at` is
    the name of a label's index.

    Raises PartError for a type without a kind.
    """
    return [
        _of_head(head.name, label, shelves, at) for head, label in zip(heads, labels)
    ]


def _of_head(head: str, label: str, shelves: list[Shelf], at: str) -> LabelColumns:
    place, columns, made = f"{head}/place", [], []
    if label == "None":
        return LabelColumns(head, place, (), "None")
    fields = [("", KINDS[label])] if label in KINDS else _fields(label, shelves)
    for field, kind in fields:
        name = f"{head}/{field}" if field else head
        value = f"label.{field}" if field else "label"
        kept = kind.kept.format(value=value)
        values = "labels" if kept == "label" else f"[{kept} for label in labels]"
        columns.append(Column(name, kind.function, values))
        places = {"name": literal(name), "which": literal(f"{name}/which"), "at": at}
        made.append(kind.made.format(**places))
    value = made[0] if label in KINDS else f"{label}({', '.join(made)})"
    return LabelColumns(head, place, tuple(columns), value)


def _fields(label: str, shelves: list[Shelf]) -> tuple[tuple[str, Kind], ...]:
    """Returns the fields of a NamedTuple among the parts, and how each is kept."""
    shelf = by_name(shelves)[label]
    (part,) = (part for part in shelf.parts if label in part.defines)
    return _fields_of(label, part)


@lru_cache(maxsize=256)
def _fields_of(label: str, part: Part) -> tuple[tuple[str, Kind], ...]:
    return tuple(_kinds(label, part))


def _kinds(label: str, part: Part) -> Iterator[tuple[str, Kind]]:
    for statement in ast.parse(part.text).body[0].body:
        if isinstance(statement, ast.AnnAssign):
            field, kind = map(ast.unparse, (statement.target, statement.annotation))
            if kind not in KINDS:
                what = f"`{label}.{field}`: no column keeps `{kind}`; see KINDS"
                fail(part.file, part.line + statement.lineno - 1, what)
            yield field, KINDS[kind]
