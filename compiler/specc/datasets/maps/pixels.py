"""Looks at the pixels of maps: which values and colors they have."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from specc.datasets.files import opened, spread

LOOKED_AT = 600  # most maps of a dataset that are decoded to find their values
FEW = 64  # most values or colors of what is taken for a map by its pixels alone
GRAY = ("1", "L", "P", "I;16", "I;16B", "I")
ARRAYS = (".npy", ".exr", ".pfm", ".npz", ".mat", ".h5")  # maps that are no images
LOSSY = ("JPEG", "WEBP", "JPEG2000", "AVIF", "MPO")


@dataclass
class Seen:
    """The content of some maps: the Pillow modes, the values of those of gray or with a
    palette, by kind of mode, and the colors of all. A value or color leads to a place
    where it was seen: file, x, y."""

    modes: Counter = field(default_factory=Counter)
    formats: Counter = field(default_factory=Counter)
    values: dict[str, dict[int, tuple]] = field(default_factory=dict)
    palette: dict[int, tuple] = field(default_factory=dict)  # index -> color
    palettes_differ: bool = False
    colors: dict[tuple, tuple] = field(default_factory=dict)
    pixels: Counter = field(default_factory=Counter)  # gray value -> number of pixels
    most: int = 0  # most values in one map
    files: int = 0


def look(maps: list[Path]) -> Seen:
    """Returns what is in some of the maps; those that cannot be read are left out."""
    seen = Seen()
    for path in spread(maps, LOOKED_AT):
        _add(seen, path)
    return seen


def _add(seen: Seen, path: Path) -> None:
    import numpy as np

    try:
        with opened(path) as image:
            mode, form, palette = image.mode, image.format, image.getpalette()
            gray = mode in GRAY
            image = image.convert("L") if mode == "1" else image
            pixels = np.asarray(image if gray or mode == "F" else image.convert("RGB"))
    except Exception:  # a broken file can raise any exception
        return
    seen.modes[mode] += 1
    seen.formats[form] += 1
    seen.files += 1
    if mode == "F":
        return
    if gray:
        found, places, counts = _values(pixels)
        seen.most = max(seen.most, len(found))
        seen.pixels.update(dict(zip(found, counts)))
        kind = "P" if mode == "P" else "L"
        known = seen.values.setdefault(kind, {})
        for value, place in zip(found, places):
            known.setdefault(value, (path, *place))
            color = (value,) * 3
            if mode == "P":
                color = tuple((palette or [])[3 * value : 3 * value + 3]) or color
                if seen.palette.setdefault(value, color) != color:
                    seen.palettes_differ = True
            seen.colors.setdefault(color, (path, *place))
        return
    codes = pixels.astype(np.int32) @ [1 << 16, 1 << 8, 1]
    found, places, counts = _values(codes)
    seen.most = max(seen.most, len(found))
    for code, place, count in zip(found, places, counts):
        color = code >> 16, code >> 8 & 255, code & 255
        seen.colors.setdefault(color, (path, *place))
        if len({*color}) == 1:
            seen.pixels[color[0]] += count


def _values(pixels: Any) -> tuple[list[int], list[tuple[int, int]], list[int]]:
    """Returns the values in a map, up to thousands, x and y of each, and how many
    pixels have it."""
    import numpy as np

    found, first, counts = np.unique(pixels, return_index=True, return_counts=True)
    rows, columns = np.unravel_index(first[:5000], pixels.shape)
    places = list(zip(columns.tolist(), rows.tolist()))
    return found[:5000].tolist(), places, counts[:5000].tolist()


def looks_like_maps(images: list[Path], maps: list[Path], named: bool) -> bool:
    """Returns whether files hold maps of these images: of few values where their names
    say so, and else of far fewer than the images."""
    if any(path.suffix.lower() in ARRAYS for path in maps):
        return named or all(path.suffix.lower() != ".npy" for path in images)
    seen = [x for x in map(_glance, maps) if x.files]
    if not seen:
        return False
    most = max(x.most for x in seen)
    modes = {mode for x in seen for mode in x.modes}
    deep = all(mode.startswith(("I", "F")) for mode in modes)
    if named:
        return deep or not modes - {*GRAY} or most <= 4 * FEW
    if deep or most > FEW or any({*x.formats} & {*LOSSY} for x in seen):
        return False
    return max(x.most for x in map(_glance, images)) > 3 * most


def _glance(path: Path) -> Seen:
    """Returns what is in one file, which is decoded once; nothing of a broken link."""
    path = path.absolute()
    try:
        return _decoded(path, path.stat().st_mtime_ns)
    except OSError:
        return Seen()


@lru_cache(maxsize=512)
def _decoded(path: Path, time: int) -> Seen:
    return look([path])
