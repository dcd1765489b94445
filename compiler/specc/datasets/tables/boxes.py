"""Tables whose rows are objects: which columns hold a box, and in which form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from specc.datasets.files import Unreadable, entries, image_size, spread
from specc.datasets.parts import reader
from specc.datasets.tables.columns import MOST_CATEGORIES, head_name, number
from specc.datasets.tables.sheets import Sheet, plain
from specc.plan.tables import Writing

COLUMNS = (  # form of a box, names of its columns, compared without signs
    ("corners", ("xmin", "ymin", "xmax", "ymax")),
    ("corners", ("x1", "y1", "x2", "y2")),
    ("corners", ("x0", "y0", "x1", "y1")),
    ("corners", ("left", "top", "right", "bottom")),
    ("corners", ("minx", "miny", "maxx", "maxy")),
    ("center", ("xcenter", "ycenter", "width", "height")),
    ("center", ("centerx", "centery", "width", "height")),
    ("center", ("xcenter", "ycenter", "w", "h")),
    ("center", ("xc", "yc", "w", "h")),
    ("center", ("cx", "cy", "w", "h")),
    ("size", ("x", "y", "w", "h")),
    ("size", ("x", "y", "width", "height")),
    ("size", ("left", "top", "width", "height")),
    ("size", ("xmin", "ymin", "width", "height")),
    ("size", ("xmin", "ymin", "w", "h")),
)
COMMA = re.compile(r"-?\d+,\d+")  # a number with a decimal comma
PREFIX = re.compile("^(bbox|box|roi|bndbox|boundingbox)(?=.)")
LISTS = (
    "bbox",
    "bboxes",
    "box",
    "boxes",
    "boundingbox",
    "boundingboxes",
    "coordinates",
)
CLASSES = (  # likely names of the column of categories, the likeliest first
    *("class", "classname", "label", "labelname", "category", "categoryname", "name"),
    *("object", "type", "categories", "classid", "labelid", "categoryid", "target"),
)
SIZES = (("width", "height"), ("imagewidth", "imageheight"), ("imgwidth", "imgheight"))
CROWDS = ("isgroupof", "iscrowd", "ignore", "ignored", "isignore", "difficult")
ANGLES = ("angle", "rotation", "theta", "rotationangle", "angledegrees", "boxangle")
NUMBER = r"-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?"
FOUR = re.compile(rf"[\[(]?\s*{NUMBER}([\s,;]+{NUMBER}){{3}}\s*[\])]?", re.IGNORECASE)
NAME = "objects"  # name of the head
ONE = "object"  # category of objects that the table does not name
MEASURED = 200  # most rows whose images are measured


@dataclass(frozen=True)
class Boxes:
    """The columns of the boxes of a table."""

    columns: tuple[str, ...]  # four, or one that lists four numbers
    form: str
    unit: str
    category: str  # column, or "" where there is one category
    size: tuple[str, ...]  # columns of width and height of the image; or none
    crowd: str  # column, or ""
    missing: str  # text of cells without a number, or ""
    decimal: str = ""  # "comma" where numbers have decimal commas
    told: str = ""  # a note on a form that may be another one

    def layout(self, name: str) -> dict[str, Any]:
        """Returns the options of the layout; `name` is that of the head."""
        layout: dict[str, Any] = {"box": list(self.columns)}
        if self.form != "corners":
            layout["box_form"] = self.form
        if self.unit != "pixels":
            layout["box_unit"] = self.unit
        if self.size and self.unit == "pixels":
            layout["size"] = list(self.size)
        if self.crowd:
            layout["crowd"] = self.crowd
        if self.missing:
            layout["missing"] = self.missing
        if self.decimal:
            layout["decimal"] = self.decimal
        if self.category and self.category != name:
            layout["columns"] = {name: self.category}
        return layout


def boxes_in(sheet: Sheet) -> Boxes | None:
    """Returns the columns of the boxes of a table, or None where it has none."""
    named = {plain(column): column for column in reversed(sheet.columns)}
    short = {PREFIX.sub("", name): column for name, column in named.items()}
    for form, names in COLUMNS:
        for known in (named, short):
            columns = tuple(known[name] for name in names if name in known)
            if len({*columns}) == 4 and (rows := _rows(sheet, columns)):
                if names[2:] in SIZES and _are_of_images(sheet, columns[2:]):
                    continue
                form, told = _size_or_center(sheet, columns, form, names, _unit(rows))
                found = _described(sheet, columns, form, _unit(rows))
                return replace(found, told="; ".join(filter(None, (told, found.told))))
    for column in sheet.columns:
        if _last(column) in LISTS and (rows := _listed(sheet, column)):
            form, told = _form(sheet, column)
            found = _described(sheet, (column,), form, _unit(rows))
            return replace(found, told=told)
    return None


def lacking(sheet: Sheet) -> str:
    """Returns text on the one side of a box that no column has; "" where more are
    absent."""
    named = {PREFIX.sub("", plain(column)): column for column in sheet.columns}
    for _, names in COLUMNS:
        absent = [name for name in names if name not in named]
        if len(absent) == 1 and not {*names} & {"w", "h", "width", "height"}:
            known = ", ".join(named[name] for name in names if name in named)
            what = f"has sides of boxes, {known}, and no column `{absent[0]}`"
            return f"{what}: its columns are {', '.join(sheet.columns)}"
    return ""


def _are_of_images(sheet: Sheet, columns: tuple[str, ...]) -> bool:
    """Returns whether two columns hold width and height of the images, not of boxes."""
    sizes = []
    for _, row in spread(sheet.rows, MEASURED):
        found = image_size(sheet.place / sheet.file_name(row))
        if found and row[columns[0]]:
            width, height = (number(_pointed(str(row[name]))) or 0 for name in columns)
            sizes.append(height >= found[0] and width >= found[1])
    return len(sizes) > 1 and all(sizes)


def _last(column: str) -> str:
    """Returns the name of a column, of `a.b` that of `b`."""
    return plain(column.rpartition(".")[2])


def _rows(sheet: Sheet, columns: tuple[str, ...]) -> list[list[float]]:
    """Returns the numbers in the rows that have some; none if others are there."""
    cells = [[str(row[name]) for name in columns] for _, row in sheet.rows]
    filled = [row for row in cells if not all(map(_is_empty, row))]
    rows = [[number(_pointed(cell)) for cell in row] for row in filled]
    broken = sum(None in row for row in rows)
    if broken > len(rows) / 2:
        return []
    return [row for row in rows if None not in row]


def _pointed(cell: str) -> str:
    """Returns a number with a decimal point for one with a comma."""
    return cell.replace(",", ".") if COMMA.fullmatch(cell) else cell


def _is_empty(cell: object) -> bool:
    return not cell or str(cell).lower() == "nan"


def _listed(sheet: Sheet, column: str) -> list[list[float]]:
    """Returns the numbers that the cells of a column list, four each: as a text, or as
    JSON's lists; none where a cell lists anything else."""
    rows = []
    for _, row in sheet.rows:
        cell = row[column]
        boxes = cell if isinstance(cell, list) else [cell] if cell else []
        for box in boxes:
            if isinstance(box, list) and len(box) == 4:
                rows.append([number(str(x)) for x in box])
            elif box is cell and FOUR.fullmatch(box.strip()):
                rows.append([number(x) for x in reader().numbers_in(box)])
            else:
                return []
    return [] if any(None in row for row in rows) else rows


