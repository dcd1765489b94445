"""Tables, the files of the format csv: how they are written, and which columns heads
read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from specc.heads import names_of, task_of
from specc.job import Head, HeadData, Job, Layout, source_of
from specc.source import Line, literal

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
SEPARATORS = {"space": "", "comma": '","', "semicolon": '";"', "bar": '"|"'}
FILE_NAMES = {  # value of `file_names` -> expression
    None: "name",
    "last_part": "PureWindowsPath(str(name)).name",  # parts at / and at backslashes
    "decoded": "unquote(str(name))",
    "decoded_last_part": "PureWindowsPath(unquote(str(name))).name",
}
LISTED = (  # tasks of which a cell may list the names, or the tokens
    *("multilabel_classification", "scene_text_recognition"),
    "autoregressive_text_recognition",
)


@dataclass(frozen=True)
class Writing:
    """How the lines of a table are parted into cells: the same in all tables of a
    job (E396)."""

    delimiter: str = "comma"
    quotes: bool = True
    headless: bool = False  # whether the file does not name its columns
    missing: str | None = None  # text of cells without a value

    @property
    def dialect(self) -> str:
        """Arguments of csv.reader."""
        words = ["skipinitialspace=True"]
        if self.delimiter in ("semicolon", "tab", "bar"):
            words.append(f"delimiter={literal(DELIMITERS[self.delimiter])}")
        if not self.quotes:
            words.append("quoting=csv.QUOTE_NONE")
        return ", ".join(words)

    @property
    def function(self) -> str:
        """The function of dataset.py that reads such a file."""
        return {"json": "json_lines_in", "space": "words_in"}.get(
            self.delimiter, "table_in"
        )

    def plain(self) -> dict[str, Any]:
        """Returns the values that templates use."""
        return asdict(self) | {"dialect": self.dialect}


def writing_of(source: HeadData) -> Writing:
    layout = layout_of(source)
    quotes = layout.quotes is None or layout.quotes
    delimiter, headless = layout.delimiter or "comma", layout.header is not None
    return Writing(delimiter, quotes, headless, layout.missing)


def layout_of(source: HeadData) -> Layout:
    return source.layout or Layout()


def file_name(layout: Layout, prefix: str) -> str:
    """Returns the expression of the path of an image, by its `name` in a file; `prefix`
    is that of the constants."""
    text = FILE_NAMES[layout.file_names]
    if layout.prefix is None:
        return text
    return f"{text if layout.file_names else 'str(name)'}.removeprefix({prefix}PREFIX)"


def holds_boxes(source: HeadData) -> bool:
    """Returns whether the rows of a table are objects, not images."""
    return source.format == "csv" and layout_of(source).box is not None


def ignores_crowds(source: HeadData) -> bool:
    return holds_boxes(source) and layout_of(source).crowd is not None


def writings(job: Job) -> list[Writing]:
    """Returns how the tables of a job are written."""
    sources = [source_of(job, head) for head in job.heads]
    return [writing_of(one) for one in sources if one.format == "csv"]


def column_of(source: HeadData, name: str) -> str | tuple[str, ...]:
    """Returns the column of `image` or of a head, or the columns of its names."""
    return (layout_of(source).columns or {}).get(name, name)


def read_task(job: Job, head: Head) -> str:
    """Returns the task of a head's annotations."""
    return source_of(job, head).task or head.task


@dataclass(frozen=True)
class Cells:
    """The cells of a head in a row of a table, as expressions of the emitted code."""

    given: str  # the head's annotation
    known: str  # whether the cells hold one
    columns: str  # the columns, as items of a tuple
    flags: Line | None = None  # constant with the columns of the head's names
    flagged: bool = False  # whether there is a column for each name
    always_named: bool = False  # whether the head has a name for each column


def cells_of(job: Job, head: Head, prefix: str, constant: str) -> Cells:
    """Returns the cells of a head; `constant` is that with the head's names."""
    source, task = source_of(job, head), read_task(job, head)
    column, names = column_of(source, head.name), names_of(head, task_of(head))
    if not isinstance(column, str):
        own = column != names
        flags = f"{prefix}FLAGS" if own else constant
        one = "" if task == "multilabel_classification" else "one_"
        return Cells(
            given=f"{one}flagged(given, {flags})",
            known=f"None not in map(given.get, {flags})",
            columns=f"*{flags}",
            flags=Line(flags, literal(column)) if own else None,
            flagged=True,
            always_named={*column} <= {*names},
        )
    cell, layout = f"given[{literal(column)}]", layout_of(source)
    known, given = f"{cell} is not None", cell
    if layout.decimal == "comma" and task == "regression":
        given = f'{cell}.replace(",", ".")'
    elif layout.separator and task in LISTED:
        given = f"{cell}.split({SEPARATORS[layout.separator]})"
    return Cells(given, known, literal(column))
