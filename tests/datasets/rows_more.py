"""Further rows of exports of tools, and of tables put together by hand."""

from __future__ import annotations

import json

import numpy as np
from rows import (
    CLASSES,
    DEPTH,
    LABELS,
    MASKS,
    NUMBER,
    POINTS,
    images,
    row,
    write,
)
from rows_coco import COUNT, FOUND, content, entry, four, item
from rows_maps import beside, stripes
from rows_tables import CAT, ONE, folders, pet, table, xml
from rows_yolo import BOTH, BOX, LINE, yolo


@row("w01", refused="own format of Label Studio")
def csv_of_label_studio(folder):
    """Its CSV holds the objects of an image as JSON in a cell."""
    thing = {"x": 12.5, "y": 16.7, "width": 25, "height": 33}
    cell = json.dumps([thing | {"rectanglelabels": ["cat"]}]).replace('"', '""')
    table(folder, "image,id,label", lambda i: f'{i}.jpg,{i},"{cell}"')


@row("w02", refused="own format of VGG Image Annotator")
def csv_of_via(folder):
    shape = {"name": "rect", "x": 8, "y": 8, "width": 16, "height": 16}
    cell = json.dumps(shape).replace('"', '""')
    head = "filename,file_size,file_attributes,region_count,region_id"
    head += ",region_shape_attributes,region_attributes"
    line = '{}.jpg,999,"{{}}",1,0,"{}","{{""kind"":""cat""}}"'.format
    table(folder, head, lambda i: line(i, cell))


@row("w03", MASKS, refused="instance_segmentation")
def run_lengths_of_kaggle(folder):
    table(folder, "ImageId,EncodedPixels", lambda i: f"{i}.jpg,1 3 10 5")


@row("w04", CLASSES, {"train/cat/0.jpg": "cat"}, count=32)
def sets_below_data(folder):
    folders(folder / "data" / "train")
    folders(folder / "data" / "test")


@row("w05", right=BOTH, count=8)
def caches_of_ultralytics(folder):
    yolo(folder)
    for name in ("train", "val"):
        write(folder / "labels" / f"{name}.cache", b"\0\1\2")
        write(folder / "labels" / name / "labels.cache.npy", b"\0\1\2")


@row("w06", right={"1.jpg": [FOUND]}, count=4)
def captions_beside(folder):
    four(folder)
    items = [{"id": i, "image_id": i, "caption": "a cat"} for i in COUNT]
    write(folder / "captions_train.json", content(items) | {"categories": []})


@row("w07", MASKS, refused="line 2")
def half_a_polygon(folder):
    yolo(folder, "0 .1 .1 .5 .1 .5 .5\n0 .1 .1 .5 .1 .5\n")


@row("w08", refused="cat")
def names_for_numbers(folder):
    yolo(folder, LINE.replace("1", "cat", 1))


@row("w09", CLASSES, refused="line 6 is the header again")
def a_header_twice(folder):
    """Two tables, one put behind the other."""
    line = "{}.jpg,{}".format
    table(
        folder,
        "image,label",
        lambda i: line(i, pet(i)) + ("\nimage,label" if i == 4 else ""),
    )


@row("w10", CLASSES, ONE, count=8)
def blank_rows_at_the_end(folder):
    table(
        folder,
        "image,label",
        lambda i: f"{i}.jpg,{pet(i)}" + ("\n,\n,\n" if i == 8 else ""),
    )


@row("w11", CLASSES, count=8, told="differ in case alone: Cat, cat")
def names_in_two_cases(folder):
    table(folder, "image,label", lambda i: f"{i}.jpg,{('dog', 'cat', 'Cat')[i % 3]}")


@row("w12", CLASSES, refused="label")
def two_columns_of_one_name(folder):
    table(folder, "image,label,label", lambda i: f"{i}.jpg,{pet(i)},{pet(i + 1)}")


@row("w13", NUMBER, refused="%")
def percents(folder):
    table(folder, "image,share", lambda i: f"{i}.jpg,{10 * i}%")


@row("w14", CLASSES, ONE, count=8)
def a_cell_too_many(folder):
    """A comma at the end of each row, but not of the header."""
    table(folder, "image,label", lambda i: f"{i}.jpg,{pet(i)},")


@row("w15", CLASSES, ONE, count=7, told="an empty cell: 1")
def a_cell_too_few(folder):
    table(folder, "image,label", lambda i: f"{i}.jpg,{pet(i)}" if i != 4 else "4.jpg")


@row("w16", DEPTH, {"1.jpg": [1, 5]}, count=6)
def depth_of_32_bits(folder):
    beside(folder, stripes(1000, 5000, kind=np.int32), "depth/{}.tiff")


@row("w17", right={"1.jpg": [FOUND]}, count=4)
def licenses_and_null(folder):
    """Keys with null, and further ones, as tools write them."""
    items = [item(i) | {"segmentation": None, "attributes": {}} for i in COUNT]
    entries = [
        entry(f"{i}.jpg", i) | {"license": None, "flickr_url": ""} for i in COUNT
    ]
    four(folder, items, entries)


@row("w18", POINTS, refused="keypoints, which no category names")
def points_of_a_tool_without_names(folder):
    """Categories have no `keypoints`; annotations have."""
    items = [item(i, keypoints=[9, 9, 2, 20, 20, 2], num_keypoints=2) for i in COUNT]
    four(folder, items)


@row("w19", right={"train0.jpg": [("cat", 8, 8, 24, 24)]}, count=6)
def voc_of_lists_at_the_top(folder):
    for name in ("train", "val"):
        for i in range(3):
            images(folder / "images", f"{name}{i}.jpg")
            write(folder / "annotations" / f"{name}{i}.xml", xml())
        lines = "".join(f"{name}{i}\n" for i in range(3))
        write(folder / f"{name}.txt", lines)


@row("w20", LABELS, {"1.jpg": ["cat"]}, count=8)
def flags_and_a_number(folder):
    line = "{}.jpg,{},{},{}".format
    table(folder, "image,cat,dog,age", lambda i: line(i, i % 2, 1 - i % 2, 3 * i))


@row("w21", right={"train/0.jpg": [BOX, BOX[:1] + (0, 0, 64, 48)]}, count=8)
def a_box_of_the_whole_image(folder):
    yolo(folder, LINE + "1 0.5 0.5 1 1\n")


@row("w22", right={"1.jpg": [("cat", 8, 8, 24, 24)]}, count=8)
def boxes_in_floats_and_a_semicolon(folder):
    head = "filename;class;xmin;ymin;xmax;ymax"
    table(folder, head, lambda i: f"{i}.jpg;{pet(i)};8,0;8,0;24,0;24,0")


@row("w23", CLASSES, CAT, count=16)
def a_readme_table_beside_folders(folder):
    folders(folder)
    write(folder / "class_counts.csv", "class,count\ncat,8\ndog,8\n")


@row("w24", refused="xmax")
def a_side_misspelled(folder):
    head = "filename,class,xmin,ymin,xmx,ymax"
    table(folder, head, lambda i: f"{i}.jpg,{pet(i)},8,8,24,24")


@row(
    "w25",
    right={"1.jpg": [("cat", 8, 8, 24, 24)]},
    count=8,
    told="annotations scaled: 8",
)
def sizes_of_a_table_that_are_not_those(folder):
    head = "filename,width,height,class,xmin,ymin,xmax,ymax"
    table(folder, head, lambda i: f"{i}.jpg,128,96,{pet(i)},16,16,48,48")