def _unit(rows: list[list[float]]) -> str:
    """Returns the unit of boxes: none in pixels lie in the first pixel alone."""
    highest = max(max(row) for row in rows)
    whole = all(value == int(value) for row in rows for value in row)
    return "fractions" if highest <= 1.01 and not whole else "pixels"


def _form(sheet: Sheet, column: str) -> tuple[str, str]:
    """Returns the form of listed boxes: that in which they lie in their images; a size
    where both do, as in COCO's files, with a note."""
    if re.search("xyxy|voc", column.lower()):
        return "corners", ""
    corners = size = True
    for _, row in spread(sheet.rows, MEASURED):
        found = image_size(sheet.place / sheet.file_name(row))
        cell = row[column]
        boxes = (
            cell if isinstance(cell, list) else [reader().numbers_in(cell)] * bool(cell)
        )
        for box in boxes:
            left, top, third, fourth = map(float, box)
            corners &= third > left and fourth > top
            if found and max(left, top, third, fourth) > 1.01:
                height, width = found
                size &= left + third <= width + 1 and top + fourth <= height + 1
                corners &= third <= width + 1 and fourth <= height + 1
    if corners and size:
        what = f"`{column}` is taken for left, top, width, height, and may be corners"
        return "size", f'{what}: then write "box_form": "corners" in `layout`'
    return "corners" if corners else "size", ""


