"""The record of a task, and the expressions of a head in the emitted code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from specc.heads.contract import Annotations, HeadContract
from specc.job import Head, Job, source_of
from specc.source import Line, literal

# Where a head is drawn: in the image's pixels, right of the image, or below both. Heads
# are drawn in this order, as those beside and below change the size of the picture.
INSIDE, BESIDE, BELOW = range(3)
NAMES_OF_KINDS = ("categories", "labels", "identities")


@dataclass(frozen=True)
class HeadCode:
    """The names that the emitted modules give to what belongs to one head."""

    job: Job
    format: str  # format of the head's dataset
    name: str  # name of the head in the job
    prefix: str  # prefix of the head's constants; empty with a single head
    constant: str  # constant with the tuple of the head's names
    counted: bool  # whether that is their number instead
    given: str  # the head's annotation of an image, in dataset.py
    outputs: str  # the head's outputs of the model, in model.py
    targets: str  # the head's targets of a batch, in model.py
    results: str  # the head's results of `decode`, in evaluate.py
    labels: str  # the head's label of a sample
    words: str  # the head's prediction of an image
    width: str  # channels of the lowest map that the head reads
    widths: str  # tuple of the channels of all maps that the head reads
    levels: tuple[int, ...]  # levels that the head reads
    partial: bool  # whether images may lack labels for the head
    ignores: bool  # whether labels hold ignored objects, of this head or of others
    own_areas: bool  # whether labels hold ignored objects and the areas of the file
    flagged: bool = False  # whether the annotation is the name of a column of a table

    @property
    def numbered_by(self) -> str:
        """The function that reads the instances of an image from maps."""
        head = next(head for head in self.job.heads if head.name == self.name)
        layout = source_of(self.job, head).layout
        return "parse_masks" if layout and layout.label_folder else "parse_numbers"

    @property
    def category(self) -> str:
        """The index of an image's category; that of a column is one of the job."""
        if self.flagged:
            return f"{self.numbers}[{self.given}]"
        return f"{self.numbers}[str({self.given}).strip()]"

    @property
    def strides(self) -> tuple[int, ...]:
        return tuple(2**level for level in self.levels)

    @property
    def numbers(self) -> str:
        """The constant that maps the head's names to their indices, in dataset.py."""
        return f"{self.prefix}NUMBERS"

    @property
    def key(self) -> str:
        return literal(self.name)

    @property
    def sealed(self) -> str:
        """The head's results for an image, in runtime.py."""
        return f"found[{self.key}]"

    def sealed_names(self, option: str) -> str:
        """Returns the names that an option of the head lists, in runtime.py."""
        return f"self.heads[{self.key}][{literal(option)}]"

    @property
    def labeled(self) -> str:
        """The label of a sample, without the ignored objects."""
        return f"{self.labels}{'.labeled()' * self.ignores}"

    def all_labels(self, samples: str = "samples") -> str:
        """Returns the list of the labels of all samples that have one."""
        known = f" if {self.key} in sample.labels" * self.partial
        return f"[{self.labels} for sample in {samples}{known}]"

    @property
    def boxed_classes(self) -> str:
        """A function of a label: the classes of its boxes, but for those in the first
        pixel. Where all are there, they are in fractions of the image."""
        if self.format == "yolo":  # has fractions
            return f"lambda x: x.classes{'[~x.ignored]' * self.ignores}"
        if self.ignores:
            return "lambda x: x.classes[~x.ignored & (x.boxes.max(1) > 1)]"
        return "lambda x: x.classes[x.boxes.max(1) > 1]"

    def checked(self, kinds: str, names: str = "()", fewest: int = 1) -> str:
        """Returns a call that ends the run where labels hold too little to learn:
        `kinds` is a function from a label to the indices of its names, or to its
        values."""
        least = f", least={fewest}" * (fewest > 1)
        return f"check_labels(samples, use, {self.key}, {names}, {kinds}{least})"

    def checked_maps(self, read: str, fewest: int) -> str:
        """Returns the same call for maps; `read` is a function that reads a label's
        map."""
        return f"check_maps(samples, use, {self.key}, {read}, fewest={fewest})"

    def all_found(self) -> str:
        """Returns the list of the predictions for all samples that have a label."""
        key = f"[{self.key}]"
        known = f" if {self.key} in one" * self.partial
        return f"[one{key} for one in found{known}]"


