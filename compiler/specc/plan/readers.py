"""The plan of the functions in dataset.py that read a dataset: one for each."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from specc.heads import once, task_of
from specc.heads.task import Coco, Task
from specc.job import HeadData, Job, Layout, source_of
from specc.plan.heads import HeadPlan, code_name
from specc.source import COLUMNS, Line, constant, literal, mapping
from specc.words import listed

PATHS = ("coco", "csv", "yolo")  # formats whose files hold paths
SIZED = ("coco", "voc")  # formats that tell the sizes of their images
UNNAMED = ("voc", "csv", "maps")  # formats that do not list the names of their categories
EMPTY_CELLS = {  # whether there are several heads -> sentence of a docstring
    True: "Where a cell is empty, a row trains the other heads alone.",
    False: "A row with an empty cell in one of them is left out.",
}


SAID = (  # attributes of a reader that templates use
    *("name", "template", "docstring", "title", "heads", "parameters", "note", "pair"),
    *("annotations", "parsed", "nullable", "examples", "notes", "folder_holds"),
    *("coco", "columns", "columns_described", "empty_cells", "read_annotations"),
    *("framed", "named_heads", "lists_names"),
    *("images_found", "maps_found", "maps_beside", "maps_described"),
    *("listed", "set_place", "prefix"),
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
        if form == "maps":
            return f"dataset/{self.kind_of_maps}.py.jinja"
        return f"dataset/{form}{'_several' * self.partial}.py.jinja"

    @property
    def kind_of_maps(self) -> str:
        """The name of the templates of this reader, of the format maps."""
        if self.layout.label_folder is not None:
            return "maps_folders"
        return f"maps{'_normal' * self.of_normal_images}"

    @property
    def of_normal_images(self) -> bool:
        """Whether the folders of images tell which ones are normal."""
        return any(task.on_normal_images for task in self.tasks)

    @property
    def partial(self) -> bool:
        """Whether an image may lack the labels of some of these heads."""
        return self.several and self.source.format in ("native", "csv")

    @property
    def opened(self) -> bool:
        """Whether training sets are read in another way than other sets."""
        return any(task.training_note for task in self.tasks)

    @property
    def parameters(self) -> str:
        form = self.source.format
        place = "path" if form in ("coco", "csv", "voc", "yolo") else "folder"
        if form == "maps" and self.of_normal_images:
            return "folder: Path, maps: Path | None = None"
        if form == "maps" and self.layout.label_folder is None:
            place = f"{'split: Path, ' * self.listed}folder: Path, maps"
        use = 'split: str = "val"' if form == "yolo" else "training: bool = False"
        root = ", root: Path | None = None" * (form in PATHS)
        return f"{place}: Path, {use}{root}"

    @property
    def note(self) -> str:
        told = once([task.training_note] for task in self.tasks if task.training_note)
        return "\n\n    {}\n    ".format("\n    ".join(told)) * self.opened

    @property
    def training(self) -> str:
        """The call that reads the training set, below `root`."""
        if self.source.format == "maps" and self.of_normal_images:
            return f"{self.name}(root / {self.prefix}TRAIN)"
        use = '"train"' if self.source.format == "yolo" else "training=True"
        places = ", ".join(f"root / {name}" for name in self.places("TRAIN"))
        return f"{self.name}({places}, {use}{self.rooted('root')})"

    @property
    def validation(self) -> str:
        """The call that reads the validation set; "" where a part is held out."""
        return self.validation_below("root")

    def validation_below(self, root: str) -> str:
        """Returns the call that reads the validation set below the expression
        `root`."""
        if self.source.validation is None:
            return ""
        places = ", ".join(f"{root} / {name}" for name in self.places("VALIDATION"))
        return f"{self.name}({places}{self.rooted(root)})"

    def places(self, kind: str) -> list[str]:
        """Returns the constants with the paths of a set, TRAIN or VALIDATION."""
        kind = f"{self.prefix}{kind}"
        images = [f"{kind}_IMAGES"] * self.listed
        apart = self.source.format == "maps" and self.layout.label_folder is None
        return [kind, *images, *[f"{kind}_LABELS"] * apart]

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
        kind = self.kind_of_maps if kind == "maps" else kind
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
        the image differs; "" if no label has a place in the image."""
        if not any(task.framed for task in self.tasks):
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
    def columns(self) -> Line:
        """The constant with the columns of a CSV file."""
        names = ("image", *(head.name for head in self.heads))
        return constant(f"{self.prefix}COLUMNS", names)

    @property
    def columns_described(self) -> list[str]:
        """Lines that describe the columns; each head has a column of its name."""
        lines = ["image: path from the file's folder"]
        lines += [f"{head.name}: {head.code.annotation}" for head in self.heads]
        return lines

    @property
    def empty_cells(self) -> str:
        return EMPTY_CELLS[self.several]

    @property
    def layout(self) -> Layout:
        return self.source.layout or Layout()

    @property
    def listed(self) -> bool:
        """Whether files list the images of sets of the format maps."""
        return self.source.format == "maps" and self.layout.train_images is not None

    @property
    def set_place(self) -> str:
        return "split" if self.listed else "folder"

    @property
    def images_found(self) -> str:
        """The expression of the images by what their names share with maps."""
        if self.layout.image_ending is None:
            return "images_by_stem(folder, counts)"
        return f"files_ending(folder, {self.prefix}IMAGE_ENDING)"

    @property
    def maps_found(self) -> str:
        """The same of the maps."""
        if self.layout.label_ending is None:
            return "images_by_stem(maps, counts)"
        return f"files_ending(maps, {self.prefix}LABEL_ENDING)"

    @property
    def maps_beside(self) -> bool:
        """Whether maps are found among the images, too."""
        source, layout = self.source, self.layout
        pairs = (
            (layout.train_images or source.train, layout.train_labels),
            (layout.validation_images or source.validation, layout.validation_labels),
        )
        return any(
            PurePosixPath(maps).is_relative_to(PurePosixPath(images))
            for images, maps in pairs
            if images is not None and maps is not None
        )

    @property
    def maps_described(self) -> list[str]:
        """Lines that say what the pixels of maps tell."""
        return once([head.code.annotation] for head in self.heads)

    @property
    def folders(self) -> list[Line]:
        """The constants with the folders of maps, and the endings of names."""
        if self.source.format != "maps":
            return []
        layout, prefix = self.layout, self.prefix
        if layout.label_folder is not None:
            note = "beside that of an image: its masks"
            return [constant(f"{prefix}LABEL_FOLDER", layout.label_folder, note)]
        sets = {"TRAIN_LABELS": layout.train_labels}
        sets = {} if self.of_normal_images else sets
        if self.source.validation is not None:
            sets["VALIDATION_LABELS"] = layout.validation_labels
        names = ", ".join(f"{prefix}{name}" for name in sets)
        value = tuple(sets.values()) if len(sets) > 1 else next(iter(sets.values()))
        lines = [constant(names, value, "folders of their maps")]
        if self.listed:
            images = {"TRAIN_IMAGES": layout.train_images}
            if self.source.validation is not None:
                others = layout.validation_images or layout.train_images
                images["VALIDATION_IMAGES"] = others
            names = ", ".join(f"{prefix}{name}" for name in images)
            value = tuple(images.values()) if len(images) > 1 else layout.train_images
            lines.append(constant(names, value, "folders of their images"))
        endings = {
            "IMAGE_ENDING": layout.image_ending,
            "LABEL_ENDING": layout.label_ending,
        }
        return lines + [
            constant(f"{prefix}{name}", ending, "of file names")
            for name, ending in endings.items()
            if ending is not None
        ]

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
