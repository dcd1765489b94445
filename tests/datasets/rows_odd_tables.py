"""Further rows of tables, folders of classes and maps, with faults that hands leave."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from rows import (
    CLASSES,
    DEPTH,
    HEIGHT,
    LABELS,
    MASKS,
    NUMBER,
    SEMANTIC,
    TEXT,
    WIDTH,
    images,
    row,
    write,
)
from rows_maps import COUNT, beside, save, stripes
from rows_tables import CAT, ONE, folders, pet, table

# ---- Tables ----


@row("u01", LABELS, refused="`cat` has '1' in 4 of 8 rows, and nothing in the others")
def flags_with_missing_values(folder):
    """Empty where a label is not there."""
    table(folder, "image,cat,dog", lambda i: f"{i}.jpg,{i % 2 or ''},{1 - i % 2 or ''}")


@row("u01b", LABELS, {"1.jpg": ["cat"], "2.jpg": ["dog"]}, count=7, told="empty")
def some_flags_missing(folder):
    line = "{}.jpg,{},{}".format
    table(
        folder, "image,cat,dog", lambda i: line(i, i % 2, "" if i == 7 else 1 - i % 2)
    )


@row("u01c", LABELS, refused="multiclass_classification")
def flags_of_chexpert(folder):
    line = "{}.jpg,{},{}".format
    values = ("1.0", "0.0", "", "-1.0")
    table(
        folder,
        "Path,Edema,Atelectasis",
        lambda i: line(i, values[i % 4], values[i % 3]),
    )


@row("u02", LABELS, {"1.jpg": ["cat"], "2.jpg": ["dog"]}, count=8)
def flags_in_floats(folder):
    table(folder, "image,cat,dog", lambda i: f"{i}.jpg,{i % 2}.0,{1 - i % 2}.0")


@row("u03", LABELS, {"1.jpg": ["cat"], "2.jpg": ["dog"]}, count=8)
def flags_in_words(folder):
    line = "{}.jpg,{},{}".format
    table(folder, "image,cat,dog", lambda i: line(i, i % 2 == 1, i % 2 == 0))


@row("u04", LABELS, {"1.jpg": ["cat", "cow"], "2.jpg": ["dog"]}, count=8)
def labels_in_a_cell(folder):
    cells = ("cow", "cat cow", "dog", "dog cat")
    table(folder, "image,tags", lambda i: f"{i}.jpg,{cells[i % 4]}")


@row("u05", LABELS, refused="lists names as Python does")
def labels_as_a_list_of_python(folder):
    listed = ("\"['dog']\"", "\"['cat', 'cow']\"")
    table(folder, "image,tags", lambda i: f"{i}.jpg,{listed[i % 2]}")


@row("u06", CLASSES, ONE, count=8, flags=("--labels", "label"))
def an_index_of_pandas(folder):
    table(folder, ",image,label", lambda i: f"{i - 1},{i}.jpg,{pet(i)}")


@row("u07", CLASSES, ONE, count=8)
def tabs(folder):
    table(folder, "image\tlabel", lambda i: f"{i}.jpg\t{pet(i)}", name="labels.tsv")


@row("u08", CLASSES, ONE, count=8)
def tabs_in_a_csv(folder):
    table(folder, "image\tlabel", lambda i: f"{i}.jpg\t{pet(i)}")


@row("u09", CLASSES, ONE, count=8)
def a_byte_order_mark_and_windows(folder):
    table(
        folder, "image,label\r", lambda i: f"{i}.jpg,{pet(i)}\r", encoding="utf-8-sig"
    )


@row("u10", CLASSES, refused="utf-8")
def letters_of_windows(folder):
    table(
        folder,
        "image,label",
        lambda i: f"{i}.jpg,{('größe', 'x')[i % 2]}",
        encoding="cp1252",
    )


@row("u11", CLASSES, {"1.jpg": "1", "2.jpg": "2"}, count=8, categories=["1", "2"])
def classes_as_numbers(folder):
    table(folder, "image,label", lambda i: f"{i}.jpg,{2 - i % 2}")


@row("u12", CLASSES, {"1.jpg": "1.0", "2.jpg": "2.0"}, count=8)
def classes_as_floats(folder):
    """As pandas writes a column that has a missing value."""
    table(folder, "image,label", lambda i: f"{i}.jpg,{2 - i % 2}.0")


@row("u13", CLASSES, {"a/1.jpg": "cat"}, count=8)
def backslashes(folder):
    images(folder / "a", *(f"{i}.jpg" for i in range(1, 9)))
    lines = [f"a\\{i}.jpg,{pet(i)}\n" for i in range(1, 9)]
    write(folder / "labels.csv", "image,label\n" + "".join(lines))


@row("u14", CLASSES, ONE, count=8)
def quoted_cells_and_blank_lines(folder):
    table(folder, '"image","label"', lambda i: f'"{i}.jpg","{pet(i)}"\n')


@row("u15", CLASSES, refused="the image is set/1.JPG: give both the same names")
def suffixes_in_another_case(folder):
    images(folder, *(f"{i}.JPG" for i in range(1, 9)))
    lines = [f"{i}.jpg,{pet(i)}\n" for i in range(1, 9)]
    write(folder / "labels.csv", "image,label\n" + "".join(lines))


@row("u16", CLASSES, ONE, count=8, categories=["cat", "dog"])
def spaces_around_names_and_case(folder):
    table(folder, "image,label", lambda i: f"{i}.jpg, {pet(i)} ")


@row("u17", NUMBER, {"1.jpg": 1000, "2.jpg": 2000}, count=8)
def thousands(folder):
    table(folder, "image;price", lambda i: f"{i}.jpg;{i}000,00")


@row("u18", NUMBER, refused="price")
def units_in_cells(folder):
    table(folder, "image,price", lambda i: f"{i}.jpg,{i} EUR")


@row("u19", CLASSES, {"train/1.jpg": "cat"}, count=16)
def hugging_face(folder):
    for name in ("train", "validation"):
        images(folder / name, *(f"{i}.jpg" for i in range(1, 9)))
        entries = [{"file_name": f"{i}.jpg", "label": pet(i)} for i in range(1, 9)]
        lines = "".join(f"{json.dumps(x)}\n" for x in entries)
        write(folder / name / "metadata.jsonl", lines)


@row("u20", TEXT, {"1.jpg": "10 a"}, count=8)
def texts_with_spaces(folder):
    images(folder / "images", *(f"{i}.jpg" for i in range(1, 9)))
    lines = [f"images/{i}.jpg\t{i}0 a\n" for i in range(1, 9)]
    write(folder / "gt.txt", "".join(lines))


@row("u21", TEXT, {"1.jpg": "NA", "2.jpg": "007"}, count=8)
def texts_that_look_like_values(folder):
    table(folder, "file_name,text", lambda i: f"{i}.jpg,{('007', 'NA')[i % 2]}")


@row("u22", right={"1.jpg": [("cat", 8, 8, 24, 24)]}, count=8)
def boxes_in_fractions(folder):
    head = "image,xmin,ymin,xmax,ymax,class"
    line = "{}.jpg,0.125,0.166666667,0.375,0.5,{}".format
    table(folder, head, lambda i: line(i, pet(i)))


@row("u23", right={"1.jpg": [("cat", 8, 8, 24, 24)], "8.jpg": []}, count=8)
def an_image_without_boxes(folder):
    head = "image,xmin,ymin,xmax,ymax,class"
    table(
        folder, head, lambda i: f"{i}.jpg,8,8,24,24,{pet(i)}" if i < 8 else "8.jpg,,,,,"
    )


@row("u24", right={"1.jpg": [("object", 8, 8, 24, 24)]}, count=8)
def boxes_of_kaggle(folder):
    """The wheat contest's: a size and a list in a cell."""
    line = '{},64,48,"[8.0, 8.0, 16.0, 16.0]",{}'.format
    table(folder, "image_id,width,height,bbox,source", lambda i: line(i, pet(i)))


