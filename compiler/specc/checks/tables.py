"""Rules on the columns of tables, which heads read: E396."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from specc.diagnostics import Diagnostic, Path
from specc.heads import names_of, task_of
from specc.job import Head, HeadData, Job, Layout, source_of
from specc.plan.tables import LISTED, column_of, layout_of, read_task, writings
from specc.words import listed, quoted

FLAGGED = ("multiclass_classification", "multilabel_classification")
OF_BOXES = ("box_form", "box_unit", "size", "crowd")  # options that need `box`
OF_ROWS = ("separator",)  # options that boxes do not have
DETECTION, LABELS = "object_detection", "multilabel_classification"


def tables(job: Job, given: dict) -> list[Diagnostic]:
    """E396: the layout of a table has the columns that its heads read."""
    if not writings(job):
        return []
    found = []
    for index, head in enumerate(job.heads):
        source = source_of(job, head)
        if source.format != "csv":
            continue
        path = path_of_layout(given, index)
        together = [one for one in job.heads if _sets(job, one) == _sets(job, head)]
        if together[0] is head:
            found += _alike(layout_of(source), together, path)
        found += _of_head(job, head, path)
    if len({*writings(job)}) > 1:
        message = "the tables of the job are written in several ways"
        note = "`delimiter`, `quotes`, `missing` are those of all, and all or none have"
        note += " a `header`"
        help = "write the tables in the same way, or merge them"
        found.append(Diagnostic("E396", message, ("data",), note=note, help=help))
    return found


def _sets(job: Job, head: Head) -> HeadData:
    """Returns the datasets of a head, whatever the task of their annotations."""
    return replace(source_of(job, head), task=None)


def path_of_layout(given: dict, index: int) -> Path:
    """Returns the path of the layout of a head's data, or of what stands for it."""
    own = given["model"]["heads"][index].get("data") or {}
    if own.get("layout"):
        return ("model", "heads", index, "data", "layout")
    return ("data", "layout") if given["data"].get("layout") else ("data", "format")


def _alike(layout: Layout, heads: list[Head], path: Path) -> Iterator[Diagnostic]:
    """The rules on a layout itself, which these heads read."""
    known = ["image", *(head.name for head in heads)]
    for name, column in (layout.columns or {}).items():
        where = (*path, "columns", name)
        if name not in known:
            help = f"write a column for {listed(known, 'or')}"
            message = f"`columns` names {quoted(name)}, which no head of the table is"
            yield Diagnostic("E396", message, where, help=help)
        elif name == "image" and not isinstance(column, str):
            help = "name one column"
            yield Diagnostic("E396", "images have several columns", where, help=help)
    for key in OF_ROWS if layout.box else OF_BOXES:
        if getattr(layout, key) is not None:
            holds = "has" if layout.box else "lacks"
            message = f"`{key}` is not read where the layout {holds} `box`"
            yield Diagnostic("E396", message, (*path, key), help=f"remove `{key}`")
    if layout.decimal and len(layout.box or "four") == 1:
        message = "`decimal` is not read where one cell lists the numbers of a box"
        where = (*path, "decimal")
        yield Diagnostic("E396", message, where, help="remove `decimal`")
    if layout.box and len(layout.box) not in (1, 4):
        message = f"`box` has {len(layout.box)} columns"
        help = "name four columns, or one whose cells list four numbers"
        yield Diagnostic("E396", message, (*path, "box"), help=help)
    yield from _written(layout, heads, path)


