"""The dataset: its annotations, read and checked.

A dataset is a COCO JSON file of boxes. Its images stand beside it, in a
folder of its name or in `images`.
"""

import functools
import hashlib
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
MOST_BROKEN, BROKEN_SHARE = 10, 0.01  # training images; a run ends above both limits
MOST_PIXELS = 200_000_000  # of an image; a bomb has more
SOURCES = {}  # the state of each file and folder that was read
NOTES = []  # what the user was told


class Objects(NamedTuple):
    """The objects of one image."""

    boxes: np.ndarray  # (G, 4) left, top, right, bottom in pixels
    classes: np.ndarray  # (G,) indices into the categories
    areas: np.ndarray  # (G,) in pixels of the image, as COCO's files give them
    ignored: np.ndarray  # (G,) bool: neither right nor wrong to find, nor background

    def labelled(self) -> "Objects":
        return Objects(*(values[~self.ignored] for values in self))


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
    training = read_dataset(root / TRAIN, training=True, root=root)
    validation = read_dataset(root / VALIDATION, root=root)
    return without(training, validation, root / TRAIN), validation


def one_per_image(samples: list, problems: list, counts: Counter) -> list[Sample]:
    """A sample for each file, with the labels of all that lead to it."""
    known = {}
    for sample in samples:
        one = known.setdefault(file_of(sample), sample)
        if one is sample:
            continue
        counts["images named more than once, taken for one"] += 1
        labels = one.labels | sample.labels
        labels["vehicles"] = joined(
            [one.labels["vehicles"], sample.labels["vehicles"]], counts
        )
        known[file_of(sample)] = one._replace(labels=labels)
    return list(known.values())


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
        say(f"{head}: in no image to {use} on, {told}")


def read_dataset(
    path: Path, training: bool = False, root: Path | None = None
) -> list[Sample]:
    """The images of a COCO file; ends with a list of what is wrong, if anything is."""
    content = read_json(path, without_masks)
    check_coco(path, content, ("category_id", "bbox"))
    try:
        names = {
            item["id"]: str(item["name"]).strip() for item in content["categories"]
        }
        objects = {item["id"]: [] for item in content["images"]}
        counts = count_crowds(path, content)
        annotations = content.pop("annotations")[::-1]
        while annotations:  # there may be a million, and each is freed
            item = annotations.pop()
            objects[item["image_id"]].append(object_from_coco(item, names))
    except ValueError as error:
        raise SystemExit(f"{path}: {error}") from None
    except Exception as error:  # whatever is not as the lines above expect
        reason = f"{type(error).__name__}: {error}"
        raise SystemExit(f"{path}: not such a COCO file: {reason}") from None
    compare_categories(path, "categories", set(names.values()), NUMBERS)

    samples, problems = [], []
    folder = image_folder(path)
    for image in content["images"]:
        name, given = image.get("file_name"), objects[image["id"]]
        try:
            file = below(folder, name, root)
            frame = frame_of(file, (image.get("width"), image.get("height")), counts)
            height, width = frame.size
            labels = {"vehicles": parse_objects(given, NUMBERS, height, width, counts)}
            if frame.moves:
                labels = {"vehicles": objects_in_image(labels["vehicles"], frame)}
        except ValueError as error:
            problems.append((name, error))
        else:
            samples.append(Sample(file, *frame.shown, labels))
    samples = one_per_image(samples, problems, counts)
    report(path, samples, problems, counts, training)
    return samples


def without_masks(item: dict) -> dict:
    """An annotation of a COCO file without what its box does not need: there may be a
    million."""
    if "image_id" in item:
        unread = (
            {"segmentation"} if item.get("iscrowd") else {"segmentation", "iscrowd"}
        )
        return {key: value for key, value in item.items() if key not in unread}
    return item


def object_from_coco(item: dict, names: dict[int, str]) -> dict:
    """An annotation with its category's name, and with left, top, right, bottom."""
    try:
        left, top, width, height = map(float, item["bbox"])
    except (TypeError, ValueError, OverflowError):
        what = f"`bbox` is not four numbers: {item['bbox']!r:.100}"
        raise ValueError(f"annotation {item.get('id')}: {what}") from None
    box = [left, top, left + width, top + height]
    told = {"area": float(item.get("area") or 0), "ignored": bool(item.get("iscrowd"))}
    return {"category": names[item["category_id"]], "bbox": box} | told


def is_named(given: object, known: dict[str, int], counts: Counter) -> bool:
    """Whether a name in an annotation is one of the job's; others are counted."""
    name = str(given).strip()
    if name not in known:
        counts[f"what the job does not name, left out: {name:.60}"] += 1
    return name in known


