"""Rows in the layout of COCO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rows import HEIGHT, MASKS, POINTS, WIDTH, images, row, write

NAMES = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
BOX = [8, 8, 16, 16]
FOUND = ("cat", 8, 8, 24, 24)  # BOX holds the same as left, top, width, height
COUNT = range(1, 5)


def entry(name: str, number: int, width: int = WIDTH, height: int = HEIGHT) -> dict:
    return {"id": number, "file_name": name, "width": width, "height": height}


def item(number: int, of: Any = None, category: int = 1, **more) -> dict:
    given = {"id": number, "image_id": number if of is None else of}
    given |= {"category_id": category, "bbox": BOX, "area": 256, "iscrowd": 0}
    return {key: x for key, x in (given | more).items() if x is not None}


def content(items: list, entries: list | None = None, names: list = NAMES) -> dict:
    entries = entries or [entry(f"{i}.jpg", i) for i in COUNT]
    return {"images": entries, "annotations": items, "categories": names}


def four(folder: Path, items: list | None = None, entries: list | None = None, **more):
    """Four images, and a file that lists them."""
    images(folder, *(f"{i}.jpg" for i in COUNT))
    items = [item(i) for i in COUNT] if items is None else items
    write(folder / "train.json", content(items, entries, **more))


@row("c01", right={"train/1.jpg": [FOUND]}, count=12, categories=["cat"])
def roboflow(folder):
    names = [{"id": 0, "name": "pets", "supercategory": "none"}]
    names += [{"id": 1, "name": "cat", "supercategory": "pets"}]
    for name in ("train", "valid", "test"):
        images(folder / name, *(f"{i}.jpg" for i in COUNT))
        write(
            folder / name / "_annotations.coco.json",
            content([item(i) for i in COUNT], names=names),
        )


@row("c02", right={"train2017/1.jpg": [FOUND]}, count=8)
def unpacked(folder):
    for name in ("train", "val"):
        images(folder / f"{name}2017", *(f"{i}.jpg" for i in COUNT))
        path = folder / "annotations" / f"instances_{name}2017.json"
        write(path, content([item(i) for i in COUNT]))


@row("c02b", right={"default/1.jpg": [FOUND]}, count=4)
def cvat(folder):
    images(folder / "images" / "default", *(f"{i}.jpg" for i in COUNT))
    path = folder / "annotations" / "instances_default.json"
    write(path, content([item(i) for i in COUNT]))


@row("c03", right={"images/1.jpg": [FOUND]}, count=4)
def label_studio(folder):
    images(folder / "images", *(f"{i}.jpg" for i in COUNT))
    entries = [entry(f"images/{i}.jpg", i) for i in COUNT]
    write(folder / "result.json", content([item(i) for i in COUNT], entries))


@row("c06", refused="99")
def an_image_that_is_not_listed(folder):
    four(folder, [item(i) for i in COUNT] + [item(9, of=99)])


@row("c06b", refused="77")
def a_category_that_is_not_listed(folder):
    four(folder, [item(i) for i in COUNT] + [item(9, of=1, category=77)])


@row("c12", refused="'id': 9")
def one_without_a_box(folder):
    four(folder, [item(i) for i in COUNT] + [item(9, of=1, bbox=None)])


@row("c08", refused="id")
def images_of_one_id(folder):
    entries = [entry(f"{i}.jpg", 1 + i // 3) for i in COUNT]
    four(folder, [item(1), item(2)], entries)


@row("c10", right={"1.jpg": [("cat", 5, 5, 25, 20)]}, count=4, told="scaled: 4")
def sizes_of_another_scale(folder):
    entries = [entry(f"{i}.jpg", i, 128, 96) for i in COUNT]
    four(folder, [item(i, bbox=[10, 10, 40, 30]) for i in COUNT], entries)


@row("c11", refused="1.jpg")
def boxes_wholly_outside(folder):
    four(folder, [item(1, bbox=[80, 8, 16, 16]), *(item(i) for i in (2, 3, 4))])


@row("c11b", right={"1.jpg": [("cat", 56, 8, 64, 24)], "2.jpg": []}, count=4)
def boxes_partly_outside_or_empty(folder):
    odd = [item(1, bbox=[56, 8, 16, 16]), item(2, bbox=[8, 8, 0, 16])]
    four(folder, [*odd, item(3), item(4)])


@row("c13", refused="1.jpg")
def not_a_number(folder):
    four(folder, [item(1, bbox=[float("nan"), 8, 16, 16]), *(item(i) for i in (2, 3))])


@row("c14", right={"1.jpg": [FOUND]}, count=4)
def without_iscrowd(folder):
    four(folder, [item(i, iscrowd=None) for i in COUNT])


@row("c16", right={"1.jpg": [FOUND]}, count=4)
def absolute_names(folder):
    entries = [entry(f"/home/me/pets/{i}.jpg", i) for i in COUNT]
    four(folder, entries=entries)


@row("c17", right={"1.jpg": [FOUND]}, count=4)
def a_byte_order_mark(folder):
    four(folder)
    path = folder / "train.json"
    path.write_text(path.read_text(), "utf-8-sig")


@row("c19", count=4)
def a_test_file_beside_it(folder):
    four(folder)
    write(folder / "test.json", {"images": [entry("9.jpg", 9)], "categories": NAMES})
    images(folder, "9.jpg")


@row("c21", right={"1.jpg": [("dog", 8.5, 8, 24.5, 24)]}, count=4)
def ids_with_gaps_and_floats(folder):
    names = [{"id": 3, "name": "cat"}, {"id": 70, "name": "dog"}]
    names += [{"id": 90, "name": "cow"}]
    items = [item(10 * i, of=i, category=70, bbox=[8.5, 8, 16.0, 16]) for i in COUNT]
    four(folder, items, names=names)


MASK = {"size": [HEIGHT, WIDTH], "counts": [392, 16, 32, 16, 2616]}


@row("c24", MASKS, {"1.jpg": [("cat", 32)]}, count=4)
def every_mask_a_crowd(folder):
    four(folder, [item(i, iscrowd=1, segmentation=MASK) for i in COUNT])


@row("c30", right={"1.jpg": [("cat", 8, 8, 24, 20)]}, count=4)
def polygons_for_boxes(folder):
    polygon = [8, 8, 24, 8, 24, 20, 8, 20]
    four(folder, [item(i, bbox=None, segmentation=[polygon]) for i in COUNT])


@row("c31", right={"1.jpg": [FOUND]}, count=4, categories=["cat", "dog"])
def a_category_of_id_zero(folder):
    names = [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]
    items = [item(i, category=i % 2 - 1 + i % 2) for i in (1, 3)]
    items = [item(i, category=(i + 1) % 2) for i in COUNT]
    four(folder, items, names=names)


@row("e01", right={"1.jpg": [("cat", 24, 8, 40, 24)]}, count=4, told="turned too: 4")
def turned_images_with_boxes_as_stored(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    four(folder)
    for i in COUNT:
        with Image.open(folder / f"{i}.jpg") as image:
            image.copy().save(folder / f"{i}.jpg", exif=exif)


@row("s01", MASKS, refused="annotation 1")
def an_empty_polygon(folder):
    polygon = [8, 8, 24, 8, 24, 20]
    items = [item(i, segmentation=[polygon] if i > 1 else []) for i in COUNT]
    four(folder, items)


@row("s03", MASKS, refused="annotation 1")
def a_polygon_of_two_points(folder):
    polygon = [8, 8, 24, 8, 24, 20]
    items = [item(i, segmentation=[polygon if i > 1 else [8, 8, 9, 9]]) for i in COUNT]
    four(folder, items)


@row("s04", MASKS, {"1.jpg": [("cat", 32)], "2.jpg": [("cat", 32)]}, count=4)
def run_lengths_as_lists_and_text(folder):
    from faster_coco_eval.core import mask as coco_mask

    packed = coco_mask.frPyObjects(dict(MASK), HEIGHT, WIDTH)
    text = MASK | {"counts": packed["counts"].decode()}
    four(folder, [item(i, segmentation=MASK if i % 2 else text) for i in COUNT])


@row("s08", MASKS, {"1.jpg": [("cat", 1389)]}, count=4)
def a_polygon_that_leaves_the_image(folder):
    four(folder, [item(i, segmentation=[[10, 10, 200, 10, 10, 40]]) for i in COUNT])


PERSON = [{"id": 1, "name": "person", "keypoints": ["a", "b"]}]


def people(folder: Path, points: list, names: list = PERSON) -> None:
    four(folder, [item(i, keypoints=points) for i in COUNT], names=names)


@row("k01", POINTS, {"1.jpg": [(("a", [10, 10]), ("b", None))]}, count=4)
def a_point_without_a_label_at_a_place(folder):
    four(
        folder,
        [item(i, keypoints=[10, 10, 2, 30, 20, 2 * (i % 2 == 0)]) for i in COUNT],
        names=PERSON,
    )


@row("k02", POINTS, {"1.jpg": [(("a", [10, 10]), ("b", [64, 20]))]}, told="outside")
def a_point_slightly_outside(folder):
    items = [
        item(i, keypoints=[10, 10, 2, 64.4 if i < 4 else 30, 20, 2]) for i in COUNT
    ]
    four(folder, items, names=PERSON)


@row("k03", POINTS, refused="keypoints")
def fewer_points_than_names(folder):
    people(folder, [10, 10, 2])


@row("i01", right={"1.jpg": [FOUND]}, count=4)
def cmyk(folder):
    four(folder)
    for i in COUNT:
        with Image.open(folder / f"{i}.jpg") as image:
            image.convert("CMYK").save(folder / f"{i}.jpg")


def of_kinds(folder: Path, kinds: dict) -> None:
    names = [*kinds]
    images(folder, *(f"{x}.png" for x in range(len(names))))
    entries = []
    for number, (name, change) in enumerate(kinds.items()):
        with Image.open(folder / f"{number}.png") as image:
            change(image.copy(), folder / name)
        (folder / f"{number}.png").unlink()
        entries.append(entry(name, number))
    items = [item(i) for i in range(len(names))]
    write(folder / "train.json", content(items, entries))


@row("i02", right={"palette.png": [FOUND]}, count=5)
def modes_of_png(folder):
    kinds = {
        "palette.png": lambda image, path: image.convert("P").save(path),
        "rgba.png": lambda image, path: image.convert("RGBA").save(path),
        "la.png": lambda image, path: image.convert("LA").save(path),
        "bit.png": lambda image, path: image.convert("1").save(path),
        "clear.png": lambda image, path: image.convert("P").save(path, transparency=0),
    }
    of_kinds(folder, kinds)


@row("i03", right={"lzw.tif": [FOUND]}, count=5)
def tiff_and_bmp(folder):
    kinds = {
        "plain.tiff": lambda image, path: image.save(path),
        "lzw.tif": lambda image, path: image.save(path, compression="tiff_lzw"),
        "jpeg.tif": lambda image, path: image.save(path, compression="jpeg"),
        "pages.tif": lambda image, path: image.save(
            path, save_all=True, append_images=[image.rotate(90, expand=True)]
        ),
        "gray.bmp": lambda image, path: image.convert("L").save(path),
    }
    of_kinds(folder, kinds)


@row("i04", right={"plain.webp": [FOUND]}, count=3)
def webp(folder):
    kinds = {
        "plain.webp": lambda image, path: image.save(path, lossless=True),
        "alpha.webp": lambda image, path: image.convert("RGBA").save(path),
        "moving.webp": lambda image, path: image.save(
            path, save_all=True, append_images=[image.rotate(180)]
        ),
    }
    of_kinds(folder, kinds)


@row("i08", refused="cannot be decoded")
def float_tiff(folder):
    def save(image, path):
        Image.fromarray(np.asarray(image.convert("L"), np.float32)).save(path)

    of_kinds(folder, {f"{i}.tif": save for i in range(3)})
