"""The plan of the cache of decoded images: cache.py, and its part of data.py."""

from __future__ import annotations

from typing import Any

from specc.job import Data
from specc.source import Line, literal

NOTE = "# decoded images; the folder may be deleted while no run uses it\n"


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
