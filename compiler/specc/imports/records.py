"""Reads a dataset with datumaro, and writes it as records: lines of JSON.

This file is a script. It runs in a Python that has datumaro, which is not that of specc
and of training, and imports nothing of specc:

    python records.py SOURCE FORMAT FOLDER

FORMAT is a name of datumaro, or `?` to recognize the layout. FOLDER is an empty folder
for `records.jsonl` and for images that are no files of their own. The first record
tells the format and the names, each further one an image:

    {"format": NAME, "labels": [NAME, ...], "points": {LABEL: [NAME, ...]}}
    {"id": NAME, "subset": NAME, "image": PATH, "annotations": [ANNOTATION, ...]}

An annotation has a "type" of datumaro, the index of a "label" or null, its "group" (0:
none), the flag "crowd", and what its type holds, in pixels: "box" (left, top, right,
bottom), "points" (x, y, ...), "visibility" of points, "mask" (lengths of runs, row by
row, the first of zeros, and "size", its height and width), "text", "depth" (a file).

Exit codes: 0; 3 if FORMAT is `?` and not one layout fits: the names of those that do
are printed; 4 if datumaro cannot read the dataset: the reason is printed.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

UNKNOWN, BROKEN = 3, 4  # exit codes


def main(source: str, form: str, folder: Path) -> int:
    from datumaro.components.dataset import Dataset
    from datumaro.components.environment import Environment

    if form == "?":
        found = Environment().detect_dataset(source, depth=2)
        if len(found) != 1:
            print("\n".join(found))
            return UNKNOWN
        form = found[0]
    try:
        dataset = Dataset.import_from(source, format=form)
        with open(folder / "records.jsonl", "w", encoding="utf-8") as file:
            for record in records(dataset, form, folder):
                file.write(json.dumps(record) + "\n")
    except Exception as error:  # readers of so many formats raise any exception
        print(
            f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        )
        return BROKEN
    return 0


def records(dataset, form: str, folder: Path) -> Iterator[dict]:
    from datumaro.components.annotation import AnnotationType

    categories = dataset.categories()
    labels = categories.get(AnnotationType.label)
    points = categories.get(AnnotationType.points)
    yield {
        "format": form,
        "labels": [item.name for item in labels.items] if labels else [],
        "points": {
            str(label): list(of_label.labels)
            for label, of_label in (points.items.items() if points else ())
        },
    }
    for number, item in enumerate(dataset):
        yield {
            "id": item.id,
            "subset": item.subset,
            "image": image_of(item, folder / f"{number}.png"),
            "annotations": [
                described(annotation, folder / f"{number}-{place}.npy")
                for place, annotation in enumerate(item.annotations)
            ],
        }


def image_of(item, place: Path) -> str | None:
    """Returns the path of the image, which is written to `place` if it is no file."""
    if item.media is None:
        return None
    path = getattr(item.media, "path", None)
    if path and Path(path).is_file():
        return str(Path(path).absolute())
    try:
        content = getattr(item.media, "bytes", None)
        if content and not path:
            place.write_bytes(content)
        else:
            item.media.save(str(place))
    except Exception:  # the image is not there
        return None
    return str(place)


def described(annotation, place: Path) -> dict:
    kind = annotation.type.name
    found = {
        "type": kind,
        "label": getattr(annotation, "label", None),
        "group": annotation.group,
        "crowd": bool(annotation.attributes.get("is_crowd")),
    }
    if kind == "bbox":
        left, top, width, height = annotation.get_bbox()
        found["box"] = [left, top, left + width, top + height]
    elif kind == "mask":
        found["mask"], found["size"] = runs(np.asarray(annotation.image) != 0)
    elif kind in ("polygon", "points"):
        found["points"] = list(annotation.points)
    elif kind in ("rotated_bbox", "cuboid_2d"):
        found["points"] = corners(annotation)
    if kind == "points":
        found["visibility"] = [getattr(x, "value", x) for x in annotation.visibility]
    elif kind == "caption":
        found["text"] = annotation.caption
    elif kind == "depth_annotation":
        np.save(place, np.asarray(annotation.image, np.float32))
        found["depth"] = str(place)
    return plain(found)


def corners(annotation) -> list[float] | None:
    """Returns the corners of a rotated box, x, y, clockwise in the image; None for
    other shapes."""
    if annotation.type.name != "rotated_bbox":
        return None
    angle = np.deg2rad(annotation.r)
    along = np.array([np.cos(angle), np.sin(angle)]) * annotation.w / 2
    across = np.array([-np.sin(angle), np.cos(angle)]) * annotation.h / 2
    center = np.array([annotation.cx, annotation.cy])
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return np.concatenate([center + x * along + y * across for x, y in signs]).tolist()


def runs(mask: np.ndarray) -> tuple[list[int], list[int]]:
    """Returns the lengths of runs of equal pixels, and the mask's height and width."""
    flat = np.concatenate([[False], mask.ravel()])
    ends = np.flatnonzero(np.diff(flat))
    edges = np.concatenate([[0], ends, [mask.size]])
    return np.diff(edges).tolist(), list(mask.shape)


def plain(value):
    """Returns a value with numpy's numbers as those of Python."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
