"""Rows in tables, folders of classes and Pascal VOC's layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image
from rows import CLASSES, LABELS, NUMBER, images, row, write

# ---- Folders of classes ----


def folders(folder: Path, names: tuple = ("cat", "dog"), count: int = 8) -> None:
    for name in names:
        images(folder / name, *(f"{i}.jpg" for i in range(count)))


CAT, DOG = {"cat/0.jpg": "cat"}, {"dog/0.jpg": "dog"}


@row("f01", CLASSES, CAT, count=16, categories=["cat", "dog"])
def checkpoints_of_notebooks(folder):
    folders(folder / "train")
    images(folder / "train" / ".ipynb_checkpoints", "0-checkpoint.jpg")
    (folder / "train" / "__MACOSX").mkdir()


@row("f03", CLASSES, CAT, count=16)
def files_of_macos(folder):
    folders(folder)
    write(folder / "cat" / "._0.jpg", b"\0\5\26\7Mac OS X" + bytes(40))


@row("f04", CLASSES, {"train/cow/0.jpg": "cow"}, count=40)
def validation_without_a_class(folder):
    folders(folder / "train", ("cat", "cow", "dog"))
    folders(folder / "val")


@row("f05", CLASSES, CAT, count=16)
def a_level_of_folders_more(folder):
    folders(folder / "pets" / "data")


@row("f06", CLASSES, {"cat/more/0.jpg": "cat"}, count=24)
def some_images_deeper(folder):
    folders(folder)
    folders(folder / "cat", ("more",))


@row("f07", CLASSES, CAT, count=16)
def a_zip_with_its_folder_twice(folder):
    folders(folder / "pets" / "pets")


@row("f14", CLASSES, refused="class")
def one_class(folder):
    folders(folder, ("cat",))


@row("f16", CLASSES, {"images/20.jpg": "images"}, count=24)
def a_class_called_images(folder):
    for number, name in enumerate(("cats", "dogs", "images")):
        images(folder / name, *(f"{8 * number + i}.jpg" for i in range(8)))


@row("f16b", CLASSES, refused="`images` is taken for the images of a dataset; if it is")
def two_classes_of_which_one_is_called_images(folder):
    folders(folder, ("images", "drawings"))


@row("f16c", CLASSES, refused="`images`, where others have images of its names, is")
def a_class_called_images_whose_files_have_the_names_of_others(folder):
    folders(folder, ("cats", "dogs", "images"))


@row("f17", CLASSES, CAT, count=20)
def a_small_validation_set(folder):
    for name, count in (("train", 8), ("val", 2)):
        for kind in ("cat", "dog"):
            files = (
                f"{name}{i}.jpg" if name == "val" else f"{i}.jpg" for i in range(count)
            )
            images(folder / name / kind, *files)


def many(
    folder: Path, name: str, suffix: str, change: Callable[[bytes], bytes]
) -> None:
    for kind in ("cat", "dog"):
        images(folder / kind, *(f"{i}.{suffix}" for i in range(60)))
    path = folder / "cat" / f"{name}.{suffix}"
    path.write_bytes(change(path.read_bytes()))


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


@row("f18", CLASSES, {"dog/0.png": "dog"}, told="cat/0.png")
def a_truncated_png(folder):
    many(folder, "0", "png", half)


@row("f18b", CLASSES, {"dog/0.jpg": "dog"}, told="cat/0.jpg")
def a_truncated_jpeg(folder):
    many(folder, "0", "jpg", half)


@row("f19", CLASSES, {"dog/0.png": "dog"}, told="cat/0.png")
def an_empty_file(folder):
    many(folder, "0", "png", lambda _: b"")


@row("f21", CLASSES, {"cat/0.pgm": "cat"}, count=16)
def portable_maps(folder):
    folders(folder)
    for path in sorted(folder.rglob("*.jpg")):
        with Image.open(path) as image:
            cat = path.parent.name == "cat"
            image.convert("L" if cat else "RGB").save(
                path.with_suffix(".pgm" if cat else ".ppm")
            )
        path.unlink()


@row("f22", CLASSES, {"val/cat/0.jpg": "cat"}, count=24)
def validation_of_one_class(folder):
    folders(folder / "train")
    folders(folder / "val", ("cat",))


# ---- Tables ----


def pet(number: int) -> str:
    return "cat" if number % 2 else "dog"


def table(
    folder: Path,
    head: str,
    line: Callable[[int], str],
    place: str = "",
    name: str = "labels.csv",
    count: int = 8,
    encoding: str = "utf-8",
) -> None:
    images(folder / place, *(f"{i}.jpg" for i in range(1, count + 1)))
    lines = [head, *(line(i) for i in range(1, count + 1))]
    write(folder / name, "".join(f"{x}\n" for x in lines), encoding)


ONE = {"1.jpg": "cat", "2.jpg": "dog"}


@row("t01", CLASSES, ONE, count=8)
def a_column_of_another_name(folder):
    table(folder, "Image,Breed", lambda i: f"{i}.jpg,{pet(i)}")


@row("t01b", CLASSES, ONE, count=8)
def a_column_of_ids(folder):
    table(folder, "id,label", lambda i: f"{i}.jpg,{pet(i)}")


@row("t02", CLASSES, ONE, count=8)
def semicolons(folder):
    table(folder, "image;label", lambda i: f"{i}.jpg;{pet(i)}")


@row("t03", CLASSES, ONE, count=8, categories=["cat", "dog"])
def a_space_after_the_comma(folder):
    table(folder, "image, label", lambda i: f"{i}.jpg, {pet(i)}")


@row("t04", CLASSES, ONE, count=8)
def names_without_suffix(folder):
    table(folder, "image,label", lambda i: f"{i},{pet(i)}")


@row("t07", NUMBER, {"3.jpg": 3, "5.jpg": 5}, count=6)
def missing_numbers(folder):
    table(folder, "image,price", lambda i: f"{i}.jpg,{'nan' if i < 3 else i}")


@row("t07b", NUMBER, {"3.jpg": 3.5}, count=8)
def a_decimal_comma(folder):
    table(folder, "image;price", lambda i: f"{i}.jpg;{i},5")


@row("t08", CLASSES, {"1.jpg": "cat"}, count=7)
def an_empty_cell(folder):
    table(folder, "image,label", lambda i: f"{i}.jpg,{pet(i) if i != 4 else ''}")


@row("t10", LABELS, {"1.jpg": ["cat"], "2.jpg": ["dog"]}, count=8)
def a_column_for_each_label(folder):
    table(folder, "image,cat,dog", lambda i: f"{i}.jpg,{i % 2},{1 - i % 2}")


@row("t12", CLASSES, ONE, count=8)
def images_in_a_folder_beside_it(folder):
    table(folder, "image,label", lambda i: f"{i}.jpg,{pet(i)}", place="images")


@row("t13", CLASSES, ONE, count=8, told="prefix: /home/me/pets/")
def absolute_names(folder):
    table(folder, "image,label", lambda i: f"/home/me/pets/{i}.jpg,{pet(i)}")


def annotators(folder: Path, last: str) -> None:
    table(folder, "image,label", lambda i: f"{i}.jpg,{pet(i)}")
    path = folder / "labels.csv"
    head, *lines = path.read_text().splitlines()
    write(path, "\n".join([head, *lines * 3, last]) + "\n")


@row("t19", CLASSES, ONE, count=8, told="taken for one: 17")
def several_rows_of_an_image(folder):
    annotators(folder, "1.jpg,cat")


@row("t19b", CLASSES, refused="1.jpg: labels of one image contradict")
def rows_of_an_image_that_contradict(folder):
    annotators(folder, "1.jpg,dog")


@row("t20", CLASSES, {"train/1.jpg": "cat"}, count=8)
def kaggle(folder):
    table(folder, "id,label", lambda i: f"{i},{pet(i)}", "train", "train.csv")
    images(folder / "test", "91.jpg", "92.jpg")
    write(folder / "test.csv", "id\n91\n92\n")


@row("h03", right={"1.jpg": [("cat", 8, 8, 24, 24)]}, count=8)
def tensorflow(folder):
    head = "filename,width,height,class,xmin,ymin,xmax,ymax"
    table(folder, head, lambda i: f"{i}.jpg,64,48,{pet(i)},8,8,24,24")


# ---- Pascal VOC ----

SIDES = "<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>"


def xml(name: str = "cat", sides: tuple = (8, 8, 24, 24), more: str = "") -> str:
    thing = f"<object><name>{name}</name>{more}<bndbox>{SIDES.format(*sides)}</bndbox>"
    size = "<size><width>64</width><height>48</height><depth>3</depth></size>"
    return f"<annotation>{size}{thing}</object></annotation>"


def voc(
    folder: Path,
    text: str | bytes = xml(),
    stems: tuple = ("0", "1", "2"),
    suffix: str = "jpg",
    lists: tuple = ("train", "val"),
) -> None:
    for name in lists:
        own = [f"{name}{x}" for x in stems]
        images(folder / "JPEGImages", *(f"{x}.jpg" for x in own))
        for stem in own:
            path = folder / "JPEGImages" / f"{stem}.jpg"
            path.rename(path.with_suffix(f".{suffix}"))
            write(folder / "Annotations" / f"{stem}.xml", text)
        write(folder / "ImageSets" / "Main" / f"{name}.txt", "\n".join(own) + "\n")


CATS = {"train0.jpg": [("cat", 8, 8, 24, 24)]}


@row("v01", right={"train/0.jpg": [("cat", 8, 8, 24, 24)]}, count=6)
def labelimg(folder):
    for name in ("train", "valid"):
        images(folder / name, *(f"{i}.jpg" for i in range(3)))
        for i in range(3):
            write(folder / name / f"{i}.xml", xml())


@row("v02", right=CATS, count=6)
def sides_in_floats(folder):
    odd = "<pose>Left</pose><difficult></difficult><truncated>1</truncated>"
    voc(folder, xml(sides=("8.0", "8.0", "24.0", "24.0"), more=odd))


@row("v02b", refused="XML")
def an_encoding_that_is_not_read(folder):
    head = '<?xml version="1.0" encoding="gb2312"?>'
    voc(folder, (head + xml("猫")).encode("gb2312"))


@row("v03", right={"train0.JPG": [("cat", 8, 8, 24, 24)]}, count=6)
def upper_case_suffixes(folder):
    voc(folder, suffix="JPG")


@row("v04", right={"train0 b.jpg": [("cat", 8, 8, 24, 24)]}, count=6)
def spaces_in_names(folder):
    voc(folder, stems=("0 b", "1 b", "2 b"))


@row("v05", refused="train0")
def sides_the_wrong_way(folder):
    voc(folder, xml(sides=(24, 8, 8, 24)))


@row("v06", right={"train0.jpg": [("cat", 1, 1, 64, 48)]}, count=6)
def sides_from_one(folder):
    voc(folder, xml(sides=(1, 1, 64, 48)))


@row("v09", right=CATS, count=6, categories=["cat"])
def a_category_with_a_space_at_its_end(folder):
    voc(folder, xml("cat "))


@row("v10", right={"train0.jpg": [("cat", 8, 8, 24, 24)], "train1.jpg": []}, count=6)
def parts_and_no_objects(folder):
    part = f"<part><name>ear</name><bndbox>{SIDES.format(9, 9, 12, 12)}</bndbox></part>"
    voc(folder, xml().replace("</object>", f"{part}</object>"))
    write(folder / "Annotations" / "train1.xml", "<annotation></annotation>")


@row("v11", right={"default0.jpg": [("cat", 8, 8, 24, 24)]}, count=3)
def voc_of_cvat(folder):
    voc(folder, lists=("default",))


@row("c10v", right={"train0.jpg": [("cat", 4, 4, 12, 12)]}, count=6, told="scaled: 3")
def sizes_of_another_scale(folder):
    voc(folder, xml().replace(">64<", ">128<").replace(">48<", ">96<"))
