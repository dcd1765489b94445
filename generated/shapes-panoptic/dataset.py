"""The dataset: its annotations, read and checked.

A dataset is a folder with `images/`, and beside it:

    metadata.yaml
        task: panoptic segmentation
        categories: [NAME, ...]
        things: [NAME, ...]
        colors: {NAME: [red, green, blue], ...}
        annotations: maps/
    maps/
        image.tif: each pixel in the color of its category; the number of its instance

A map has the stem of its image; it may be smaller.
Categories and instances are two pages of a file.
"""

import hashlib
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, KeysView, Sequence
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, NamedTuple

import numpy as np
import yaml
from PIL import Image, ImageSequence
from faster_coco_eval.core import mask as coco_mask

from model import CATEGORIES, THINGS

TRAIN, VALIDATION = "shapes/train", "shapes/val"  # below --data
# of the categories in maps; black is unknown
COLORS = ((70, 70, 70), (220, 20, 60), (0, 130, 180), (250, 170, 30), (107, 142, 35))
SOURCES = {}  # the state of each file and folder that was read
NOTES = []  # what the user was told
MOST_PIXELS = 200_000_000  # of an image; a bomb has more
MOST_VALUES = 50_000_000  # of a file of annotations, likewise
MOST_BROKEN, BROKEN_SHARE = 10, 0.01  # training images; a run ends above both limits


class Objects(NamedTuple):
    """The objects of one image."""

    boxes: np.ndarray  # (G, 4) left, top, right, bottom in pixels
    classes: np.ndarray  # (G,) indices into the categories


class Instances(NamedTuple):
    """The instances of one image."""

    boxes: np.ndarray  # (G, 4) left, top, right, bottom in pixels: extents of the masks
    classes: np.ndarray  # (G,) indices into the categories
    masks: tuple[dict, ...]  # COCO's run lengths, {"size", "counts"}, of the image


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, Instances]


# ---- Reading: whatever is wrong is named before training begins ----


def read_datasets(root: Path) -> tuple[list[Sample], list[Sample]]:
    """The samples to train on, and those to validate on."""
    training = read_dataset(root / TRAIN, training=True)
    validation = read_dataset(root / VALIDATION)
    return without(training, validation, root / TRAIN), validation


def one_per_image(
    samples: list[Sample], problems: list, counts: Counter
) -> list[Sample]:
    """A sample for each file, with the labels of all that lead to it."""
    known = {}
    for sample in samples:
        one = known.setdefault(file_of(sample), sample)
        if one is sample:
            continue
        counts["images named more than once, taken for one"] += 1
        labels = one.labels | sample.labels
        try:
            labels["scene"] = same_segments(one.labels["scene"], sample.labels["scene"])
        except ValueError as error:
            problems.append((sample.path, error))
        known[file_of(sample)] = one._replace(labels=labels)
    return list(known.values())


def read_dataset(folder: Path, training: bool = False) -> list[Sample]:
    """The labelled images of a dataset; ends with a list of what is wrong, if any."""
    annotations = read_panoptic_maps(folder, CATEGORIES, COLORS, THINGS)
    samples, problems, counts = [], [], Counter()
    for name, given in sorted(annotations.items()):
        try:
            path = below(folder / "images", name)
            height, width = image_size(path)
            labels = {"scene": parse_panoptic(given, COLORS, THINGS, height, width)}
        except ValueError as error:
            problems.append((name, error))
        else:
            samples.append(Sample(path, height, width, labels))
    samples = one_per_image(samples, problems, counts)
    report(folder, samples, problems, counts, training)
    return samples


def report(
    where: Path, samples: list, problems: list, counts: Counter, training: bool = False
):
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


def tell(where: Path, counts: Counter):
    """Says what was mended or left out, now and whenever samples are read again."""
    for what, count in sorted(counts.items()):
        if count:
            NOTES.append(f"{where}: {what}: {count}")
            print(NOTES[-1], file=sys.stderr)


class BrokenImage(ValueError):
    """A file that is there has no legible header of an image."""


def without(
    training: list[Sample], validation: list[Sample], where: Path
) -> list[Sample]:
    """The samples to train on, but for images to validate on."""
    held_out = set(map(file_of, validation))
    kept = [sample for sample in training if file_of(sample) not in held_out]
    what = "images left out, as they are in the validation set, too"
    report(where, kept, [], Counter({what: len(training) - len(kept)}))
    return kept