@row("u25", CLASSES, {"1.jpg": "cat", "3.jpg": "cat"}, count=8)
def a_column_of_sets(folder):
    name = ("train", "val")
    table(folder, "image,label,split", lambda i: f"{i}.jpg,{pet(i)},{name[i > 5]}")


# ---- Folders of classes ----


@row("u26", CLASSES, CAT, count=24)
def an_empty_class(folder):
    folders(folder, ("cat", "cow", "dog"))
    (folder / "fox").mkdir()


@row("u27", CLASSES, CAT, count=16, told="has none of these categories")
def classes_that_differ_in_case(folder):
    folders(folder / "train")
    folders(folder / "val", ("Cat", "Dog"))


@row("u28", CLASSES, {"/2/0.jpg": "2", "10/0.jpg": "10"}, categories=["1", "10", "2"])
def numbers_as_classes(folder):
    folders(folder, ("1", "2", "10"))


@row("u29", CLASSES, refused="name one of them by --data: set/cat or set/dog")
def classes_of_classes(folder):
    for name, inner in (("cat", ("siamese", "persian")), ("dog", ("pug", "akita"))):
        folders(folder / name, inner)


@row("u30", CLASSES, CAT, count=16)
def files_of_systems(folder):
    folders(folder)
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "readme.txt"):
        write(folder / "cat" / name, b"\0")


@row("u31", CLASSES, refused="differ in code points alone")
def unicode_in_two_forms(folder):
    """NFD in one set, NFC in the other one."""
    from unicodedata import normalize

    for name, form in (("train", "NFD"), ("val", "NFC")):
        folders(folder / name, (normalize(form, "größe"), "dog"), 4)


# ---- Maps ----


@row("u32", SEMANTIC, {"1.jpg": [0, 1, 2]}, count=6)
def masks_of_another_size(folder):
    beside(folder, stripes(0, 1, 2, 2)[::2, ::2])


