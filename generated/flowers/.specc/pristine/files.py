"""Files of a dataset, read with care: paths stay below the root, YAML holds no bombs,
an image has the size at which it is shown. Nothing here depends on the job's task."""

import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image

MOST_PIXELS = 200_000_000  # of an image; a bomb has more
SOURCES = {}  # the state of each file and folder that was read
NOTES = []  # what the user was told

SUFFIXES = (  # of images, as OpenCV and Pillow read them
    ".avif .bmp .gif .jfif .jp2 .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp"
).split()
HIDDEN = ".", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "specc-"  # begins of names
OWN_FILES = {"resolved.json", "metrics.jsonl", "predictions.json"}  # specc's


def images_below(folder: Path, counts: Counter) -> Iterator[tuple[Path, list[Path]]]:
    """Each folder from this one down, and its images. Links are followed; what systems,
    tools and specc itself leave beside images is left out, and counted."""
    for place, folders, files in os.walk(folder, followlinks=True):
        own = place != str(folder) and OWN_FILES & set(files)
        above = map(os.path.realpath, Path(place).parents)
        if own or os.path.islink(place) and os.path.realpath(place) in above:
            what = "written by specc" if own else "links to one that they are in"
            counts[f"folders left out: {what}"] += 1
            folders.clear()
            continue
        noted(Path(place))
        files = [name for name in files if is_image(name)]
        shown = [name for name in files if not name.startswith(HIDDEN)]
        counts["hidden files left out"] += len(files) - len(shown)
        hidden = [name for name in folders if name.startswith(HIDDEN)]
        counts["hidden folders left out"] += len(hidden)
        folders[:] = sorted(set(folders) - set(hidden))
        yield Path(place), [Path(place, name) for name in sorted(shown)]


def is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


def tell(where: Path, counts: Counter):
    """Says what was mended or left out: what there is most of, in 20 lines."""
    for what, count in sorted((+counts).most_common(20)):
        say(f"{where}: {what}: {count}")
    if len(+counts) > 20:
        say(f"{where}: and {len(+counts) - 20} more such lines")


def say(line: str):
    """Says something of the dataset, now and whenever samples are read again."""
    NOTES.append(line)
    print(line, file=sys.stderr)


def noted(path: Path) -> Path:
    """The path, once the state of its file or folder is known: read it after that."""
    SOURCES[str(path)] = state_of(path)
    return path


def state_of(path: Path) -> list[int] | str | None:
    """Size and time of a file, a digest of the names and links in a folder, or None."""
    try:
        if path.is_dir():
            found = [
                (x.name, x.is_symlink() and os.readlink(x)) for x in os.scandir(path)
            ]
            return hashlib.sha256(os.fsencode(repr(sorted(found)))).hexdigest()
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


# ---- Headers of images ----

Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # beyond it Pillow warns of bombs


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image as it is shown, by its header."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise ValueError(f"{width}x{height} pixels, more than {MOST_PIXELS:,}")
            orientation = orientation_of(image)
    except Exception as error:  # a broken file can raise nearly anything
        if not os.path.isfile(path):
            raise ValueError(f"no such image: {path}") from None
        wrong = isinstance(error, (ValueError, Image.DecompressionBombError))
        kind = ValueError if wrong else BrokenImage
        raise kind(f"not an image: {error}") from None
    return (width, height) if orientation >= 5 else (height, width)


class BrokenImage(ValueError):
    """A file that is there has no legible header of an image."""


def orientation_of(image: Image.Image) -> int:
    """EXIF's, 1 to 8, as OpenCV follows it: not XMP's, and not that of an AVIF."""
    if image.format == "TIFF" and image.tag_v2.get(0x0112) in range(5, 9):
        raise ValueError("a rotated TIFF, which OpenCV does not decode")
    data = b"" if image.format == "AVIF" else image.info.get("exif", b"")
    exif = Image.Exif()
    exif.load(exif_of_png(image.fp) if image.format == "PNG" else data)
    orientation = exif.get(0x0112, 1) & 0xFFFF
    return orientation if orientation in range(1, 9) else 1


def exif_of_png(file: BinaryIO) -> bytes:
    """The EXIF of a PNG, which may follow the pixels: Pillow would decode them."""
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            return file.read(min(length, 1 << 16))
        file.seek(length + 4, os.SEEK_CUR)  # behind the checksum
    return b""