def report(where: Path, samples: list, problems: list, counts: Counter, training=False):
    """Ends the program if a dataset has problems, which are names and errors; says what
    was mended or left out, in a set to train on a few broken images, too."""
    broken = [x for x in problems if isinstance(x[1], BrokenImage)]
    if training and len(broken) <= max(MOST_BROKEN, BROKEN_SHARE * len(samples)):
        problems = [x for x in problems if x not in broken]
        counts.update(f"left out: {name}: {error}" for name, error in broken)
    if problems:
        lines = "".join(f"\n  {name}: {error}" for name, error in problems[:20])
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise SystemExit(f"{where}: {len(problems)} problems{lines}{more}")
    tell(where, counts)
    if not samples:
        raise SystemExit(f"{where}: no labelled images")


def without(training: list, validation: list, where: Path) -> list[Sample]:
    """The samples to train on, but for images to validate on."""
    held_out = set(map(file_of, validation))
    kept = [sample for sample in training if file_of(sample) not in held_out]
    if not kept:
        what = "every image is in the validation set, too: name another set, or leave"
        raise SystemExit(f"{where}: {what} `validation` out, which holds some out")
    what = "images left out, as they are in the validation set, too"
    tell(where, Counter({what: len(training) - len(kept)}))
    return kept


def file_of(sample: Sample) -> str:
    """Where the file of a sample is, all symbolic links followed."""
    folder, name = os.path.split(sample.path)
    if os.path.islink(sample.path):
        return os.path.realpath(sample.path)
    return os.path.join(real_folder(folder), name)


@functools.cache
def real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def joined(parts: list, counts: Counter) -> NamedTuple:
    """The objects of all parts, equal ones once."""
    pairs = zip(*parts)
    columns = [
        np.concatenate(x) if hasattr(x[0], "dtype") else sum(x, ()) for x in pairs
    ]
    objects = type(parts[0])(*columns)
    if len({*map(bytes, objects.boxes)}) == len(objects.boxes):
        return objects
    rows = zip(*(x.tolist() if hasattr(x, "dtype") else x for x in columns))
    kept = sorted({str(row): place for place, row in enumerate(rows)}.values())
    counts["equal objects left out"] += len(objects.boxes) - len(kept)
    chosen = (
        x[kept] if hasattr(x, "dtype") else tuple(x[i] for i in kept) for x in columns
    )
    return type(objects)(*chosen)


def count_crowds(path: Path, content: dict) -> Counter:
    """The annotations of a COCO file that are crowds, which are ignored; ends the
    program where all of them are."""
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
    counts = Counter({"crowds, ignored in training and in metrics": crowds.total()})
    for category in crowds.keys() - others.keys():
        what = f"crowds, and nothing else, of category {names.get(category)}"
        counts[what] = crowds[category]
    return counts


def image_folder(path: Path) -> Path:
    """The folder with the images of a COCO file."""
    for folder in (path.with_suffix(""), path.parent / "images"):
        if folder.is_dir():
            return folder
    return path.parent


def check_coco(path: Path, content: object, fields: tuple[str, ...]):
    """Ends the program unless the items of a COCO file have what is read of them,
    `fields` of an annotation, and name one another."""
    wanted = {"images": ("id", "file_name"), "categories": ("id", "name")}
    for key, names in (*wanted.items(), ("annotations", ("image_id", *fields))):
        items = content.get(key) if isinstance(content, dict) else None
        if not isinstance(items, list):
            raise SystemExit(f"{path}: has no list `{key}`, as a COCO file has")
        for item in items:
            known = item if isinstance(item, dict) else {}
            for name in names:
                ids = (dict, list) if name.endswith("id") else ()
                if known.get(name) is None or isinstance(known[name], ids):
                    what = f"one has no `{name}`: {item!r:.200}"
                    raise SystemExit(f"{path}: {key}: {what}")
    named = {
        "image_id": by_id(path, "images", content["images"], "file_name"),
        "category_id": by_id(path, "categories", content["categories"], "name"),
    }
    for item in content["annotations"]:
        for key in named.keys() & {"image_id", *fields}:
            if item[key] not in named[key]:
                what = f"none has the `{key}` {item[key]!r:.50} of annotation"
                raise SystemExit(f"{path}: {what} {item.get('id')!r:.50}")


