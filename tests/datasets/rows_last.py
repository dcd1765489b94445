"""Rows of further kinds of files and names: lists, polygons, formats of images, links."""

from __future__ import annotations

import os

import numpy as np
from PIL import Image
from rows import (
    CLASSES,
    DEPTH,
    HEIGHT,
    MASKS,
    POINTS,
    SEMANTIC,
    WIDTH,
    images,
    row,
    write,
)
from rows_coco import COUNT, FOUND, MASK, content, entry, four, item, of_kinds
from rows_maps import beside, stripes
from rows_tables import CAT, folders, pet, table, voc, xml
from rows_yolo import BOX, LINE, YAML, yolo


@row("x01", right={"data/0.jpg": [BOX]}, count=8)
def lists_with_labels_beside_images(folder):
    for name in ("train", "val"):
        stems = [f"{name[0] if name == 'val' else ''}{i}" for i in range(4)]
        images(folder / "data", *(f"{x}.jpg" for x in stems))
        for stem in stems:
            write(folder / "data" / f"{stem}.txt", LINE)
        write(folder / f"{name}.txt", "".join(f"data/{x}.jpg\n" for x in stems))
    write(folder / "data.yaml", "train: train.txt\nval: val.txt\nnames: [cat, dog]\n")


@row(
    "x02",
    POINTS,
    {"train/0.jpg": [(("point_0", [16, 12]), ("point_1", None))]},
    count=8,
)
def points_of_two_numbers(folder):
    """kpt_shape [2, 2]: 0, 0 is a point that is not there."""
    yaml = "kpt_shape: [2, 2]\nflip_idx: [0, 1]\n" + YAML.replace("cat, dog", "cat")
    yolo(folder, "0 0.5 0.5 0.25 0.25 0.25 0.25 0 0\n", yaml)


@row("x03", MASKS, refused="line 1")
def a_polygon_of_two_points(folder):
    yolo(folder, "0 .1 .1 .5 .5 0\n")


@row("x04", refused="names")
def a_number_of_names_alone(folder):
    yolo(folder, yaml="train: images/train\nval: images/val\nnc: 2\n")


@row("x05", right={"1.jpg": [FOUND], "2.jpg": [FOUND]}, count=4)
def annotations_of_one_id(folder):
    four(folder, [item(1, of=i) for i in COUNT])


@row("x06", refused="annotations")
def no_annotations(folder):
    four(folder, [])


@row("x07", MASKS, {"1.jpg": [("cat", 32)]}, count=4)
def a_crowd_among_objects(folder):
    items = [item(i, segmentation=MASK) for i in COUNT]
    four(folder, [*items, item(9, of=1, segmentation=MASK, iscrowd=1)])


@row("x08", MASKS, {"1.jpg": [("cat", 256)]}, count=4)
def a_polygon_that_ends_where_it_begins(folder):
    polygon = [8, 8, 24, 8, 24, 8, 24, 24, 8, 24, 8, 8]
    four(folder, [item(i, segmentation=[polygon]) for i in COUNT])


@row("x09", MASKS, refused="annotation")
def a_polygon_that_is_no_list_of_them(folder):
    polygon = [8, 8, 24, 8, 24, 24, 8, 24]
    four(folder, [item(i, segmentation=polygon) for i in COUNT])


@row("x10", right={"plain.gif": [FOUND]}, count=4)
def further_formats_of_images(folder):
    kinds = {
        "plain.gif": lambda image, path: image.convert("P").save(path),
        "plain.jp2": lambda image, path: image.save(path),
        "plain.avif": lambda image, path: image.save(path),
        "gray.jpg": lambda image, path: image.convert("L").save(path),
    }
    of_kinds(folder, kinds)


@row("x11", CLASSES, CAT, count=16)
def linked_folders(folder):
    folders(folder.parent / "elsewhere")
    folder.mkdir()
    for name in ("cat", "dog"):
        os.symlink(folder.parent / "elsewhere" / name, folder / name)


@row("x12", right={"train0.jpg": [("cat", 8, 8, 24, 24)]}, count=6)
def voc_without_a_size(folder):
    text = xml()
    start, end = text.index("<size>"), text.index("</size>") + len("</size>")
    voc(folder, text[:start] + text[end:])


@row("x13", right={"train0.jpg": [("cat", 8, 8, 24, 24)]}, count=6)
def voc_with_polygons(folder):
    """Roboflow's, which has both."""
    polygon = "<polygon><x1>8</x1><y1>8</y1><x2>24</x2><y2>8</y2></polygon>"
    voc(folder, xml(more=polygon))


@row("x14", CLASSES, {"1.jpg": "cat", "2.jpg": "dog"}, count=8)
def a_table_without_a_header(folder):
    table(folder, "1.jpg,cat", lambda i: f"{i}.jpg,{pet(i)}" if i > 1 else "")


@row("x15", SEMANTIC, refused="color")
def colors_with_blurred_edges(folder):
    small = np.zeros((12, 16, 3), np.uint8)
    small[3:9, 4:11] = 200, 30, 90
    image = Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    beside(folder, np.asarray(image))
    write(folder / "class_dict.csv", "name,r,g,b\nno,0,0,0\nyes,200,30,90\n")


@row("x16", DEPTH, refused="unit")
def depth_of_8_bits(folder):
    beside(folder, stripes(10, 200), "depth/{}.png")


@row(
    "x17", POINTS, {"1.jpg": [(("left_eye", [9, 9]), ("right_eye", [20, 20]))]}, count=4
)
def points_of_left_and_right(folder):
    names = [{"id": 1, "name": "face", "keypoints": ["left_eye", "right_eye"]}]
    items = [item(i, keypoints=[9, 9, 2, 20, 20, 2]) for i in COUNT]
    four(folder, items, names=names)


@row("x18", right={"1.jpg": [FOUND]}, count=4)
def images_of_the_file_in_a_folder_of_another_set(folder):
    """The only file is called val; it is for training."""
    images(folder / "val", *(f"{i}.jpg" for i in COUNT))
    write(folder / "val.json", content([item(i) for i in COUNT]))


@row("x19", right={"a/1.jpg": [FOUND], "b/1.jpg": [FOUND]}, count=4)
def equal_names_in_two_folders(folder):
    names = ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg")
    for name in names:
        images(folder / "images", name)
    entries = [entry(name, i) for i, name in enumerate(names, 1)]
    write(folder / "train.json", content([item(i) for i in COUNT], entries))


@row(
    "x20",
    SEMANTIC,
    {"1.jpg": [0, 1]},
    count=6,
    told="1 of 3 categories never occurs in training",
)
def a_category_that_never_occurs(folder):
    beside(folder, stripes(0, 1))
    write(folder / "classes.txt", "sky\ntree\ncar\n")