def file_of(sample: Sample) -> tuple:
    return os.stat(sample.path)[1:3]  # what os.path.samefile compares, links followed


def joined(parts: list[Objects], counts: Counter) -> Objects:
    """The objects of all parts, equal ones once; also of what else has boxes."""
    pairs = zip(*parts)
    columns = [np.concatenate(x) if is_array(x[0]) else sum(x, ()) for x in pairs]
    objects = type(parts[0])(*columns)
    if len({*map(bytes, objects.boxes)}) == len(objects.boxes):
        return objects
    rows = zip(*(x.tolist() if is_array(x) else x for x in columns))
    kept = sorted({str(row): place for place, row in enumerate(rows)}.values())
    counts["equal objects left out"] += len(objects.boxes) - len(kept)
    return type(objects)(
        *(x[kept] if is_array(x) else tuple(x[i] for i in kept) for x in columns)
    )


def is_array(value: object) -> bool:
    return isinstance(value, np.ndarray)


SUFFIXES = (  # of images, as OpenCV and Pillow read them
    ".avif .bmp .gif .jfif .jp2 .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp"
).split()


HIDDEN = ".", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "specc-"  # begins of names


OWN_FILES = {"resolved.json", "metrics.jsonl", "predictions.json"}  # specc's


def images_below(folder: Path, counts: Counter) -> Iterator[tuple[Path, list[Path]]]:
    """Each folder from this one down, and its images. Links are followed; what systems,
    tools and specc itself leave beside images is left out, and counted."""
    known = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        own = place != str(folder) and OWN_FILES & set(files)
        if real in known or own:
            what = "written by specc" if own else "linked twice"
            counts[f"folders left out: {what}"] += 1
            folders.clear()
            continue
        known.add(real)
        noted(Path(place))
        files = [name for name in files if is_image(name)]
        shown = [name for name in files if not name.startswith(HIDDEN)]
        counts["hidden files left out"] += len(files) - len(shown)
        hidden = [name for name in folders if name.startswith(HIDDEN)]
        counts["hidden folders left out"] += len(hidden)
        folders[:] = sorted(set(folders) - set(hidden))
        yield Path(place), [Path(place, name) for name in sorted(shown)]


def noted(path: Path) -> Path:
    """The path, once the state of its file or folder is known: read it after that."""
    SOURCES[str(path)] = state_of(path)
    return path


def state_of(path: Path) -> list[int] | str | None:
    """Size and time of a file, a digest of the names in a folder, or None."""
    try:
        if path.is_dir():
            names = "\n".join(sorted(os.listdir(path)))
            return hashlib.sha256(os.fsencode(names)).hexdigest()
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


def read_panoptic_maps(
    folder: Path, names: tuple[str, ...], colors: tuple, things: Sequence[int]
) -> dict[str, Path]:
    """The file of each image's maps, once the dataset's categories, their colors and
    which of them are things are known to be as in the job."""
    path, entry = described(folder, "panoptic segmentation", "categories", names)
    if entry.get("things") is not None:
        ours = {names[thing] for thing in things}
        compare_names(path, "things", names_of(path, entry, "things"), ours)
    return read_class_maps(folder, "panoptic segmentation", names, colors)


def read_class_maps(
    folder: Path, task: str, names: tuple[str, ...], colors: tuple
) -> dict[str, Path]:
    """Maps by image, once the dataset's categories and colors are known to be the
    job's."""
    path, entry = described(folder, task, "categories", names)
    theirs, wrong = entry.get("colors"), []
    if not isinstance(theirs, dict):
        raise SystemExit(f"{path}: `colors` does not map categories to colors")
    theirs = {str(name).strip(): color for name, color in theirs.items()}
    for name, color in zip(names, colors):
        if theirs.get(name) != list(color):
            wrong.append(f"{name}: {theirs.get(name)}, in the job {list(color)}")
    if wrong:
        lines = "".join(f"\n  {line}" for line in wrong)
        raise SystemExit(f"{path}: the colors differ from the job's{lines}")
    return maps_of(folder, path, entry)


def maps_of(folder: Path, path: Path, entry: dict) -> dict[str, Path]:
    """The map of each image, which has its stem, in the folder that the entry names.

    Either without the other is there too: it is named among the problems.
    """
    try:
        maps = below(folder, entry.get("annotations"))
        files = {file.stem: file for file in listed_images(maps)}
        images = {file.name: file.stem for file in listed_images(folder / "images")}
    except ValueError as error:
        raise SystemExit(f"{path}: annotations: {error}") from None
    alone = {files[stem].name: files[stem] for stem in files.keys() - images.values()}
    return alone | {k: files.get(v, maps / f"{v}.png") for k, v in images.items()}