def by_id(path: Path, key: str, items: list[dict], field: str) -> dict:
    """Items of a COCO file by their ids, of which each is one item's alone."""
    known = {}
    for item in items:
        other = known.setdefault(item["id"], item)
        if other[field] != item[field]:
            both = f"{other[field]!r:.100} and {item[field]!r:.100}"
            raise SystemExit(f"{path}: {key}: {both} have one `id`, {item['id']!r:.50}")
    return known


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


def parse_objects(
    given: object, known: dict[str, int], height: int, width: int, counts: Counter
) -> Objects:
    """The objects of an image, clipped to it; ValueError says which one is wrong."""
    if not isinstance(given, list):
        raise ValueError(f"not a list of objects: {given!r:.100}")
    boxes, classes, named = [], [], []
    for item in given:
        try:
            name = str(item["category"]).strip()
            left, top, right, bottom = map(float, item["bbox"])
        except (KeyError, TypeError, ValueError, OverflowError):
            wanted = "a category of the job with a bbox of four numbers"
            raise ValueError(f"not {wanted}: {item!r:.200}") from None
        if is_named(name, known, counts):
            named.append(item)
            boxes.append((left, top, right, bottom))
            classes.append(known[name])
    with np.errstate(over="ignore"):  # what is too large becomes infinite
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
    ordered = np.isfinite(boxes).all(1) & (boxes[:, :2] <= boxes[:, 2:]).all(1)
    for place in np.flatnonzero(~ordered):
        raise ValueError(f"not left, top, right, bottom: {named[place]['bbox']}")
    inside = (boxes[:, :2] < [width, height]).all(1) & (boxes[:, 2:] > 0).all(1)
    for place in np.flatnonzero(~inside):
        what = f"a box outside the {width}x{height} image: {named[place]['bbox']}"
        raise ValueError(what)
    visible = np.clip(boxes, 0, np.float32([width, height, width, height]))
    counts["boxes clipped to their image"] += int((visible != boxes).any(1).sum())
    kept = (visible[:, 2:] > visible[:, :2]).all(1)
    counts["boxes without area left out"] += int((~kept).sum())
    columns = [visible, np.array(classes, np.int64)]
    areas = np.array([item.get("area", 0) for item in named])
    sides = visible[:, 2:] - visible[:, :2]
    columns.append(np.where(areas > 0, areas, sides.prod(1)))
    columns.append(np.array([item.get("ignored", False) for item in named], bool))
    return joined([Objects(*(column[kept] for column in columns))], counts)


def objects_in_image(objects: Objects, frame: Frame) -> Objects:
    """The same in pixels of the image as it is shown."""
    boxes = boxes_in_image(objects.boxes, frame)
    areas = objects.areas * np.prod(frame.shown) / np.prod(frame.size)
    return objects._replace(boxes=boxes, areas=areas)


# Steps of rows and columns, once they are swapped, that turn an image by its EXIF.
TURNS = {5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}


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


# ---- Files, read with care: nothing of it depends on the task ----


def below(folder: Path, name: object, root: Path | None = None) -> Path:
    """A path that the dataset names; it may not lead out of its folder, or of `root`,
    on any system. Unless there is such a file, a backslash parts folders, and spaces at
    its ends do not count.

    Links are followed: whoever could place one could place the file itself.
    """
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise ValueError(f"not a file name: {name!r:.100}")
    plain = name.strip().replace("\\", "/")
    given = PureWindowsPath(plain)  # knows drives
    if given.anchor or given.drive or ".." in given.parts:
        path = Path(os.path.abspath(folder / plain))
        homes = [os.path.abspath(home) for home in (folder, root or folder)]
        known = os.name == "nt" or not given.drive
        if not (known and any(path.is_relative_to(home) for home in homes)):
            raise ValueError(f"leads out of {homes[1]}: {name!r:.100}")
        return path
    return folder / (name if plain == name or os.path.exists(folder / name) else plain)


def read_json(path: Path, hook: Callable[[dict], dict] | None = None) -> object:
    """The content of a file, with what `hook` makes of each object in it."""
    try:
        text = noted(path).read_text(encoding="utf-8-sig")
        return json.loads(text, object_hook=hook)
    except (OSError, ValueError, RecursionError) as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None


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
    except Exception as error:  # a broken file can raise nearly anything
        if not os.path.isfile(path):
            raise ValueError(f"no such image: {path}") from None
        wrong = isinstance(error, (ValueError, Image.DecompressionBombError))
        kind = ValueError if wrong else BrokenImage
        raise kind(f"not an image: {error}") from None
    return (
        (width, height, orientation)
        if orientation >= 5
        else (height, width, orientation)
    )


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
