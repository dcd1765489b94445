"""Tables with a row for each object, or with a list of objects in a row: small sets of
images 40x30, and what is learned of each, as in layouts_tables.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from layouts_tables import Case, images, lines, table

BOX = (4.0, 6.0, 24.0, 20.0)  # left, top, right, bottom
OTHER_BOX = (1.0, 2.0, 9.0, 8.0)


def objects(count: int, suffix: str = ".jpg") -> dict[str, list]:
    """Two objects in every other image."""
    return {
        f"{i}{suffix}": [("car", BOX), ("bus", OTHER_BOX)][: 1 + i % 2]
        for i in range(count)
    }


def tensorflow(folder: Path) -> Case:
    header = ["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"]
    found = objects(6)
    for seed, part in ((0, "train"), (50, "test")):
        images(folder / "images" / part, [*found], seed)
        rows = [
            [name, 40, 30, kind, *map(int, box)]
            for name, items in found.items()
            for kind, box in items
        ]
        table(folder / f"{part}_labels.csv", header, rows)
    return Case("object_detection", found, 6)


def roboflow(folder: Path) -> Case:
    """Returns a case whose images have twice the size."""
    header = ["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"]
    found = objects(6)
    for seed, part in ((0, "train"), (50, "valid")):
        images(folder / part, [*found], seed)
        rows = [
            [name, 80, 60, kind, *(2 * x for x in box)]
            for name, items in found.items()
            for kind, box in items
        ]
        table(folder / part / "_annotations.csv", header, rows)
    return Case("object_detection", found, 6)


def open_images(folder: Path) -> Case:
    """Codes with descriptions, fractions, rows of images that are not there."""
    header = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf"
    codes, found = {"car": "/m/0k4j", "bus": "/m/01bjv"}, objects(6)
    for seed, part in ((0, "train"), (50, "validation")):
        images(folder / part, [*found], seed)
        rows = [
            [name[:-4], "xclick", codes[kind], 1, *_fractions(box), 0]
            for name, items in {**found, "gone.jpg": [("car", BOX)]}.items()
            for kind, box in items
        ]
        rows.append(["0", "xclick", codes["bus"], 1, *_fractions(OTHER_BOX), 1])
        name = f"{part}-annotations-bbox.csv"
        table(folder / name, header.split(","), rows)
    pairs = [[code, name] for name, code in codes.items()]
    table(folder / "class-descriptions-boxable.csv", None, [*pairs, ["/m/x", "Tree"]])
    return Case("object_detection", found, 6)


def _fractions(box: tuple) -> list[str]:
    left, top, right, bottom = box
    return [f"{x:.6f}" for x in (left / 40, right / 40, top / 30, bottom / 30)]


def wheat(folder: Path) -> Case:
    """A box in one cell, no category, an image without objects in no row."""
    images(folder / "train", [f"{i}.jpg" for i in range(7)])
    rows = [
        [str(i), 40, 30, f"[{left}, {top}, {right - left}, {bottom - top}]", "usask"]
        for i in range(6)
        for left, top, right, bottom in (BOX, OTHER_BOX)
    ]
    header = ["image_id", "width", "height", "bbox", "source"]
    table(folder / "train.csv", header, rows)
    labels = {f"{i}.jpg": [("object", BOX), ("object", OTHER_BOX)] for i in range(6)}
    return Case("object_detection", labels)


def retinanet(folder: Path) -> Case:
    """No header; a row without a box is an image without objects."""
    found = {f"images/{name}": items for name, items in objects(6).items()}
    images(folder, [*found, "images/empty.jpg"])
    rows = [
        [name, *map(int, box), kind]
        for name, items in found.items()
        for kind, box in items
    ]
    table(folder / "annotations.csv", None, [*rows, ["images/empty.jpg", *[""] * 5]])
    labels = {Path(name).name: items for name, items in found.items()}
    return Case("object_detection", labels | {"empty.jpg": []})


def pneumonia(folder: Path) -> Case:
    """RSNA's: a column for each number, empty where nothing was found."""
    images(folder / "train_images", [f"p{i}.png" for i in range(6)])
    left, top, right, bottom = BOX
    rows = [
        (
            [f"p{i}", left, top, right - left, bottom - top, 1]
            if i % 2
            else [f"p{i}", *["nan"] * 4, 0]
        )
        for i in range(6)
    ]
    table(
        folder / "train_labels.csv",
        "patientId,x,y,width,height,Target".split(","),
        rows,
    )
    return Case(
        "object_detection", {f"p{i}.png": [("1", BOX)] * (i % 2) for i in range(6)}
    )


def centers(folder: Path) -> Case:
    left, top, right, bottom = BOX
    box = [
        (left + right) / 80,
        (top + bottom) / 60,
        (right - left) / 40,
        (bottom - top) / 30,
    ]
    images(folder, [f"{i}.png" for i in range(6)])
    header = ["img", "label", "x_center", "y_center", "width", "height"]
    table(
        folder / "boxes.csv",
        header,
        [[f"{i}.png", "ab"[i % 2], *box] for i in range(6)],
    )
    return Case(
        "object_detection", {f"{i}.png": [("ab"[i % 2], BOX)] for i in range(6)}
    )


def hugging_face_objects(folder: Path) -> Case:
    found = objects(6)
    for seed, part in ((0, "train"), (50, "validation")):
        images(folder / part, [*found, "none.jpg"], seed)
        entries = [
            {
                "file_name": name,
                "objects": {
                    "bbox": [[x, y, r - x, b - y] for _, (x, y, r, b) in items],
                    "categories": [kind for kind, _ in items],
                },
            }
            for name, items in {**found, "none.jpg": []}.items()
        ]
        lines(folder / part / "metadata.jsonl", entries)
    return Case("object_detection", {**found, "none.jpg": []}, 7)


def split_objects(folder: Path) -> Case:
    """Objects of all sets in one table, and images in a folder of each set."""
    found, rows = objects(6), []
    for seed, part in ((0, "train"), (50, "valid"), (90, "test")):
        images(folder / part, [*found], seed)
        rows += [
            [name, kind, *box, part] for name, x in found.items() for kind, box in x
        ]
    header = ["filename", "class", "xmin", "ymin", "xmax", "ymax", "subset"]
    table(folder / "boxes.csv", header, rows)
    return Case("object_detection", found, 6)


LAYOUTS: dict[str, Callable[[Path], Case]] = {
    one.__name__: one
    for one in (
        *(tensorflow, roboflow, open_images, wheat, retinanet, pneumonia, centers),
        *(hugging_face_objects, split_objects),
    )
}
