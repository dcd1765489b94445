"""Rules on random changes of images, which heads may need or not bear: E371, E444,
E445."""

from __future__ import annotations

from specc.diagnostics import Diagnostic, drop, likely, put
from specc.heads import TASKS
from specc.job import Job
from specc.resolve import needs_whole_image

# Where all of these are off, two views are equal but for mirroring.
CHANGES = ("scale", "color", "random_crop", "hue", "grayscale", "blur")
OF_COLOR = ("hue", "grayscale")


def views_differ(job: Job, given: dict) -> list[Diagnostic]:
    """E371: a head that learns from two views of an image needs views that differ."""
    chosen = job.data.augmentation
    if chosen and any(getattr(chosen, change) for change in CHANGES):
        return []
    return [
        Diagnostic(
            "E371",
            f"head `{one.name}` compares random views of an image, "
            "which differ neither in scale nor in color",
            ("model", "heads", index, "task"),
            help='set /data/augmentation to {"scale": 0.7, "color": 0.5}, or so',
            edit=likely(put(("data", "augmentation"), {"scale": 0.7, "color": 0.5})),
        )
        for index, one in enumerate(job.heads)
        if TASKS[one.task].views
    ]


def color_to_change(job: Job, given: dict) -> list[Diagnostic]:
    """E444: hues turn, and colors become gray, where images have three channels."""
    chosen, channels = job.data.augmentation, job.data.channels
    if not chosen or channels == 3:
        return []
    return [
        Diagnostic(
            "E444",
            f"`{change}` changes colors, and the images have {channels} channel"
            f"{'s' * (channels > 1)}",
            ("data", "augmentation", change),
            help="remove it, or set /data/channels to 3",
            edit=likely(drop(("data", "augmentation", change))),
        )
        for change in OF_COLOR
        if getattr(chosen, change)
    ]


def whole_images(job: Job, given: dict) -> list[Diagnostic]:
    """E445: what a label says of the whole image is not cropped away."""
    if not (job.data.augmentation and job.data.augmentation.random_crop):
        return []
    return [
        Diagnostic(
            "E445",
            f"`random_crop` shows parts of images, head `{one.name}` has labels of "
            "whole ones",
            ("data", "augmentation", "random_crop"),
            note="a part of a text reads otherwise, and holds another number of things",
            help="remove `random_crop`",
            edit=likely(drop(("data", "augmentation", "random_crop"))),
        )
        for one in job.heads
        if needs_whole_image(one)
    ][:1]
