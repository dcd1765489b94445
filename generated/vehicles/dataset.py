"""The dataset: its annotations, read and checked.

A dataset is a COCO JSON file of boxes. Its images stand beside it, in a
folder of its name or in `images`.
"""

import functools
import itertools
import json
import os
import struct
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from model import CATEGORIES

TRAIN, VALIDATION = "traffic/train.json", "traffic/val.json"  # paths below --data
NUMBERS = {name: number for number, name in enumerate(CATEGORIES)}
MOST_BROKEN, BROKEN_SHARE = 10, 0.01  # broken training images; above both, a run ends
MOST_PIXELS = 200_000_000  # larger images are refused: decompression bombs
real_path = functools.cache(os.path.realpath)  # path without links


class Objects(NamedTuple):
    """The objects of one image."""

    boxes: np.ndarray  # (G, 4) left, top, right, bottom in pixels
    classes: np.ndarray  # (G,) indices into the categories
    areas: np.ndarray  # (G,) in pixels of the image, as COCO's files give them
    ignored: np.ndarray  # (G,) bool: neither right nor wrong to find, nor background

    def labeled(self) -> "Objects":
        return Objects(*(values[~self.ignored] for values in self))


class Frame(NamedTuple):
    """In which pixels a file of annotations speaks of an image."""

    size: tuple[int, int]  # height, width, as the file has them
    shown: tuple[int, int]  # height, width of the image as it is shown
    turn: tuple[int, int] | None  # steps of rows and columns, once they are swapped

    @property
    def moves(self) -> bool:
        return self.turn is not None or self.size != self.shown

    def points(self, places: np.ndarray) -> np.ndarray:
        """Maps x and y (..., 2) of the file to pixels of the image as shown."""
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
    """Returns the samples to train on, and those to validate on."""
    training = read_dataset(root / TRAIN, training=True, root=root)
    validation = read_dataset(root / VALIDATION, root=root)
    return without(training, validation, root / TRAIN), validation


def one_per_image(samples: list, counts: Counter) -> list[Sample]:
    """Merges samples of one file, reached by several names or links, into one."""
    known = {}
    for sample in samples:
        one = known.setdefault(file_of(sample), sample)
        if one is sample:
            continue
        counts["images named more than once, taken for one"] += 1
        label = joined([one.labels["vehicles"], sample.labels["vehicles"]], counts)
        known[file_of(sample)] = one._replace(labels={"vehicles": label})
    return list(known.values())


def read_samples(root: Path) -> list[list[Sample]]:
    """Returns the samples to train on, and those to validate on; ends the run where a
    set has too few labels."""
    sets = [*read_datasets(root)]
    for use, samples in zip(("train", "validate"), sets):
        check_labels(
            samples,
            use,
            "vehicles",
            CATEGORIES,
            lambda x: x.classes[~x.ignored & (x.boxes.max(1) > 1)],
        )
    return sets


def check_labels(samples: list, use: str, head: str, names: tuple, kinds: Callable):
    """Ends the run where a head's labels hold too few kinds to learn from, or to be
    measured by; tells which of its names never occur."""
    labels = [sample.labels[head] for sample in samples]
    found = set(itertools.chain.from_iterable(map(kinds, labels)))
    if not found:
        what = f"0 (images to {use} on: {len(labels)})"
        raise SystemExit(f"{head}: too few kinds of labels, {what}")
    if missing := [name for i, name in enumerate(names) if i not in found]:
        told = f"{len(missing)} of {len(names)}: {', '.join(missing[:9])}"
        say(f"{head}: in no image to {use} on, {told}")


def read_dataset(
    path: Path, training: bool = False, root: Path | None = None
) -> list[Sample]:
    """Returns the images of a COCO file; ends the run if any is wrong."""
    content = read_json(path, compact)
    check_coco(path, content, ("category_id", "bbox"))
    names = {item["id"]: str(item["name"]).strip() for item in content["categories"]}
    kinds = ((x.id, x.category_id, x.iscrowd) for x in content["annotations"])
    counts = count_crowds(path, content["categories"], kinds)
    objects = {item["id"]: [] for item in content["images"]}
    for item in content.pop("annotations"):
        objects[item.image_id].append(item)
    compare_categories(path, "categories", set(names.values()), NUMBERS)

    samples, problems = [], []
    folder = image_folder(path)
    for image in content["images"]:
        name, given = image.get("file_name"), objects.pop(image["id"], [])
        try:
            file = below(folder, name, root)
            frame = frame_of(file, (image.get("width"), image.get("height")), counts)
            height, width = frame.size
            labels = {
                "vehicles": parse_coco_objects(
                    given, names, NUMBERS, height, width, counts
                )
            }
            if frame.moves:
                labels = {"vehicles": objects_in_image(labels["vehicles"], frame)}
        except ValueError as error:
            problems.append((name, error))
        else:
            samples.append(Sample(file, *frame.shown, labels))
    samples = one_per_image(samples, counts)
    report(path, samples, problems, counts, training)
    return samples


