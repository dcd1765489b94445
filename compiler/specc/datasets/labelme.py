"""Reads the JSON of LabelMe, a file an image, as the records of records.py; datumaro
reads only the XML of the older tool of this name."""

from __future__ import annotations

import os
import base64
import binascii
import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from specc.datasets.files import Unreadable, read_text
from specc.datasets.found import pair

FORM = "labelme"
CORNERS = 32  # number of corners of the polygon that stands for a circle
LOOKED_AT = 20  # most files that are read to recognize the layout


def files_in(source: Path) -> list[Path]:
    """Returns LabelMe's files in a folder, at any depth."""
    files = [source] if os.path.isfile(source) else sorted(source.rglob("*.json"))
    return [path for path in files if _content(path) is not None]


def is_there(folder: Path) -> bool:
    """Returns whether a file of LabelMe lies in the folder, or one level below."""
    first = itertools.islice(
        itertools.chain(folder.glob("*.json"), folder.glob("*/*.json")), LOOKED_AT
    )
    return any(_content(path) is not None for path in first)


def records(source: Path, files: list[Path], folder: Path) -> Iterator[dict]:
    """Yields the records; images that stand in the files themselves are written into
    `folder`. Raises Unreadable."""
    contents = [_content(path) or {} for path in files]
    shapes = [shape for content in contents for shape in content["shapes"]]
    labels = list(dict.fromkeys(str(shape.get("label")).strip() for shape in shapes))
    numbers = {name: number for number, name in enumerate(labels)}
    yield {"format": FORM, "labels": labels, "points": {}}
    base = source if os.path.isdir(source) else source.parent
    for place, (path, content) in enumerate(zip(files, contents)):
        parts = path.relative_to(base).parts[:-1]
        split = parts[:1] if any(pair(list(parts[:1]))) else ()
        yield {
            "id": "/".join([*parts[len(split) :], path.stem]),
            "subset": split[0] if split else "default",
            "image": _image(path, content, folder / str(place)),
            "annotations": [
                _annotation(path, shape, numbers) for shape in content["shapes"]
            ],
        }


def _content(path: Path) -> dict | None:
    """Returns the content of a file of LabelMe; None for any other file."""
    try:
        content = json.loads(read_text(path))
    except (Unreadable, ValueError, RecursionError):
        return None
    known = isinstance(content, dict) and isinstance(content.get("shapes"), list)
    known = known and all(isinstance(shape, dict) for shape in content["shapes"])
    return content if known and "imagePath" in content else None


def _image(path: Path, content: dict, place: Path) -> str | None:
    name = str(content["imagePath"]).replace("\\", "/")
    for file in (path.parent / name, path.with_name(PureWindowsPath(name).name)):
        if os.path.isfile(file):
            return str(file.absolute())
    if not content.get("imageData"):
        return None
    place = place.with_suffix(Path(name).suffix or ".png")
    try:
        place.write_bytes(base64.b64decode(content["imageData"]))
    except (binascii.Error, TypeError, ValueError):
        raise Unreadable(f"{path}: `imageData` is no image in base64") from None
    return str(place)


def _annotation(path: Path, shape: dict, numbers: dict[str, int]) -> dict:
    """Raises Unreadable."""
    kind, given = shape.get("shape_type") or "polygon", shape.get("points")
    try:
        corners = [(float(x), float(y)) for x, y in given]
        if not all(math.isfinite(value) for corner in corners for value in corner):
            raise ValueError
    except (TypeError, ValueError):
        what = f"`points` of {shape.get('label')!r:.50} are no pairs of numbers"
        raise Unreadable(f"{path}: {what}: {given!r:.100}") from None
    group = shape.get("group_id")
    found = {
        "type": kind,
        "label": numbers[str(shape.get("label")).strip()],
        "group": 0 if not isinstance(group, int) else group + 1,
        "crowd": False,
    }
    flat = [value for corner in corners for value in corner]
    if kind == "rectangle" and len(corners) == 2:
        (a, b), (c, d) = corners
        box = [min(a, c), min(b, d), max(a, c), max(b, d)]
        return found | {"type": "bbox", "box": box}
    if kind == "circle" and len(corners) == 2:
        return found | {"type": "polygon", "points": _circle(*corners)}
    if kind == "polygon" and len(corners) >= 3:
        return found | {"points": flat}
    if kind == "rotation" and len(corners) == 4:
        return found | {"type": "rotated_bbox", "points": flat}
    return found  # has no counterpart: is counted by its type


def _circle(center: tuple, edge: tuple) -> list[float]:
    """Returns a regular polygon with the area of the circle."""
    radius = math.dist(center, edge)
    turn = 2 * math.pi / CORNERS
    radius *= math.sqrt(turn / math.sin(turn))
    points = []
    for corner in range(CORNERS):
        angle = corner * turn
        points += [
            center[0] + radius * math.cos(angle),
            center[1] + radius * math.sin(angle),
        ]
    return points
