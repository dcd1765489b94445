"""Further rows of boxes, masks and points, with faults of the kinds that tools and hands
leave."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

from PIL import Image
from rows import CORNERS, MASKS, POINTS, images, row, write
from rows_coco import BOX, COUNT, FOUND, MASK, content, entry, four, item
from rows_tables import voc, xml
from rows_yolo import BOTH, LINE, YAML, yolo
from rows_yolo import BOX as DOG

# ---- YOLO ----


@row("z01", right={"train/0.jpg": [DOG], "train/1.jpg": []}, count=8)
def an_empty_file_and_none(folder):
    yolo(folder)
    write(folder / "labels" / "train" / "1.txt", "")
    (folder / "labels" / "train" / "2.txt").unlink()


@row("z02", refused="numbers them from 0")
def names_with_a_gap(folder):
    yaml = "train: images/train\nval: images/val\nnames: {0: cat, 1: dog, 3: cow}\n"
    yolo(folder, yaml=yaml)


@row("z03", refused="line 1: category 7 of 2")
def a_number_that_no_name_has(folder):
    yolo(folder, "7 0.5 0.5 0.25 0.25\n")


@row("z04", refused="nc")
def a_count_that_is_not_that_of_the_names(folder):
    yolo(folder, yaml=YAML + "nc: 3\n")


@row("z05", right=BOTH, count=8)
def lists_of_another_machine(folder):
    yolo(folder, yaml="train: train.txt\nval: val.txt\nnames: [cat, dog]\n")
    for name in ("train", "val"):
        lines = [f"D:\\data\\pets\\images\\{name}\\{i}.jpg\r\n" for i in range(4)]
        write(folder / f"{name}.txt", "".join(lines))


@row("z06", right={"train/0.JPG": [DOG], "val/1.PNG": [DOG]}, count=8)
def upper_case_suffixes(folder):
    for name in ("train", "val"):
        images(folder / "images" / name, "0.JPG", "1.PNG", "2.JPEG", "3.jpg")
        for i in range(4):
            write(folder / "labels" / name / f"{i}.txt", LINE)
    write(folder / "data.yaml", YAML)


@row("z07", right={"train/train/images/t1.jpg": [DOG]}, count=6)
def nested_sets(folder):
    """train/train/images, train/train/labels and so on."""
    for name in ("train", "valid"):
        place = folder / name / name
        for i in range(3):
            images(place / "images", f"{name[0]}{i}.jpg")
            write(place / "labels" / f"{name[0]}{i}.txt", LINE)
    paths = "train: train/train/images\nval: valid/valid/images\n"
    write(folder / "data.yaml", paths + "names: [cat, dog]\n")


@row("z08", right={"train/0.jpg": [DOG]}, count=8)
def labels_of_names_that_end_in_the_suffix(folder):
    """0.jpg.txt, as some tools write it, is not the label of 0.jpg."""
    yolo(folder)
    write(folder / "labels" / "train" / "classes.txt", "cat\ndog\n")


@row(
    "z09", CORNERS, {"train/0.jpg": [("cat", 32, 12, 80, 24, 32, 36, 16, 24)]}, count=8
)
def corners_outside(folder):
    """A corner may lie outside, where the object goes on."""
    yolo(folder, "0 .5 .25 1.25 .5 .5 .75 .25 .5\n")


@row("z09b", CORNERS, refused="outside")
def corners_in_pixels(folder):
    yolo(folder, "0 32 12 48 24 32 36 16 24\n")


@row("z10", right={"train/0.jpg": [("2", *DOG[1:])]}, count=8, categories=["1", "2"])
def names_that_are_numbers(folder):
    yolo(folder, yaml=YAML.replace("[cat, dog]", "[1, 2]"))


# ---- COCO ----


@row("z11", right={"sub/1.jpg": [FOUND]}, count=4)
def backslashes(folder):
    images(folder / "sub", *(f"{i}.jpg" for i in COUNT))
    entries = [entry(f"sub\\{i}.jpg", i) for i in COUNT]
    write(folder / "train.json", content([item(i) for i in COUNT], entries))


@row("z12", refused="'1' of annotation 1")
def numbers_as_text(folder):
    items = [item(i, bbox=[str(x) for x in BOX], category="1") for i in COUNT]
    entries = [entry(f"{i}.jpg", i) for i in COUNT]
    four(folder, [x | {"category_id": "1"} for x in items], entries)


@row("z13", right={"1.jpg": [FOUND]}, count=4, categories=["cat"])
def two_categories_of_one_name(folder):
    names = [{"id": 1, "name": "cat"}, {"id": 2, "name": "cat"}]
    four(folder, names=names)


@row("z14", right={"1.jpg": [FOUND]}, count=4, told="more than once")
def a_file_listed_twice(folder):
    entries = [entry(f"{i}.jpg", i) for i in COUNT] + [entry("1.jpg", 9)]
    four(folder, [*(item(i) for i in COUNT), item(9, of=9)], entries)


@row("z15", refused="right and bottom")
def corners_for_sizes(folder):
    """left, top, right, bottom where width and height belong."""
    four(folder, [item(i, bbox=[40, 30, 60, 46]) for i in COUNT])


@row("z16", refused="too few kinds of labels, 0 (images")
def fractions(folder):
    four(folder, [item(i, bbox=[0.1, 0.1, 0.5, 0.5]) for i in COUNT])


@row("z17", refused="utf-8")
def utf_16(folder):
    four(folder)
    path = folder / "train.json"
    path.write_text(path.read_text(), "utf-16")


@row("z18", refused="`1.png`")
def another_suffix_than_listed(folder):
    """The file lists .jpg; the images were converted to PNG."""
    images(folder, *(f"{i}.png" for i in COUNT))
    write(folder / "train.json", content([item(i) for i in (1, 3, 4)]))


@row("z19", right={"valid/1.jpg": [FOUND]}, count=12)
def one_file_of_each_set_beside_nested_folders(folder):
    for name in ("train", "valid", "test"):
        images(folder / name, *(f"{i}.jpg" for i in COUNT))
        write(folder / f"{name}.json", content([item(i) for i in COUNT]))


@row("z20", MASKS, {"1.jpg": [("cat", 32)]}, count=4)
def masks_beside_boxes_alone(folder):
    """Polygons of all but one, which has a box."""
    items = [item(i, segmentation=MASK) for i in COUNT]
    four(folder, items)


@row("z21", POINTS, categories=["a", "b", "x", "y"], count=4)
def points_of_categories_that_differ(folder):
    names = [{"id": 1, "name": "cat", "keypoints": ["a", "b"]}]
    names += [{"id": 2, "name": "dog", "keypoints": ["x", "y"]}]
    items = [item(i, category=1 + i % 2, keypoints=[9, 9, 2, 20, 20, 2]) for i in COUNT]
    four(folder, items, names=names)


@row("z22", refused="other code points")
def unicode_in_two_forms(folder):
    """NFC in the file, NFD on the disk, as macOS writes it."""
    images(folder, *(f"{normalize('NFD', 'größe')} {i}.jpg" for i in COUNT))
    entries = [entry(normalize("NFC", f"größe {i}.jpg"), i) for i in COUNT]
    write(folder / "train.json", content([item(i) for i in COUNT], entries))


@row("z23", refused="as `1.jpg?v=1`, is in set")
def names_quoted_for_the_web(folder):
    images(folder, *(f"{i}.jpg" for i in COUNT))
    entries = [entry(f"{i}.jpg?v=1", i) for i in COUNT]
    write(folder / "train.json", content([item(i) for i in COUNT], entries))


@row("z24", refused="no such image")
def an_image_that_is_not_there(folder):
    four(folder)
    (folder / "4.jpg").unlink()


# ---- Images ----


@row("z25", right={"1.jpg": [FOUND]}, count=4)
def pngs_called_jpg(folder):
    four(folder)
    for i in COUNT:
        with Image.open(folder / f"{i}.jpg") as image:
            image.copy().save(folder / f"{i}.jpg", "PNG")


@row("z26", right={"train/0.jpg": [("dog", 18, 24, 30, 40)]}, count=8)
def turned_images_of_yolo(folder):
    """YOLO's fractions are of the image as it is shown."""
    yolo(folder)
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in sorted(folder.rglob("*.jpg")):
        with Image.open(path) as image:
            image.copy().save(path, exif=exif)