class Annotation(NamedTuple):
    """The fields of an annotation in a COCO file that are read."""

    id: object
    image_id: Hashable
    category_id: Hashable
    iscrowd: object  # 0 or 1
    numbers: bytes  # left, top, right, bottom, area


def compact(item: dict) -> dict | Annotation:
    """Returns an annotation in a COCO file as an `Annotation`, which takes a quarter of
    the memory; one that lacks something stays as it is, for `check_coco` to name."""
    try:
        ids, box = (item["image_id"], item["category_id"]), item["bbox"]
        hash(ids)
    except (KeyError, TypeError):
        return item
    if None in (*ids, box):
        return item
    area = item.get("area") or 0
    try:
        left, top, width, height, area = map(float, (*box, area))
    except (TypeError, ValueError, OverflowError):
        what = (
            f"`bbox` is not four numbers: {box!r:.100}, or `area` not one: {area!r:.50}"
        )
        raise ValueError(f"annotation {item.get('id')}: {what}") from None
    numbers = struct.pack("5d", left, top, left + width, top + height, area)
    return Annotation(item.get("id"), *ids, item.get("iscrowd") or 0, numbers)


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
        raise SystemExit(f"{where}: problems: {len(problems)}{lines}{more}")
    tell(where, counts)
    if not samples:
        raise SystemExit(f"{where}: no labeled images")


def without(training: list, validation: list, where: Path) -> list[Sample]:
    """Removes images of the validation set from the training samples."""
    held_out = set(map(file_of, validation))
    kept = [sample for sample in training if file_of(sample) not in held_out]
    if training and not kept:
        what = "every image is in the validation set, too: name another set, or leave"
        raise SystemExit(f"{where}: {what} `validation` out, which holds some out")
    what = "images left out, as they are in the validation set, too"
    tell(where, Counter({what: len(training) - len(kept)}))
    return kept


def file_of(sample: Sample) -> str:
    """Returns the path of the image after resolving symbolic links."""
    folder, name = os.path.split(sample.path)
    if os.path.islink(sample.path):
        return os.path.realpath(sample.path)
    return os.path.join(real_path(folder), name)


def joined(parts: list, counts: Counter) -> NamedTuple:
    """Concatenates objects; drops duplicates."""
    boxes = [tuple(box) for part in parts for box in part.boxes.tolist()]
    if len(parts) == 1 and len({*boxes}) == len(boxes):
        return parts[0]
    columns = [np.concatenate(x) for x in zip(*parts)]
    rows = zip(*(x.tolist() for x in columns))
    kept = sorted({str(row): place for place, row in enumerate(rows)}.values())
    counts["equal objects left out"] += len(boxes) - len(kept)
    return type(parts[0])(*(x[kept] for x in columns))


def count_crowds(path: Path, categories: list, kinds: Iterable[tuple]) -> Counter:
    """Counts the annotations of a COCO file that are crowds, which are ignored; ends
    the program where all are. `kinds` has id, category, `iscrowd` of each."""
    names = {item["id"]: str(item["name"]).strip() for item in categories}
    crowds, others = Counter(), Counter()
    for number, category, crowd in kinds:
        if (crowd or 0) not in (0, 1):
            what = f"`iscrowd` of annotation {number!r} is not 0 or 1"
            raise SystemExit(f"{path}: {what}: {crowd!r:.50}")
        (crowds if crowd else others)[category] += 1
    if crowds and not others:
        what = f"all {crowds.total()} annotations have `iscrowd` 1, of which nothing is"
        raise SystemExit(f"{path}: {what} learned\n  write 0 where each is one object")
    counts = Counter({"crowds, ignored in training and in metrics": crowds.total()})
    for name, number in Counter(names.get(x) for x in crowds | others).items():
        counts[f"categories called {name!r:.60}, taken for one"] = number * (number > 1)
    for x in crowds.keys() - others.keys():
        counts[f"crowds, and nothing else, of category {names.get(x)}"] = crowds[x]
    return counts


def image_folder(path: Path) -> Path:
    """Returns the folder with the images of a COCO file."""
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
            if key == "annotations" and isinstance(item, tuple):  # has all fields
                continue
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
    for key in named.keys() & {"image_id", *fields}:
        for item in content["annotations"]:
            get = dict.get if isinstance(item, dict) else getattr
            if get(item, key) not in named[key]:
                what = f"none has the `{key}` {get(item, key)!r:.50} of annotation"
                raise SystemExit(f"{path}: {what} {get(item, 'id')!r:.50}")


