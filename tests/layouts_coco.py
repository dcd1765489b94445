"""COCO's layout as tools and sites write it: the same small images and objects in each,
of three sets where the layout has three, with categories a and b."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from layouts import save
from PIL import Image

SETS = ("train", "val", "test")
COUNT = 4  # images of a set
CATEGORIES = [{"id": 1, "name": "a"}, {"id": 7, "name": "b"}]
ROOT = {"id": 0, "name": "things", "supercategory": "none"}


def content(
    name: str,
    file_name: Callable[[str], str] = str,
    categories: list[dict] = CATEGORIES,
    points: bool = False,
) -> dict:
    """A file of COCO's layout: a box and a polygon in each image, the box of another
    place in each set."""
    images, annotations = [], []
    left = 4 + 3 * SETS.index(name)
    for i in range(COUNT):
        size = {"width": 40, "height": 30}
        images.append({"id": i, "file_name": file_name(f"{name}{i}.png")} | size)
        polygon = [left, 4, left + 20, 4, left + 20, 20 + i, left, 20 + i]
        item = {"id": i, "image_id": i, "category_id": (1, 7)[i % 2], "iscrowd": 0}
        item |= {"bbox": [left, 4, 20, 16 + i], "area": 20 * (16 + i)}
        item |= {"segmentation": [polygon]}
        if points:
            item |= {"category_id": 1, "keypoints": [left + 5, 9, 2, left + 9, 9, 2]}
            item |= {"num_keypoints": 2}
        annotations.append(item)
    return {"info": {}, "images": images, "annotations": annotations} | {
        "categories": [dict(category) for category in categories]
    }


def write(path: Path, value: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")


def draw(folder: Path, name: str, rename: Callable[[str], str] = str) -> None:
    for i in range(COUNT):
        save(folder / rename(f"{name}{i}.png"), 100 * SETS.index(name) + i)


def as_written(folder: Path) -> list[str]:
    """Writes the layout that the reader has always read: the file beside `images`."""
    for name in SETS:
        draw(folder / "images", name)
        write(folder / f"{name}.json", content(name))
    return ["train", "validation", "test"]


def as_roboflow(folder: Path) -> list[str]:
    for name, split in zip(SETS, ("train", "valid", "test")):
        draw(folder / split, name)
        named = content(name, categories=[ROOT, *CATEGORIES])
        write(folder / split / "_annotations.coco.json", named)
    (folder / "README.roboflow.txt").write_text("exported")
    return ["train", "validation", "test"]


def as_unpacked(folder: Path) -> list[str]:
    """COCO 2017, with its captions and the boxes of people."""
    for name in SETS[:2]:
        draw(folder / f"{name}2017", name)
        write(folder / "annotations" / f"instances_{name}2017.json", content(name))
        person = [CATEGORIES[0] | {"keypoints": ["left_eye", "right_eye"]}]
        people = content(name, categories=person, points=True)
        write(folder / "annotations" / f"person_keypoints_{name}2017.json", people)
        said = content(name)
        del said["categories"]
        said["annotations"] = [{"id": 0, "image_id": 0, "caption": "a drawing"}]
        write(folder / "annotations" / f"captions_{name}2017.json", said)
    draw(folder / "test2017", "test")
    listed = content("test")
    del listed["annotations"]
    write(folder / "annotations" / "image_info_test2017.json", listed)
    return ["train", "validation"]


def as_unpacked_in_images(folder: Path) -> list[str]:
    for name in SETS[:2]:
        draw(folder / "images" / f"{name}2017", name)
        write(folder / "annotations" / f"instances_{name}2017.json", content(name))
        write(folder / "annotations" / f"stuff_{name}2017.json", content(name))
    return ["train", "validation"]


def as_cvat(folder: Path) -> list[str]:
    draw(folder / "images", "train")
    write(folder / "annotations" / "instances_default.json", content("train"))
    return ["train"]


def as_cvat_in_default(folder: Path) -> list[str]:
    draw(folder / "images" / "default", "train")
    write(folder / "annotations" / "instances_default.json", content("train"))
    return ["train"]


def as_cvat_subsets(folder: Path) -> list[str]:
    for name, subset in zip(SETS, ("Train", "Validation", "Test")):
        draw(folder / "images" / subset, name)
        write(folder / "annotations" / f"instances_{subset}.json", content(name))
    return ["train", "validation", "test"]


def as_cvat_tasks(folder: Path) -> list[str]:
    """An export for each set, unpacked side by side."""
    for name in SETS[:2]:
        draw(folder / name / "images", name)
        path = folder / name / "annotations" / "instances_default.json"
        write(path, content(name))
    return ["train", "validation"]


def as_datumaro(folder: Path) -> list[str]:
    for name in SETS:
        draw(folder / "images" / name, name)
        write(folder / "annotations" / f"instances_{name}.json", content(name))
    return ["train", "validation", "test"]


def as_label_studio(folder: Path) -> list[str]:
    draw(folder / "images", "train")
    write(folder / "result.json", content("train", "images/{}".format))
    return ["train"]


def as_label_studio_uploads(folder: Path) -> list[str]:
    draw(folder / "images", "train")
    prefix = "../../label-studio/data/media/upload/3/{}"
    write(folder / "result.json", content("train", prefix.format))
    return ["train"]


def as_label_studio_links(folder: Path) -> list[str]:
    """Writes images of two projects, so that no prefix is common to all but the first
    part."""
    draw(folder / "images", "train")

    def link(name: str) -> str:
        return f"http://localhost:8080/data/upload/{int(name[5]) % 2}/{name}"

    write(folder / "result.json", content("train", link))
    return ["train"]


def as_absolute(folder: Path) -> list[str]:
    """X-AnyLabeling and others; the images are in folders."""
    for name in SETS[:2]:
        draw(folder / "pictures" / name, name)
        named = content(name, f"C:\\Users\\me\\pictures\\{name}\\{{}}".format)
        write(folder / f"my_{name}.json", named)
    return ["train", "validation"]


def as_supervisely(folder: Path) -> list[str]:
    """One file of images in folders of their own."""
    for i in range(COUNT):
        save(folder / "img" / f"video {i % 2}" / f"train{i}.png", i)

    def inside(name: str) -> str:
        return f"video {int(name[5]) % 2}/{name}"

    write(folder / "ann" / "objects.json", content("train", inside))
    return ["train"]


def as_encoded(folder: Path) -> list[str]:
    for name in SETS[:2]:
        draw(folder / name, name, "my {}".format)
        write(folder / f"{name}.json", content(name, "my%20{}".format))
    return ["train", "validation"]


def as_windows(folder: Path) -> list[str]:
    """Backslashes; a file for all the sets' images that lists those of one."""
    for name in SETS[:2]:
        draw(folder / "data" / name, name)
        write(
            folder / f"labels_{name}.JSON", content(name, f"data\\{name}\\{{}}".format)
        )
    return ["train", "validation"]


