"""What a task brings to the plan: a record a task, and the expressions of each head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from specc.heads.contract import Annotations, HeadContract
from specc.job import Head, Job
from specc.source import Line, literal

# Where a head is drawn: in the pixels of the image, right of it, or below all that. In
# this order, as the later ones change its size.
INSIDE, BESIDE, BELOW = range(3)
NAMES_OF_KINDS = ("categories", "labels", "identities")


@dataclass(frozen=True)
class HeadCode:
    """What the code of one head is made of: names that the emitted modules give it."""

    job: Job
    format: str  # of its dataset
    name: str  # of the head
    prefix: str  # of its constants: empty where it is alone
    constant: str  # the tuple of its names
    given: str  # its annotation of an image, in dataset.py
    outputs: str  # of the model, in model.py
    targets: str
    results: str  # of decode, in evaluate.py
    labels: str  # of a sample
    words: str  # of a prediction
    width: str  # channels of the lowest map that it reads
    widths: str  # of all of them, a tuple
    levels: tuple[int, ...]  # that it reads
    partial: bool  # whether images may lack its labels
    ignores: (
        bool  # whether labels tell objects that are ignored, of this head or others
    )
    own_areas: bool  # and the areas that files give them

    @property
    def strides(self) -> tuple[int, ...]:
        return tuple(2**level for level in self.levels)

    @property
    def numbers(self) -> str:
        """The numbers of its names, in dataset.py."""
        return f"{self.prefix}NUMBERS"

    @property
    def key(self) -> str:
        return literal(self.name)

    @property
    def labelled(self) -> str:
        """The label of a sample, without objects that are ignored."""
        return f"{self.labels}{'.labelled()' * self.ignores}"

    def all_labels(self, samples: str = "samples") -> str:
        """The labels of all samples that have one, one by one."""
        known = f" if {self.key} in sample.labels" * self.partial
        return f"[{self.labels} for sample in {samples}{known}]"

    def checked(self, kinds: str, names: str = "()", fewest: int = 1) -> str:
        """A call that ends the run where labels hold too little: `kinds` is a function of
        a label, which gives the places of names in it, or values."""
        return f"check_labels(samples, use, {self.key}, {names}, {kinds}, {fewest})"

    def checked_maps(self, read: str, fewest: int) -> str:
        """The same of maps, by a function of a label that reads one."""
        return f"check_maps(samples, use, {self.key}, {read}, {fewest})"

    def all_found(self) -> str:
        """What was found in all samples that have a label, one by one."""
        known = f" if {self.key} in words" * self.partial
        return f"[{self.words} for words in found{known}]"


@dataclass(frozen=True)
class HeadExpressions:
    """One head's expressions in the emitted code, each with the names that it may use."""

    construction: str  # in the model's __init__
    loss: str  # of outputs and targets: its terms by name
    decode: str  # of outputs: tensors by name
    parse: str  # of given, height, width, counts: its label
    words: str  # of results, row, sample, seen, ratio, limits: in words of annotations
    label_words: str  # of sample: the same, of its label
    draw: str  # of image, words: the image
    metrics: str  # of samples, found, device: values by name
    words_example: str  # for a docstring
    annotation: str  # an example in the native layout
    own: str = ""  # of results, scaled, height, width, in model.py: see own_pixels
    indexed: str = ""  # the names of which its label is an index, if it is one
    blank: str = "None"  # what stands for the target of an image without a label
    place: str = ""  # of sample, transform, canvas, rng: its target; "": the label
    evidence: str = ""  # of sample, words: what its metric needs; "": the words
    annotations: str = ""  # of folder: its annotations by image; "": read_annotations
    things: str = ""  # the places of its things, if it tells them from stuff
    names: str = ""  # the source of its names, if it is not the literal of a tuple
    checks: tuple[str, ...] = ()  # of samples, use: calls that end hopeless runs
    map_check: str = ""  # the same, of labels that are decoded only where they are used
    table: str = ""  # of args, samples, found: writes what is no single number
    told: str = ""  # of training: a line on its labels, when a run begins
    viewed: str = ""  # of words, view: the words of an image and of a view of it
    calibrated: str = ""  # of model: what normal images calibrate, head, false alarms
    saved: str = ""  # of words, drawing, taken: the name of a file that it writes
    constants: tuple[Line, ...] = ()  # of model.py
    dataset_constants: tuple[Line, ...] = ()
    files: tuple[tuple[str, Any], ...] = ()  # JSON that these read: name, value
    evaluate_constants: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Coco:
    """How a COCO file holds annotations for a task."""

    what: str = "boxes"  # its annotations, in words
    names: str = (
        '{item["id"]: str(item["name"]).strip() for item in content["categories"]}'
    )
    found: str = "set(names.values())"  # the names in the file
    fields: tuple[str, ...] = ("category_id", "bbox")  # of an annotation, that are read
    hook: str = "without_masks"  # what is kept of an object in it, as it is read
    compared: str = "dataset/compare_coco.py.jinja"  # template: these with the job's
    docstring: str = "dataset/coco_docstring.jinja"  # template
    images: str = "image_folder"  # the function that finds the images