def listed_images(folder: Path) -> list[Path]:
    """The images in a folder, none of those below it; says what is left out."""
    if not os.path.isdir(folder):
        raise ValueError(f"no such folder: {folder}")
    counts = Counter()
    (_, images), *deeper = images_below(folder, counts)
    what = "images left out, in folders within"
    tell(folder, counts | Counter({what: sum(len(found) for _, found in deeper)}))
    return images


def described(folder: Path, task: str, key: str, names: tuple) -> tuple[Path, dict]:
    """The file of metadata, and its entry for a task with these names."""
    path, entries = entries_of(folder, task)
    # Entries of one task differ in their names: the one nearest to the job's is meant.
    entry = max(entries, key=lambda e: len(set(names) & names_of(path, e, key)))
    compare_names(path, key, names_of(path, entry, key), set(names))
    return path, entry


def entries_of(folder: Path, task: str) -> tuple[Path, list[dict]]:
    """The file of metadata, and its entries for a task: one or more."""
    paths = folder / "metadata.yaml", folder / "metadata.json"
    path = next(filter(os.path.exists, map(noted, paths)), paths[0])
    entries = read_yaml(path)
    entries = entries if isinstance(entries, list) else [entries]
    entries = [entry for entry in entries if isinstance(entry, dict)]
    entries = [e for e in entries if str(e.get("task")).replace("_", " ") == task]
    if not entries:
        raise SystemExit(f"{path}: no entry with `task: {task}`")
    return path, entries


def compare_names(path: Path, key: str, dataset: set[str], job: set[str]):
    if dataset != job:
        raise SystemExit(
            f"{path}: the {key} differ from the job's\n"
            f"  only in the dataset: {', '.join(sorted(dataset - job)) or 'none'}\n"
            f"  only in the job: {', '.join(sorted(job - dataset)) or 'none'}"
        )


def names_of(path: Path, entry: dict, key: str) -> KeysView[str]:
    """Names, in their order, as they stand in the file but for spaces at their ends;
    each must have some text, and none may stand there twice."""
    names = entry.get(key)
    if not isinstance(names, list):
        raise SystemExit(f"{path}: `{key}` is not a list of names")
    found = Counter("" if name is None else str(name).strip() for name in names)
    for name, count in found.items():
        if count > 1 or not name:
            what = "an empty name, or one that stands there twice"
            raise SystemExit(f"{path}: `{key}` has {what}: {name!r:.100}")
    return found.keys()