def by_id(path: Path, key: str, items: list[dict], field: str) -> dict:
    """Returns items of a COCO file by their ids; ends the program if ids repeat."""
    known = {}
    for item in items:
        other = known.setdefault(item["id"], item)
        if other[field] != item[field]:
            both = f"{other[field]!r:.100} and {item[field]!r:.100}"
            raise SystemExit(f"{path}: {key}: {both} have one `id`, {item['id']!r:.50}")
    return known


def compare_categories(path: Path, key: str, dataset: set[str], known: dict[str, int]):
    """Ends the run if job and dataset each have names that the other one lacks."""
    others, missing = sorted(dataset - known.keys()), sorted(known.keys() - dataset)
    if others and missing:
        raise SystemExit(
            f"{path}: the {key} differ from the job's\n"
            f"  only in the dataset: {', '.join(others)}\n"
            f"  only in the job: {', '.join(missing)}"
        )


# ---- One image and its labels ----


def parse_coco_objects(
    given: list[Annotation],
    names: dict[Hashable, str],
    known: dict[str, int],
    height: int,
    width: int,
    counts: Counter,
) -> Objects:
    """Returns objects of an image, clipped to it; `names` has categories by id."""
    others = [name for x in given if (name := names[x.category_id]) not in known]
    counts.update(
        f"what the job does not name, left out: {name:.60}" for name in others
    )
    given = [x for x in given if names[x.category_id] in known]
    packed = np.frombuffer(b"".join(x.numbers for x in given))
    classes = np.array([known[names[x.category_id]] for x in given], np.int64)
    crowds, numbers = np.array([x.iscrowd for x in given], bool), packed.reshape(-1, 5)
    sides, columns = numbers[:, :4], (classes, numbers[:, 4], crowds)
    with np.errstate(over="ignore"):  # too large numbers become infinite
        boxes = np.array(sides, np.float32).reshape(-1, 4)
    visible = boxes.clip(0, np.float32([width, height, width, height]))
    clipped = (abs(visible - boxes) > 0.5).any(1)  # half a pixel may come from rounding
    empty = (visible[:, :2] >= visible[:, 2:]).any(1)
    if (visible != boxes).any() or empty.any():
        ordered = np.isfinite(boxes).all(1) & (boxes[:, :2] <= boxes[:, 2:]).all(1)
        inside = (boxes[:, :2] < [width, height]).all(1) & (boxes[:, 2:] > 0).all(1)
        if (wrong := np.flatnonzero(~ordered | ~inside)).size:
            outside = f"a box outside the {width}x{height} image"
            what = outside if ordered[wrong[0]] else "not left, top, right, bottom"
            raise ValueError(f"{what}: {np.asarray(sides[wrong[0]]).tolist()}")
        counts["boxes clipped to their image"] += int(clipped.sum())
        counts["boxes without area left out"] += int(empty.sum())
        visible, *columns = (x[~empty] for x in (visible, *columns))
    tiny = len(visible) > 0 and bool(visible.max() <= 1)
    counts["images with boxes in the first pixel alone, as if in fractions"] += tiny
    classes, areas, ignored = columns
    width, height = (visible[:, 2:] - visible[:, :2]).T
    columns = classes, np.where(areas > 0, areas, width * height), ignored
    return joined([Objects(visible, *columns)], counts)


def objects_in_image(objects: Objects, frame: Frame) -> Objects:
    """Returns objects in pixels of the image as it is shown."""
    boxes = boxes_in_image(objects.boxes, frame)
    areas = objects.areas * np.prod(frame.shown) / np.prod(frame.size)
    return objects._replace(boxes=boxes, areas=areas)


# Steps of rows and columns, once they are swapped, that turn an image by its EXIF.
TURNS = {5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}


def frame_of(path: Path, given: tuple, counts: Counter) -> Frame:
    """Returns in which pixels a file speaks of an image, by the width and height that
    it gives: of the image as it is shown, as it is stored, or at another scale.

    Raises ValueError if they fit neither. Where none are given, or 0, they are those of
    the image as it is shown.
    """
    height, width, orientation = size_and_orientation(path)
    shown, turn = (height, width), TURNS.get(orientation)
    if orientation == 1 and given == (width, height):
        return Frame(shown, shown, None)
    try:
        columns, rows = (round(float(side or 0)) for side in given)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"not a width and a height: {given!r:.100}") from None
    if unsaid := rows <= 0 or columns <= 0:
        rows, columns = shown
    sizes = {None: shown} | ({turn: (width, height)} if turn else {})
    fitting = [turn for turn, size in sizes.items() if size == (rows, columns)]
    fitting = fitting or [  # both sides of a scaled image are rounded
        turn
        for turn, (h, w) in sizes.items()
        if abs(rows * w - columns * h) <= max(rows + columns, h + w)
    ]
    if not fitting:
        stated = f"{columns}x{rows}, the image is {width}x{height}"
        raise ValueError(f"its file of annotations says {stated}")
    turn = fitting[0]
    resized = sizes[turn] != (rows, columns)
    counts["images of another size than annotated: annotations scaled"] += resized
    counts["images turned by EXIF: annotations turned too"] += turn is not None
    either = orientation > 1 and (unsaid or orientation < 5 or len(fitting) > 1)
    counts["images turned by EXIF: taken to be annotated as they are shown"] += either
    return Frame((rows, columns), shown, turn)