def as_text_ids(folder: Path) -> list[str]:
    """Ids as text, in a file with a byte order mark, beside lines of JSON."""
    for name in SETS[:2]:
        draw(folder / name, name)
        value = content(name)
        for items, keys in (("images", ["id"]), ("categories", ["id"])):
            for item in value[items]:
                item |= {key: str(item[key]) for key in keys}
        for item in value["annotations"]:
            item |= {key: str(item[key]) for key in ("image_id", "category_id")}
        (folder / f"{name}.json").write_text("\ufeff" + json.dumps(value), "utf-8")
    (folder / "log.json").write_text('{"epoch": 1}\n{"epoch": 2}\n')
    return ["train", "validation"]


def as_lvis(folder: Path) -> list[str]:
    """Names are URLs, and images of both sets stand in two folders."""
    for name in SETS[:2]:
        for i in range(COUNT):
            year = ("train2017", "val2017")[i % 2]
            save(folder / year / f"{name}{i}.png", 100 * SETS.index(name) + i)
        value = content(name)
        for i, image in enumerate(value["images"]):
            year = ("train2017", "val2017")[i % 2]
            del image["file_name"]
            image["coco_url"] = f"http://images.cocodataset.org/{year}/{name}{i}.png"
        for item in value["annotations"]:
            del item["iscrowd"]
        write(folder / f"lvis_v1_{name}.json", value)
    return ["train", "validation"]


def as_panoptic(folder: Path, apart: bool = False) -> list[str]:
    """COCO 2017's segments; the PNGs stand beside the file, or above it."""
    kinds = [CATEGORIES[0] | {"isthing": 1}, CATEGORIES[1] | {"isthing": 0}]
    for name in SETS[:2]:
        draw(folder / f"{name}2017", name)
        value = content(name, categories=kinds)
        place = folder / ("" if apart else "annotations") / f"panoptic_{name}2017"
        place.mkdir(parents=True)
        for number, item in enumerate(value["annotations"]):
            ids = np.full((30, 40, 3), [9, 0, 0], np.uint8)
            ids[4:20, 4 + number : 24] = [1, 2, 0]
            file = f"{name}{number}.png"
            Image.fromarray(ids).save(place / file)
            parts = [{"id": 513, "category_id": 1}, {"id": 9, "category_id": 7}]
            kept = {"id": number, "image_id": number, "file_name": file}
            value["annotations"][number] = kept | {"segments_info": parts}
        write(folder / "annotations" / f"panoptic_{name}2017.json", value)
    return ["train", "validation"]


def as_panoptic_apart(folder: Path) -> list[str]:
    return as_panoptic(folder, apart=True)


OBJECTS = (
    *(as_written, as_roboflow, as_unpacked, as_unpacked_in_images, as_cvat),
    *(as_cvat_in_default, as_cvat_subsets, as_cvat_tasks, as_datumaro, as_label_studio),
    *(as_label_studio_uploads, as_label_studio_links, as_absolute, as_supervisely),
    *(as_encoded, as_windows, as_text_ids, as_lvis),
)
SEGMENTS = (as_panoptic, as_panoptic_apart)