def _written(layout: Layout, heads: list[Head], path: Path) -> Iterator[Diagnostic]:
    """The rules on how a file is parted into cells."""
    form = layout.delimiter
    if form == "space" and layout.header is None:
        help = 'name them, as in "header": ["image", "text"]'
        message = "cells with spaces between them need a `header`"
        yield Diagnostic("E396", message, (*path, "delimiter"), help=help)
    unread = {"json": ("header", "quotes", "missing"), "space": ("quotes", "missing")}
    for key in unread.get(form or "", ()):
        if getattr(layout, key) is not None:
            message = f"`{key}` is not read where `delimiter` is {form}"
            yield Diagnostic("E396", message, (*path, key), help=f"remove `{key}`")
    if form == "json" and layout.box and (layout.crowd or layout.size):
        key = "crowd" if layout.crowd else "size"
        message = f"`{key}` is not read where `delimiter` is json"
        yield Diagnostic("E396", message, (*path, key), help=f"remove `{key}`")
    if form == "json" and layout.box and len(layout.box) > 1:
        message = f"`box` has {len(layout.box)} keys, where `delimiter` is json"
        help = "name the key of the boxes, such as `objects.bbox`"
        yield Diagnostic("E396", message, (*path, "box"), help=help)
    for name in _read(layout, heads) if layout.header else ():
        if name not in layout.header:
            message = f"`header` has no column {quoted(name)}, which is read"
            columns = listed([quoted(one) for one in layout.header])
            help = f"the columns are {columns}"
            yield Diagnostic("E396", message, (*path, "header"), help=help)


def _read(layout: Layout, heads: list[Head]) -> list[str]:
    """Returns the columns that are read of a file."""
    columns, names = layout.columns or {}, []
    single = layout.box and len(names_of(heads[0], task_of(heads[0]))) == 1
    wanted = [] if single else [head.name for head in heads]
    for name in ("image", *wanted, *(columns if single else ())):
        column = columns.get(name, name)
        names += [column] if isinstance(column, str) else column
    more = (*(layout.box or ()), *(layout.size or ()), layout.crowd, layout.split)
    return list(dict.fromkeys([*names, *filter(None, more)]))


def _of_head(job: Job, head: Head, path: Path) -> Iterator[Diagnostic]:
    """The rules on a head and its column."""
    source, task = source_of(job, head), read_task(job, head)
    layout, column = layout_of(source), column_of(source, head.name)
    where = (*path, "columns", head.name)
    if (task == DETECTION) != bool(layout.box):
        lacks = f"head `{head.name}` reads boxes, and the layout has no `box`"
        reads = f"head `{head.name}` reads {task}, and the rows of the table are boxes"
        help = "name the columns of a box"
        if layout.box:
            help = "remove `box`, or give the head a table of its own"
        message = reads if layout.box else lacks
        yield Diagnostic("E396", message, path, help=help)
    elif not isinstance(column, str):
        yield from _flags(head, task, column, where)
    elif layout.box:
        first = next(one for one in job.heads if _sets(job, one) == _sets(job, head))
        if column_of(source, first.name) != column:
            message = (
                f"heads `{first.name}` and `{head.name}` have two columns of boxes"
            )
            help = f"write the column of `{first.name}`"
            yield Diagnostic("E396", message, path, help=help)
    elif task == LABELS and not layout.separator and layout.delimiter != "json":
        message = f"head `{head.name}` has several labels, and a cell one"
        help = "add `separator`, or name in `columns` a column for each label"
        yield Diagnostic("E396", message, path, help=help)
    if layout.separator and task not in LISTED and not layout.box:
        others = [one for one in job.heads if _sets(job, one) == _sets(job, head)]
        if not any(read_task(job, one) in LISTED for one in others):
            message = f"head `{head.name}` reads one value of a cell"
            help = "remove `separator`"
            yield Diagnostic("E396", message, (*path, "separator"), help=help)


def _flags(
    head: Head, task: str, columns: tuple[str, ...], where: Path
) -> Iterator[Diagnostic]:
    """The rules on the columns of a head's names."""
    if task not in FLAGGED:
        message = f"head `{head.name}` reads {task}, which one column holds"
        help = "name one column"
        yield Diagnostic("E396", message, where, help=help)
        return
    merge = getattr(head, "merge", None) or {}
    parts = {part for parts in merge.values() for part in parts}
    own = [name for name in names_of(head, task_of(head)) if name not in merge]
    missing = sorted({*own, *parts} - {*columns})
    if missing:
        message = f"head `{head.name}` has {quoted(missing[0])}, and no such column"
        help = "name a column for each, or remove it from the head"
        yield Diagnostic("E396", message, where, help=help)
