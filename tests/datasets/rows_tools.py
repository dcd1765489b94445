"""Rows of boxes, masks and points in the layouts of further tools, with the litter and
the habits of their users."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from rows import CORNERS, HEIGHT, MASKS, POINTS, WIDTH, images, row, write
from rows_coco import COUNT, FOUND, MASK, NAMES, PERSON, content, entry, four, item
from rows_tables import xml
from rows_yolo import BOTH, LINE, YAML, yolo
from rows_yolo import BOX as DOG

CAT = ("cat", 8, 8, 24, 24)

# ---- YOLO ----


def sets(folder: Path, names: str, labels: str, *of: str, line: str = LINE) -> None:
    """Three images of each set; `names` and `labels` are patterns of the two folders."""
    for name in of:
        for i in range(3):
            images(folder / names.format(name), f"{name} {i}.JPG")
            write(folder / labels.format(name) / f"{name} {i}.txt", line)


@row("o01", right={"train/images/train 0.JPG": [DOG]}, count=9)
def sets_and_classes_without_a_yaml(folder):
    sets(folder, "{}/images", "{}/labels", "train", "valid", "test")
    write(folder / "classes.txt", "cat\ndog\n")


@row("o02", right={"images/train/train 0.JPG": [DOG]}, count=6)
def a_set_called_dev(folder):
    sets(folder, "images/{}", "labels/{}", "train", "dev")
    write(folder / "labels" / "classes.txt", "cat\r\ndog\r\n\r\n")


@row("o03", right={"images/training/training 0.JPG": [DOG]}, count=6)
def training_and_validation(folder):
    sets(folder, "images/{}", "labels/{}", "training", "validation")
    yaml = "train: images/training\nval: images/validation\nnc: 2\n"
    write(folder / "dataset.yml", yaml + "names:\n  '0': cat\n  '1': 'dog'\n")


@row("o04", right={"train/images/train 0.JPG": [DOG]}, count=6)
def a_yaml_in_a_folder_of_its_own(folder):
    sets(folder, "{}/images", "{}/labels", "train", "valid")
    yaml = "train: ../train/images\nval: ../valid/images\nnames: [cat, dog]\n"
    write(folder / "config" / "data.yaml", yaml)


@row("o05", refused="line 1: category 2 of 2")
def numbers_of_categories_from_one(folder):
    yolo(folder, "2 0.5 0.5 0.25 0.25\n")


@row("o06", right=BOTH, count=8)
def litter_of_all_systems(folder):
    yolo(folder)
    for place in ("images/train", "images/val", "labels/train", "."):
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._1.jpg", "._data.yaml"):
            write(folder / place / name, b"\0\5\26\7Mac OS X" + bytes(40))
    write(folder / "__MACOSX" / "images" / "train" / "._0.jpg", b"\0\5\26\7")
    images(folder / ".Trash-1000" / "files", "9.jpg")


@row("o07", right={"obj/a 1.jpg": [DOG]}, count=4, categories=["cat", "dog"])
def darknet_of_a_notebook(folder):
    images(folder / "data" / "obj", *(f"a {i}.jpg" for i in range(4)))
    for i in range(4):
        write(folder / "data" / "obj" / f"a {i}.txt", LINE)
    for name, numbers in (("train", (0, 1, 2)), ("test", (3,))):
        lines = [f"/content/darknet/data/obj/a {i}.jpg\n" for i in numbers]
        write(folder / "data" / f"{name}.txt", "".join(lines))
    write(folder / "data" / "obj.names", "cat\ndog\n")
    pairs = "classes = 2\ntrain = data/train.txt\nvalid = data/test.txt\n"
    write(folder / "data" / "obj.data", pairs + "names = data/obj.names\n")


@row("o08", right={"train/0.jpg": [DOG]}, count=8)
def windows_lists_of_another_machine(folder):
    yolo(folder, yaml="train: train.txt\nval: val.txt\nnames: [cat, dog]\n")
    for name in ("train", "val"):
        lines = [f"C:/Users/Ana Maria/set/images/{name}/{i}.jpg " for i in range(4)]
        write(folder / f"{name}.txt", "\ufeff" + "\r\n".join(lines))


@row("o09", right={"images/train/a.b.jpg": [DOG]}, count=8)
def dots_in_names(folder):
    yolo(folder, names=("a.b", "a.c", "a", "v1.0"))


@row("o10", right=BOTH, count=8)
def a_test_set_that_is_not_unpacked(folder):
    yolo(folder, yaml=YAML + "test: images/test\n")


@row("o11", MASKS, {"train/0.jpg": [("cat", 528)]}, count=8)
def polygons_with_boxes_of_none(folder):
    """Each set has an image without objects."""
    yolo(folder, "0 0.125 0.25 0.625 0.25 0.625 0.75 0.125 0.75\n")
    for name in ("train", "val"):
        write(folder / "labels" / name / "3.txt", "")
    line = "0 .125 .25 .46875 .25 .46875 .75 .125 .75\n"
    write(folder / "labels" / "train" / "0.txt", line)


@row("o12", right={"1.jpg": [("dog", 24, 18, 40, 30)]}, count=6)
def bmp_webp_and_tif(folder):
    for name in ("train", "val"):
        place = folder / "images" / name
        images(place, f"{name}0.bmp", f"{name}1.webp", f"{name}2.tif")
        for i in range(3):
            write(folder / "labels" / name / f"{name}{i}.txt", LINE)
    with Image.open(folder / "images" / "train" / "train1.webp") as image:
        image.save(folder / "images" / "train" / "train1.jpg")
    (folder / "images" / "train" / "train1.webp").unlink()
    write(folder / "data.yaml", YAML)


@row(
    "o13", CORNERS, {"train/0.jpg": [("cat", 16, 12, 48, 12, 48, 36, 16, 36)]}, count=8
)
def turned_boxes_of_roboflow(folder):
    yolo(folder, "0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n")


@row("o14", POINTS, {"1.jpg": [(("left eye", [6.4, 4.8]), ("right eye", None))]})
def points_with_names_and_flips(folder):
    line = "0 .5 .5 .8 .8 .1 .1 2 0 0 0\n"
    yaml = YAML.replace("cat, dog", "cat") + "kpt_shape: [2, 3]\nflip_idx: [1, 0]\n"
    yolo(folder, line, yaml + "kpt_names: {0: [left eye, right eye]}\n")
    (folder / "images" / "val" / "1.jpg").unlink()
    write(folder / "labels" / "train" / "2.txt", line.replace("0 0 0", ".9 .9 2"))


# ---- COCO ----


@row("o20", right={"a/1.jpg": [FOUND]}, count=4)
def names_in_folders(folder):
    images(folder / "images", *(f"{'ab'[i % 2]}/{i}.jpg" for i in (2, 4)))
    images(folder / "images", *(f"{'ba'[i % 2]}/{i}.jpg" for i in (1, 3)))
    entries = [entry(f"{'ba'[i % 2]}/{i}.jpg", i) for i in (1, 3)]
    entries += [entry(f"{'ab'[i % 2]}/{i}.jpg", i) for i in (2, 4)]
    items = [item(i) for i in COUNT]
    write(folder / "annotations" / "all.json", content(items, entries))


@row("o21", right={"1.jpg": [FOUND]}, count=4)
def ids_as_texts(folder):
    names = [{"id": "a", "name": "cat"}, {"id": "b", "name": "dog"}]
    entries = [entry(f"{i}.jpg", 0) | {"id": f"image-{i}"} for i in COUNT]
    items = [item(i, of=f"image-{i}", category="a") for i in COUNT]
    four(folder, items, entries, names=names)


@row("o22", right={"1.jpg": [FOUND]}, count=4)
def ids_as_floats(folder):
    names = [{"id": 1.0, "name": "cat"}, {"id": 2.0, "name": "dog"}]
    items = [item(i, of=float(i), category=1.0) for i in COUNT]
    four(folder, items, names=names)


@row(
    "o23",
    MASKS,
    {"1.jpg": [("cat", 32)], "2.jpg": [("cat", 256)], "3.jpg": [("cat", 256)]},
)
def run_lengths_polygons_and_crowds(folder):
    polygon = [[8, 8, 24, 8, 24, 24, 8, 24]]
    items = [item(1, segmentation=MASK), item(2, segmentation=polygon)]
    items += [item(3, segmentation=MASK, iscrowd=1), item(4, segmentation=polygon)]
    four(folder, [*items, item(5, of=3, segmentation=polygon)])


@row("o24", right={"data/1.jpg": [FOUND]}, count=4)
def fiftyone(folder):
    images(folder / "data", *(f"{i}.jpg" for i in COUNT))
    names = [x | {"supercategory": None} for x in NAMES]
    write(folder / "labels.json", content([item(i) for i in COUNT], names=names))


@row("o25", right={"1.jpg": [FOUND], "4.jpg": []}, count=4)
def an_image_without_annotations(folder):
    entries = [entry(f"{i}.jpg", i) | {"license": 1, "coco_url": ""} for i in COUNT]
    four(folder, [item(i) for i in (1, 2, 3)], entries)


@row("o26", told="2 categories are called `cat`, by `id` 1 of pet, 2 of wild")
def two_annotated_categories_of_one_name(folder):
    names = [{"id": 1, "name": "cat", "supercategory": "pet"}]
    names += [{"id": 2, "name": "cat", "supercategory": "wild"}]
    four(folder, [item(i, category=1 + i % 2) for i in COUNT], names=names)


@row("o27", right={"1.jpg": [FOUND]}, count=4)
def without_sizes(folder):
    entries = [{"id": i, "file_name": f"{i}.jpg"} for i in COUNT]
    four(folder, entries=entries)


@row("o28", refused="file_name")
def names_under_another_key(folder):
    entries = [{"id": i, "filename": f"{i}.jpg"} for i in COUNT]
    four(folder, entries=entries)


@row("o29", right={"1.jpg": [FOUND]}, count=8)
def splits_in_one_folder_of_annotations(folder):
    for name, role in (("train", "train"), ("validation", "val")):
        images(folder / "images" / name, *(f"{i}.jpg" for i in COUNT))
        path = folder / "labels" / f"{role}.json"
        write(path, content([item(i) for i in COUNT]))
    (folder / "images" / "validation" / "1.jpg").rename(
        folder / "images" / "validation" / "9.jpg"
    )
    entries = [entry(f"{i}.jpg", i) for i in (9, 2, 3, 4)]
    items = [item(i) for i in (9, 2, 3, 4)]
    write(folder / "labels" / "val.json", content(items, entries))


@row("o30", POINTS, {"1.jpg": [(("a", [10, 10]), ("b", [30, 20]))]}, count=4)
def points_of_persons_beside_things(folder):
    names = [*PERSON, {"id": 2, "name": "ball", "keypoints": []}]
    items = [item(i, keypoints=[10, 10, 2, 30, 20, 1], num_keypoints=2) for i in COUNT]
    four(folder, items, names=names)


# ---- Pascal VOC ----


@row("o40", right={"train0.jpg": [CAT]}, count=6)
def voc_in_sets(folder):
    for name in ("train", "test"):
        images(folder / name / "JPEGImages", *(f"{name}{i}.jpg" for i in range(3)))
        for i in range(3):
            write(folder / name / "Annotations" / f"{name}{i}.xml", xml())


@row("o41", right={"images/0.jpg": [CAT]}, count=4)
def xml_in_a_folder_below(folder):
    images(folder / "images", *(f"{i}.jpg" for i in range(4)))
    head = '<?xml version="1.0" encoding="UTF-8" ?>\r\n<!-- made by hand -->\r\n'
    for i in range(4):
        path = "<path>C:\\Users\\me\\images\\x.jpg</path>"
        text = xml().replace("<size>", f"<filename>x</filename>{path}<size>")
        write(folder / "annotations" / "xmls" / f"{i}.xml", "\ufeff" + head + text)


@row("o42", right={"JPEGImages/0.jpg": [CAT]}, count=4)
def voc_lists_of_another_machine(folder):
    images(folder / "JPEGImages", *(f"{i}.jpg" for i in range(4)))
    for i in range(4):
        write(folder / "Annotations" / f"{i}.xml", xml())
    for name, numbers in (("train", (0, 1, 2)), ("val", (3,))):
        lines = [f"/home/me/VOCdevkit/VOC2007/JPEGImages/{i}.jpg\n" for i in numbers]
        write(folder / "ImageSets" / "Main" / f"{name}.txt", "".join(lines))


# ---- Others ----


def each(folder: Path, images_: str, labels: str, suffix: str, text: str) -> None:
    images(folder / images_, *(f"{i:06}.png" for i in range(4)))
    for i in range(4):
        write(folder / labels / f"{i:06}.{suffix}", text)


@row("o50", refused="specc import set --from kitti_detection")
def kitti(folder):
    line = "Car 0.00 0 1.55 8.0 8.0 24.0 24.0 1.6 1.6 3.6 -8.0 1.9 20.0 1.2\n"
    each(folder, "training/image_2", "training/label_2", "txt", line)


@row("o51", refused="Supervisely")
def supervisely(folder):
    points = {"exterior": [[8, 8], [24, 24]], "interior": []}
    thing = {"classTitle": "cat", "geometryType": "rectangle", "points": points}
    size = {"height": HEIGHT, "width": WIDTH}
    label = {"description": "", "tags": [], "size": size, "objects": [thing]}
    images(folder / "ds0" / "img", *(f"{i}.jpg" for i in range(4)))
    for i in range(4):
        write(folder / "ds0" / "ann" / f"{i}.jpg.json", label)
    kind = {"title": "cat", "shape": "rectangle", "color": "#FF0000"}
    write(folder / "meta.json", {"classes": [kind], "tags": []})


@row("o52", refused="Label Studio")
def json_of_label_studio(folder):
    images(folder, *(f"{i}.jpg" for i in range(4)))
    box = {"x": 12.5, "y": 16.7, "width": 25, "height": 33.3, "rotation": 0}
    box |= {"rectanglelabels": ["cat"], "original_width": 64, "original_height": 48}
    tasks = [
        {"id": i, "image": f"/data/upload/1/abc-{i}.jpg", "label": [box]}
        for i in range(4)
    ]
    write(folder / "project-1-at-2024.json", tasks)


@row("o53", refused="VGG Image Annotator")
def json_of_via(folder):
    images(folder, *(f"{i}.jpg" for i in range(4)))
    shape = {"name": "rect", "x": 8, "y": 8, "width": 16, "height": 16}
    region = {"shape_attributes": shape, "region_attributes": {"class": "cat"}}
    of = {
        f"{i}.jpg1234": {"filename": f"{i}.jpg", "size": 1234, "regions": [region]}
        for i in range(4)
    }
    write(folder / "via_region_data.json", of)


@row("o54", CORNERS, {"P0.png": [("ship", 8, 8, 24, 8, 24, 24, 8, 24)]}, count=3)
def dota_of_nine_fields_in_one_set(folder):
    images(folder / "images", *(f"P{i}.png" for i in range(3)))
    for i in range(3):
        lines = "8.0 8.0 24.0 8.0 24.0 24.0 8.0 24.0 ship\n"
        write(folder / "labelTxt" / f"P{i}.txt", lines)