@row("u33", SEMANTIC, refused="aspect ratio")
def masks_of_another_shape(folder):
    beside(folder, stripes(0, 1, 2, 2)[::2])


@row("u34", SEMANTIC, {"1.jpg": [0, 1, 2]}, count=6)
def masks_of_16_bits(folder):
    beside(folder, stripes(0, 1, 2, 2, kind=np.uint16))


@row("u35", SEMANTIC, {"1.jpg": [0, 1]}, count=6)
def masks_of_one_bit(folder):
    beside(folder, stripes(0, 1, 0, 0).astype(bool))


@row("u36", SEMANTIC, {"1.jpg": [0, 1, 2]}, count=6)
def gray_masks_in_colors(folder):
    """The same value in red, green and blue."""
    beside(folder, np.repeat(stripes(0, 1, 2, 2)[..., None], 3, 2))


@row("u37", SEMANTIC, {"1.jpg": [0, 1]}, count=6)
def gray_masks_with_opacity(folder):
    pixels = np.repeat(stripes(0, 255, 0, 0)[..., None], 4, 2)
    pixels[..., 3] = 255
    beside(folder, pixels)


@row("u38", SEMANTIC, refused="blur")
def binary_masks_with_blurred_edges(folder):
    """Resized with a filter: 0 and 255, and at the edges a few values between."""
    small = np.zeros((12, 16), np.uint8)
    small[3:9, 4:11] = 255
    image = Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    beside(folder, np.asarray(image))


@row("u39", SEMANTIC, {"1.jpg": [0, 1]}, count=5)
def a_mask_that_is_not_there(folder):
    beside(folder, stripes(0, 1))
    (folder / "masks" / "6.png").unlink()


@row("u40", SEMANTIC, {"1.jpg": [0, 1]}, count=6)
def masks_of_jpegs_names(folder):
    """1.jpg.png for 1.jpg."""
    beside(folder, stripes(0, 1), "masks/{}.jpg.png")


@row("u41", DEPTH, {"1.jpg": [-1, 1.5, 5]}, count=6)
def depth_with_nan(folder):
    pixels = np.float32([[np.nan, 1.5, 5, np.inf]])
    beside(folder, np.repeat(pixels, HEIGHT, 0).repeat(16, 1), "depth/{}.npy")


@row("u42", DEPTH, {"1.jpg": [1.5, 5]}, count=6)
def depth_of_another_size(folder):
    pixels = np.float32([[1.5, 1.5, 5, 5]])
    beside(folder, np.repeat(pixels, HEIGHT // 2, 0).repeat(8, 1), "depth/{}.npy")


@row("u43", DEPTH, {"1.jpg": [1.5, 5]}, count=6)
def depth_with_an_axis_more(folder):
    pixels = np.float32([[1.5, 1.5, 5, 5]])
    values = np.repeat(pixels, HEIGHT, 0).repeat(16, 1)[..., None]
    beside(folder, values, "depth/{}.npy")


@row("u44", MASKS, {"1.jpg": [("object", 768), ("object", 768)]}, count=6)
def numbers_of_16_bits_above_255(folder):
    beside(folder, stripes(0, 300, 301, 0, kind=np.uint16))


@row("u45", MASKS, {"a0/images/0.png": [("object", 768), ("object", 768)]}, count=6)
def a_mask_for_each_instance(folder):
    for number in range(6):
        place = folder / f"a{number}"
        images(place / "images", f"{number}.png")
        save(place / "masks" / "0.png", stripes(0, 255, 0, 0))
        save(place / "masks" / "1.png", stripes(0, 0, 255, 0))


@row("u46", SEMANTIC, {"1.jpg": [-1, 0, 1]}, count=6, categories=["sky", "tree"])
def a_table_of_colors_with_void(folder):
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, 20:40], pixels[:, 40:] = (10, 20, 30), (200, 100, 50)
    beside(folder, pixels)
    lines = "name,r,g,b\nVoid,0,0,0\nsky,10,20,30\ntree,200,100,50\n"
    write(folder / "class_dict.csv", lines)


@row("u47", SEMANTIC, refused="another aspect ratio")
def turned_images_with_masks_as_stored(folder):
    """EXIF turns the image; the mask has the shape of the stored pixels."""
    beside(folder, stripes(0, 1))
    exif = Image.Exif()
    exif[0x0112] = 6
    for i in COUNT:
        path: Path = folder / "images" / f"{i}.jpg"
        with Image.open(path) as image:
            image.copy().save(path, exif=exif)


@row("u48", "anomaly_detection", count=10)
def visa_in_the_layout_of_mvtec(folder):
    """Images and masks of other suffixes, defects of two kinds."""
    images(folder / "train" / "good", *(f"{i:03}.JPG" for i in COUNT))
    images(folder / "test" / "good", "000.JPG", "001.JPG")
    for kind in ("bent", "scratch"):
        images(folder / "test" / kind, "000.JPG")
        save(folder / "ground_truth" / kind / "000.png", stripes(0, 255, 0, 0))
