"""The dataset: its annotations, read and checked.

A dataset is a COCO JSON file of boxes. Its images stand beside it, in a
folder of its name or in `images`.
"""

import json
import sys
from collections import Counter
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

import numpy as np
from PIL import Image

from model import CATEGORIES

TRAIN, VALIDATION = "traffic/train.json", "traffic/val.json"  # below --data
MOST_PIXELS = 200_000_000  # of an image; a bomb has more


class Objects(NamedTuple):
    """The objects of one image."""

    boxes: np.ndarray  # (G, 4) left, top, right, bottom in pixels
    classes: np.ndarray  # (G,) indices into the categories


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


def read_dataset(path: Path) -> list[Sample]:
    """The images of a COCO file; ends with a list of what is wrong, if anything is."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {item["id"]: str(item["name"]) for item in content["categories"]}
        objects = {item["id"]: [] for item in content["images"]}
        for item in content["annotations"]:
            if not item.get("iscrowd"):
                objects[item["image_id"]].append(object_from_coco(item, names))
    except OSError as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None
    except Exception as error:  # whatever is not as the lines above expect
        reason = f"{type(error).__name__}: {error}"
        raise SystemExit(f"{path}: not such a COCO file: {reason}") from None
    compare_names(path, "categories", set(names.values()), set(CATEGORIES))

    samples, problems, counts = [], [], Counter()
    folder = image_folder(path)
    for image in content["images"]:
        name, given = image.get("file_name"), objects[image["id"]]
        try:
            file = below(folder, name)
            height, width = image_size(file)
            labels = {
                "vehicles": parse_objects(given, CATEGORIES, height, width, counts)
            }
        except ValueError as error:
            problems.append(f"{name}: {error}")
        else:
            samples.append(Sample(file, height, width, labels))
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
    if not samples:
        raise SystemExit(f"{where}: no labelled images")
    for what, count in sorted(counts.items()):
        if count:
            print(f"{where}: {what}: {count}", file=sys.stderr)


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


def compare_names(path: Path, key: str, dataset: set[str], job: set[str]):
    if dataset != job:
        raise SystemExit(
            f"{path}: the {key} differ from the job's\n"
            f"  only in the dataset: {', '.join(sorted(dataset - job)) or 'none'}\n"
            f"  only in the job: {', '.join(sorted(job - dataset)) or 'none'}"
        )


# ---- One image and its labels ----

Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # beyond it Pillow warns of bombs


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image as it is shown, by its header."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:  # before Pillow decodes a PNG for its EXIF
                raise ValueError(f"{width}x{height} pixels, more than {MOST_PIXELS:,}")
            turned = image.getexif().get(0x0112, 1) >= 5  # EXIF orientation
            kind = image.format
    except FileNotFoundError:
        raise ValueError("no such image") from None
    except Exception as error:  # a broken file can raise nearly anything
        raise ValueError(f"not an image: {error}") from None
    if turned and kind == "TIFF":
        raise ValueError("a rotated TIFF, which OpenCV does not decode")
    return (width, height) if turned else (height, width)


def parse_objects(
    given: object, names: tuple[str, ...], height: int, width: int, counts: Counter
) -> Objects:
    """The objects of an image, clipped to it; ValueError says which one is wrong."""
    if not isinstance(given, list):
        raise ValueError(f"not a list of objects: {given!r:.100}")
    boxes, classes = [], []
    for item in given:
        try:
            category = names.index(str(item["category"]))
            left, top, right, bottom = (float(side) for side in item["bbox"])
            box = np.array([left, top, right, bottom], np.float32)
        except (KeyError, TypeError, ValueError, OverflowError):
            wanted = "a category of the job with a bbox of four numbers"
            raise ValueError(f"not {wanted}: {item!r:.200}") from None
        if not (np.isfinite(box).all() and left <= right and top <= bottom):
            raise ValueError(f"not left, top, right, bottom: {item['bbox']}")
        if left >= width or top >= height or right <= 0 or bottom <= 0:
            raise ValueError(
                f"a box outside the {width}x{height} image: {item['bbox']}"
            )
        visible = np.clip(box, 0, [width, height, width, height])
        counts["boxes clipped to their image"] += bool((visible != box).any())
        if (visible[2:] > visible[:2]).all():
            boxes.append(visible)
            classes.append(category)
        else:
            counts["boxes without area left out"] += 1
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Objects(boxes, np.array(classes, np.int64))
