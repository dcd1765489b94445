"""Rows of datasets as researchers publish them, and of what is not read and says so."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image
from rows import CLASSES, MASKS, SEMANTIC, TEXT, images, row, write
from rows_coco import COUNT, FOUND, content, entry, four, item
from rows_maps import save, stripes
from rows_tables import folders, pet, table, xml
from rows_yolo import BOX as DOG
from rows_yolo import LINE, YAML, yolo

# ---- Boxes ----


@row("g01", right={"1.jpg": [FOUND]}, count=4)
def names_from_a_slash(folder):
    four(folder, entries=[entry(f"/{i}.jpg", i) for i in COUNT])


@row("g02", right={"1.jpg": [FOUND]}, count=4)
def names_from_a_dot(folder):
    four(folder, entries=[entry(f"./{i}.jpg", i) for i in COUNT])


@row("g03", right={"train/images/1.jpg": [FOUND]}, count=8)
def a_file_in_each_set(folder):
    for name, numbers in (("train", COUNT), ("val", range(5, 9))):
        images(folder / name / "images", *(f"{i}.jpg" for i in numbers))
        entries = [entry(f"{i}.jpg", i) for i in numbers]
        path = folder / name / "annotations.json"
        write(path, content([item(i) for i in numbers], entries))


@row("g04", refused="write paths from set, as images/0.jpg for 0.jpg")
def lists_of_bare_names(folder):
    images(folder / "images", *(f"{i}.jpg" for i in range(4)))
    for i in range(4):
        write(folder / "labels" / f"{i}.txt", LINE)
    write(folder / "train.txt", "0.jpg\n1.jpg\n2.jpg\n")
    write(folder / "val.txt", "3.jpg\n")
    write(folder / "classes.txt", "cat\ndog\n")


@row("g05", refused="write paths from set, as images/0.jpg for 0.jpg")
def a_yaml_of_bare_lists(folder):
    lists_of_bare_names(folder)
    (folder / "classes.txt").unlink()
    write(folder / "data.yaml", "train: train.txt\nval: val.txt\nnames: [cat, dog]\n")


@row("g06", refused="own format of Create ML")
def json_of_create_ml(folder):
    images(folder / "train", *(f"{i}.jpg" for i in range(4)))
    box = {"label": "cat", "coordinates": {"x": 16, "y": 16, "width": 16, "height": 16}}
    of = [{"image": f"{i}.jpg", "annotations": [box]} for i in range(4)]
    write(folder / "train" / "_annotations.createml.json", of)


@row("g07", refused="TFRecord")
def records_of_tensorflow(folder):
    write(folder / "train" / "pets.tfrecord", b"\0" * 100)
    write(folder / "train" / "pets_label_map.pbtxt", "item { name: 'cat', id: 1 }")


@row("g08", refused="set/pets.zip is not unpacked")
def an_archive(folder):
    write(folder / "pets.zip", b"PK\3\4" + bytes(100))


@row("g09", CLASSES, refused="Parquet")
def parquet_of_hugging_face(folder):
    write(folder / "data" / "train-00000-of-00001.parquet", b"PAR1" + bytes(100))
    write(folder / "README.md", "---\nlicense: mit\n---\n")


# ---- Classes ----


@row("g20", CLASSES, {"images/001.Gull/a_1.jpg": "001.Gull"}, count=16)
def birds(folder):
    """The folders of CUB beside its lists."""
    names = "001.Gull", "002.Tern"
    lines, number = [], 0
    for place in names:
        images(folder / "images" / place, *(f"a_{i}.jpg" for i in range(8)))
        for i in range(8):
            number += 1
            lines.append(f"{number} {place}/a_{i}.jpg\n")
    write(folder / "images.txt", "".join(lines))
    write(folder / "classes.txt", "".join(f"{i} {x}\n" for i, x in enumerate(names, 1)))
    split = "".join(f"{i} {i % 2}\n" for i in range(1, 17))
    write(folder / "train_test_split.txt", split)


@row("g21", CLASSES, {"images/cat/0.jpg": "cat"}, count=16)
def food(folder):
    """Lists of each set, of names without suffix, beside folders of classes."""
    folders(folder / "images")
    for name, numbers in (("train", range(6)), ("test", range(6, 8))):
        lines = [f"{kind}/{i}\n" for kind in ("cat", "dog") for i in numbers]
        write(folder / "meta" / f"{name}.txt", "".join(lines))
    write(folder / "meta" / "classes.txt", "cat\ndog\n")


@row("g22", CLASSES, {"cat/0.jpg": "cat"}, count=16)
def a_yaml_and_a_model_beside_folders(folder):
    folders(folder)
    write(folder / "model.pt", b"\0" * 10)
    write(folder / "labels.json", {"0": "cat", "1": "dog"})
    write(folder / "requirements.txt", "torch\n")


# ---- Texts ----


@row("g30", TEXT, {"word_1.png": "cat", "word_2.png": "dog"}, count=8)
def words_of_icdar(folder):
    images(folder, *(f"word_{i}.png" for i in range(1, 9)))
    lines = [f'word_{i}.png, "{pet(i)}"\r\n' for i in range(1, 9)]
    write(folder / "gt.txt", "\ufeff" + "".join(lines))


@row("g31", TEXT, {"train/1.jpg": "cat", "train/2.jpg": "dog"}, count=16)
def words_of_easyocr(folder):
    for name in ("train", "val"):
        table(folder / name, "filename,words", lambda i: f"{i}.jpg,{pet(i)}")


# ---- Maps ----


@row("g40", SEMANTIC, {"train/bonn/1_leftImg8bit.png": [0, 1, 2]}, count=6)
def streets(folder):
    for name, city in (("train", "bonn"), ("val", "ulm")):
        place = folder / "leftImg8bit" / name / city
        images(place, *(f"{i}_leftImg8bit.png" for i in range(3)))
        for i in range(3):
            place = folder / "gtFine" / name / city
            save(place / f"{i}_gtFine_labelIds.png", stripes(0, 1, 2, 2))
            save(place / f"{i}_gtFine_color.png", stripes(0, 90, 180, 180))
            save(place / f"{i}_gtFine_instanceIds.png", stripes(0, 1, 2, 2))


@row("g41", SEMANTIC, {"train/a1.png": [0, 1]}, count=8, categories=["Sky", "Tree"])
def camvid(folder):
    colors = np.array([[128, 128, 128], [128, 128, 0]], np.uint8)
    for name in ("train", "val"):
        images(folder / name, *(f"{name[0]}{i}.png" for i in range(4)))
        images(folder / name, "a1.png") if name == "train" else None
        for stem in (*(f"{name[0]}{i}" for i in range(4)), *["a1"] * (name == "train")):
            path = folder / f"{name}_labels" / f"{stem}_L.png"
            save(path, colors[stripes(0, 1, 1, 1)])
    (folder / "train" / "t3.png").unlink()
    write(folder / "class_dict.csv", "name,r,g,b\nSky,128,128,128\nTree,128,128,0\n")


@row("g42", "anomaly_detection", count=10)
def defects_of_btad(folder):
    images(folder / "train" / "ok", *(f"{i}.png" for i in range(6)))
    images(folder / "test" / "ok", "6.png", "7.png")
    images(folder / "test" / "ko", "8.png", "9.png")
    for i in (8, 9):
        save(folder / "ground_truth" / "ko" / f"{i}.png", stripes(0, 255, 0, 0))


@row("g43", SEMANTIC, {"images/1.jpg": [0, 1]}, count=6)
def masks_with_opacity_alone(folder):
    """Black where nothing is, and white; all of it opaque."""
    images(folder / "images", *(f"{i}.jpg" for i in range(1, 7)))
    for i in range(1, 7):
        path = folder / "masks" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(stripes(0, 255, 0, 0)).convert("RGBA").save(path)


@row("g44", MASKS, {"images/1.jpg": [("cat", 768)]}, count=4)
def polygons_of_a_tool_that_closes_them(folder):
    images(folder / "images", *(f"{i}.jpg" for i in COUNT))
    polygon = [[16, 0, 32, 0, 32, 48, 16, 48, 16, 0]]
    items = [item(i, segmentation=polygon, area=0, bbox=[16, 0, 16, 48]) for i in COUNT]
    text = json.dumps(content(items, [entry(f"images\\{i}.jpg", i) for i in COUNT]))
    write(folder / "annotations" / "instances_default.json", text)


# ---- Files that no reader takes ----


@row("g50", refused="rename 0.TXT to 0.txt")
def labels_in_capitals(folder):
    yolo(folder)
    for path in [*folder.rglob("labels/*/*.txt")]:
        path.rename(path.with_suffix(".TXT"))


@row("g51", refused="rename 0.jpg.txt to 0.txt")
def labels_of_whole_names(folder):
    yolo(folder)
    for path in [*folder.rglob("labels/*/*.txt")]:
        path.rename(path.with_name(f"{path.stem}.jpg.txt"))


@row("g52", refused="rename 0.XML to 0.xml")
def xml_in_capitals(folder):
    images(folder / "images", *(f"{i}.jpg" for i in range(4)))
    for i in range(4):
        write(folder / "annotations" / f"{i}.XML", xml())


@row("g53", CLASSES, {"cat/0.jpg": "cat"}, count=16, told="8 images are of a kind")
def photos_of_a_phone_among_others(folder):
    folders(folder)
    for i in range(8):
        write(folder / "cat" / f"IMG_{i}.HEIC", b"\0\0\0\x18ftypheic")


@row("g54", CLASSES, refused="save them as PNG or JPEG")
def photos_of_a_phone(folder):
    for name in ("cat", "dog"):
        write(folder / name / "IMG_1.HEIC", b"\0\0\0\x18ftypheic")


@row("g55", right={"train/0.jpg": [DOG]}, count=8)
def a_number_of_names_as_text(folder):
    yolo(folder, yaml=f"{YAML}nc: '2'\n")


@row("g56", right={"1.jpg": [FOUND]}, count=4)
def sizes_as_texts_and_flags_as_booleans(folder):
    entries = [entry(f"{i}.jpg", i) | {"width": "64", "height": "48"} for i in COUNT]
    more = {"segmentation": [], "iscrowd": False, "category_id": 1.0}
    four(folder, [item(i) | more for i in COUNT], entries)


@row("g57", SEMANTIC, {"1.jpg": [0, 1, 2]}, count=4)
def masks_of_labelme(folder):
    """Writes maps beside pictures of them, as its script of VOC does."""
    images(folder / "JPEGImages", *(f"{i}.jpg" for i in COUNT))
    colors = [0, 0, 0, 128, 0, 0, 0, 128, 0] + [0] * 759
    for i in COUNT:
        path = folder / "SegmentationClassPNG" / f"{i}.png"
        save(path, stripes(0, 1, 2, 2), colors=colors)
        save(
            folder / "SegmentationClassVisualization" / f"{i}.jpg", stripes(0, 1, 2, 2)
        )
    write(folder / "class_names.txt", "__ignore__\n_background_\ncat\ndog\n")
