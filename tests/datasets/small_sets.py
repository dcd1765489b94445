"""Datasets of all formats, and what a plain reading of them says.

A dataset is four images 40x30 and annotations of the categories `a`, `b` and `no`. The
plain readings share nothing with the emitted readers: json, csv, xml.etree, and YAML whose
values are all text.
"""

from __future__ import annotations

import csv
import io
import json
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml
from emitted_jobs import NAMES
from PIL import Image
from small_data import picture

WIDTH, HEIGHT = 40, 30
IMAGES = ("one.png", "two words.png", "three.png", "four.png")
BOXES = ((1, 2, 11, 22), (30, 2, 40, 12), (5.5, 4, 20, 25), (0, 0, 9, 9))


class Said(NamedTuple):
    """The words of a file on an image: a category, and a box or nothing."""

    name: str  # path of the image from `folder`
    folder: Path
    category: str
    box: tuple[float, ...] | None


Reading = Callable[[Path], Iterator[Said]]


# ---- Datasets ----


@cache
def image(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(HEIGHT, WIDTH, seed)).save(file, "PNG")
    return file.getvalue()


def save_images(folder: Path, names: tuple[str, ...] = IMAGES) -> None:
    for seed, name in enumerate(names):
        write(folder / name, image(seed))


def write(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def objects() -> Iterator[tuple[str, str, tuple]]:
    """An image, a category and a box: of each image two, which differ."""
    for i, name in enumerate(IMAGES):
        for k in range(2):
            yield name, NAMES[(i + k) % 3], BOXES[(i + 2 * k) % 4]


def native(folder: Path) -> Path:
    save_images(folder / "images")
    lines = [f"{name}:" for name in IMAGES]
    given: dict[str, list[str]] = {name: [] for name in IMAGES}
    for name, category, box in objects():
        item = f"  - {{category: {category}, bbox: [{', '.join(map(str, box))}]}}"
        given[name].append(item)
    lines = [line for name, items in given.items() for line in (f"{name}:", *items)]
    write(folder / "labels.yaml", "\n".join(lines) + "\n")
    entry = "task: object detection\ncategories: [a, b, no]\nannotations: labels.yaml\n"
    write(folder / "metadata.yaml", entry)
    return folder


def coco(folder: Path) -> Path:
    save_images(folder / "images")
    annotations = [
        {
            "id": number,
            "image_id": 10 + IMAGES.index(name),
            "category_id": 1 + NAMES.index(category),
            "bbox": [left, top, right - left, bottom - top],
        }
        for number, (name, category, (left, top, right, bottom)) in enumerate(objects())
    ]
    content = {
        "images": [{"id": 10 + i, "file_name": name} for i, name in enumerate(IMAGES)],
        "categories": [{"id": 1 + i, "name": name} for i, name in enumerate(NAMES)],
        "annotations": annotations,
    }
    write(folder / "train.json", json.dumps(content, indent=1))
    return folder / "train.json"


def voc(folder: Path) -> Path:
    save_images(folder / "JPEGImages")
    sides = ("xmin", "ymin", "xmax", "ymax")
    for name in IMAGES:
        items = ""
        for _, category, box in (x for x in objects() if x[0] == name):
            inner = "\n".join(f"<{k}>{v}</{k}>" for k, v in zip(sides, box))
            items += (
                f"<object>\n<name>{category}</name>\n<bndbox>\n{inner}\n</bndbox>\n"
            )
            items += "</object>\n"
        xml = folder / "Annotations" / f"{Path(name).stem}.xml"
        write(xml, f"<annotation>\n{items}</annotation>\n")
    split = folder / "ImageSets" / "Main" / "train.txt"
    write(split, "".join(f"{Path(name).stem}\n" for name in IMAGES))
    return split


def yolo(folder: Path) -> Path:
    save_images(folder / "images" / "train")
    for name in IMAGES:
        lines = []
        for _, category, (left, top, right, bottom) in (
            x for x in objects() if x[0] == name
        ):
            center = (left + right) / 2 / WIDTH, (top + bottom) / 2 / HEIGHT
            size = (right - left) / WIDTH, (bottom - top) / HEIGHT
            numbers = map(str, (NAMES.index(category), *center, *size))
            lines.append(" ".join(numbers))
        write(folder / "labels" / "train" / f"{Path(name).stem}.txt", "\n".join(lines))
    write(folder / "list.txt", "".join(f"./images/train/{name}\n" for name in IMAGES))
    write(
        folder / "data.yaml", "train: list.txt\nval: images/train\nnames: [a, b, no]\n"
    )
    return folder / "data.yaml"


def table(folder: Path) -> Path:
    save_images(folder)
    rows = [f"{name},{NAMES[i % 3]}" for i, name in enumerate(IMAGES)]
    write(folder / "labels.csv", "\n".join(["image,kind", *rows]) + "\n")
    return folder / "labels.csv"


def folders(folder: Path) -> Path:
    for seed, name in enumerate(NAMES):
        write(folder / name / "one.png", image(seed))
        write(folder / name / "deep" / "two words.png", image(10 + seed))
    return folder


# ---- Plain readings ----


def said_by_native(path: Path) -> Iterator[Said]:
    text = (path / "labels.yaml").read_text("utf-8-sig")
    for name, given in as_dict(yaml.load(text, yaml.BaseLoader)).items():
        for item in given if isinstance(given, list) else []:
            item = as_dict(item)
            yield from said(
                name, path / "images", item.get("category"), item.get("bbox")
            )


def said_by_coco(path: Path) -> Iterator[Said]:
    content = json.loads(path.read_text("utf-8-sig"))
    for item in content["annotations"]:
        for one in content["images"]:
            for category in content["categories"]:
                same = item["image_id"] == one["id"]
                if same and item["category_id"] == category["id"]:
                    left, top, width, height = map(float, item["bbox"])
                    box = left, top, left + width, top + height
                    folder = path.parent / "images"
                    yield from said(one["file_name"], folder, category["name"], box)


def said_by_voc(path: Path) -> Iterator[Said]:
    root = path.parent.parent.parent
    for line in path.read_text("utf-8-sig").splitlines():
        for name in {line.strip(), line.strip().rsplit(" ", 1)[0].strip()}:
            xml = root / "Annotations" / f"{name}.xml"
            if not name or len(name) > 200 or not xml.is_file():
                continue
            for item in ElementTree.parse(xml).iter("object"):
                sides = ("xmin", "ymin", "xmax", "ymax")
                box = [item.findtext(f"bndbox/{side}") for side in sides]
                for file in (root / "JPEGImages").iterdir():
                    if file.stem == name:
                        folder, category = file.parent, item.findtext("name")
                        yield from said(file.name, folder, category, box)


def said_by_yolo(path: Path) -> Iterator[Said]:
    entry = as_dict(yaml.load(path.read_text("utf-8-sig"), yaml.BaseLoader))
    names, place = entry["names"], path.parent / str(entry["train"])
    files = sorted(place.rglob("*")) if place.is_dir() else []
    if place.is_file():
        lines = place.read_text("utf-8-sig").splitlines()
        files = [path.parent / line.strip().replace("\\", "/") for line in lines]
    for file in files:
        home = path.parent / "images" / "train"
        if file.is_dir() or not file.resolve().is_relative_to(home.resolve()):
            continue
        labels = path.parent / "labels" / "train" / os.path.relpath(file, home)
        yield from said_by_lines(labels.with_suffix(".txt"), names, file)


def said_by_lines(labels: Path, names: object, file: Path) -> Iterator[Said]:
    if isinstance(names, dict):
        names = [names[str(i)] for i in range(len(names))]
    for line in labels.read_text("utf-8-sig").splitlines() if labels.is_file() else ():
        try:
            kind, *values = map(float, line.split())
            category = names[int(kind)] if 0 <= kind == int(kind) else None
        except (ValueError, IndexError, OverflowError):
            continue
        if len(values) == 4:
            x, y, width, height = values
            box = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        else:  # two lines that became one: a polygon
            xs, ys = values[::2] or [0], values[1::2] or [0]
            box = min(xs), min(ys), max(xs), max(ys)
        sides = WIDTH, HEIGHT, WIDTH, HEIGHT
        box = [part * side for part, side in zip(box, sides)]
        yield from said(file.name, file.parent, category, box)


def said_by_table(path: Path) -> Iterator[Said]:
    lines = path.read_text("utf-8-sig").splitlines()
    head, *rows = csv.reader(lines, skipinitialspace=True)
    head = [name.strip() for name in head]
    for row in rows:
        cells = dict(zip(head, row))
        yield from said(cells.get("image"), path.parent, cells.get("kind"), None)


def said_by_folders(path: Path) -> Iterator[Said]:
    for place, _, files in os.walk(path, followlinks=True):
        for name in files:
            parts = Path(place).relative_to(path).parts
            if parts and name.lower().endswith(".png"):
                yield from said(name, Path(place), parts[0], None)


def said(name: object, folder: Path, category: object, box: object) -> Iterator[Said]:
    """One, if it is of this kind at all."""
    if not isinstance(name, str) or not name.strip() or category is None:
        return
    try:
        sides = None if box is None else tuple(float(side) for side in box)
    except (TypeError, ValueError):
        return
    if sides is None or len(sides) == 4:
        yield Said(name, folder, str(category).strip(), sides)


def as_dict(value: object) -> dict:
    return value if isinstance(value, dict) else {}


DATASETS: dict[str, tuple[Callable[[Path], Path], Reading]] = {
    "native": (native, said_by_native),
    "coco": (coco, said_by_coco),
    "voc": (voc, said_by_voc),
    "yolo": (yolo, said_by_yolo),
    "csv": (table, said_by_table),
    "folders": (folders, said_by_folders),
}
