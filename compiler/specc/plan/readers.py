"""The plan of the functions in dataset.py that read a dataset: one for each."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from specc.heads import once, task_of
from specc.heads.task import Coco, Task
from specc.job import HeadData, Job, Layout, sets_of_head
from specc.plan.heads import HeadPlan, code_name
from specc.plan.maps import Maps
from specc.plan.native import examples_of, notes_of
from specc.plan.places import Places
from specc.plan.rows import Table
from specc.plan.tables import file_name, holds_boxes, layout_of
from specc.source import COLUMNS, literal, mapping, parameter
from specc.words import listed

PATHS = ("coco", "csv", "yolo")  # formats whose files hold paths
SIZED = ("coco", "voc")  # formats that tell the sizes of their images
# Formats whose `category` is the name of an image, where one head is read.
ONE_NAME = ("native", "folders", "csv")
# Formats that do not list the names of their categories.
UNNAMED = ("voc", "csv", "dota", "maps")
SETS = ("train", "validation", "test")
SEGMENTS = 'path.with_suffix("")'  # the folder of PNGs, where no layout names it
PLACED = {  # docstring of COCO files -> docstring where the job names folders
    "dataset/coco_docstring.jinja": "dataset/coco_placed_docstring.jinja",
    "dataset/coco_panoptic_docstring.jinja": "dataset/coco_panoptic_placed_docstring.jinja",
}
SAID = (  # attributes of a reader that templates use
    *("name", "template", "docstring", "title", "heads", "parameters", "note", "pair"),
    *("annotations", "parsed", "nullable", "examples", "notes", "folder_holds"),
    *("annotation", "coco", "table", "maps", "read_annotations", "prefix", "framed"),
    *("named_heads", "lists_names", "located", "file_name", "hook", "places", "poses"),
    "lines",
)


@dataclass(frozen=True)
class Reader:
    """A function of dataset.py that reads the dataset of one or several heads."""

    source: HeadData
    tasks: tuple[Task, ...]
    heads: tuple[HeadPlan, ...]
    number: int  # index of the reader, from 0
    alone: bool  # whether there is a single reader
    name: str  # name of the function
    prefix: str  # prefix of the reader's constants

    @property
    def several(self) -> bool:
        return len(self.heads) > 1

    @property
    def template(self) -> str:
        form, number = self.source.format, "several" if self.several else "one"
        if form == "native" and self.unlabeled and not self.several:
            return "dataset/images.py.jinja"
        if form == "native":
            return f"dataset/native_{number}.py.jinja"
        if form == "folders" and self.unlabeled:
            return "dataset/folders_images.py.jinja"
        if holds_boxes(self.source):
            listed = layout_of(self.source).delimiter == "json"
            return f"dataset/csv_{'objects' if listed else 'boxes'}.py.jinja"
        if form == "maps":
            return f"dataset/{self.maps.kind}.py.jinja"
        kind = "several" if self.partial else self.places.kind
        return f"dataset/{form}{f'_{kind}' * bool(kind)}.py.jinja"

    @property
    def places(self) -> Places:
        return Places(self.source, self.prefix)

    @property
    def by_split(self) -> bool:
        """Whether one file names all sets."""
        return self.source.format == "yolo" and self.places.kind != "listed"

    @property
    def partial(self) -> bool:
        """Whether an image may lack the labels of some of these heads."""
        apart = self.source.format in ("native", "csv")
        return self.several and apart and not holds_boxes(self.source)

    @property
    def unlabeled(self) -> bool:
        """Whether no head needs labels."""
        return all(task.unlabeled for task in self.tasks)

    @property
    def sized(self) -> bool:
        """Whether the files tell the sizes of their images."""
        return tells_sizes(self.source.format, layout_of(self.source))

    @property
    def opened(self) -> bool:
        """Whether training sets are read in another way than other sets."""
        return any(task.training_note for task in self.tasks)

    @property
    def parameters(self) -> str:
        form = self.source.format
        if form == "maps":
            return self.maps.parameters
        place = "path" if form in ("coco", "csv", "voc", "yolo", "dota") else "folder"
        folders = "folder: Path, " * self.placed
        folders += "segments: Path, " * self.labeled_apart
        folders += "".join(
            f"{what[:-1]}_folder: Path, " for what in self.places.folders
        )
        folders += "images: Path, " * bool(self.table.places)
        folders += "part: str, " * bool(self.table.split)
        use = 'split: str = "val"' if self.by_split else "training: bool = False"
        root = ", root: Path | None = None" * (form in PATHS)
        if self.places.kind == "listed":
            return f"{place}: Path, {folders}root: Path, {use}"
        return f"{place}: Path, {folders}{use}{root}"

    @property
    def note(self) -> str:
        told = once([task.training_note] for task in self.tasks if task.training_note)
        return "\n\n    {}\n    ".format("\n    ".join(told)) * self.opened

    @property
    def training(self) -> str:
        """The call that reads the training set, below `root`."""
        use = '"train"' if self.by_split else "training=True"
        if self.source.format == "maps" and self.maps.of_normal_images:
            use = ""  # sets without masks are for training
        return self._call("train", "root", use)

    @property
    def validation(self) -> str:
        """The call that reads the validation set; "" where a part is held out."""
        return self.validation_below("root")

    def validation_below(self, root: str) -> str:
        """Returns the call that reads the validation set below the expression
        `root`."""
        if self.source.validation is None:
            return ""
        return self._call("validation", root)

    @property
    def test(self) -> str:
        """The call that reads the test set, below `root`; "" where there is none."""
        if self.source.test is None:
            return ""
        return self._call("test", "root", '"test"' * self.by_split)

    def _call(self, which: str, root: str, use: str = "") -> str:
        """Returns the call that reads a set below the expression `root`."""
        file = f"{root} / {self.prefix}{which.upper()}"
        given = [file + self.places.arguments(which.upper(), root)]
        if self.placed:
            elsewhere = f"{self.coco.images}({file})"
            given.append(self._place(which, "images", root) or elsewhere)
        if self.labeled_apart:
            elsewhere = f'({file}).with_suffix("")'
            given.append(self._place(which, "labels", root) or elsewhere)
        if self.source.format == "maps":
            places = self.maps.places(which.upper())
            given = [f"{root} / {place}" for place in places]
        given.append(self.table.images(root, which.upper()))
        given.append(self.table.part(which.upper()))
        given = ", ".join(filter(None, (*given, use)))
        return f"{self.name}({given}{self.rooted(root)})"

    def _place(self, which: str, what: str, root: str) -> str:
        """Returns the expression of the folder of the layout with images or labels of a
        set; "" where the layout names none."""
        name = f"{self.prefix}{which}_{what}".upper()
        return f"{root} / {name}" if name in self.coco_places else ""

    @property
    def placed(self) -> bool:
        """Whether the job says in which folders the images stand."""
        return any(name.endswith("_IMAGES") for name in self.coco_places)

    @property
    def located(self) -> str:
        """The line that finds the folder of images, where the job does not name it."""
        return "" if self.placed else f"\n    folder = {self.coco.images}(path)"

    @property
    def labeled_apart(self) -> bool:
        """Whether the job says in which folders the PNGs of segments stand."""
        return any(name.endswith("_LABELS") for name in self.coco_places)

    @property
    def coco_places(self) -> dict[str, str]:
        """The folders that the layout names, each by the constant that holds it."""
        if self.source.format != "coco":
            return {}
        names = [f"{a}_{b}" for b in ("images", "labels") for a in SETS]
        found = {name: getattr(self.source.layout, name, None) for name in names}
        return {f"{self.prefix}{k}".upper(): v for k, v in found.items() if v}

    @property
    def file_name(self) -> str:
        """The expression of the path of an image, by its `name` in a file of COCO."""
        return file_name(layout_of(self.source), self.prefix)

    def rooted(self, root: str) -> str:
        """Returns the argument with the folder that no path may leave."""
        return f", root={root}" * (self.source.format in PATHS)

    @property
    def pair(self) -> str:
        """The expression of the training samples and the validation samples."""
        if self.validation:
            return f"({self.training}, {self.validation})"
        return f"split({self.training}, root / {self.prefix}TRAIN)"

    @property
    def title(self) -> str:
        """The line above a reader's description, where there are several readers."""
        if self.alone:
            return ""
        heads = listed([f"`{head.name}`" for head in self.heads])
        title = textwrap.fill(f"For the head{'s' * self.several} {heads}:", COLUMNS)
        return "\n" * bool(self.number) + title + "\n\n"

    @property
    def docstring(self) -> str:
        if self.source.format == "coco":
            own = self.coco.docstring
            return PLACED[own] if self.placed else own
        kind = "_".join(filter(None, (self.source.format, self.places.kind)))
        kind = self.maps.kind if kind == "maps" else kind
        if self.unlabeled:
            kind = "folders_images" if kind == "folders" else "images"
        return f"dataset/{kind}_docstring.jinja"

    @property
    def folder_holds(self) -> str:
        return " and ".join(once([task.counted[0]] for task in self.tasks))

    @property
    def nullable(self) -> bool:
        return any(is_listed(task) for task in self.tasks)

    @property
    def reads_yaml(self) -> bool:
        return not self.unlabeled and (
            self.source.format == "native" or self.places.has_entry
        )

    @property
    def lists_names(self) -> bool:
        """Whether the dataset has names that are compared with the job's."""
        named = any(head.named and not head.counted for head in self.heads)
        return self.source.format not in UNNAMED and named

    @property
    def coco(self) -> Coco:
        """The record of COCO files, which the heads of one file share."""
        return self.tasks[0].coco

    @property
    def hook(self) -> str:
        """The expression of what reads each object of a COCO file's JSON."""
        layout, item = self.source.layout or Layout(), "item"
        if layout.name_key:
            item = "with_file_name(item)"
        if layout.crowds == "objects":
            item += ' | {"iscrowd": 0}'
        hook = f"lambda item: {self.coco.hook}({item})"
        return self.coco.hook if item == "item" else hook

    @property
    def poses(self) -> str:
        """The constant with the names of the keypoints that YOLO's labels hold; "" where
        they are read as boxes or polygons."""
        whole = "poses_in(" in self.read_annotations
        return self.heads[0].constant * whole

    @property
    def lines(self) -> str:
        """The expression of the lines in an image's file of YOLO's labels."""
        if self.poses:
            return f"rows_of({self.places.labels}, names, counts)"
        numbers = ", numbers" * self.places.has_entry
        return f"lines_of({self.places.labels}, names, counts{numbers})"

    @property
    def read_annotations(self) -> str:
        """The function that reads an annotation, or a file of them, in this format."""
        return self.tasks[0].readers.get(self.source.format, "")

    @property
    def annotation(self) -> str:
        """The variable of an image's annotation; `_` where nothing reads it."""
        read = [self.parsed, *(head.given for head in self.named_heads)]
        return "given" if self.nullable else parameter("given", read)

    @property
    def annotations(self) -> str:
        if self.several:
            return mapping((head.name, head.annotations) for head in self.heads)
        return self.heads[0].annotations

    @property
    def parsed(self) -> str:
        parsed = mapping((head.name, head.parse) for head in self.heads)
        if self.named_heads and not self.heads[1:] and self.source.format in ONE_NAME:
            parsed = parsed.replace(f"str({self.heads[0].given}).strip()", "category")
        if self.labeled_apart:
            return parsed.replace(SEGMENTS, "segments")
        return parsed

    @property
    def framed(self) -> str:
        """The expression of `labels` in pixels of the image, where the file's size of
        the image differs; "" if it tells none, or no label has a place in the image."""
        if not (self.sized and any(task.framed for task in self.tasks)):
            return ""
        labels = [f"labels[{literal(head.name)}]" for head in self.heads]
        return mapping(
            (head.name, task.framed.replace("LABEL", label) or label)
            for head, task, label in zip(self.heads, self.tasks, labels)
        )

    @property
    def named_heads(self) -> list[HeadPlan]:
        """The heads whose annotation is a name, which the job may lack."""
        return [head for head in self.heads if head.one_name]

    @property
    def table(self) -> Table:
        """The reading of a table, the file of the format csv."""
        return Table(self.source, self.heads, self.prefix, self.several)

    @property
    def maps(self) -> Maps:
        """The reading of images beside maps, the format maps."""
        normal = any(task.on_normal_images for task in self.tasks)
        return Maps(self.source, self.heads, self.prefix, normal)

    @property
    def finds_by_ending(self) -> bool:
        """Whether images or maps are found by the ends of their names."""
        layout = self.source.layout or Layout()
        ends = layout.image_ending, layout.label_ending
        return self.source.format == "maps" and ends != (None, None)

    @property
    def examples(self) -> list[str]:
        """Lines that show a native dataset."""
        return examples_of(self)

    @property
    def notes(self) -> list[str]:
        return notes_of(self)

    def plain(self) -> dict[str, Any]:
        """Returns the attributes that templates use, as plain values."""
        return {name: getattr(self, name) for name in SAID}


def tells_sizes(form: str, layout: Layout) -> bool:
    """Returns whether files of a format tell the sizes of their images."""
    return form in SIZED or layout.size is not None


def readers_of(job: Job, heads: tuple[HeadPlan, ...]) -> tuple[Reader, ...]:
    """Returns a reader for each dataset, in the order of the heads."""
    groups: dict[HeadData, list[int]] = {}
    for number, head in enumerate(job.heads):
        groups.setdefault(sets_of_head(job, head), []).append(number)
    alone = len(groups) == 1
    return tuple(
        Reader(
            source=of_heads,
            tasks=tuple(task_of(job.heads[number]) for number in numbers),
            heads=tuple(heads[number] for number in numbers),
            number=place,
            alone=alone,
            name=(
                "read_dataset"
                if alone
                else f"dataset_of_{code_name(heads[numbers[0]].name)}"
            ),
            prefix="" if alone else f"{code_name(heads[numbers[0]].name).upper()}_",
        )
        for place, (of_heads, numbers) in enumerate(groups.items())
    )


def is_listed(task: Task) -> bool:
    """Returns whether one file lists the annotations of a task."""
    return not (task.in_folder or task.unlabeled)
