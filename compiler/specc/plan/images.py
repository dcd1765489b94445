"""The plan of what leads from an image file to a canvas: the functions at the head of
data.py, and the cache of decoded images, cache.py."""

from __future__ import annotations

import textwrap
from typing import Any

from specc.heads import tasks_of
from specc.job import Augmentation, Data, Job
from specc.source import Line, constant, literal

NO_AUGMENTATION = Augmentation(False, False, False, 0.0, 0.0)
DOCSTRING = 78  # characters of a line in quotation marks
READ = {1: "read_image", 3: "read_image", 4: "read_bands"}  # channels -> function
DEEP = " | cv2.IMREAD_ANYDEPTH"
OF_FAST = {  # texts where `read_image` may be fast
    "fast_argument": ", fast",
    "fast_keyword": ", fast=True",
    "fast_parameter": ", fast: bool",
    "fast_test": "fast and ",
    "way_of_views": ', "fast"',
    "way_of_judged": ', "exact"',
    "way_of_decoder": " + way",
}
NOTHING = "train/untold.py.jinja"  # an empty section
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
        "augment_note": _augment_note(chosen).replace("\n", "\n    "),
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
        "random_crop": chosen.random_crop > 0,
        f"read{turned}": True,
        "recolor": chosen.color > 0,
        "hue": chosen.hue > 0,
        "grayscale": chosen.grayscale > 0,
        "blur": chosen.blur > 0,
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
        "cropped": chosen.random_crop > 0,
        "recolored": max(chosen.color, chosen.hue, chosen.grayscale) > 0,
        "blurred": chosen.blur > 0,
        "placed": not chosen.random_crop,
        "mirrored": chosen.horizontal_flip or chosen.vertical_flip,
    }
    *others, last = (word for word, wanted in words.items() if wanted)
    text = f"{', '.join(others)} and {last}" if others else last
    return textwrap.fill(f"Returns an image {text} at random.", DOCSTRING)


def view_constants(chosen: Augmentation) -> list[Line]:
    """Returns the constants of the changes that are off unless asked for."""
    values = {
        "CROP": (
            chosen.random_crop,
            "training images lose up to this share of the area",
        ),
        "HUE": (chosen.hue, "hues turn by up to this part of the color circle"),
        "GRAY": (chosen.grayscale, "this part of the images becomes gray"),
        "BLUR": (chosen.blur, "largest standard deviation of a blur; pixels"),
    }
    return [
        constant(name, value, note) for name, (value, note) in values.items() if value
    ]


def cache_constants(data: Data) -> tuple[Line, ...]:
    if data.cache is None:
        return ()
    return (Line("CACHE", f"Path({literal(data.cache)})", above=NOTE),)


def plan_reading(data: Data, chosen: Augmentation, resizes: bool) -> dict[str, Any]:
    """Returns how `read_image` decodes and resizes: exactly as the model does where
    the model resizes, but `fast` for views of training. Where it is not exact, JPEGs
    are decoded at a part of their size."""
    fast = resizes and chosen != NO_AUGMENTATION
    way = "fast" if fast else "exact" if resizes else "reduced"
    reduced = "_reduced" * (fast or not resizes)
    color = f"cv2.IMREAD_{'GRAYSCALE' if data.channels == 1 else 'COLOR'}"
    flag = color + DEEP * (data.bits is not None)
    kind = "_fast" if fast else "_exact" if resizes else ""
    batch = f"data/resize{kind}.py.jinja"
    return {
        "decoders": f"read_image, resized{', resampled' * resizes}",
        "fast": fast,
        **{name: text * fast for name, text in OF_FAST.items()},
        "size_and_way": f"size_of{', way' * fast}",
        "reading_head": f"data/{READ[data.channels]}_{way}.py.jinja",
        "reduced_flag_template": "data/reduced_flag.py.jinja" if reduced else NOTHING,
        "sides_template": f"data/sides{reduced}.py.jinja",
        "read_flag": flag,
        "decoding_flag": "flag" if reduced else flag,
        "resize_batch": batch,
        "resize_template": "data/cache/resize.py.jinja" if data.cache else batch,
    }


def plan_cache(data: Data, resizes: bool) -> dict[str, Any]:
    """Returns names and flags; the templates do the rest."""
    caches, larger = data.cache is not None, _larger_views(data)
    sizes = ["fitted"] * (resizes or not larger) + ["whole"] * (not resizes)
    sizes += [larger] if larger else []
    return {
        "caches": caches,
        "read": "cached_image" if caches else "read_image",
        "size_of_views": "largest" if larger else "fitted",
        "size_of_judged": "fitted" if resizes else "whole",
        "view_size_sections": [f"data/cache/{size}.py.jinja" for size in sizes],
        "largest_factor": _largest_factor(data.augmentation or NO_AUGMENTATION),
        "known_errors_template": f"train/image_errors{'_cached' * caches}.py.jinja",
    }


def _larger_views(data: Data) -> str:
    """Returns why a view may be larger than the image on the canvas; "" if it may
    not."""
    chosen, (height, width) = data.augmentation, data.resolution
    scaled = chosen is not None and bool(_largest_factor(chosen))
    turned = chosen is not None and chosen.transpose and height != width
    return "_".join(["scaled"] * scaled + ["turned"] * turned)


def _largest_factor(chosen: Augmentation) -> str:
    """Returns the expression of the factor by which a view may be larger than the
    image on the canvas; "" if it may not."""
    factors = {
        "(1 + SCALE)": chosen.scale > 0,
        "(1 - CROP) ** -0.5": chosen.random_crop > 0,
    }
    return " * ".join(factor for factor, wanted in factors.items() if wanted)