def read_yaml(path: Path) -> object:
    try:
        text = noted(path).read_text(encoding="utf-8-sig")
        if path.suffix == ".json":  # is YAML too, but this is far faster
            return json.loads(text)
        return yaml.load(text, SafeLoader)
    except (OSError, TypeError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None


def as_written(loader: yaml.Loader, node: yaml.Node) -> int | float | str:
    """A number where Python would write it so. All else stays text, as it may be a
    name: `no`, 1e3, 0777, 2024-01-01."""
    text = loader.construct_scalar(node)
    try:
        number = float(text) if "." in text else int(text)
    except ValueError:
        return text
    return number if str(number) == text else text


class SafeLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Without bombs: by aliases of aliases a few lines stand for billions of values."""

    yaml_constructors = yaml.SafeLoader.yaml_constructors | {
        f"tag:yaml.org,2002:{kind}": as_written
        for kind in ("bool", "int", "float", "timestamp", "value")
    }

    def construct_document(self, node: yaml.Node):
        values = count_values(node, {})
        if values > MOST_VALUES:
            raise ValueError(f"holds {values:,} values, the limit is {MOST_VALUES:,}")
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.Node, deep: bool = False):
        keys = Counter(str(key.value) for key, _ in node.value)
        if len(keys) < len(node.value):
            line, twice = node.start_mark.line + 1, max(keys, key=keys.get)
            raise ValueError(
                f"{twice!r:.100} stands twice in what begins in line {line}"
            )
        return super().construct_mapping(node, deep)


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
    except Exception as error:  # a broken file can raise nearly anything
        if not os.path.isfile(path):
            raise ValueError(f"no such image: {path}") from None
        wrong = isinstance(error, (ValueError, Image.DecompressionBombError))
        kind = ValueError if wrong else BrokenImage
        raise kind(f"not an image: {error}") from None
    return (width, height) if orientation >= 5 else (height, width)


def pages_of(
    path: Path, height: int, width: int, grey: int = 0
) -> Iterator[np.ndarray]:
    """The pages of a TIFF in RGB, but for the one of number `grey`; each has the shape
    of its image. One at a time, to spare memory."""
    try:
        with Image.open(noted(path), formats=["TIFF"]) as file:
            for number, page in enumerate(ImageSequence.Iterator(file), 1):
                check_shape(page.size, height, width)
                yield np.asarray(page if number == grey else page.convert("RGB"))
    except FileNotFoundError:
        raise ValueError(f"no file of its masks in {path.parent}") from None
    except Exception as error:  # a broken file can raise nearly anything
        raise ValueError(f"its masks, {path}: {error}") from None


def check_shape(size: tuple[int, int], height: int, width: int):
    """ValueError unless this size, width first, is that of the image or scaled."""
    if size[0] * size[1] > MOST_PIXELS:  # before it is decoded
        raise ValueError(f"more than {MOST_PIXELS:,} pixels")
    # Both sides are rounded when a mask is scaled down.
    if abs(size[1] * width - size[0] * height) >= width + height:
        sizes = f"{size[0]}x{size[1]}, the image {width}x{height}"
        raise ValueError(f"another aspect ratio: {sizes}")


def scaled(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A mask at the size of its image: of each pixel that where its center lies."""
    rows = (2 * np.arange(height) + 1) * len(mask) // (2 * height)
    columns = (2 * np.arange(width) + 1) * mask.shape[1] // (2 * width)
    return mask[rows[:, None], columns]


def instances_of(masks: list[dict], classes: list[int]) -> Instances:
    """Instances of encoded masks, each of which has a pixel at least."""
    boxes = coco_mask.toBbox(masks).reshape(-1, 4).astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    return Instances(boxes, np.array(classes, np.int64), tuple(masks))


def encoded(mask: np.ndarray) -> dict:
    """A mask (height, width) as run lengths: a hundred bytes or so."""
    return coco_mask.encode(np.asfortranarray(mask, np.uint8))


def parse_panoptic(
    path: Path, colors: tuple, things: Sequence[int], height: int, width: int
) -> Instances:
    """The segments of an image: of a thing each instance, of stuff each kind."""
    pages = list(itertools.islice(pages_of(path, height, width, grey=2), 3))
    if len(pages) != 2:
        wanted = "categories by color, and numbers of instances in grey"
        raise ValueError(f"{path}: not 2 pages: {wanted}")
    kinds, numbers = category_map(path, pages[0], colors), pages[1]
    if numbers.shape != kinds.shape or not np.issubdtype(numbers.dtype, np.integer):
        raise ValueError(f"{path}: page 2 is not grey, or not of the size of page 1")
    counted = np.isin(kinds, things)
    # A thing without a number is part of a crowd, of which nothing is learned.
    kinds = np.where(counted & (numbers == 0), -1, kinds)
    numbers = np.where(counted, numbers, 0).astype(np.int64)
    codes = scaled(numbers * (len(colors) + 1) + kinds + 1, height, width)
    masks, classes = [], []
    for code in np.unique(codes).tolist():
        kind = code % (len(colors) + 1) - 1
        if kind >= 0:
            masks.append(encoded(codes == code))
            classes.append(kind)
    return instances_of(masks, classes)


def same_segments(one: Instances, other: Instances) -> Instances:
    """Those of an image that has two annotations; ValueError where they differ."""
    if len(joined([one, other], Counter()).boxes) != len(one.boxes):
        raise ValueError("two annotations with different segments")
    return one


def category_map(path: Path, page: np.ndarray, colors: tuple) -> np.ndarray:
    """The index of each pixel's category by its color, -1 where black."""
    weights = [1 << 16, 1 << 8, 1]
    codes, known = page.astype(np.int64) @ weights, [0, *np.array(colors) @ weights]
    order = np.argsort(known)
    place = np.searchsorted(known, codes, sorter=order).clip(max=len(colors))
    index = order[place]
    unknown = np.array(known)[index] != codes
    if unknown.any():
        y, x = np.argwhere(unknown)[0].tolist()
        color = page[y, x].tolist()
        raise ValueError(f"{path}: no category has the color {color} at x {x}, y {y}")
    return index - 1


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
