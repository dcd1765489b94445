"""One small dataset in each layout, of images 40x30: two sets, categories a and b."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image
from small_data import native, picture

SETS = ("train", "val")
COUNT = 6  # images of a set


def save(path: Path, seed: int = 0, height: int = 30, width: int = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(height, width, seed)).save(path)
    return path


def as_native(folder: Path) -> Path:
    for number, name in enumerate(SETS):
        box = {"category": "a", "bbox": [4, 4, 24, 20]}
        native(folder / name, {f"{i}.png": [box] for i in range(4)}, categories=["a"])
        for i in range(4):  # not those of the other set
            save(folder / name / "images" / f"{i}.png", 10 * number + i)
    return folder


def as_folders(folder: Path) -> Path:
    for number, name in enumerate(SETS):
        for i in range(2 * COUNT):
            save(folder / name / "ab"[i % 2] / f"{i}.png", 100 * number + i)
    return folder


def as_coco(folder: Path) -> Path:
    for number, name in enumerate(SETS):
        content = {"images": [], "annotations": []}
        content["categories"] = [{"id": 1, "name": "a"}, {"id": 7, "name": "b"}]
        for i in range(COUNT):
            save(folder / "images" / f"{name}{i}.png", 100 * number + i)
            content["images"].append({"id": i, "file_name": f"{name}{i}.png"})
            corners = [4, 4, 24, 4, 24, 20]
            box = {"bbox": [4, 4, 20, 16], "segmentation": [corners]}
            kind = {"id": i, "image_id": i, "category_id": 1 + 6 * (i % 2)}
            content["annotations"].append(box | kind)
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def as_voc(folder: Path) -> Path:
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "Annotations").mkdir()
    sides = "<xmin>4</xmin><ymin>4</ymin><xmax>24</xmax><ymax>20</ymax>"
    for number, name in enumerate(SETS):
        stems = [f"{name}{i}" for i in range(COUNT)]
        for i, stem in enumerate(stems):
            save(folder / "JPEGImages" / f"{stem}.png", 100 * number + i)
            thing = f"<name>{'ab'[i % 2]}</name><bndbox>{sides}</bndbox>"
            text = f"<annotation><object>{thing}</object></annotation>"
            (folder / "Annotations" / f"{stem}.xml").write_text(text)
        (folder / "ImageSets" / "Main" / f"{name}.txt").write_text("\n".join(stems))
    return folder


def as_yolo(folder: Path, line: str = "{} .4 .4 .5 .5") -> Path:
    for number, name in enumerate(SETS):
        for i in range(COUNT):
            save(folder / "images" / name / f"{i}.png", 100 * number + i)
            label = folder / "labels" / name / f"{i}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(line.format(i % 2) + "\n")
    (folder / "data.yaml").write_text(
        "train: images/train\nval: images/val\nnames: [a, b]\n"
    )
    return folder


def as_csv(folder: Path) -> Path:
    for number, name in enumerate(SETS):
        lines = ["image,kind,price"]
        for i in range(COUNT):
            save(folder / "pictures" / f"{name}{i}.png", 100 * number + i)
            lines.append(f"pictures/{name}{i}.png,{'ab'[i % 2]},{1.5 + i}")
        (folder / f"{name}.csv").write_text("\n".join(lines))
    return folder
