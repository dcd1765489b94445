"""The dataset: its annotations, read and checked.

A dataset is a folder with `images/`, and beside it:

    metadata.yaml
        task: keypoint detection
        keypoints: [NAME, ...]
        annotations: annotations.yaml
    annotations.yaml
        image.jpg: [{NAME: [x, y], NAME: null, ...}, ...]

`null` leaves an image out, `[]` is one without instances.
"""

import itertools
import math
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, NamedTuple

import numpy as np
import yaml
from PIL import Image

from model import KEYPOINTS

TRAIN, VALIDATION = "faces/train", "faces/val"  # below --data
# keypoints that change places in a mirrored image
FLIP_PAIRS = (("left_eye", "right_eye"), ("left_mouth", "right_mouth"))
MOST_PIXELS = 200_000_000  # of an image; a bomb has more
MOST_VALUES = 50_000_000  # of a file of annotations, likewise


class Poses(NamedTuple):
    """The instances of one image."""

    keypoints: np.ndarray  # (G, K, 2) x, y in pixels, NaN where absent
    boxes: np.ndarray  # (G, 4) left, top, right, bottom of the present ones

    def present(self) -> np.ndarray:
        return np.isfinite(self.keypoints).all(2)  # (G, K)


def extents(keypoints: np.ndarray, height: int, width: int) -> np.ndarray:
    """Boxes (G, 4) around the present ones of keypoints (G, K, 2). Their sides are a
    32nd of the image's longer one at least: a single keypoint, too, has an area."""
    low, high = np.nanmin(keypoints, 1), np.nanmax(keypoints, 1)
    missing = np.maximum(0, max(height, width) / 32 - (high - low)) / 2
    return np.concatenate([low - missing, high + missing], 1).astype(np.float32)


class Sample(NamedTuple):
    """One image of a dataset, not yet decoded, and its labels by head."""

    path: Path
    height: int
    width: int
    labels: dict[str, Poses]


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


def read_dataset(folder: Path) -> list[Sample]:
    """The labelled images of a dataset; ends with a list of what is wrong, if any."""
    annotations = read_poses(folder, KEYPOINTS, FLIP_PAIRS)
    samples, problems, counts = [], [], Counter()
    for name, given in sorted(annotations.items()):
        if given is None:
            counts["images left out: null"] += 1
            continue
        try:
            path = below(folder / "images", name)
            height, width = image_size(path)
            labels = {"landmarks": parse_poses(given, KEYPOINTS, height, width, counts)}
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


def read_poses(folder: Path, names: tuple[str, ...], pairs: tuple) -> dict:
    """Annotations by image, once the dataset's keypoints, and its flip pairs if it has
    any, are known to be the job's."""
    path, entry = described_alike(folder, "keypoint detection", "keypoints", names)
    try:
        given = [sorted(map(str, pair)) for pair in entry.get("flip_pairs") or pairs]
    except TypeError:
        raise SystemExit(f"{path}: `flip_pairs` is not a list of pairs") from None
    theirs = {" and ".join(pair) for pair in given}
    ours = {" and ".join(sorted(pair)) for pair in pairs}
    compare_names(path, "flip_pairs", theirs, ours)
    return annotations_of(path, entry)


def described_alike(
    folder: Path, task: str, key: str, names: tuple
) -> tuple[Path, dict]:
    """The file of metadata, and its entry for a task with the names of the job."""
    path, entries = entries_of(folder, task)
    # Entries of one task differ in their names: the one nearest to the job's is meant.
    entry = max(entries, key=lambda e: len(set(names) & names_of(path, e, key)))
    compare_names(path, key, names_of(path, entry, key), set(names))
    return path, entry


def names_of(path: Path, entry: dict, key: str) -> set[str]:
    names = entry.get(key)
    if not isinstance(names, list):
        raise SystemExit(f"{path}: `{key}` is not a list of names")
    return {str(name) for name in names}


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
            if width * height > MOST_PIXELS:
                raise ValueError(f"{width}x{height} pixels, more than {MOST_PIXELS:,}")
            orientation = orientation_of(image)
    except FileNotFoundError:
        raise ValueError("no such image") from None
    except Exception as error:  # a broken file can raise nearly anything
        raise ValueError(f"not an image: {error}") from None
    return (width, height) if orientation >= 5 else (height, width)


def parse_poses(
    given: object, names: tuple[str, ...], height: int, width: int, counts: Counter
) -> Poses:
    """The instances of an image; ValueError says which one is wrong."""
    if not isinstance(given, list):
        raise ValueError(f"not a list of instances: {given!r:.100}")
    instances = []
    for item in given:
        keypoints = parse_keypoints(item, names, height, width, counts)
        if np.isfinite(keypoints).any():
            instances.append(keypoints)
        else:
            counts["instances without any keypoint left out"] += 1
    instances = np.array(instances, np.float32).reshape(-1, len(names), 2)
    return Poses(instances, extents(instances, height, width))


def parse_keypoints(
    item: object, names: tuple[str, ...], height: int, width: int, counts: Counter
) -> np.ndarray:
    """The keypoints of an instance, (K, 2); those that it does not name are absent."""
    if not isinstance(item, dict):
        raise ValueError(f"not keypoints by name: {item!r:.200}")
    keypoints = np.full((len(names), 2), np.nan, np.float32)
    for name, place in item.items():
        if str(name) not in names:
            raise ValueError(f"not a keypoint of the job: {name!r:.100}")
        if place is None:
            continue
        try:
            x, y = (float(value) for value in place)
            if not (math.isfinite(x) and math.isfinite(y)):
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{name} is not x, y: {place!r:.100}") from None
        inside = moved_inside(x, y, height, width, counts)
        keypoints[names.index(str(name))] = inside or np.nan
    return keypoints


def moved_inside(
    x: float, y: float, height: int, width: int, counts: Counter
) -> tuple[float, float] | None:
    """A keypoint in its image: outside by at most a pixel, or half a percent of the
    longer side, it is moved to the edge; None if it lies farther outside."""
    inside = min(max(x, 0), width), min(max(y, 0), height)
    apart = max(abs(x - inside[0]), abs(y - inside[1]))
    if apart > max(1, height / 200, width / 200):
        counts["keypoints outside their image, taken to be absent"] += 1
        return None
    counts["keypoints a little outside their image, moved to its edge"] += apart > 0
    return inside


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
