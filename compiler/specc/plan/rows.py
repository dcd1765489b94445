"""The plan of the functions in dataset.py that read tables, the files of the format
csv."""

from __future__ import annotations

from dataclasses import dataclass

from specc.job import HeadData, Layout
from specc.plan.heads import HeadPlan
from specc.plan.tables import Writing, column_of, file_name, layout_of, writing_of
from specc.source import Line, constant, literal, mapping

EMPTY_CELLS = {  # whether there are several heads -> sentence of a docstring
    True: "Where a cell is empty, a row trains the other heads alone.",
    False: "A row with an empty cell in one of them is left out.",
}
BOXES = {  # form of a box -> words for its numbers
    None: "left, top, right, bottom",
    "corners": "left, top, right, bottom",
    "size": "left, top, width, height",
    "center": "x and y of the center, width, height",
}
PARTS = {  # value of `file_names` -> what is read of a name
    None: "path",
    "last_part": "last part of a path",
    "decoded": "path in percent codes",
    "decoded_last_part": "last part, in percent codes,",
}
FORMS = {  # form of a box -> function that returns its corners
    "size": "corners_of_size",
    "center": "corners_of_center",
}


@dataclass(frozen=True)
class Table:
    """The reading of a table, as variables of templates/dataset."""

    source: HeadData
    heads: tuple[HeadPlan, ...]  # the heads that read it
    prefix: str  # prefix of the constants
    several: bool

    @property
    def layout(self) -> Layout:
        return layout_of(self.source)

    @property
    def writing(self) -> Writing:
        return writing_of(self.source)

    def column(self, name: str) -> str:
        """Returns the one column of `image` or of a head."""
        return str(column_of(self.source, name))

    # ---- Constants ----

    @property
    def constants(self) -> list[Line]:
        lines = [constant(name, folders) for name, folders in self.places]
        lines += self.split_constants
        lines += [line for head in self.heads for line in head.flags]
        if self.layout.header and self.header != self.name:
            lines.append(constant(self.header, self.layout.header))
        if self.layout.box and len(self.layout.box) == 4:
            lines.append(constant(f"{self.prefix}BOX", self.layout.box))
        if not (self.layout.header and self.layout.box):  # read nowhere
            lines.append(Line(self.name, f"({', '.join(self.items)})"))
        return lines

    @property
    def name(self) -> str:
        """The constant with the columns that are read."""
        return f"{self.prefix}COLUMNS"

    @property
    def header(self) -> str:
        """The constant with the columns of a file that does not name them."""
        read = [literal(name) for name in self.layout.header or ()]
        return self.name if read == self.items else f"{self.prefix}HEADER"

    @property
    def items(self) -> list[str]:
        """The columns that are read, as items of a tuple."""
        layout, image = self.layout, literal(column_of(self.source, "image"))
        if not layout.box:
            return [image, *(head.columns for head in self.heads)]
        four = f"*{self.prefix}BOX" if len(layout.box) == 4 else literal(layout.box[0])
        own = [name for name in (self.category, layout.crowd) if name]
        names = map(literal, (*own, *(layout.size or ())))
        return [image, four, *names]

    @property
    def places(self) -> list[tuple[str, str | tuple[str, ...]]]:
        """Constants with folders of images: their name, or names, and value."""
        folders = self._folders() if self.source.format == "csv" else {}
        given = {name: folder for name, folder in folders.items() if folder is not None}
        if not given:
            return []
        if len(given) == len(folders) and len({*given.values()}) == 1:
            return [(f"{self.prefix}IMAGES", next(iter(given.values())))]
        names = ", ".join(f"{self.prefix}{name}_IMAGES" for name in given)
        values = tuple(given.values())
        return [(names, values if len(values) > 1 else values[0])]

    def _folders(self) -> dict[str, str | None]:
        return self._by_set("images")

    def _by_set(self, what: str) -> dict[str, str | None]:
        """Returns the values of `train_{what}` and so on, of the sets that are there."""
        return {
            name.upper(): getattr(self.layout, f"{name}_{what}")
            for name in ("train", "validation", "test")
            if getattr(self.source, name) is not None
        }

    @property
    def split_constants(self) -> list[Line]:
        """The constants with the column that tells sets apart, and its values."""
        if not self.layout.split:
            return []
        note = "the column that tells sets apart"
        rows = self._by_set("rows")
        names = ", ".join(f"{self.prefix}{name}_ROWS" for name in rows)
        values = tuple(rows.values())
        return [
            constant(f"{self.prefix}SPLIT", self.layout.split, note),
            constant(names, values if values[1:] else values[0]),
        ]

    def part(self, name: str) -> str:
        """Returns the argument with the value of the rows of the set TRAIN, VALIDATION
        or TEST; "" where all rows of a table are of one set."""
        return f"{self.prefix}{name}_ROWS" * bool(self.layout.split)

    def images(self, root: str, name: str) -> str:
        """Returns the argument with the folder of the images of the set TRAIN,
        VALIDATION or TEST."""
        if not self.places:
            return ""
        if self._folders()[name] is None:
            return f"({root} / {self.prefix}{name}).parent"
        constants = self.places[0][0]
        shared = (
            constants.endswith(f"{self.prefix}IMAGES") and "_IMAGES" not in constants
        )
        one = f"{self.prefix}IMAGES" if shared else f"{self.prefix}{name}_IMAGES"
        return f"{root} / {one}"

    # ---- Expressions and texts ----

    @property
    def read(self) -> str:
        """The call that reads the file."""
        header = f", {self.header}" * self.writing.headless
        return f"{self.writing.function}(path{header})"

    @property
    def split(self) -> str:
        """The constant with the column that tells sets apart; "" without."""
        return f"{self.prefix}SPLIT" * bool(self.layout.split)

    @property
    def no_rows(self) -> str:
        """The expression of the message where no row is of a set."""
        return f'f"{{path}}: no row with {{part!r}} in {{{self.split}}}"'

    @property
    def wanted(self) -> str:
        """The columns that a file has to have."""
        return f"(*{self.name}, {self.split})" if self.split else self.name

    @property
    def has_header(self) -> bool:
        return not self.writing.headless

    @property
    def columns_read(self) -> str:
        """The variable with the columns of the file; `_` where none are compared."""
        return "columns" if self.has_header else "_"

    @property
    def image(self) -> str:
        """The name of the column with the images' names, as a literal."""
        return literal(column_of(self.source, "image"))

    @property
    def holds(self) -> str:
        """Text that stands before the description of the columns."""
        if self.writing.delimiter == "json":
            return "objects with these keys, among others"
        if self.writing.headless:
            return "these columns, among others, and no header"
        return "a header and these columns, among others"

    @property
    def file(self) -> str:
        """The path of the image called `name`."""
        place = "images" if self.places else "path.parent"
        suffix = f" + {literal(self.layout.suffix)}" if self.layout.suffix else ""
        return f"below({place}, {file_name(self.layout, self.prefix)}{suffix}, root)"

    @property
    def filled(self) -> str:
        """Whether a row, `given`, has all labels of a head, or of the only one."""
        if self.writing.delimiter == "json":  # an empty list is a value
            return f'all(given[key] != "" for key in {self.name})'
        return f"all(given[key] for key in {self.name})"

    @property
    def value(self) -> str:
        """The value of a cell, None where it has none."""
        if self.writing.delimiter == "json":
            return 'None if given[key] == "" else given[key]'
        return "given[key] or None"

    @property
    def head_names(self) -> str:
        """The names of the heads."""
        names = [literal(head.name) for head in self.heads]
        same = [head.columns for head in self.heads] == names
        return f"{self.name}[1:]" if same else f"({', '.join(names)})"

    @property
    def kind(self) -> str:
        return "JSONL file" if self.writing.delimiter == "json" else "CSV file"

    @property
    def described(self) -> list[str]:
        """Lines that describe the columns."""
        layout, place = self.layout, (
            "the folder of the images" if self.places else "the file's folder"
        )
        suffix = f", without {layout.suffix}" if layout.suffix else ""
        image = column_of(self.source, "image")
        lines = [f"{image}: {PARTS[layout.file_names]} from {place}{suffix}"]
        lines += [f"{layout.split}: set of the row"] * bool(layout.split)
        if layout.box:
            lines += [f"{self.category}: NAME"] if self.category else []
            unit = f"in {layout.box_unit or 'pixels'}"
            lines.append(f"{', '.join(layout.box)}: {BOXES[layout.box_form]}, {unit}")
            return lines
        for head in self.heads:
            column = column_of(self.source, head.name)
            if isinstance(column, str):
                lines.append(f"{column}: {head.code.annotation}")
            else:
                lines.append(f"{column[0]}, ... {column[-1]}: 1 or 0")
        return lines

    @property
    def empty_cells(self) -> str:
        if self.layout.box:
            return "A row without a box names an image, which may have no object."
        return EMPTY_CELLS[self.several]

    # ---- Rows that are objects ----

    @property
    def category(self) -> str:
        """The column with the categories of objects; "" where there is one category."""
        columns, head = self.layout.columns or {}, self.heads[0]
        alone = len(head.names) == 1 and head.name not in columns
        return "" if alone else str(column_of(self.source, head.name))

    @property
    def category_given(self) -> str:
        """The expression of an object's category."""
        return (
            f"row[{literal(self.category)}]"
            if self.category
            else f"{self.heads[0].constant}[0]"
        )

    @property
    def has_box(self) -> str:
        """The expression that tells whether a row has a box."""
        box = self.layout.box or ()
        if len(box) == 1:
            return f"row[{literal(box[0])}]"
        return f"any(row[side] for side in {self.prefix}BOX)"

    @property
    def cells(self) -> str:
        """The expression of what tells of a row's box."""
        box = self.layout.box or ()
        if len(box) == 1:
            return f"row[{literal(box[0])}]"
        comma = '.replace(",", ".")' * (self.layout.decimal == "comma")
        return f"[row[side]{comma} for side in {self.prefix}BOX]"

    def corners(self, numbers: str) -> str:
        """Returns the corners, in pixels, of four numbers, an expression."""
        if form := FORMS.get(self.layout.box_form or ""):
            numbers = f"{form}({numbers})"
        if self.layout.box_unit == "fractions":
            return f"in_pixels({numbers}, height, width)"
        return numbers

    @property
    def row_corners(self) -> str:
        """The expression of the corners of a row's box."""
        one = len(self.layout.box or ()) == 1
        return self.corners(f"numbers_in({self.cells})" if one else self.cells)

    @property
    def items_of_row(self) -> str:
        """The variables of a loop over the objects that a JSON object lists, and what
        the loop is over."""
        boxes = f"row[{literal((self.layout.box or ('',))[0])}]"
        if not self.category:
            return f"box in {boxes}"
        names = f"row[{literal(self.category)}]"
        return f"category, box in zip({names}, {boxes}, strict=True)"

    @property
    def item_category(self) -> str:
        return "category" if self.category else self.category_given

    @property
    def item_corners(self) -> str:
        return self.corners("box")

    @property
    def shown(self) -> str:
        """The height and width of the image as it is shown."""
        return "*frame.shown" if self.layout.size else "height, width"

    @property
    def object(self) -> str:
        """The expression of a row's object."""
        given = [("category", self.category_given), ("bbox", self.row_corners)]
        if self.layout.crowd is not None:
            crowd = f"row[{literal(self.layout.crowd)}].lower()"
            given.append(("ignored", f'{crowd} in ("1", "1.0", "true")'))
        return mapping(given)

    @property
    def crowds(self) -> bool:
        """Whether a column marks objects that are ignored, which are counted."""
        return self.layout.crowd is not None

    @property
    def size(self) -> str:
        """The expression of the width and height that the first row gives."""
        return (
            f"({', '.join(f'rows[0][{literal(x)}]' for x in self.layout.size or ())})"
        )
