"""The answers of `specc why` and `specc where`, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from specc.diagnostics import fail
from specc.origins.fields import Option, find
from specc.origins.folders import BUILD, Asked, Edits, Folder
from specc.origins.reach import Effect, Reach
from specc.origins.sheet import Sheet
from specc.origins.sources import Sources, conditions, places
from specc.origins.words import Changed
from specc.words import number_of

EVERY_JOB, FIELDS, TOGETHER, BLANK, YOURS = (
    *("in every job", "fields", "no field alone"),
    *("blank", "added by hand"),
)


@dataclass
class Line:
    """An emitted line: its number and text on disk, the recorded lines that it is or
    replaces, and what it follows from."""

    number: int
    text: str
    recorded: list[int]
    is_edited: bool
    kind: str
    fields: list[Option] = field(default_factory=list)
    places: list[tuple[str, int]] = field(default_factory=list)
    conditions: list[tuple[str, int]] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)


def why(place: Asked, folder: Folder) -> list[Line]:
    """Returns the origin of each asked line. Raises JobError E416, E418."""
    text = folder.recorded(place.path)
    sheet = Sheet(folder.reach.sources.split(place.path).words, text)
    disk = folder.on_disk(place.path)
    if place.last > len(disk):
        lines = number_of(len(disk), "line")
        fail(
            "E416",
            f"`{place.folder / place.path}` has {lines}, not {place.last}",
            help=f"give a line from 1 to {len(disk)}",
        )
    edits = Edits(sheet.lines, disk)
    asked: dict[int, list[int]] = {}
    for index in range(place.first - 1, place.last):
        same = edits.same.get(index)
        lines = edits.replaced.get(index, []) if same is None else [same]
        asked[index] = [line for line in lines if sheet.lines[line].strip()]
    wanted = {line for lines in asked.values() for line in lines}
    if wanted & sheet.foreign:
        _refuse_foreign(folder, place, sheet)
    makers = _makers(folder.reach, place.path, sheet, wanted)
    origins = _Origins(place.path, sheet, folder.reach.sources, makers)
    return [
        origins.line(index, disk[index], index not in edits.same, lines)
        for index, lines in asked.items()
    ]


def _refuse_foreign(folder: Folder, place: Asked, sheet: Sheet) -> None:
    differ = "differs" if len(sheet.foreign) == 1 else "differ"
    fail(
        "E418",
        f"this version of specc writes lines of `{folder.home / place.path}` otherwise",
        note=f"{len(sheet.foreign)} of its {len(sheet.lines)} lines {differ}",
        help=f"{BUILD}, then ask again; `specc diff {folder.home}` says what changes",
    )


def _makers(
    reach: Reach, path: str, sheet: Sheet, wanted: set[int]
) -> dict[int, list[Option]]:
    """Returns recorded line -> the fields that make it, of the wanted lines."""
    found: dict[int, list[Option]] = {line: [] for line in wanted}
    if not wanted:
        return found
    lines = {x for line in wanted for x in sheet.raw_lines(line)}

    def reached(change: Changed) -> set[int]:
        return wanted & sheet.changed(change)

    for option in reach.options.values():
        for line in reach.effect_on(option, path, lines, reached, len(wanted)):
            found[line].append(option)
    return found


@dataclass(frozen=True)
class _Origins:
    """Gives the origins of the lines of a file."""

    path: str
    sheet: Sheet
    sources: Sources
    makers: dict[int, list[Option]]  # recorded line -> the fields that make it

    def line(self, index: int, text: str, is_edited: bool, recorded: list[int]) -> Line:
        """Returns the origin of a line on disk that is, or replaces, recorded ones."""
        numbers = [line + 1 for line in recorded]
        if not recorded:
            kind = YOURS if is_edited else BLANK
            return Line(index + 1, text, numbers, is_edited, kind)
        fields = {x.pointer: x for line in recorded for x in self.makers[line]}
        raw = dict.fromkeys(x for y in recorded for x in self.sheet.raw_lines(y))
        chains = [x for line in raw for x in self.sources.chains(self.path, line)]
        rules = (x for line in raw for x in self.sources.rules(self.path, line))
        always = all(self.sources.is_always(self.path, line) for line in raw)
        return Line(
            index + 1,
            text,
            numbers,
            is_edited,
            FIELDS if fields else EVERY_JOB if always else TOGETHER,
            list(fields.values()),
            places(chains),
            conditions(chains),
            list(dict.fromkeys(rules)),
        )


@dataclass
class Reached:
    """The lines that a field makes, by file, and what is known of a field that makes
    none."""

    option: Option
    lines: dict[str, list[int]]  # numbers of lines on disk
    lost: dict[str, int]  # file -> number of lines that edits have changed
    adds: list[str]  # files to which other values add lines
    is_free: bool  # whether another value of the field alone gives a valid job


def where(
    pointer: str, reach: Reach, text_of: Callable[[str], str], folder: Folder | None
) -> list[Reached]:
    """Returns what each field of a pointer reaches. `text_of` gives the text of a
    file as it is written; `folder` is on disk, if any. Raises JobError E417."""
    sheets: dict[str, Sheet] = {}
    found = []
    for option in find(pointer, reach.options, reach.job):
        effect = reach.effect(option)
        for path in effect.changed:
            if path not in sheets:
                sheets[path] = Sheet(reach.sources.split(path).words, text_of(path))
        found.append(_reached(option, effect, sheets, folder))
    return found


def _reached(
    option: Option, effect: Effect, sheets: dict[str, Sheet], folder: Folder | None
) -> Reached:
    lines, lost = {}, {}
    for path, change in effect.changed.items():
        sheet = sheets[path]
        recorded = sorted(sheet.changed(change))
        kept = range(len(sheet.lines))
        if folder:
            kept = Edits(sheet.lines, folder.on_disk(path)).kept
        numbers = [kept[x] + 1 for x in recorded if not folder or x in kept]
        if numbers:
            lines[path] = numbers
        if len(numbers) < len(recorded):
            lost[path] = len(recorded) - len(numbers)
    return Reached(option, lines, lost, sorted(effect.adds), effect.is_free)