@dataclass(frozen=True)
class HeadExpressions:
    """One head's expressions in the emitted code.

    A comment such as `(outputs, targets) -> loss terms by name` lists the names that
    the expression may use, and its value.
    """

    construction: str  # the module, in the model's __init__
    loss: str  # (outputs, targets) -> loss terms by name
    decode: str  # (outputs) -> tensors by name
    parse: str  # (given, height, width, counts) -> label
    words: str  # (results, row, sample, seen, ratio, limits) -> prediction
    label_words: str  # (sample) -> label, in the form of a prediction
    draw: str  # (image, predictions) -> image
    metrics: str  # (samples, found, device) -> values by name
    words_example: str  # example of a prediction, for a docstring
    annotation: str  # example of an annotation in the native layout
    # (results, scaled, height, width, ratio), in model.py: see own_pixels of the task
    own: str = ""
    sealed: str = ""  # (found, image), in runtime.py -> prediction
    pasted: str = ""  # further arguments in the template `pasted` of the task
    indexed: str = ""  # the names that the label indexes, if the label is an index
    blank: str = "None"  # placeholder of the target of an image without a label
    place: str = ""  # (sample, transform, canvas, rng) -> target; "": the label
    evidence: str = ""  # (sample, predictions) -> input of the metric; "": as predicted
    annotations: str = ""  # (folder) -> annotations by image; "": read_annotations
    things: str = ""  # indices of the things, if the head tells things from stuff
    names: str = ""  # source of the names, if it is not the literal of a tuple
    checks: tuple[str, ...] = ()  # (samples, use): calls that end hopeless runs
    map_check: str = ""  # the same call for maps, which are decoded where used
    table: str = ""  # (args, samples, found): writes what is no single number
    told: str = ""  # (training) -> line about the labels when a run begins
    viewed: str = ""  # (predictions, view) -> prediction of an image and a view of it
    # The module that a validation calibrates on normal images, and their false alarms.
    calibrated: tuple[str, ...] = ()
    saved: str = ""  # (predictions, drawing, taken) -> name of a file that this writes
    constants: tuple[Line, ...] = ()  # constants of model.py
    dataset_constants: tuple[Line, ...] = ()
    files: tuple[tuple[str, Any], ...] = ()  # JSON files to emit: name, value
    evaluate_constants: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Coco:
    """How a COCO file holds annotations for a task."""

    what: str = "boxes"  # name of the annotations in texts
    names: str = (
        '{item["id"]: str(item["name"]).strip() for item in content["categories"]}'
    )
    found: str = "set(names.values())"  # the names in the file
    fields: tuple[str, ...] = ("category_id", "bbox")  # fields that are read
    hook: str = "without_masks"  # object_hook of json.loads
    grouped: str = "dataset/coco_dicts.py.jinja"  # template: `objects` by image
    given: str = 'objects[image["id"]]'  # annotations of an image
    # Of all annotations, id, category and whether it is a crowd
    kinds: str = (
        '((x.get("id"), x["category_id"], x.get("iscrowd"))'
        ' for x in content["annotations"])'
    )
    compared: str = "dataset/compare_coco.py.jinja"  # template: compares the names
    docstring: str = "dataset/coco_docstring.jinja"  # template
    images: str = "image_folder"  # function that finds the images


@dataclass(frozen=True)
class Native:
    """How the docstring of dataset.py describes annotations in the native layout."""

    metadata: tuple[str, ...] = ()  # lines of the example besides the task
    empty_note: str = ""  # sentence on the meaning of an empty annotation
    map_suffix: str = "png"  # suffix of the files that hold annotations
    folder_note: str = ""  # further sentences on the files that hold annotations


