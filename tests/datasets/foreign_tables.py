"""Real sets written as tables, and in folders of classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foreign import Picture, Sets, json_lines, link, table
from layouts_yolo import write

CORNERS = ["xmin", "ymin", "xmax", "ymax"]


def tensorflow_csv(folder: Path, of: Sets) -> None:
    header = ["filename", "width", "height", "class", *CORNERS]
    for name, pictures in of.sets.items():
        rows = [
            [link(x, folder / "images" / name).name, x.width, x.height]
            + [thing["category"], *thing["bbox"]]
            for x in pictures
            for thing in x.label[:1]
        ]
        rows += [
            [x.path.name, x.width, x.height, thing["category"], *thing["bbox"]]
            for x in pictures
            for thing in x.label[1:]
        ]
        table(folder / f"{name}_labels.csv", header, rows)


def retinanet_csv(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        rows = []
        for picture in pictures:
            path = link(picture, folder / "images").relative_to(folder).as_posix()
            rows += [[path, *x["bbox"], x["category"]] for x in picture.label]
        table(folder / f"{name}.csv", rows[0], rows[1:])


def hugging_face_objects(folder: Path, of: Sets) -> None:
    for (_, pictures), name in zip(of.sets.items(), ("train", "validation", "test")):
        entries = []
        for picture in pictures:
            path, kinds, boxes = link(picture, folder / name), [], []
            for thing in picture.label:
                left, top, right, bottom = thing["bbox"]
                boxes.append([left, top, right - left, bottom - top])
                kinds.append(thing["category"])
            objects = {"bbox": boxes, "categories": kinds}
            entries.append({"file_name": path.name, "objects": objects})
        json_lines(folder / name / "metadata.jsonl", entries)


def value_of(picture: Picture) -> Any:
    [value] = picture.label.values()
    return " ".join(value) if isinstance(value, list) else value


def class_folders(folder: Path, of: Sets) -> None:
    for (_, pictures), name in zip(of.sets.items(), ("Training", "Validation", "Test")):
        for picture in pictures:
            link(picture, folder / "images" / name / value_of(picture))


def kaggle_csv(folder: Path, of: Sets) -> None:
    """Names without suffix, in a folder of the set's name."""
    for name, pictures in of.sets.items():
        rows = [[link(x, folder / name).stem, value_of(x)] for x in pictures]
        table(folder / f"{name}.csv", ["id", "target"], rows)


def excel(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        rows = [
            [link(x, folder / "bilder").name, str(value_of(x)).replace(".", ",")]
            for x in pictures
        ]
        table(folder / f"{name}.csv", ["Datei", "Wert"], rows, ";")


def hugging_face(folder: Path, of: Sets) -> None:
    for (_, pictures), name in zip(of.sets.items(), ("train", "validation", "test")):
        rows = [[link(x, folder / name).name, value_of(x)] for x in pictures]
        table(folder / name / "metadata.csv", ["file_name", "label"], rows)


def hugging_face_lines(folder: Path, of: Sets) -> None:
    for (_, pictures), name in zip(of.sets.items(), ("train", "validation", "test")):
        entries = [
            {"file_name": link(x, folder / name).name, "text": value_of(x)}
            for x in pictures
        ]
        json_lines(folder / name / "metadata.jsonl", entries)


def flags(folder: Path, of: Sets) -> None:
    """A column of 0 and 1 for each name, as Roboflow writes them."""
    for (_, pictures), name in zip(of.sets.items(), ("train", "valid", "test")):
        rows = []
        for picture in pictures:
            [held] = picture.label.values()
            held = held if isinstance(held, list) else [held]
            on = [int(name in held) for name in of.names]
            rows.append([link(picture, folder / name).name, *on])
        table(folder / name / "_classes.csv", ["filename", *of.names], rows)


def tabbed_text(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        lines = [
            f"{link(x, folder / name).relative_to(folder)}\t{value_of(x)}"
            for x in pictures
        ]
        write(folder / f"rec_gt_{name}.txt", *lines)


def spaced_text(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        lines = [f"{link(x, folder / name).name} {value_of(x)}" for x in pictures]
        write(folder / f"{name}.txt", *lines)
