"""The dataset: its annotations, read and checked.

A dataset is a folder with `images/`, and beside it:

    metadata.yaml
        task: anomaly detection
        masks: masks/  # white where an image is anomalous; or none
        annotations: annotations.yaml
    annotations.yaml
        image.jpg: normal or anomalous

`null` leaves an image out.
"""

import itertools
import os
import sys
from collections import Counter
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, NamedTuple

import yaml
from PIL import Image

TRAIN, VALIDATION = "tiles/train", "tiles/val"  # below --data
MASK_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")  # Pillow's, of masks
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")  # of images
MOST_PIXELS = 200_000_000  # of an image; a bomb has more
MOST_VALUES = 50_000_000  # of a file of annotations, likewise


class Inspection(NamedTuple):
    """What is known of an image."""

    anomalous: bool
    mask: Path | None  # white where it is anomalous


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, Inspection]


# ---- Reading: whatever is wrong is named before training begins ----


def read_datasets(root: Path) -> tuple[list[Sample], list[Sample]]:
    """The samples to train on, and those to validate on."""
    return read_dataset(root / TRAIN, training=True), read_dataset(root / VALIDATION)


def read_dataset(folder: Path, training: bool = False) -> list[Sample]:
    """The labelled images of a dataset; ends with a list of what is wrong, if any.

    A set to train on needs neither annotations nor masks.
    """
    annotations = read_inspections(folder, training)
    samples, problems, counts = [], [], Counter()
    for name, given in sorted(annotations.items()):
        if given is None:
            counts["images left out: null"] += 1
            continue
        try:
            path = below(folder / "images", name)
            height, width = image_size(path)
            labels = {"defects": parse_inspection(given, height, width)}
        except ValueError as error:
            problems.append(f"{name}: {error}")
        else:
            samples.append(Sample(path, height, width, labels))
    report(folder, samples, problems, counts)
    return samples


def report(where: Path, samples: list, problems: list[str], counts: Counter):
    """Ends the program if a dataset has problems; says what was mended or left out."""
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems[:20])
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise SystemExit(f"{where}: {len(problems)} problems{lines}{more}")
    told = [f"{where}: {what}: {n}\n" for what, n in sorted(counts.items()) if n]
    more = f"{where}: and {len(told) - 20} more such lines\n" if len(told) > 20 else ""
    print(*told[:20], more, sep="", end="", file=sys.stderr)
    if not samples:
        raise SystemExit(f"{where}: no labelled images")


def read_inspections(folder: Path, training: bool) -> dict:
    """The label and the mask of each image. In a set to train on all are normal without
    annotations; with some, anomalous images are left out."""
    path, (entry, *_) = entries_of(folder, "anomaly detection")
    if "annotations" in entry:
        labels = annotations_of(path, entry)
    elif training:
        labels = dict.fromkeys(read_images(folder), "normal")
    else:
        raise SystemExit(f"{path}: no `annotations`: which images are anomalous?")
    if training:
        normal = {name: x for name, x in labels.items() if x != "anomalous"}
        if left_out := len(labels) - len(normal):
            print(f"{path}: images left out: anomalous: {left_out}", file=sys.stderr)
        return {name: x if x is None else (x, None) for name, x in normal.items()}
    for label in ("normal", "anomalous"):
        if label not in labels.values():
            raise SystemExit(
                f"{path}: no image is {label}, validation needs both kinds"
            )
    masks = masks_of(folder, path, entry, labels)
    return {name: x if x is None else (x, masks[name]) for name, x in labels.items()}


def masks_of(folder: Path, path: Path, entry: dict, labels: dict) -> dict:
    """The mask of each image, which has its stem, in the folder that the entry names:
    each anomalous image has to have one, and no other. Without a folder none has."""
    if "masks" not in entry:
        return dict.fromkeys(labels)
    try:
        masks = below(folder, entry["masks"])
        files = {file.stem: file for file in listed_images(masks)}
    except (ValueError, OSError) as error:
        raise SystemExit(f"{path}: masks: {error}") from None
    missing = {
        name: masks / f"{Path(name).stem}.png"
        for name, label in labels.items()
        if label == "anomalous"
    }
    return {name: files.get(Path(name).stem, missing.get(name)) for name in labels}


def read_images(folder: Path) -> dict[str, str]:
    """All images of a folder: they need no annotations, and are their own."""
    try:
        files = sorted((folder / "images").iterdir())
    except OSError as error:
        raise SystemExit(f"{folder}: no images: {error}") from None
    return {file.name: file.name for file in files if file.suffix.lower() in SUFFIXES}


