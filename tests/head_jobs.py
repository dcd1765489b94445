"""A small job for each task, which learns from a dataset that is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import instance_jobs
import runs

from specc.shapes import dataset, text, tiles
from specc.shapes.dataset import COUNTS
from specc.shapes.scene import BACKGROUNDS, CATEGORIES

# After 20 iterations a head is sure of nothing, and predictions shall not be empty.
SOON_FOUND = {"score_threshold": 0.005}
ON_SHAPES: dict[str, dict] = {  # name: head
    "classes": {"task": "multiclass_classification", "categories": list(BACKGROUNDS)},
    "ordered": {
        "task": "multiclass_classification",
        "categories": list(COUNTS),
        "ordered": True,
    },
    "labels": {"task": "multilabel_classification", "labels": list(CATEGORIES)},
    "number": {"task": "regression", "range": [0.0, 1.0]},
    "objects": runs.SHAPES | SOON_FOUND,
    "masks": instance_jobs.SHAPES | SOON_FOUND,
    "panoptic": instance_jobs.PANOPTIC | SOON_FOUND,
    "regions": runs.REGIONS,
    "depths": runs.DEPTHS,
    "reach": runs.POSES | SOON_FOUND,
    "corners": runs.QUADS | SOON_FOUND,
    "picture": {"task": "autoencoding", "code_size": 8, "channels": 32},
    "views": {"task": "view_invariance_learning", "projection_size": 16}
    | {"categories": list(BACKGROUNDS)},
    "ground": {"task": "metric_learning", "identities": list(BACKGROUNDS)}
    | {"embedding_size": 16},
}
TOKENS, MAX_TOKENS = "0147", 2  # few, which are learned soon
READING = {"tokens": TOKENS, "max_tokens": MAX_TOKENS}
FLAWS = {"task": "anomaly_detection", "channels": 32, "false_alarms": 0.2}


def head_of(name: str) -> dict:
    return ON_SHAPES[name] | {"name": name}


class Small(NamedTuple):
    """A job of one head: what it learns from, and what it does otherwise than others."""

    head: dict
    drawn: str = "shapes"
    data: dict = {}
    options: dict = {}  # see runs.make
    falls: tuple[str, ...] = ()  # terms of the loss that do, besides their sum
    # Whether the loss falls within 20 iterations, and not only by chance; else a test in
    # the room of the head says that it does in more.
    soon: bool = True


FAST, SLOW = (
    {"optimizer": {"kind": "adamw", "learning_rate": rate}} for rate in (0.003, 0.001)
)
LOW = {"backbone": {"top_level": 3}}  # a short ResNet
READS = LOW | {"batch_size": 16}
STRIPS = {"resolution": list(text.SIZE), "channels": 1, "augmentation": None}
JOBS: dict[str, Small] = {
    task: Small(head_of(name), **more)
    for task, name, more in (
        ("autoencoding", "picture", {"options": LOW | SLOW}),
        ("depth_estimation", "depths", {"options": {"batch_size": 8}}),
        ("instance_segmentation", "masks", {"falls": ("mask",)}),
        ("keypoint_detection", "reach", {"falls": ("keypoints", "presence")}),
        ("metric_learning", "ground", {"soon": False}),
        ("multiclass_classification", "classes", {"options": {"batch_size": 8}}),
        ("multilabel_classification", "labels", {"options": {"batch_size": 8}}),
        ("object_detection", "objects", {}),
        ("panoptic_segmentation", "panoptic", {"falls": ("mask",)}),
        ("quadrilateral_detection", "corners", {"falls": ("corners",)}),
        ("regression", "number", {"options": LOW}),
        ("semantic_segmentation", "regions", {}),
        (
            "view_invariance_learning",
            "views",
            {
                "data": {"augmentation": {"scale": 0.5, "color": 0.5}},
                "options": {"batch_size": 8},
                "soon": False,
            },
        ),
    )
} | {
    "anomaly_detection": Small(
        FLAWS | {"name": "flaws"},
        "tiles",
        {"channels": 1},
        LOW | {"neck": {"kind": "none"}},
    ),
    **{
        task: Small(READING | {"name": "code", "task": task}, "strips", STRIPS, READS)
        for task in ("scene_text_recognition", "autoregressive_text_recognition")
    },
}


def draw(drawn: str, folder: Path) -> None:
    """A dataset whose images to validate on two processes cannot halve."""
    if drawn == "shapes":
        dataset.draw_dataset(folder, train=16, validation=5)
    elif drawn == "tiles":
        tiles.draw_dataset(folder, train=16, validation=9)
    elif drawn == "strips":
        lengths = (1, MAX_TOKENS)
        text.draw_dataset(
            folder, train=16, validation=5, tokens=TOKENS, lengths=lengths
        )


def images(place: Path, task: str) -> list[Path]:
    """Three validation images of the dataset that a task's small job learns from."""
    return sorted((place / JOBS[task].drawn / "val" / "images").iterdir())[:3]


def make(folder: Path, task: str, data=None, **trainer) -> Path:
    """The compiled folder of the small job of a task."""
    small = JOBS[task]
    sets = {"train": f"{small.drawn}/train", "validation": f"{small.drawn}/val"}
    options = {"max_iterations": 20, "validations": 2} | FAST | small.options | trainer
    return runs.make(
        folder, small.head, data=sets | small.data | (data or {}), **options
    )
