"""The dataset: its annotations, read and checked.

A dataset is a COCO JSON file of boxes. Its images stand beside it, in a
folder of its name or in `images`.
"""

import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from model import CATEGORIES

TRAIN, VALIDATION = "traffic/train.json", "traffic/val.json"  # below --data
NUMBERS = {name: number for number, name in enumerate(CATEGORIES)}
MOST_PIXELS = 200_000_000  # of an image; a bomb has more


class Objects(NamedTuple):
    """The objects of one image."""

    boxes: np.ndarray  # (G, 4) left, top, right, bottom in pixels
    classes: np.ndarray  # (G,) indices into the categories


class Frame(NamedTuple):
    """In which pixels a file of annotations speaks of an image."""

    size: tuple[int, int]  # height, width, as the file has them
    shown: tuple[int, int]  # those of the image as it is shown
    turn: tuple[int, int] | None  # steps of rows and columns, once they are swapped

    @property
    def moves(self) -> bool:
        return self.turn is not None or self.size != self.shown

    def points(self, places: np.ndarray) -> np.ndarray:
        """Where x and y (..., 2) of the file are in the image as it is shown."""
        (rows, columns), (height, width) = self.size, self.shown
        if self.turn is None:
            return places * [width / columns, height / rows]
        places = places[..., ::-1] * [width / rows, height / columns]
        mirrored = [step < 0 for step in self.turn[::-1]]
        return np.where(mirrored, [width, height] - places, places)


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, Objects]


# ---- Reading: whatever is wrong is named before training begins ----


def read_datasets(root: Path) -> tuple[list[Sample], list[Sample]]:
    """The samples to train on, and those to validate on."""
    return read_dataset(root / TRAIN), read_dataset(root / VALIDATION)


def check_labels(
    samples: list, use: str, head: str, names: tuple, kinds: Callable, least: int
):
    """Ends the run where a head's labels hold too few kinds to learn from, or to be
    measured by; tells which of its names never occur."""
    labels = [sample.labels[head] for sample in samples if head in sample.labels]
    found = set(itertools.chain.from_iterable(map(kinds, labels)))
    if len(found) < (least if use == "train" else 1):
        what = f"{len(found)} kinds of labels in {len(labels)} images to {use} on"
        raise SystemExit(f"{head}: {what}, too few")
    if missing := [name for i, name in enumerate(names) if i not in found]:
        told = f"{len(missing)} of {len(names)}: {', '.join(missing[:9])}"
        print(f"{head}: in no image to {use} on, {told}", file=sys.stderr)


def read_dataset(path: Path) -> list[Sample]:
    """The images of a COCO file; ends with a list of what is wrong, if anything is."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {item["id"]: str(item["name"]) for item in content["categories"]}
        objects = {item["id"]: [] for item in content["images"]}
        for item in content["annotations"]:
            if not item.get("iscrowd"):
                objects[item["image_id"]].append(object_from_coco(item, names))
        counts = count_crowds(path, content)
    except OSError as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None
    except Exception as error:  # whatever is not as the lines above expect
        reason = f"{type(error).__name__}: {error}"
        raise SystemExit(f"{path}: not such a COCO file: {reason}") from None
    compare_categories(path, "categories", set(names.values()), NUMBERS)

    samples, problems = [], []
    folder = image_folder(path)
    for image in content["images"]:
        name, given = image.get("file_name"), objects[image["id"]]
        try:
            file = below(folder, name)
            frame = frame_of(file, (image.get("width"), image.get("height")), counts)
            height, width = frame.size
            labels = {"vehicles": parse_objects(given, NUMBERS, height, width, counts)}
            if frame.moves:
                labels = {"vehicles": objects_in_image(labels["vehicles"], frame)}
        except ValueError as error:
            problems.append(f"{name}: {error}")
        else:
            samples.append(Sample(file, *frame.shown, labels))
    report(path, samples, problems, counts)
    return samples


def object_from_coco(item: dict, names: dict[int, str]) -> dict:
    """An annotation with its category's name, and with left, top, right, bottom."""
    left, top, width, height = (float(side) for side in item["bbox"])
    box = [left, top, left + width, top + height]
    return {"category": names[item["category_id"]], "bbox": box}


def image_folder(path: Path) -> Path:
    for folder in (path.with_suffix(""), path.parent / "images"):
        if folder.is_dir():
            return folder
    return path.parent


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


def count_crowds(path: Path, content: dict) -> Counter:
    """The annotations of a COCO file that are crowds, of which nothing is learned; ends
    the program where all of them are."""
    names = {category["id"]: category["name"] for category in content["categories"]}
    crowds, others = Counter(), Counter()
    for item in content["annotations"]:
        for part in item.get("segments_info", [item]):
            (crowds if part.get("iscrowd") else others)[part["category_id"]] += 1
    if crowds and not others:
        raise SystemExit(
            f"{path}: all {crowds.total()} annotations have `iscrowd` 1, as crowds, of"
            " which nothing is learned\n  write 0 where each is of one object"
        )
    counts = Counter({"crowds, of which nothing is learned": crowds.total()})
    for category in crowds.keys() - others.keys():
        what = f"crowds, and nothing else, of category {names.get(category)}"
        counts[what] = crowds[category]
    return counts


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