@dataclass(frozen=True)
class Native:
    """How the docstring of dataset.py describes annotations in the native layout."""

    metadata: tuple[str, ...] = ()  # lines of an example, beside the task
    empty_note: str = ""  # what an empty annotation means
    map_suffix: str = "png"  # of the files that hold annotations
    folder_note: str = ""  # more of the files that hold annotations, or some


@dataclass(frozen=True)
class Task:
    """What all heads of a task share. The functions that its expressions name are parts,
    in `templates/heads/`."""

    title: str  # in words, as in a dataset's metadata.yaml where `described_as` is ""
    head: type[Head]  # the dataclass of its options
    model_class: str  # these three if a head of the task is the only one
    output_type: str
    returns: str  # what comes out, in words
    plan: Callable[[Any, HeadCode], HeadExpressions]

    # The record of a head whose options change it
    variant: Callable[[Any], Task] | None = None

    described_as: str = ""  # in a dataset's metadata.yaml
    dataset_key: str = ""  # of its names there; "": as in the job
    annotations: str = ""  # in a word, where others are made of them or they of others
    rank: int = 0  # of annotations in one file, the more the more they show; 0: alone

    # The head's field that names what it finds, such as categories; or ""
    names: str = ""
    counted: tuple[str, str] = ("", "")  # one, several of them, in words
    fewest: int = 1  # of them, or of values: 2 where labels of one kind teach nothing

    # At the head of emitted modules, by their paths
    constants: Mapping[str, tuple[Line, ...]] = field(default_factory=dict)

    # model.py
    told: bool = False  # its head is given the targets in training
    exact: bool = False  # its matrix products need all bits of float32
    cells_wanted: bool = False  # decode_objects tells which cell found each object
    shares_box_tower: bool = False  # it reads what the box tower of a detector makes
    own_pixels: Mapping[str, str] = field(default_factory=dict)  # resized, whole
    own_note: str = ""  # how its results then differ from those of `decode`

    # dataset.py
    label: str = ""  # the type of an image's label
    # Of ONE, OTHER, counts: the label of an image that has two; "": they must be the same
    joined: str = ""
    unlabelled: bool = False  # it needs images alone
    on_normal_images: bool = False  # it trains on these, and on defects drawn into them
    in_folder: bool = False  # its annotations are files, an image each
    untold: bool = False  # annotations do not tell which of a file's names they are of
    one_name: bool = False  # an annotation is a name: an image of another is left out
    splits_by: str = ""  # labels that lie on one side of a split, with all their images
    # Formats whose ignored objects its labels tell: crowds of COCO, difficult ones of VOC
    ignores: tuple[str, ...] = ()
    # By format, the function that the page calls to read annotations; "": none
    readers: Mapping[str, str] = field(default_factory=dict)
    native: Native = Native()
    coco: Coco = Coco()
    # Of LABEL, frame, counts: a label in pixels of the image, where a file speaks of
    # others; "": it has no place in the image
    framed: str = ""
    training_note: str = ""  # how sets to train on differ from others, if they do
    meaning: tuple[str, ...] = ()  # fields of the head that give weights their meaning

    # data.py
    views: bool = False  # it learns from two views of an image, which follow each other
    moves: bool = False  # its labels have places in the image
    transforms: tuple[str, ...] = ()  # methods that move them: boxes, points
    stack: str = ""  # the function that makes a batch of targets

    # evaluate.py and draw.py
    on_device: bool = False  # its results are maps, and stay there until they are words
    # Its results are points: "inside" the image, or "anywhere"; "": they are none
    coordinates: str = ""
    drawn: int = INSIDE  # the image, or BESIDE it, or BELOW

    requirements: tuple[str, ...] = ()

    # test_contract.py: what a head promises, and how its annotations are made (of the
    # head, and of the expression of its names; None: it needs none)
    contract: Callable[[Any], HeadContract] | None = None
    annotated: Callable[[Any, str], Annotations] | None = None

    @property
    def may_leave_out(self) -> bool:
        """Whether a dataset may have more names than the head."""
        return self.names in ("categories", "labels") and not self.untold

    @property
    def names_instances(self) -> bool:
        """Whether its names say what something is, and not which part of it."""
        return self.names in NAMES_OF_KINDS