# ---- VOC ----


@row("z27", right={"train0.jpg": [("cat", 8, 8, 24, 24)]}, count=6)
def another_image_named_in_the_xml(folder):
    more = "<filename>C:\\Users\\me\\other.jpg</filename>"
    voc(folder, xml().replace("<size>", f"{more}<size>"))


@row("z28", right={"train0.jpg": [("cat", 8, 8, 24, 24)]}, count=6)
def lists_with_a_flag_and_suffixes(folder):
    voc(folder)
    for name in ("train", "val"):
        path = folder / "ImageSets" / "Main" / f"{name}.txt"
        path.write_text("".join(f"{x}.jpg\r\n" for x in path.read_text().split()))


@row("z29", right={"train0.jpg": [("cat", 8, 8, 24, 24)], "train1.jpg": []}, count=6)
def an_empty_xml_of_no_object_and_a_namespace(folder):
    voc(folder, xml().replace("<annotation>", '<annotation verified="yes">'))
    write(folder / "Annotations" / "train1.xml", "<annotation/>")


@row("z30", right={"train0.jpg": [("cat", 8, 8, 24, 24)]}, count=6)
def lists_of_one_category(folder):
    """cat_train.txt with 1 and -1, as VOC has beside train.txt."""
    voc(folder)
    for name in ("train", "val"):
        lines = "".join(f"{name}{i} {1 if i else -1:2d}\n" for i in range(3))
        write(folder / "ImageSets" / "Main" / f"cat_{name}.txt", lines)


