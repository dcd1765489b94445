"""Reads files of untrusted datasets within limits, or refuses them with a message."""

from __future__ import annotations

import contextlib
import os
import random
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from unicodedata import normalize

from specc.diagnostics import fail
from specc.resources import install

MOST_PIXELS = 200_000_000  # largest image; rejects decompression bombs
MOST_VALUES = 50_000_000  # most values of a file of annotations; rejects YAML bombs
MOST_BYTES = 2_000_000_000  # largest file of annotations
HIDDEN = ".", "__MACOSX", "@eaDir", "$RECYCLE.BIN"  # names of hidden files begin so
PILLOW = threading.Lock()  # Pillow has one limit for all threads
NEEDED = {  # module -> name for pip
    "cv2": "opencv-python-headless",
    "defusedxml": "defusedxml",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "PIL": "pillow",
    "torch": "torch",
    "tqdm": "tqdm",
    "yaml": "PyYAML",
}
Item = TypeVar("Item")


class Unreadable(Exception):
    """A file is not what it should be: one line that says what is wrong; `help` tells
    how to mend it, where more can be said than that the file is to be mended."""

    def __init__(self, what: str, help: str = "") -> None:
        super().__init__(what)
        self.help = help


class Unplaced(Unreadable):
    """A file names other files that are not there; `help` tells how to bring them."""


class Unlike(Unreadable):
    """A file may be of a dataset, in another layout than those that are read."""


def require(*modules: str) -> None:
    """Raises JobError E424 for packages that are not installed."""
    from importlib.util import find_spec

    missing = [NEEDED[module] for module in modules if find_spec(module) is None]
    if missing:
        fail(
            "E424",
            f"reading a dataset needs {', '.join(missing)}, which is not installed",
            help=install("train"),
        )


def read_text(path: Path) -> str:
    """Returns the text of a file. Raises Unreadable."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Unreadable(f"{path}: more than {MOST_BYTES:,} bytes")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path}: cannot be read: {error}") from None


def folders_in(folder: Path) -> list[Path]:
    """Returns the folders in a folder by name, but for hidden ones; none if it cannot
    be listed."""
    try:
        with os.scandir(folder) as found:
            folders = sorted(Path(one) for one in found if one.is_dir())
    except (OSError, ValueError):
        return []
    return [one for one in folders if not one.name.startswith(HIDDEN)]


def entries(folder: Path) -> list[Path]:
    """Returns the entries of a folder by name, but for hidden ones, as the `._a.yaml`
    of macOS; none if the folder cannot be listed."""
    try:
        names = sorted(os.listdir(folder))
    except (OSError, ValueError):
        return []
    return [folder / name for name in names if not name.startswith(HIDDEN)]


def loose(name: str) -> str:
    """Returns the name of a file without its suffix, its case and the form of its
    letters: of names that are alike by it, one may be a slip for the other."""
    return normalize("NFC", os.path.splitext(name)[0]).casefold()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Opens an image of up to MOST_PIXELS. Pillow's own limit stays as it is: emitted
    code that runs in this process refuses what it refuses in a run."""
    from PIL import Image

    with PILLOW:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(path)
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    with image:
        if not 0 < image.width * image.height <= MOST_PIXELS:
            raise Unreadable(f"{path}: more than {MOST_PIXELS:,} pixels")
        yield image


def image_size(path: Path) -> tuple[int, int] | None:
    """Returns height and width of an image after EXIF rotation, read from the header;
    None without a legible header."""
    try:
        with opened(path) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112) in range(5, 9)  # EXIF orientation
    except Exception:  # a broken file can raise any exception
        return None
    return (width, height) if turned else (height, width)


def has_frames(path: Path) -> bool:
    """Returns whether a TIFF or GIF holds several images, of which the readers take the
    first."""
    if path.suffix.lower() not in (".tif", ".tiff", ".gif"):
        return False
    try:
        with opened(path) as image:
            return getattr(image, "is_animated", False)
    except Exception:  # a broken file can raise any exception
        return False


def largest_value(path: Path) -> int | None:
    """Returns the largest value of a 16-bit image; None for any other image."""
    try:
        with opened(path) as image:
            if not (image.mode.startswith("I") or ";16" in str(image.tile)):
                return None
            gray = image.mode.startswith("I")
            return image.getextrema()[1] if gray else _largest_of_colors(path)
    except Exception:  # a broken file can raise any exception
        return None


def _largest_of_colors(path: Path) -> int | None:
    """Pillow reads colors of 16 bits as 8; None without OpenCV."""
    try:
        import cv2
        import numpy as np
    except ImportError:
        return None
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    return int(image[..., :3].max()) if image.dtype == np.uint16 else None


def depths_in(
    maps: list[Path], nearest: float, farthest: float
) -> tuple[float, float, float] | None:
    """Returns the nearest, median and farthest depth of gray maps; None if all pixels
    are unknown."""
    import numpy as np

    spans = []
    for path in maps:
        try:
            with opened(path) as image:
                codes, deep = np.asarray(image), image.mode != "L"
                kind = image.mode.partition(";")[0]  # I;16B and so on
        except Exception:  # a broken file can raise any exception
            continue
        if kind not in ("L", "I") or codes.max() > 65535:
            continue  # the reader refuses the file
        if (known := codes[codes > 0]).size:
            share = (known.astype(float) - 1) / (65534 if deep else 254)
            depth = farthest - share * (farthest - nearest)
            spans.append(np.quantile(depth, (0, 0.5, 1)).tolist())
    if not spans:
        return None
    low, middle, high = zip(*spans)
    return min(low), float(np.median(middle)), max(high)


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Returns at most so many of the items, in their order: one from a random place of
    each of `most` equal stretches, the same ones every time. At equal steps all could
    be of one kind, where two kinds take turns, as left and right images of a camera."""
    count = len(items)
    if count <= most:
        return list(items)
    draw = random.Random(0)
    ends = [i * count // most for i in range(most + 1)]
    return [items[draw.randrange(low, high)] for low, high in zip(ends, ends[1:])]


def is_pointer(path: Path) -> bool:
    """Returns whether Git LFS has left a pointer in the place of a file."""
    start = b"version https://git-lfs.github.com/spec/"
    try:
        with path.open("rb") as file:
            return file.read(len(start)) == start
    except OSError:
        return False
