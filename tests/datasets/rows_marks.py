"""Rows whose files mark objects in ways that readers pass over, or name images that
stand in two places: what is read is told."""

from __future__ import annotations

import numpy as np
from PIL import Image
from rows import (
    CLASSES,
    DEPTH,
    HEIGHT,
    LABELS,
    WIDTH,
    images,
    row,
    write,
)
from rows_coco import COUNT, FOUND, content, entry, four, item
from rows_maps import beside, stripes
from rows_tables import pet, table, voc, xml
from rows_yolo import yolo

# ---- Marks of objects ----


@row("k50", right={"1.jpg": [FOUND]}, count=4, told="4 of 4 boxes have a `rotation`")
def boxes_that_cvat_turned(folder):
    """The `bbox` is that of the box before it was turned."""
    turned = {"occluded": False, "rotation": 30.0}
    four(folder, [item(i, attributes=turned) for i in COUNT])


@row("k51", count=4, told="1 of 5 annotations have `ignore` 1, as annotation 9")
def objects_to_ignore(folder):
    other = item(9, of=1, bbox=[40, 30, 10, 10], ignore=1)
    four(folder, [*(item(i, ignore=0) for i in COUNT), other])


@row("k52", count=6, told="boxes with a `rotation` in 6 of 6 files")
def boxes_of_voc_that_cvat_turned(folder):
    value = "<name>rotation</name><value>30.0</value>"
    voc(folder, xml(more=f"<attributes><attribute>{value}</attribute></attributes>"))


@row("k53", refused="`robndbox` of roLabelImg, is not read")
def boxes_of_rolabelimg(folder):
    text = xml()
    start, end = text.index("<bndbox>"), text.index("</bndbox>") + len("</bndbox>")
    box = "<robndbox><cx>30</cx><cy>20</cy><w>20</w><h>9</h><angle>1</angle></robndbox>"
    voc(folder, text[:start] + box + text[end:])


@row("k54", count=8, told="`angle` is not read")
def a_column_of_angles(folder):
    columns = "image,cx,cy,w,h,angle,label"
    table(folder, columns, lambda i: f"{i}.jpg,32,24,16,12,{10 * i},{pet(i)}")


@row("k55", count=8, told="crowd: difficult")
def a_column_of_difficult_objects(folder):
    columns = "image,xmin,ymin,xmax,ymax,label,difficult"

    def line(i: int) -> str:
        more = f"{i}.jpg,30,8,50,20,{pet(i)},1\n" if i == 2 else ""
        return f"{more}{i}.jpg,8,8,24,20,{pet(i)},0"

    table(folder, columns, line)


@row("k59", CLASSES, {"1.jpg": "0"}, count=8, categories=["-1", "0", "1"])
def one_column_of_three_numbers(folder):
    """Moods, of which -1 is one: no flag that is uncertain."""
    table(folder, "image,mood", lambda i: f"{i}.jpg,{i % 3 - 1}")


@row("k56", right={"1.jpg": [("cat", 40, 28, 60, 44)]}, count=8, told="for the center")
def a_center_that_is_called_x_and_y(folder):
    """As corners, 50 and 36 put the boxes outside of their images."""
    columns = "image,x,y,w,h,label"
    table(folder, columns, lambda i: f"{i}.jpg,50,36,20,16,{pet(i)}")


@row(
    "k57", right={"1.jpg": [("cat", 32, 24, 48, 36)]}, count=8, told="may be its center"
)
def fractions_that_are_corners_or_centers(folder):
    columns = "image,x,y,w,h,label"
    table(folder, columns, lambda i: f"{i}.jpg,.5,.5,.25,.25,{pet(i)}")


@row("k58", LABELS, refused="-1 may mean uncertain")
def labels_that_are_uncertain(folder):
    """CheXpert has 1, 0, -1 and empty cells."""
    first, second = ("1.0", "0.0", "-1.0", ""), ("0.0", "1.0", "1.0", "-1.0")
    cells = [f"{first[i % 4]},{second[i % 4]}" for i in range(9)]
    table(folder, "Path,No Finding,Edema", lambda i: f"{i}.jpg,{cells[i]}")


# ---- Values, frames and places ----


@row("k60", DEPTH, {"1.jpg": [-1, 1, 5, 65.535]}, count=6, told="65535 occurs")
def depths_with_the_largest_value(folder):
    pixels = stripes(0, 1000, 5000, 65535, kind=np.uint16)
    beside(folder, pixels, name="depth/{}.png")


@row("k61", CLASSES, count=16, told="16 of 16 files that were looked at hold several")
def stacks_and_animations(folder):
    for name, suffix in (("cat", "tif"), ("dog", "gif")):
        (folder / name).mkdir(parents=True)
        for i in range(8):
            noise = np.random.default_rng([i, len(suffix), ord(name[0])])
            shape = (3, HEIGHT // 8, WIDTH // 8, 3)
            small = [
                Image.fromarray(x) for x in noise.integers(0, 255, shape, np.uint8)
            ]
            first, *rest = (x.resize((WIDTH, HEIGHT)) for x in small)
            path = folder / name / f"{name}{i}.{suffix}"
            first.save(path, save_all=True, append_images=rest)


@row("k62", right={"a/1.jpg": [FOUND]}, count=4, told="in set/images/b, too")
def names_of_images_in_two_folders(folder):
    for name in ("a", "b"):
        images(folder / "images" / name, *(f"{i}.jpg" for i in COUNT))
    entries = [entry(f"{i}.jpg", i) for i in COUNT]
    write(folder / "train.json", content([item(i) for i in COUNT], entries))


@row("k66", CLASSES, {"a/1.jpg": "cat"}, count=8, told="in set/b, too")
def names_of_a_table_in_two_folders(folder):
    for name in ("a", "b"):
        images(folder / name, *(f"{i}.jpg" for i in range(1, 9)))
    lines = "".join(f"{i}.jpg,{pet(i)}\n" for i in range(1, 9))
    write(folder / "labels.csv", f"image,label\n{lines}")


@row("k67", refused="`names` has {'id': 0, 'name': 'cat'}: write a name, as text")
def names_that_are_mappings(folder):
    names = "names: [{id: 0, name: cat}, {id: 1, name: dog}]\n"
    yolo(folder, yaml=f"train: images/train\nval: images/val\n{names}")


@row("k63", refused="names no `train`")
def a_yaml_of_a_test_set_alone(folder):
    yolo(folder, yaml="test: images/val\nnames: [cat, dog]\n")


@row("k64", refused="`train` leads to images that are not there")
def a_list_of_which_one_image_is_not_there(folder):
    yolo(folder, yaml="train: train.txt\nval: images/val\nnames: [cat, dog]\n")
    lines = "".join(f"./images/train/{i}.jpg\n" for i in range(5))
    write(folder / "train.txt", lines)


@row("k65", CLASSES, refused="labels.xlsx is a workbook")
def a_workbook(folder):
    images(folder, *(f"{i}.jpg" for i in range(8)))
    write(folder / "labels.xlsx", b"PK\3\4" + bytes(99))
