"""Images of real sets with their labels, written as tools write them."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from layouts_coco import write as write_json
from layouts_yolo import THING, write
from PIL import Image

UNKNOWN = 255  # a value of index maps


class Picture(NamedTuple):
    path: Path
    height: int
    width: int
    label: Any  # in words, as the emitted draw.py tells it


class Sets(NamedTuple):
    names: list[str]  # categories, labels, identities or keypoints
    things: list[str]  # of panoptic maps
    sets: dict[str, list[Picture]]  # train, val, test


def link(picture: Picture, folder: Path) -> Path:
    """The image in a folder, as a link."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / picture.path.name
    os.symlink(picture.path.resolve(), path)
    return path


def table(path: Path, header: Iterable, rows: Iterable, sign: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=sign).writerows([header, *rows])


def json_lines(path: Path, entries: Iterable[dict]) -> None:
    path.write_text("".join(f"{json.dumps(x)}\n" for x in entries), "utf-8")


# ---- COCO ----


def outline(runs: dict) -> list[np.ndarray]:
    """Polygons (N, 2) along the edges of a mask's pixels, without those of holes."""
    from faster_coco_eval.core import mask as coco_mask

    pixels, fine = np.pad(coco_mask.decode(runs), 1), 8
    large = np.kron(pixels, np.ones((fine, fine), np.uint8))
    found, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [(x[:, 0] + 0.5) / fine - 1 for x in found if len(x) > 2]


def coco(of: Sets, pictures: list[Picture], prefix: str = "", polygons=False) -> dict:
    categories = [{"id": i, "name": name} for i, name in enumerate(of.names, 1)]
    content = {"images": [], "annotations": [], "categories": categories}
    for number, picture in enumerate(pictures):
        image = {"id": number, "file_name": f"{prefix}{picture.path.name}"}
        size = {"height": picture.height, "width": picture.width}
        content["images"].append(image | size)
        for thing in picture.label:
            item = {"id": len(content["annotations"]), "image_id": number}
            item |= {"iscrowd": 0, "category_id": 1}
            if "category" in thing:
                item["category_id"] = 1 + of.names.index(thing["category"])
            if "keypoints" in thing:
                points = [thing["keypoints"].get(name) for name in of.names]
                item["keypoints"] = [
                    x for p in points for x in (*(p or (0, 0)), 2 * bool(p))
                ]
                known = np.array([p for p in points if p])
                thing = {"bbox": [*known.min(0), *known.max(0)]} | thing
            left, top, right, bottom = map(float, thing["bbox"])
            item["bbox"] = [left, top, right - left, bottom - top]
            if "mask" in thing:
                counts = thing["mask"]["counts"].decode()
                item["segmentation"] = thing["mask"] | {"counts": counts}
            if polygons:
                found = outline(thing["mask"])
                item["segmentation"] = [x.round(3).ravel().tolist() for x in found]
            content["annotations"].append(item)
    return content


def of_people(content: dict, names: list[str]) -> dict:
    return content | {"categories": [{"id": 1, "name": "face", "keypoints": names}]}


def roboflow_coco(folder: Path, of: Sets) -> None:
    for (_, pictures), name in zip(of.sets.items(), ("train", "valid", "test")):
        for picture in pictures:
            link(picture, folder / name)
        content = coco(of, pictures)
        content["categories"].insert(0, {"id": 0, "name": "things"})
        for category in content["categories"][1:]:
            category["supercategory"] = "things"
        write_json(folder / name / "_annotations.coco.json", content)