@row("z31", refused="train0")
def a_box_without_sides(folder):
    voc(folder)
    thing = "<object><name>cat</name></object>"
    write(
        folder / "Annotations" / "train0.xml",
        f"<annotation>{thing}{thing}</annotation>",
    )


# ---- DOTA ----


def dota(folder: Path, lines: str, name: str = "P{}") -> None:
    for kind in ("train", "val"):
        images(folder / kind / "images", *(f"{name.format(i)}.png" for i in range(3)))
        for i in range(3):
            write(folder / kind / "labelTxt" / f"{name.format(i)}.txt", lines)


QUAD = ("ship", 8, 8, 24, 8, 24, 24, 8, 24)
TURNED = "8 8 24 8 24 24 8 24 ship 0\n"


@row("z32", CORNERS, {"train/images/P0.png": [QUAD]}, count=6)
def dota_of_windows(folder):
    head = "\ufeffimagesource:GoogleEarth\r\ngsd:0.14\r\n"
    dota(folder, head + TURNED.replace("\n", "\r\n"))


@row("z33", CORNERS, {"train/images/P0.png": [QUAD]}, count=6)
def dota_without_a_difficulty(folder):
    dota(folder, TURNED.replace(" 0\n", "\n"))


@row("z34", CORNERS, {"train/images/P0.png": [("large ship", *QUAD[1:])]}, count=6)
def dota_of_a_name_with_spaces(folder):
    dota(folder, TURNED.replace("ship", "large ship"))


@row("z35", CORNERS, refused="a line is not eight numbers")
def dota_of_three_corners(folder):
    dota(folder, "8 8 24 8 24 24 ship 0\n")
