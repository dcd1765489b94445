"""The plan of what leads from an image file to a canvas: the functions at the head of
data.py, and the cache of decoded images, cache.py."""

from __future__ import annotations

from typing import Any

from specc.heads import tasks_of
from specc.job import Augmentation, Data, Job
from specc.source import Line, literal

NO_AUGMENTATION = Augmentation(False, False, False, 0.0, 0.0)
READ = {1: "read_image", 3: "read_image", 4: "read_bands"}  # channels -> function
RECOLOR = {1: "recolor_gray", 3: "recolor", 4: "recolor_bands"}
NOTE = "# decoded images; the folder may be deleted while no run uses it\n"


def imaging(job: Job, chosen: Augmentation, moves: bool) -> list[str]:
    """Returns the templates of the functions from image file to canvas."""
    data, resizes = job.data, job.backbone.resize_input
    defects = any(task.on_normal_images for task in tasks_of(job))
    fits = resizes or defects or chosen == NO_AUGMENTATION
    transform = "transform_transposed" if chosen.transpose else "transform"
    sections = [
        "banner_images",
        "image_error",
        *([transform] if moves else []),
        READ[data.channels],
        *(["cache/image"] if data.cache else []),
        *([f"letterbox{'_boxes' * _is_moved(chosen, moves)}"] if fits else []),
        "on_canvas",
        *(["augment"] if chosen != NO_AUGMENTATION else []),
        *([RECOLOR[data.channels]] if chosen.color else []),
    ]
    return [f"data/{section}.py.jinja" for section in sections]


def _is_moved(chosen: Augmentation, moves: bool) -> bool:
    """Returns whether `letterbox` gives a transform too: training needs one to move
    labels, and sees letterboxed images."""
    return moves and chosen == NO_AUGMENTATION


def canvas_only(chosen: Augmentation, moves: bool) -> dict[str, str]:
    """Returns what takes the canvas of an image alone, behind a call."""
    return {
        "canvas_only": "[0]" * _is_moved(chosen, moves),
        "view_only": "[0]" * moves,
    }


def augmentation_of(chosen: Augmentation, moves: bool) -> dict[str, Any]:
    mapped = ", transposed" if chosen.transpose else ""
    return {
        "training_view": (
            "letterbox(sample)" if chosen == NO_AUGMENTATION else "augment(sample, rng)"
        ),
        "augment_note": _augment_note(chosen),
        "augment_steps": _augment_steps(chosen, moves),
        "augmented": f"canvas, Transform(scale, offset{mapped})" if moves else "canvas",
    }


def _augment_steps(chosen: Augmentation, moves: bool) -> list[str]:
    """Returns the fragments of `augment`, in the order of their effects."""
    turned = "_transposed" if chosen.transpose else ""
    moves = "_boxes" if moves else ""
    steps = {
        f"fit{turned}": True,
        "scale": chosen.scale > 0,
        f"read{turned}": True,
        "recolor": chosen.color > 0,
        "place": True,
        f"map{turned}": moves,
        f"flip{moves}": chosen.horizontal_flip,
        f"flip_vertical{moves}": chosen.vertical_flip,
    }
    return [f"data/augment/{step}.py.jinja" for step, wanted in steps.items() if wanted]


def _augment_note(chosen: Augmentation) -> str:
    words = {
        "transposed": chosen.transpose,
        "scaled": chosen.scale > 0,
        "recolored": chosen.color > 0,
        "placed": True,
        "mirrored": chosen.horizontal_flip or chosen.vertical_flip,
    }
    *others, last = (word for word, wanted in words.items() if wanted)
    return f"{', '.join(others)} and {last}" if others else last


def cache_constants(data: Data) -> tuple[Line, ...]:
    if data.cache is None:
        return ()
    return (Line("CACHE", f"Path({literal(data.cache)})", above=NOTE),)


def plan_cache(data: Data, resizes: bool) -> dict[str, Any]:
    """Returns names and flags; the templates do the rest."""
    caches, larger = data.cache is not None, _larger_views(data)
    sizes = ["fitted"] * (resizes or not larger) + ["whole"] * (not resizes)
    sizes += [larger] if larger else []
    return {
        "caches": caches,
        "read": "cached_image" if caches else "read_image",
        "resize_template": f"data/{'cache/' * caches}resize.py.jinja",
        "size_of_views": "largest" if larger else "fitted",
        "size_of_judged": "fitted" if resizes else "whole",
        "view_size_sections": [f"data/cache/{size}.py.jinja" for size in sizes],
        "known_errors_template": f"train/image_errors{'_cached' * caches}.py.jinja",
    }


def _larger_views(data: Data) -> str:
    """Returns why a view may be larger than the image on the canvas; "" if it may
    not."""
    chosen, (height, width) = data.augmentation, data.resolution
    scaled = chosen is not None and chosen.scale > 0
    turned = chosen is not None and chosen.transpose and height != width
    return "_".join(["scaled"] * scaled + ["turned"] * turned)
