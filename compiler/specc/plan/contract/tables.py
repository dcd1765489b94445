"""The plan of the tables that test_contract.py makes: the cells of a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from specc.heads.contract import Annotations
from specc.job import Head, Job, source_of
from specc.plan.readers import Reader
from specc.plan.rows import Table
from specc.plan.tables import DELIMITERS, LISTED, column_of, layout_of, read_task
from specc.source import literal, mapping

SIGNS = {"space": " ", "comma": ",", "semicolon": ";", "bar": "|", None: ""}
WRITTEN = {"json": "json", "space": "words"}  # others are cells
SIDES = {  # form of a box -> its numbers
    "corners": ("left", "top", "right", "bottom"),
    "size": ("left", "top", "right - left", "bottom - top"),
    "center": (
        *("(left + right) / 2", "(top + bottom) / 2"),
        *("right - left", "bottom - top"),
    ),
}


def of_table(
    job: Job, reader: Reader, made: Iterable[tuple[Head, str, Annotations]]
) -> dict[str, Any]:
    """Returns the variables of templates that make tables; `made` has each head with
    the expressions of its names and labels."""
    table = reader.table
    layout, json = table.layout, table.writing.delimiter == "json"
    image = f"image{f'.removesuffix({literal(layout.suffix)})' * bool(layout.suffix)}"
    part = {layout.split: "folder.name"} if layout.split else {}
    cells = {table.column("image"): image} | part
    if layout.box is None:
        for head, names, kind in made:
            cells |= _cells(job, head, names, kind.label)
    elif json:
        cells |= _listed(table)
    else:
        cells |= _object(table)
    return {
        "row": _nested(cells) if json else _mapping(cells),
        "suffix": layout.suffix or ".png",
        "header": literal(layout.header) if layout.header else "rows[0]",
        "written": f"contract/csv_{WRITTEN.get(table.writing.delimiter, 'cells')}.py.jinja",
        "headless": table.writing.headless,
        "dialect": _dialect(table),
        "alone": _mapping({table.column("image"): image} | part | _sizes(table)),
    }


def _dialect(table: Table) -> str:
    """Returns the further arguments of csv.DictWriter."""
    sign = DELIMITERS.get(table.writing.delimiter, ",")
    words = f", delimiter={literal(sign)}" * (sign != ",")
    quoting = ", quoting=csv.QUOTE_NONE, quotechar=None"
    return words + quoting * (not table.writing.quotes)


def _cells(job: Job, head: Head, names: str, label: str) -> dict[str, str]:
    """Returns the cells of a head: column -> expression."""
    source, task = source_of(job, head), read_task(job, head)
    layout, column = layout_of(source), column_of(source, head.name)
    if not isinstance(column, str):
        several = label if task == "multilabel_classification" else f"[{label}]"
        return {"": f"**flags_of({several}, {literal(column)})"}
    if task in LISTED and layout.delimiter != "json":
        if task != "multilabel_classification":  # an empty cell has no text
            label = f"{label} or {names}[:1]"
        return {column: f"{literal(SIGNS[layout.separator])}.join({label})"}
    if layout.decimal == "comma" and task == "regression":
        return {column: f'str({label}).replace(".", ",")'}
    return {column: label}


def _object(table: Table) -> dict[str, str]:
    """Returns the cells of an `item`, an object with a box."""
    layout, box = table.layout, table.layout.box or ()
    sides = _sides(table)
    cells = (
        dict(zip(box, sides)) if len(box) == 4 else {box[0]: f"[{', '.join(sides)}]"}
    )
    if table.category:
        cells[table.category] = 'item["category"]'
    return cells | _sizes(table) | ({layout.crowd: "0"} if layout.crowd else {})


def _sizes(table: Table) -> dict[str, str]:
    return dict(zip(table.layout.size or (), ("width", "height")))


def _sides(table: Table) -> tuple[str, ...]:
    sides = SIDES[table.layout.box_form or "corners"]
    if table.layout.box_unit != "fractions":
        return sides
    whole = ("width", "height", "width", "height")
    sides = tuple(f"({side})" if "-" in side else side for side in sides)
    return tuple(f"{side} / {of}" for side, of in zip(sides, whole))


def _listed(table: Table) -> dict[str, str]:
    """Returns the lists of all objects of an image."""
    box = (table.layout.box or ("",))[0]
    unpacked = 'for left, top, right, bottom in [item["bbox"]]'
    sides = f"[{', '.join(_sides(table))}]"
    cells = {box: f"[{sides} for item in items {unpacked}]"}
    if table.category:
        cells[table.category] = '[item["category"] for item in items]'
    return cells


def _mapping(cells: dict[str, str]) -> str:
    """Returns the source of a row; what has no column is unpacked into it."""
    named = mapping((key, value) for key, value in cells.items() if key)
    flags = f", {cells['']}" if "" in cells else ""
    return f"{named[:-1]}{flags}}}"


def _nested(cells: dict[str, str]) -> str:
    """Returns the source of a row in which `a.b` is the key `b` of an object `a`."""
    inner: dict[str, dict[str, str]] = {}
    for key, value in cells.items():
        outer, _, rest = key.partition(".")
        inner.setdefault(outer if rest else "", {})[rest or outer] = value
    cells = inner.pop("", {})
    return _mapping(cells | {key: _mapping(value) for key, value in inner.items()})
