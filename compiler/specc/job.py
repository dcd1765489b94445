"""The resolved job: frozen values with every default filled in (see resolve.py).

Names, types, ranges and descriptions live in the JSON Schema alone; these classes only
give the later passes something typed to read.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class Augmentation:
    horizontal_flip: bool
    vertical_flip: bool
    transpose: bool  # swap x and y: with both flips, the eight symmetries of a square
    scale: float  # the fitted size times a factor in [1 - scale, 1 + scale]
    color: float  # brightness, contrast, saturation times a factor in [1 - color, 1 + color]
    random_crop: float = 0.0  # a view shows a share in [1 - random_crop, 1] of the area
    hue: float = 0.0  # turned by a part of the color circle in [-hue, hue]
    grayscale: float = 0.0  # part of the images that become gray
    blur: float = 0.0  # largest standard deviation in pixels

    @property
    def mirrors(self) -> bool:
        """Whether a view may show a mirror image."""
        return self.horizontal_flip or self.vertical_flip or self.transpose

    def used(self) -> dict[str, Any]:
        """Returns the options, but for those that are off unless asked for: jobs and
        records from before there were any lack them."""
        return {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) or field.default is MISSING
        }


class Columns(dict):
    """A mapping that is never written to, so that it can be hashed."""

    def __hash__(self) -> int:
        return hash(tuple(self.items()))


@dataclass(frozen=True)
class Layout:
    """Places of images and labels, and how these are written, by sets."""

    train_images: str | None = None  # a folder, relative to the root of the datasets
    validation_images: str | None = None
    test_images: str | None = None
    train_labels: str | None = None  # a folder, too
    validation_labels: str | None = None
    test_labels: str | None = None
    names: str | None = None  # the file with the names of the categories
    prefix: str | None = None  # the beginning of names of images, which is removed
    file_names: str | None = None  # last_part, decoded, decoded_last_part
    name_key: str | None = None  # coco_url; None: file_name
    crowds: str | None = None  # objects; None: crowds are ignored
    image_ending: str | None = None  # end of file names; None: any suffix of images
    label_ending: str | None = None
    image_beginning: str | None = None  # beginning of file names; None: none
    label_beginning: str | None = None
    label_folder: str | None = None  # name of the folders of instances' masks
    suffix: str | None = None  # suffix that names of images lack: .jpg
    columns: Columns | None = None  # `image` or a head -> its column, or its columns
    header: tuple[str, ...] | None = None  # columns, where the file does not name them
    delimiter: str | None = None  # comma, semicolon, tab, bar, space, json
    quotes: bool | None = None
    missing: str | None = None  # text of a cell without a value
    separator: str | None = None  # between two names in a cell: space, comma, ...
    decimal: str | None = None  # point, comma
    box: tuple[str, ...] | None = None  # columns of a box: four, or one
    box_form: str | None = None  # corners, size, center
    box_unit: str | None = None  # pixels, fractions
    size: tuple[str, ...] | None = None  # columns of an image's width and height
    crowd: str | None = None  # column that is 1 where a box is around several objects
    split: str | None = None  # column that tells sets apart
    train_rows: str | None = None  # value of this column in the rows of a set
    validation_rows: str | None = None
    test_rows: str | None = None


@dataclass(frozen=True)
class Data:
    train: str
    validation: str | None  # None: `validation_fraction` of the training set, by seed
    test: str | None  # the set of evaluate.py --test
    validation_fraction: float
    group: str | None  # pattern: images with equal matches in their paths are one group
    resolution: tuple[int, int]  # height, width in pixels
    format: str  # native, folders, coco, voc, yolo, dota, csv, maps
    layout: Layout | None
    task: str | None  # task of the annotations; None: each head's own
    channels: int  # 1 (gray), 3 (RGB) or 4 (RGB and another band)
    bits: int | None  # bits in use of images with 16-bit values; None: all 16
    augmentation: Augmentation | None
    cache: str | None  # folder of decoded images
    keep_samples: bool = False  # whether what was read is kept in a file


@dataclass(frozen=True)
class Backbone:
    name: str
    top_level: int
    resize_input: bool
    frozen_levels: int = 0  # levels 1 to this one keep their weights in training


@dataclass(frozen=True)
class Neck:
    kind: str
    bottom_level: int
    top_level: int
    channels: int


@dataclass(frozen=True)
class HeadData:
    """The datasets with a head's labels."""

    train: str
    validation: str | None  # None: a part of the training set, drawn by seed
    test: str | None
    format: str
    layout: Layout | None = None
    task: str | None = None  # task of the annotations; None: the head's own


@dataclass(frozen=True)
class Head:
    name: str
    task: str
    loss_weight: float
    data: HeadData | None  # None: the job's data, annotated for the head's own task


@dataclass(frozen=True)
class Initialization:
    kind: str  # random, imagenet, checkpoint
    weights: str | None  # imagenet: a local file (None: the hub); checkpoint: its path


@dataclass(frozen=True)
class Optimizer:
    kind: str  # sgd, adamw
    learning_rate: float
    weight_decay: float
    momentum: float | None  # sgd only


@dataclass(frozen=True)
class Scheduler:
    kind: str  # multi_step, one_cycle
    milestones: tuple[float, ...] = ()  # multi_step: fractions of progress
    factor: float = 0.1
    initial_factor: float = 0.04  # one_cycle: both factors times `learning_rate`
    final_factor: float = 0.001
    warmup: float = 0.3  # one_cycle: fraction of progress spent rising


@dataclass(frozen=True)
class Slurm:
    nodes: int
    gpus_per_node: int
    hours: float  # time limit of one Slurm job


@dataclass(frozen=True)
class Trainer:
    initialization: Initialization
    max_iterations: int | None  # None: only `max_hours` ends the run
    max_hours: float | None
    validations: int
    batch_size: int  # images of a step, over all processes and micro-batches
    accumulation: int | None  # micro-batches of a process in a step
    gradient_clipping: float | None
    precision: str  # bf16, fp16 (both autocast on CUDA only), fp32
    channels_last: bool
    compile: bool
    deterministic: bool
    ema: float | None  # decay of the average of weights
    early_stopping: int | None  # validations without a new best
    backbone_learning_rate_factor: float
    optimizer: Optimizer
    scheduler: Scheduler | None
    best: str  # "<head>/<metric>" that chooses best.pt
    slurm: Slurm | None


@dataclass(frozen=True)
class Job:
    name: str
    data: Data
    backbone: Backbone
    neck: Neck | None
    heads: tuple[Head, ...]
    trainer: Trainer
    export: bool = False  # whether export.py and runtime.py are emitted


def source_of(job: Job, head: Head) -> HeadData:
    """Returns the datasets with the labels of a head."""
    data = job.data
    sets = data.train, data.validation, data.test
    return head.data or HeadData(*sets, data.format, data.layout)


def sets_of_head(job: Job, head: Head) -> HeadData:
    """Returns the datasets of a head, whatever the task of their annotations."""
    return replace(source_of(job, head), task=None)