def boxes_in_image(boxes: np.ndarray, frame: Frame) -> np.ndarray:
    corners = frame.points(boxes.reshape(-1, 2, 2))
    return np.concatenate([corners.min(1), corners.max(1)], 1).astype(np.float32)


# ---- Files, read with care: nothing of it depends on the task ----


SUFFIXES = (  # image files that OpenCV and Pillow read
    ".avif .bmp .gif .jfif .jp2 .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp"
).split()


def below(folder: Path, name: object, root: Path | None = None) -> Path:
    """Returns a path that the dataset names; it may not lead out of its folder, or of
    `root`, on any system. Unless there is such a file, a backslash parts folders, and
    spaces at its ends do not count.

    Links are followed: whoever could place one could place the file itself.
    """
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise ValueError(f"not a file name: {name!r:.100}")
    plain = name.strip().replace("\\", "/")
    given = PureWindowsPath(plain)  # also splits off drive letters
    if given.anchor or ".." in given.parts:
        path = Path(os.path.abspath(folder / plain))
        known = os.name == "nt" or not given.drive
        homes = [os.path.abspath(home) for home in (folder, root or folder)]
        if not (known and any(path.is_relative_to(home) for home in homes)):
            raise ValueError(f"leads out of {homes[1]}: {name!r:.100}")
        return path
    return folder / (name if plain == name or os.path.exists(folder / name) else plain)


def read_json(path: Path, hook: Callable[[dict], dict] | None = None) -> object:
    """Returns the content of a file, with what `hook` makes of each object in it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(text, object_hook=hook)
    except (OSError, ValueError, RecursionError) as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None


def tell(where: Path, counts: Counter):
    """Prints how often each repair or omission occurred, the 20 most frequent."""
    for what, count in sorted((+counts).most_common(20)):
        say(f"{where}: {what}: {count}")
    if len(+counts) > 20:
        say(f"{where}: and {len(+counts) - 20} more such lines")


def say(line: str):
    """Prints a line on the dataset, in one of several processes."""
    if os.environ.get("RANK", "0") == "0":
        print(line, file=sys.stderr)


def image_size(path: Path) -> tuple[int, int]:
    """Returns height and width of an image as it is shown, and its orientation."""
    return size_and_orientation(path)[:2]


def size_and_orientation(path: Path) -> tuple[int, int, int]:
    """Returns height and width of an image as it is shown, and by which EXIF it is
    turned."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path) as image:
            (width, height), orientation = image.size, orientation_of(image)
    except Exception as error:  # decoders raise many kinds of errors on broken files
        if not os.path.isfile(path):
            raise ValueError(f"no such image: {path}") from None
        kind = ValueError if isinstance(error, ValueError) else BrokenImage
        raise kind(f"not an image: {error}") from None
    finally:  # whoever imports this module may have set a limit of their own
        Image.MAX_IMAGE_PIXELS = limit
    if width * height > MOST_PIXELS:
        raise ValueError(f"{width}x{height} pixels, more than {MOST_PIXELS:,}")
    return (
        (width, height, orientation)
        if orientation >= 5
        else (height, width, orientation)
    )


class BrokenImage(ValueError):
    """The header of an image file cannot be read."""


def orientation_of(image: Image.Image) -> int:
    """Returns the orientation, 1 to 8, as OpenCV follows it: EXIF's, not in AVIF."""
    if image.format == "TIFF" and image.tag_v2.get(0x0112) in range(5, 9):
        raise ValueError("a rotated TIFF, which OpenCV does not decode")
    data = b"" if image.format == "AVIF" else image.info.get("exif", b"")
    exif = Image.Exif()
    exif.load(exif_of_png(image.fp) if image.format == "PNG" else data)
    orientation = exif.get(0x0112, 1) & 0xFFFF
    return orientation if orientation in range(1, 9) else 1


def exif_of_png(file: BinaryIO) -> bytes:
    """Reads EXIF of a PNG, which may follow the pixels that Pillow would decode."""
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            return file.read(min(length, 1 << 16))
        file.seek(length + 4, os.SEEK_CUR)  # skips the checksum
    return b""