@dataclass(frozen=True)
class Task:
    """The record that all heads of a task share. The functions that the expressions
    call are parts, in `templates/heads/`."""

    title: str  # name in texts; in metadata.yaml too where `described_as` is ""
    head: type[Head]  # dataclass of the options
    model_class: str  # the next two, too: used where the head is the only one
    output_type: str
    returns: str  # text that says what the model returns
    plan: Callable[[Any, HeadCode], HeadExpressions]

    # Returns the record of a head whose options change the record.
    variant: Callable[[Any], Task] | None = None

    described_as: str = ""  # name in a dataset's metadata.yaml
    dataset_key: str = ""  # key of the names in metadata.yaml; "": as in the job
    annotations: str = ""  # word for the annotations, for texts on conversions
    rank: int = 0  # the higher, the more annotations say; 0: in files of their own

    # The option with the names of what the head finds, such as "categories"; or "".
    names: str = ""
    counted: tuple[str, str] = ("", "")  # singular and plural of what is labeled
    fewest: int = 1  # least number of names or values that labels must hold

    # Constants at the top of emitted modules, by the module's path.
    constants: Mapping[str, tuple[Line, ...]] = field(default_factory=dict)

    # model.py
    told: bool = False  # the head is given the targets in training
    points_wanted: bool = False  # decode_objects returns the point of each object
    shares_box_tower: bool = False  # the head reads the box tower of its detector
    own_pixels: Mapping[str, str] = field(default_factory=dict)  # mode -> template
    pasted: str = ""  # template: masks of `predict` at the size of the image
    own_note: str = ""  # text: how results in own pixels differ from those of `decode`

    # dataset.py
    label: str = ""  # the type of an image's label
    kept: str = ""  # type of a label once samples are read; "": the same
    # Of ONE, OTHER, counts: the label of an image that has two; "": they must be the
    # same
    joined: str = ""
    unlabeled: bool = False  # the head needs no labels
    on_normal_images: bool = False  # trains on normal images and drawn defects
    in_folder: bool = False  # annotations are files, one for each image
    untold: bool = False  # annotations do not name a category of the file
    one_name: bool = False  # an annotation is a name; unknown names are left out
    splits_by: str = ""  # plural of labels whose images are all on one side of a split
    # Formats with ignored objects that labels keep: crowds of COCO and of tables with a
    # column for them, difficult of VOC.
    ignores: tuple[str, ...] = ()
    # Format -> function that the page calls to read annotations; "": none. Of YOLO and
    # DOTA, the call of it, with the `lines` of a file, or its path.
    readers: Mapping[str, str] = field(default_factory=dict)
    native: Native = Native()
    coco: Coco = Coco()
    # (LABEL, frame, counts) -> label in pixels of the image, where the file's size of
    # the image differs; "": labels have no place in the image.
    framed: str = ""
    training_note: str = ""  # sentence: how training sets differ from other sets
    meaning: tuple[str, ...] = ()  # options that checkpoint and job must share

    # data.py
    views: bool = False  # learns from two views of an image, in consecutive rows
    moves: bool = False  # labels have places in the image, which augmentation moves
    transforms: tuple[str, ...] = ()  # methods that move labels: boxes, points
    stack: str = ""  # function that makes a batch of targets; "": there are none

    # evaluate.py and draw.py
    on_device: bool = False  # results are maps, which stay on the device until written
    # Results are points: "inside" the image, or "anywhere"; "": results are no points.
    coordinates: str = ""
    drawn: int = INSIDE  # INSIDE, BESIDE or BELOW

    requirements: tuple[str, ...] = ()

    # test_contract.py: what a head promises; and, from the head and the expression of
    # its names, how annotations are made (None: the head needs none).
    contract: Callable[[Any], HeadContract] | None = None
    annotated: Callable[[Any, str], Annotations] | None = None

    @property
    def may_leave_out(self) -> bool:
        """Whether a dataset may have more names than the head."""
        return self.names in ("categories", "labels") and not self.untold

    @property
    def names_instances(self) -> bool:
        """Whether the names are kinds of instances, not parts of an instance."""
        return self.names in NAMES_OF_KINDS