def unpacked_coco(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        for picture in pictures:
            link(picture, folder / f"{name}2017")
        path = folder / "annotations" / f"instances_{name}2017.json"
        write_json(path, coco(of, pictures))


def coco_of_polygons(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        for picture in pictures:
            link(picture, folder / "images" / name)
        path = folder / "annotations" / f"instances_{name}.json"
        write_json(path, coco(of, pictures, polygons=True))


def coco_keypoints(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        for picture in pictures:
            link(picture, folder / f"{name}2017")
        path = folder / "annotations" / f"person_keypoints_{name}2017.json"
        write_json(path, of_people(coco(of, pictures), of.names))


def label_studio_coco(folder: Path, of: Sets) -> None:
    for picture in of.sets["train"]:
        link(picture, folder / "images")
    write_json(folder / "result.json", coco(of, of.sets["train"], "images/"))


def coco_panoptic(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        content = coco(of, [])
        for number, picture in enumerate(pictures):
            link(picture, folder / f"{name}2017")
            image = {"id": number, "file_name": picture.path.name}
            size = {"height": picture.height, "width": picture.width}
            content["images"].append(image | size)
            categories, instances = picture.label.values()
            pairs = np.stack([categories, instances], 2).reshape(-1, 2)
            kinds, ids = np.unique(pairs, axis=0, return_inverse=True)
            ids = 257 * (1 + ids.reshape(categories.shape))
            ids[categories < 0] = 0
            pixels = np.stack([ids % 256, ids // 256 % 256, ids // 65536], 2)
            png = f"{picture.path.stem}.png"
            path = folder / "annotations" / f"panoptic_{name}2017" / png
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path)
            parts = [
                {"id": 257 * (1 + place), "category_id": 1 + int(kind)}
                for place, (kind, _) in enumerate(kinds)
                if kind >= 0
            ]
            item = {"image_id": number, "file_name": png, "segments_info": parts}
            content["annotations"].append(item)
        for category in content["categories"]:
            category["isthing"] = int(category["name"] in of.things)
        write_json(folder / "annotations" / f"panoptic_{name}2017.json", content)


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


# ---- Tables, and folders of classes ----

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


# ---- Maps beside images ----


def save(path: Path, pixels: np.ndarray, colors: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, pixels)
        return
    image = Image.fromarray(pixels)
    if colors is not None:
        image.putpalette(colors.ravel().tolist())
    image.save(path)


def index_map(picture: Picture) -> np.ndarray:
    return np.where(picture.label < 0, UNKNOWN, picture.label).astype(np.uint8)


def palette(of: Sets) -> np.ndarray:
    """Colors (256, 3) of indices, none twice."""
    place = np.arange(256)
    return np.stack([place * 37 % 256, place * 91 % 256, 255 - place], 1).astype(
        np.uint8
    )


def beside(images: str, maps: str, pixels: Callable[[Picture], np.ndarray]):
    """A layout with these paths of images and of their maps."""

    def written(folder: Path, of: Sets) -> None:
        for name, pictures in of.sets.items():
            for picture in pictures:
                link(picture, folder / images.format(set=name))
                path = maps.format(set=name, stem=picture.path.stem)
                save(folder / path, pixels(picture))

    return written


index_masks = beside("images/{set}", "masks/{set}/{stem}.png", index_map)
masks_by_ending = beside("{set}", "{set}_labels/{stem}_labelIds.png", index_map)


def coded_masks(folder: Path, of: Sets) -> None:
    index_masks(folder, of)
    write(folder / "codes.txt", *of.names)


def color_masks(folder: Path, of: Sets) -> None:
    """CamVid's, with a table of colors."""
    colors = palette(of)
    for name, pictures in of.sets.items():
        for picture in pictures:
            link(picture, folder / name)
            path = folder / f"{name}_labels" / f"{picture.path.stem}_L.png"
            save(path, colors[index_map(picture)])
    rows = [[name, *colors[i]] for i, name in enumerate(of.names)]
    rows.append(["Void", *colors[UNKNOWN]])
    table(folder / "class_dict.csv", ["name", "r", "g", "b"], rows)


def voc_masks(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        for picture in pictures:
            link(picture, folder / "JPEGImages")
            path = folder / "SegmentationClass" / f"{picture.path.stem}.png"
            save(path, index_map(picture), palette(of))
        stems = (picture.path.stem for picture in pictures)
        write(folder / "ImageSets" / "Segmentation" / f"{name}.txt", *stems)


def number_map(picture: Picture) -> np.ndarray:
    from faster_coco_eval.core import mask as coco_mask

    pixels = np.zeros((picture.height, picture.width), np.uint16)
    for number, thing in enumerate(picture.label, 1):
        pixels[coco_mask.decode(thing["mask"]) > 0] = number
    return pixels


numbers = beside("images/{set}", "masks/{set}/{stem}.png", number_map)


def bowl(folder: Path, of: Sets) -> None:
    """A folder for each image, and a mask for each instance."""
    from faster_coco_eval.core import mask as coco_mask

    for name, pictures in of.sets.items():
        for picture in pictures:
            place = folder / name / picture.path.stem
            link(picture, place / "images")
            for number, thing in enumerate(picture.label):
                mask = 255 * coco_mask.decode(thing["mask"])
                save(place / "masks" / f"{number}.png", mask)


def depth(unit: float, kind: type) -> Callable[[Picture], np.ndarray]:
    def pixels(picture: Picture) -> np.ndarray:
        return np.where(picture.label > 0, picture.label * unit, 0).astype(kind)

    def rounded(picture: Picture) -> np.ndarray:
        return np.where(picture.label > 0, picture.label * unit + 0.5, 0).astype(kind)

    return rounded if kind is np.uint16 else pixels


millimeters = beside("{set}/rgb", "{set}/depth/{stem}.png", depth(1000, np.uint16))
arrays = beside("{set}/images", "{set}/depth/{stem}.npy", depth(1, np.float32))
floats = beside("{set}/image", "{set}/depth/{stem}_depth.tiff", depth(1, np.float32))


def mvtec(folder: Path, of: Sets) -> None:
    for picture in of.sets["train"]:
        link(picture, folder / "train" / "good")
    for picture in of.sets["val"]:
        kind = "good" if picture.label["label"] == "normal" else "crack"
        link(picture, folder / "test" / kind)
        if kind != "good":
            path = folder / "ground_truth" / kind / f"{picture.path.stem}_mask.png"
            save(path, np.uint8(255 * (picture.label["map"] > 0)))