def _size_or_center(
    sheet: Sheet, columns: tuple, form: str, names: tuple, unit: str
) -> tuple[str, str]:
    """Returns the form of boxes whose `x` and `y` may be those of the corner or of the
    center: that in which they lie in their images; a size where both do, with a note.
    """
    if form != "size" or names[:2] != ("x", "y"):
        return form, ""
    corner = center = True
    for _, row in sheet.rows[:: max(1, len(sheet.rows) // MEASURED)]:
        sides = [number(_pointed(str(row[name]))) for name in columns]
        found = (1, 1) if unit == "fractions" else None
        found = found or image_size(sheet.place / sheet.file_name(row))
        if None in sides or not found or min(sides[2:]) <= 0:
            continue
        for place, side, whole in zip(sides[:2], sides[2:], reversed(found)):
            slack = 0.02 * whole
            corner &= place + side <= whole + slack
            center &= side / 2 - slack <= place <= whole + slack - side / 2
    if center and not corner:
        what = f"`{columns[0]}` and `{columns[1]}` are taken for the center"
        return (
            "center",
            f"{what} of a box: as its corner, some boxes leave their images",
        )
    if center and corner and unit == "fractions":
        what = (
            f"`{columns[0]}` and `{columns[1]}` are taken for the corner of a box, and"
        )
        return form, f'{what} may be its center: then write "box_form": "center"'
    return form, ""


def _marks_some(sheet: Sheet, column: str) -> bool:
    """Returns whether a column holds flags, of which some are not set."""
    values = reader().FLAG_VALUES
    found = {
        values.get(str(row[column]).lower()) for _, row in sheet.rows if row[column]
    }
    return found <= {0, 1} and 0 in found


def _described(sheet: Sheet, columns: tuple[str, ...], form: str, unit: str) -> Boxes:
    rest = [name for name in sheet.columns if name not in (*columns, sheet.image)]
    json = sheet.writing.delimiter == "json"  # a key of objects that are listed
    within = columns[0].rpartition(".")[0] * json
    category = _category(sheet, [name for name in rest if name.startswith(within)])
    named = {plain(name): name for name in rest}
    size = next((pair for pair in SIZES if {*pair} <= named.keys()), ())
    size = tuple(named[name] for name in size)
    if json or not all(_sides(sheet, name) for name in size):
        size = ()
    crowd = next((named[name] for name in CROWDS if name in named), "")
    crowd = crowd if crowd and _marks_some(sheet, crowd) else ""
    angle = next((named[name] for name in ANGLES if name in named), "")
    turned = angle and any(number(str(row[angle])) for _, row in sheet.rows)
    told = f"`{angle}` is not read: boxes are taken as they are unturned" * bool(turned)
    text = (*columns, category) if category else columns
    cells = {str(row[name]) for _, row in sheet.rows for name in text}
    missing = next((cell for cell in sorted(cells) if cell.lower() == "nan"), "")
    sides = {str(row[name]) for _, row in sheet.rows for name in columns}
    decimal = "comma" * (len(columns) == 4 and any(map(COMMA.fullmatch, sides)))
    return Boxes(columns, form, unit, category, size, crowd, missing, decimal, told)


def _sides(sheet: Sheet, column: str) -> bool:
    """Returns whether a column has the length of a side, a whole number, in each row."""
    cells = [str(row[column]) for _, row in sheet.rows]
    return all(re.fullmatch(r"[1-9]\d*(\.0)?", cell) for cell in cells)


def _category(sheet: Sheet, columns: list[str]) -> str:
    for name in CLASSES:
        for column in columns:
            if _last(column) == name:
                return column
    return ""


def categories_of(sheets: list[Sheet], boxes: Boxes) -> dict[str, Any]:
    """Returns the options with the categories of tables; where a file beside the first
    describes them, by its descriptions. Raises Unreadable."""
    if not boxes.category:
        return {"categories": [ONE]}
    found: set[str] = set()
    for sheet in sheets:
        for line, row in sheet.rows:
            cell = row.get(boxes.category)
            if (
                cell
                and cell != boxes.missing
                and not all(_is_empty(row.get(name)) for name in boxes.columns)
            ):
                cells = cell if isinstance(cell, list) else [cell]
                found |= {str(x) for x in cells if x not in ("", None)}
    names = sorted(found)
    if not names or len(names) > MOST_CATEGORIES:
        what = f"`{boxes.category}` has {len(names)} different categories of boxes"
        raise Unreadable(f"{sheets[0].path}: {what}")
    described = dict(_descriptions(sheets[0].path))
    if not {*names} <= described.keys():
        return {"categories": names}
    merge: dict[str, list[str]] = {}
    for name in names:
        merge.setdefault(described[name], []).append(name)
    return {"categories": sorted(merge), "merge": merge}


def _descriptions(path: Path) -> Iterator[tuple[str, str]]:
    """Yields the codes of Open Images and their descriptions."""
    for folder in (path.parent, path.parent.parent):
        for file in entries(folder):
            if re.match("class[-_]descriptions", file.name):
                table = reader(Writing(headless=True))
                _, rows = table.table_in(file, ("code", "name"))
                yield from ((row["code"], row["name"]) for _, row in rows)


def name_of_head(boxes: Boxes) -> str:
    return head_name(NAME)
