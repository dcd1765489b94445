"""The plan of the functions in dataset.py that read a dataset: one for each."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from specc.heads import once, task_of
from specc.heads.task import Coco, Task
from specc.job import HeadData, Job, Layout, source_of
from specc.plan.heads import HeadPlan, code_name
from specc.plan.maps import Maps
from specc.plan.rows import Table
from specc.plan.tables import holds_boxes, layout_of
from specc.source import COLUMNS, literal, mapping
from specc.words import listed

PATHS = ("coco", "csv", "yolo")  # formats whose files hold paths
SIZED = ("coco", "voc")  # formats that tell the sizes of their images
UNNAMED = (
    "voc",
    "csv",
    "maps",
)  # formats that do not list the names of their categories
SAID = (  # attributes of a reader that templates use
    *("name", "template", "docstring", "title", "heads", "parameters", "note", "pair"),
    *("annotations", "parsed", "nullable", "examples", "notes", "folder_holds"),
    *("coco", "table", "maps", "read_annotations", "prefix"),
    *("framed", "named_heads", "lists_names"),
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
        if form == "native":
            return f"dataset/native_{number}.py.jinja"
        if holds_boxes(self.source):
            listed = layout_of(self.source).delimiter == "json"
            return f"dataset/csv_{'objects' if listed else 'boxes'}.py.jinja"
        if form == "maps":
            return f"dataset/{self.maps.kind}.py.jinja"
        return f"dataset/{form}{'_several' * self.partial}.py.jinja"

    @property
    def partial(self) -> bool:
        """Whether an image may lack the labels of some of these heads."""
        apart = self.source.format in ("native", "csv")
        return self.several and apart and not holds_boxes(self.source)

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
        place = "path" if form in ("coco", "csv", "voc", "yolo") else "folder"
        if form == "maps":
            return self.maps.parameters
        use = 'split: str = "val"' if form == "yolo" else "training: bool = False"
        root = ", root: Path | None = None" * (form in PATHS)
        images = ", images: Path" * bool(self.table.places)
        return f"{place}: Path{images}, {use}{root}"

    @property
    def note(self) -> str:
        told = once([task.training_note] for task in self.tasks if task.training_note)
        return "\n\n    {}\n    ".format("\n    ".join(told)) * self.opened

    @property
    def training(self) -> str:
        """The call that reads the training set, below `root`."""
        use = '"train"' if self.source.format == "yolo" else "training=True"
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

    def _call(self, which: str, root: str, use: str = "") -> str:
        """Returns the call that reads a set below the expression `root`."""
        name = which.upper()
        given = [f"{root} / {self.prefix}{name}"]
        if self.source.format == "maps":
            given = [f"{root} / {place}" for place in self.maps.places(name)]
        given = ", ".join(filter(None, (*given, self.table.images(root, name), use)))
        return f"{self.name}({given}{self.rooted(root)})"

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
            return self.coco.docstring
        unlabeled = all(task.unlabeled for task in self.tasks)
        kind = "images" if unlabeled else self.source.format
        kind = self.maps.kind if kind == "maps" else kind
        return f"dataset/{kind}_docstring.jinja"

    @property
    def folder_holds(self) -> str:
        return " and ".join(once([task.counted[0]] for task in self.tasks))

    @property
    def nullable(self) -> bool:
        return any(is_listed(task) for task in self.tasks)

    @property
    def reads_yaml(self) -> bool:
        labeled = not all(task.unlabeled for task in self.tasks)
        return self.source.format in ("native", "yolo") and labeled

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
    def read_annotations(self) -> str:
        """The function that reads an annotation, or a file of them, in this format."""
        return self.tasks[0].readers.get(self.source.format, "")

    @property
    def annotations(self) -> str:
        if self.several:
            return mapping((head.name, head.annotations) for head in self.heads)
        return self.heads[0].annotations

    @property
    def parsed(self) -> str:
        return mapping((head.name, head.parse) for head in self.heads)

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
        return Maps(self.source, self.tasks, self.heads, self.prefix)

    @property
    def examples(self) -> list[str]:
        """Lines that show a native dataset."""
        return _examples(self)

    @property
    def notes(self) -> list[str]:
        return _notes(self)

    def plain(self) -> dict[str, Any]:
        """Returns the attributes that templates use, as plain values."""
        return {name: getattr(self, name) for name in SAID}


def tells_sizes(form: str, layout: Layout) -> bool:
    """Returns whether files of a format tell the sizes of their images."""
    return form in SIZED or layout.size is not None


def readers_of(job: Job, heads: tuple[HeadPlan, ...]) -> tuple[Reader, ...]:
    """Returns a reader for each dataset, in the order of the heads."""
    groups: dict[tuple, list[int]] = {}
    for number, head in enumerate(job.heads):
        source = source_of(job, head)
        key = (source.train, source.validation, source.format, source.layout)
        groups.setdefault(key, []).append(number)
    alone = len(groups) == 1
    return tuple(
        Reader(
            source=HeadData(*key),
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
        for place, (key, numbers) in enumerate(groups.items())
    )


def is_listed(task: Task) -> bool:
    """Returns whether one file lists the annotations of a task."""
    return not (task.in_folder or task.unlabeled)


def _notes(reader: Reader) -> list[str]:
    """Returns sentences on what the examples do not show."""
    tasks = reader.tasks
    notes = once([task.native.empty_note] for task in tasks if task.native.empty_note)
    lines = []
    if reader.nullable:
        null = f"`null` {'is no label' if reader.several else 'leaves an image out'}"
        lines.append(", ".join([null, *notes]) + ".")
    if reader.several:
        lines.append("An image trains the heads that it has labels for.")
    if any(task.in_folder for task in tasks):
        lines.append("A map has the stem of its image; it may be smaller.")
        lines += once(
            [task.native.folder_note] for task in tasks if task.native.folder_note
        )
    return lines


def _examples(reader: Reader) -> list[str]:
    tasks = {
        task.described_as or task.title: (task, head)
        for task, head in zip(reader.tasks, reader.heads)
        if not task.unlabeled
    }
    if not tasks:
        return []
    several = len(tasks) > 1
    lines = ["metadata.yaml"]
    for number, (title, (task, _)) in enumerate(tasks.items(), 1):
        lines.append(f"{'  - ' if several else '    '}task: {title}")
        lines += [f"    {line}" for line in task.native.metadata]
        lines.append(f"    annotations: {_file(task, number if several else '')}")
    for number, (task, head) in enumerate(tasks.values(), 1):
        lines.append(_file(task, number if several else ""))
        image = f"image.{task.native.map_suffix}" if task.in_folder else "image.jpg"
        lines.append(f"    {image}: {head.code.annotation}")
    return lines


def _file(task: Task, number: int | str) -> str:
    """Returns the file or folder that holds the annotations in the example."""
    return f"maps{number}/" if task.in_folder else f"annotations{number}.yaml"