def compare_categories(path: Path, key: str, dataset: set[str], known: dict[str, int]):
    """Ends the run where each has names that the other lacks: one may be misspelt."""
    others, found = sorted(dataset - known.keys()), {known.get(x) for x in dataset}
    missing = [name for name, place in known.items() if place not in found]
    if others and missing:
        raise SystemExit(
            f"{path}: the {key} differ from the job's\n"
            f"  only in the dataset: {', '.join(others)}\n"
            f"  only in the job: {', '.join(missing)}"
        )


# ---- One image and its labels ----

Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # beyond it Pillow warns of bombs


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image as it is shown, by its header."""
    return size_and_orientation(path)[:2]


def size_and_orientation(path: Path) -> tuple[int, int, int]:
    """Height and width of an image as it is shown, and by which EXIF it is turned."""
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
    return (
        (width, height, orientation)
        if orientation >= 5
        else (height, width, orientation)
    )


def parse_objects(
    given: object, known: dict[str, int], height: int, width: int, counts: Counter
) -> Objects:
    """The objects of an image, clipped to it; ValueError says which one is wrong."""
    if not isinstance(given, list):
        raise ValueError(f"not a list of objects: {given!r:.100}")
    boxes, classes = [], []
    for item in given:
        try:
            name = str(item["category"])
            left, top, right, bottom = (float(side) for side in item["bbox"])
            box = np.array([left, top, right, bottom], np.float32)
        except (KeyError, TypeError, ValueError, OverflowError):
            wanted = "a category of the job with a bbox of four numbers"
            raise ValueError(f"not {wanted}: {item!r:.200}") from None
        if name not in known:
            counts[f"what the job does not name, left out: {name:.60}"] += 1
            continue
        if not (np.isfinite(box).all() and left <= right and top <= bottom):
            raise ValueError(f"not left, top, right, bottom: {item['bbox']}")
        if left >= width or top >= height or right <= 0 or bottom <= 0:
            what = f"a box outside the {width}x{height} image: {item['bbox']}"
            raise ValueError(what)
        visible = np.clip(box, 0, [width, height, width, height])
        counts["boxes clipped to their image"] += bool((visible != box).any())
        if (visible[2:] > visible[:2]).all():
            boxes.append(visible)
            classes.append(known[name])
        else:
            counts["boxes without area left out"] += 1
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Objects(boxes, np.array(classes, np.int64))


def objects_in_image(objects: Objects, frame: Frame) -> Objects:
    """The same in pixels of the image as it is shown."""
    return objects._replace(boxes=boxes_in_image(objects.boxes, frame))


# Steps of rows and columns, once they are swapped, that turn an image by its EXIF.
TURNS = {5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}


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


def frame_of(path: Path, given: tuple, counts: Counter) -> Frame:
    """In which pixels a file speaks of an image, by the width and height that it gives:
    those of the image as it is shown, as it is stored, or at another scale.

    Raises ValueError if they fit neither. Where none are given, or 0, they are those of
    the image as it is shown.
    """
    height, width, orientation = size_and_orientation(path)
    shown, turn = (height, width), TURNS.get(orientation)
    try:
        columns, rows = (round(float(side or 0)) for side in given)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"not a width and a height: {given!r:.100}") from None
    if rows <= 0 or columns <= 0:
        return Frame(shown, shown, None)
    sizes = {None: shown} | ({turn: (width, height)} if turn else {})
    fitting = [turn for turn, size in sizes.items() if size == (rows, columns)]
    fitting = fitting or [
        turn for turn, size in sizes.items() if is_scaled((rows, columns), size)
    ]
    if not fitting:
        stated = f"{columns}x{rows}, the image is {width}x{height}"
        raise ValueError(f"its file of annotations says {stated}")
    turn = fitting[0]
    resized = sizes[turn] != (rows, columns)
    counts["images of another size than annotated: annotations scaled"] += resized
    counts["images turned by EXIF: annotations turned too"] += turn is not None
    either = len(fitting) > 1 or orientation in (2, 3, 4)
    counts["images turned by EXIF: taken to be annotated as they are shown"] += either
    return Frame((rows, columns), shown, turn)


def is_scaled(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether a size is the other one scaled: both sides are rounded then."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(sum(one), sum(other))


def boxes_in_image(boxes: np.ndarray, frame: Frame) -> np.ndarray:
    corners = frame.points(boxes.reshape(-1, 2, 2))
    return np.concatenate([corners.min(1), corners.max(1)], 1).astype(np.float32)