def listed_images(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES)


def entries_of(folder: Path, task: str) -> tuple[Path, list[dict]]:
    """The file of metadata, and its entries for a task: one or more."""
    paths = folder / "metadata.yaml", folder / "metadata.json"
    path = next(filter(os.path.exists, paths), paths[0])
    entries = read_yaml(path)
    entries = entries if isinstance(entries, list) else [entries]
    entries = [entry for entry in entries if isinstance(entry, dict)]
    entries = [e for e in entries if str(e.get("task")).replace("_", " ") == task]
    if not entries:
        raise SystemExit(f"{path}: no entry with `task: {task}`")
    return path, entries


def annotations_of(path: Path, entry: dict) -> dict:
    """What an entry of this file of metadata says of each image, by its name."""
    try:
        path = below(path.parent, entry.get("annotations"))
    except ValueError as error:
        raise SystemExit(f"{path}: annotations: {error}") from None
    annotations = read_yaml(path)
    if not isinstance(annotations, dict):
        raise SystemExit(f"{path}: does not map images to annotations")
    return {str(name): value for name, value in annotations.items()}


def read_yaml(path: Path) -> object:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), SafeLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None


class SafeLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Without bombs: by aliases of aliases a few lines stand for billions of values."""

    def construct_document(self, node: yaml.Node):
        values = count_values(node, {})
        if values > MOST_VALUES:
            raise ValueError(f"holds {values:,} values, the limit is {MOST_VALUES:,}")
        return super().construct_document(node)


def count_values(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """The values in a node with every alias written out."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if node not in known:
        known[node] = MOST_VALUES  # if it holds itself
        pairs = isinstance(node, yaml.MappingNode)
        parts = itertools.chain.from_iterable(node.value) if pairs else node.value
        known[node] = 1 + sum(count_values(part, known) for part in parts)
    return known[node]


def below(folder: Path, name: object) -> Path:
    """A path that the dataset names; it may not lead out of its folder, on any system.

    Links are followed: whoever could place one could place the file itself.
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise ValueError(f"not a file name: {name!r:.100}")
    path = PureWindowsPath(name)  # knows both separators, and drives
    if path.anchor or ".." in path.parts:
        raise ValueError(f"leads out of {folder}")
    return folder / name


# ---- One image and its labels ----

Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # beyond it Pillow warns of bombs


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image as it is shown, by its header."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise ValueError(f"{width}x{height} pixels, more than {MOST_PIXELS:,}")
            orientation = orientation_of(image)
    except FileNotFoundError:
        raise ValueError("no such image") from None
    except Exception as error:  # a broken file can raise nearly anything
        raise ValueError(f"not an image: {error}") from None
    return (width, height) if orientation >= 5 else (height, width)


def parse_map(path: Path, height: int, width: int, modes: tuple[str, ...]) -> Path:
    """The file of an image's map, once its header is checked; it is decoded later.

    It may have another size than the image, but not another shape.
    """
    try:
        with Image.open(path) as image:
            columns, rows = image.size
            mode = image.mode
    except FileNotFoundError:
        raise ValueError(f"its map is missing: {path}") from None
    except Exception as error:  # a broken file can raise nearly anything
        raise ValueError(f"its map is not an image: {path}: {error}") from None
    if rows * columns > MOST_PIXELS:
        raise ValueError(f"its map has more than {MOST_PIXELS:,} pixels: {path}")
    if mode not in modes:
        raise ValueError(f"its map is {mode}, not {' or '.join(modes)}: {path}")
    # Both sides are rounded when a map is scaled down.
    if abs(rows * width - columns * height) >= width + height:
        sizes = f"{columns}x{rows}, the image {width}x{height}"
        raise ValueError(f"its map has another aspect ratio: {path} is {sizes}")
    return path


def parse_inspection(given: tuple, height: int, width: int) -> Inspection:
    """A label and a mask, once checked; the mask is decoded later."""
    label, mask = given
    if label not in ("normal", "anomalous"):
        raise ValueError(f"neither `normal` nor `anomalous`: {label!r:.100}")
    if mask and label == "normal":
        raise ValueError(f"it is normal, and has a mask: {mask}")
    if mask:
        parse_map(mask, height, width, MASK_MODES)
    return Inspection(label == "anomalous", mask)


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
