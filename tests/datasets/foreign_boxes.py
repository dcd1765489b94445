"""Real sets written in the layouts of YOLO, Pascal VOC and DOTA."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from foreign import Picture, Sets, link, outline
from layouts_yolo import THING, write

# ---- YOLO ----


def yolo_rows(of: Sets, picture: Picture) -> list[str]:
    """A box, corners, a polygon or keypoints in a row, by fractions of six digits."""
    rows, size = [], np.array([picture.width, picture.height])
    for thing in picture.label:
        numbers: list = []
        if "quadrilateral" in thing:
            numbers += (np.array(thing["quadrilateral"]) / size).ravel().tolist()
        elif "mask" in thing:
            polygon = max(outline(thing["mask"]), key=len)
            numbers += (polygon / size).ravel().tolist()
        elif "keypoints" in thing:
            points = [thing["keypoints"].get(name) for name in of.names]
            known = np.array([point for point in points if point])
            low, high = known.min(0), known.max(0)
            numbers += [*(low + high) / 2 / size, *(high - low) / size]
            for point in points:
                x, y = np.array(point or (0, 0)) / size
                numbers += [x, y, 2 * bool(point)]
        else:
            low, high = np.array(thing["bbox"], float).reshape(2, 2)
            numbers += [*(low + high) / 2 / size, *(high - low) / size]
        kind = of.names.index(thing["category"]) if "category" in thing else 0
        rows.append(" ".join([str(kind), *(f"{x:.6f}" for x in numbers)]))
    return rows


def yolo_set(images: Path, labels: Path, of: Sets, name: str) -> list[Path]:
    paths = []
    for picture in of.sets[name]:
        paths.append(link(picture, images))
        write(labels / f"{picture.path.stem}.txt", *yolo_rows(of, picture))
    return paths


def data_yaml(folder: Path, of: Sets, *lines: str) -> None:
    names = json.dumps(of.names)
    write(folder / "data.yaml", *lines, f"nc: {len(of.names)}", f"names: {names}")


def roboflow_yolo(folder: Path, of: Sets) -> None:
    for name, called in zip(of.sets, ("train", "valid", "test")):
        yolo_set(folder / called / "images", folder / called / "labels", of, name)
    paths = "train: ../train/images", "val: ../valid/images", "test: ../test/images"
    data_yaml(folder, of, *paths)


def ultralytics(folder: Path, of: Sets, *lines: str) -> None:
    for name in of.sets:
        yolo_set(folder / "images" / name, folder / "labels" / name, of, name)
    paths = "train: images/train", "val: images/val", "test: images/test"
    data_yaml(folder, of, "path: ../datasets/things", *paths, *lines)


def yolo_pose(folder: Path, of: Sets) -> None:
    shape = f"kpt_shape: [{len(of.names)}, 3]"
    points = f"kpt_names: {{0: {json.dumps(of.names)}}}"
    ultralytics(folder, of, shape, points)
    text = (folder / "data.yaml").read_text().splitlines()
    write(folder / "data.yaml", *text[:-2], "names: {0: face}")


def cvat_yolo(folder: Path, of: Sets) -> None:
    for name in of.sets:
        place = folder / f"obj_{name}_data"
        paths = yolo_set(place, place, of, name)
        listed = (f"data/{path.relative_to(folder).as_posix()}" for path in paths)
        write(folder / f"{name}.txt", *listed)
    write(folder / "obj.names", *of.names)
    lists = (f"{'valid' if x == 'val' else x} = data/{x}.txt" for x in of.sets)
    pairs = f"classes = {len(of.names)}", *lists, "names = data/obj.names"
    write(folder / "obj.data", *pairs, "backup = backup/")


def label_studio_yolo(folder: Path, of: Sets) -> None:
    yolo_set(folder / "images", folder / "labels", of, "train")
    write(folder / "classes.txt", *of.names)


# ---- Pascal VOC, DOTA ----


def voc_set(images: Path, labels: Path, pictures: list[Picture]) -> None:
    for picture in pictures:
        link(picture, images)
        size = f"<width>{picture.width}</width><height>{picture.height}</height>"
        begin = "<annotation>", f"<size>{size}<depth>3</depth></size>"
        things = []
        for thing in picture.label:
            left, top, right, bottom = map(round, thing["bbox"])
            sides = left, top, max(right, left + 1), max(bottom, top + 1)
            things.append(THING.format(thing["category"], *sides))
        write(labels / f"{picture.path.stem}.xml", *begin, *things, "</annotation>")


def labelimg_voc(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        voc_set(folder / name, folder / name, pictures)


def own_voc(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        voc_set(folder / "JPEGImages", folder / "Annotations", pictures)
        stems = (picture.path.stem for picture in pictures)
        write(folder / "ImageSets" / "Main" / f"{name}.txt", *stems)


def dota(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        for picture in pictures:
            link(picture, folder / name / "images")
            lines = ["imagesource:GoogleEarth", "gsd:0.1"]
            for thing in picture.label:
                sides = (f"{x:.1f}" for at in thing["quadrilateral"] for x in at)
                lines.append(" ".join([*sides, thing["category"], "0"]))
            write(folder / name / "labelTxt" / f"{picture.path.stem}.txt", *lines)
