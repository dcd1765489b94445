"""Rows of tables, folders and maps: paths of other machines, and habits of tools."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image
from rows import CLASSES, LABELS, NUMBER, SEMANTIC, TEXT, images, row, write
from rows_maps import COUNT, beside, save, stripes
from rows_tables import ONE, folders, pet, table

CAT = {"1.jpg": [("cat", 8, 8, 24, 24)]}
HEAD = "filename,xmin,ymin,xmax,ymax,class"
SIDES = "8,8,24,24"

# ---- Paths of other machines ----


@row("j10", CLASSES, {"a/1.jpg": "cat", "b/2.jpg": "dog"}, count=8)
def paths_of_windows(folder):
    def line(i: int) -> str:
        return f"C:\\Users\\Ana Maria\\set\\images\\{'ba'[i % 2]}\\{i}.jpg,{pet(i)}"

    table(folder, "path,label", line)
    for i in range(1, 9):
        place = folder / "images" / "ba"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        (folder / f"{i}.jpg").rename(place / f"{i}.jpg")


@row("j11", right=CAT, count=8)
def boxes_of_a_server(folder):
    """Two rows for each image, of paths with percent codes."""

    def line(i: int) -> str:
        return f"https://x.org/data/pets%20of%20{i % 2}/{i}.jpg,{SIDES},{pet(i)}"

    table(folder, HEAD, line, place="images")


@row("j12", CLASSES, {"1.jpg": "cat"}, count=8)
def a_number_beside_a_path(folder):
    """The numbers are those of other images."""
    table(folder, "id,path,label", lambda i: f"{9 - i},/home/me/{i}.jpg,{pet(i)}")


@row("j13", CLASSES, {"1.jpg": "cat"}, count=8)
def lines_of_json(folder):
    images(folder / "img", *(f"{i}.jpg" for i in range(1, 9)))
    lines = (
        json.dumps({"file_name": f"gs://bucket/pets/{i}.jpg", "label": pet(i)})
        for i in range(1, 9)
    )
    write(folder / "metadata.jsonl", "\n".join(lines) + "\n")


@row("j14", TEXT, {"1.jpg": "cat", "2.jpg": "dog"}, count=8)
def texts_of_another_machine(folder):
    images(folder / "crops", *(f"{i}.jpg" for i in range(1, 9)))
    lines = [f"/data/ocr/crops/{i}.jpg\t{pet(i)}\n" for i in range(1, 9)]
    write(folder / "train_label.txt", "".join(lines))


@row("j15", CLASSES, {"1.jpg": "cat"}, count=8, told="file_names: last_part")
def csv_of_label_studio(folder):
    head = "annotation_id,annotator,choice,created_at,id,image,lead_time,updated_at"

    def line(i: int) -> str:
        date = f"2024-02-0{i}T10:11:12.1234{i}Z"
        path = f"/data/upload/{i}/{i}.jpg"
        return f"{i},1,{pet(i)},{date},{i + 40},{path},{i}.5{i},{date}"

    table(folder, head, line, place="images")


@row("j16", CLASSES, {"a/1.jpg": "cat"}, count=8)
def split_column_with_paths(folder):
    def line(i: int) -> str:
        return f"/mnt/nas/pets/a/{i}.jpg,{pet(i)},{'train' if i < 7 else 'valid'}"

    table(folder, "image,label,split", line, place="a")


# ---- Tables ----


@row("j20", right=CAT, count=8)
def decimal_commas_of_boxes(folder):
    table(folder, HEAD.replace(",", ";"), lambda i: f"{i}.jpg;8,0;8,0;24,0;24,0;cat")


@row("j21", right={"1.jpg": [("cat", 8, 12, 24, 24)]}, count=8)
def fractions_with_decimal_commas(folder):
    line = ";0,125;0,25;0,375;0,5;cat"
    table(folder, HEAD.replace(",", ";"), lambda i: f"{i}.jpg{line}")


@row("j22", CLASSES, refused="line 1 tells Excel of a delimiter")
def a_line_on_the_delimiter(folder):
    """As Excel writes it, or reads it."""
    table(folder, "sep=;\nimage;label", lambda i: f"{i}.jpg;{pet(i)}")


@row("j23", CLASSES, ONE, count=7)
def an_image_that_is_not_there(folder):
    table(folder, "image,label", lambda i: f"{i}.jpg,{pet(i)}")
    (folder / "8.jpg").unlink()


@row("j24", right={"1.jpg": [("cat", 8, 8, 24, 24)]}, count=8)
def boxes_of_makesense(folder):
    """Its CSV has no header: label, left, top, width, height, name, width, height."""
    images(folder, *(f"{i}.jpg" for i in range(1, 9)))
    lines = [f"{pet(i)},8,8,16,16,{i}.jpg,64,48\n" for i in range(1, 9)]
    write(folder / "labels_my-project.csv", "".join(lines))


@row("j25", LABELS, {"/1.jpg": ["cat"], "/3.jpg": ["cat", "fast one"]}, count=16)
def flags_of_roboflow(folder):
    """`_classes.csv` in each set, with spaces before the names."""

    def line(i: int) -> str:
        return f"{i}.jpg, {i % 2}, {1 - i % 2}, {int(i % 3 == 0)}"

    for name in ("train", "valid"):
        table(folder / name, "filename, cat, dog, fast one", line, name="_classes.csv")
    for path in (folder / "valid").glob("*.jpg"):
        path.rename(path.with_name(f"v{path.name}"))
    path = folder / "valid" / "_classes.csv"
    head, *lines = path.read_text().splitlines()
    write(path, "\n".join([head, *(f"v{line}" for line in lines)]))


@row("j26", NUMBER, {"1.jpg": 1.25, "2.jpg": 2.25}, count=8)
def quoted_decimal_commas(folder):
    table(folder, "image,price", lambda i: f'{i}.jpg,"{i},25"')


@row("j27", CLASSES, refused="utf-8")
def letters_of_excel(folder):
    def line(i: int) -> str:
        return f"{i}.jpg,{'größe' if i % 2 else 'dog'}"

    table(folder, "image,label", line, encoding="latin-1")


@row("j28", CLASSES, refused="utf-8")
def unicode_text_of_excel(folder):
    table(folder, "image\tlabel", lambda i: f"{i}.jpg\t{pet(i)}", encoding="utf-16")


@row("j29", right={"1.jpg": [("cat", 8, 8, 24, 24)], "2.jpg": []}, count=8)
def boxes_of_minus_one(folder):
    """A row without an object has -1 in all sides, or nothing."""

    def line(i: int) -> str:
        return f"{i}.jpg,{SIDES if i % 2 else ',,,'},{'cat' if i % 2 else ''}"

    table(folder, HEAD, line)


# ---- Folders ----


@row("j40", CLASSES, {"Training/cat/0.jpg": "cat"}, count=32)
def sets_in_capitals(folder):
    for name in ("Training", "Testing"):
        folders(folder / name)
        write(folder / name / "cat" / "Thumbs.db", b"\0")
        write(folder / name / ".DS_Store", b"\0")
        write(folder / name / "cat" / "desktop.ini", "[x]")
    for path in (folder / "Testing").rglob("*.jpg"):
        path.rename(path.with_name(f"t{path.name}"))


@row("j41", CLASSES, {"train/cat/0.jpg": "cat"}, count=24)
def sets_below_images(folder):
    for number, name in enumerate(("train", "val", "test")):
        for kind in ("cat", "dog"):
            files = (f"{4 * number + i}.jpg" for i in range(4))
            images(folder / "images" / name / kind, *files)


@row("j42", CLASSES, {"cat/0.JPEG": "cat", "Große Katze/ä 1.Webp": "Große Katze"})
def names_of_all_kinds(folder):
    images(folder / "cat", "0.JPEG", "1.bmp", "2.TIF", "3.jpg")
    images(folder / "Große Katze", "ä 0.png", "ä 1.Webp", "(2).jpg", "3 - Copy.jpg")


@row("j43", CLASSES, {"cat/0.jpg": "cat"}, count=16)
def a_folder_twice_with_litter(folder):
    folders(folder / "pets" / "pets")
    images(folder / "__MACOSX" / "pets" / "pets" / "cat", "._0.jpg")
    write(folder / ".DS_Store", b"\0")
    write(folder / "pets" / "README.txt", "pets")


# ---- Maps ----

COLORS = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)


@row("j50", SEMANTIC, {"1.jpg": [0, 1, 2]}, count=6, told="no file names the colors")
def colors_without_a_table(folder):
    beside(folder, np.concatenate([COLORS[stripes(0, 1, 2, 2)]], -1))


@row("j51", SEMANTIC, {"1.jpg": [0, 1, 2]}, count=6, categories=["sky", "cat", "dog"])
def colors_and_opacity_with_a_table(folder):
    opacity = np.full((48, 64, 1), 255, np.uint8)
    beside(folder, np.concatenate([COLORS[stripes(0, 1, 2, 2)], opacity], -1))
    write(
        folder / "class_dict.csv", "name,r,g,b\nsky,0,0,0\ncat,255,0,0\ndog,0,255,0\n"
    )


@row("j52", SEMANTIC, {"train/images/1.jpg": [0, 1]}, count=12)
def masks_of_one_bit_in_sets(folder):
    for name in ("train", "valid"):
        own = [f"{i}.jpg" if name == "train" else f"v{i}.jpg" for i in COUNT]
        images(folder / name / "images", *own)
        for one in own:
            path = folder / name / "masks" / one.replace(".jpg", ".png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(stripes(0, 255, 0, 0)).convert("1").save(path)


@row("j53", SEMANTIC, {"train/1.jpg": [0, 1]}, count=6)
def gifs_of_carvana(folder):
    images(folder / "train", *(f"{i}.jpg" for i in COUNT))
    for i in COUNT:
        save(folder / "train_masks" / f"{i}_mask.gif", stripes(0, 1, 0, 0))


@row("j54", SEMANTIC, {"training/1.jpg": [0, 1, 2]}, count=9)
def scene_parsing(folder):
    for name, numbers in (("training", COUNT), ("validation", range(7, 10))):
        images(folder / "images" / name, *(f"{i}.jpg" for i in numbers))
        for i in numbers:
            save(folder / "annotations" / name / f"{i}.png", stripes(0, 1, 2, 2))


@row("j55", SEMANTIC, {"1.jpg": [0, 1, 2]}, count=6)
def masks_beside_images(folder):
    for i in COUNT:
        images(folder, f"{i}.jpg")
        save(folder / f"{i}_mask.png", stripes(0, 1, 2, 2))


@row("j56", SEMANTIC, {"train/1_jpg.rf.a.jpg": [0, 1, 2]}, count=9)
def masks_of_roboflow(folder):
    for name, numbers in (("train", COUNT), ("valid", range(7, 10))):
        for i in numbers:
            images(folder / name, f"{i}_jpg.rf.a.jpg")
            save(folder / name / f"{i}_jpg.rf.a_mask.png", stripes(0, 1, 2, 2))
        text = "Pixel Value, Class\n0, background\n1, cat\n2, dog\n"
        write(folder / name / "_classes.csv", text)


# ---- Boxes of further tables ----


@row("j60", right={"1.jpg": [("cat", 8, 8, 32, 32)]}, count=8, told="may be corners")
def lists_that_are_corners_or_sizes(folder):
    table(folder, "image;class;bbox", lambda i: f"{i}.jpg;cat;[8, 8, 24, 24]")


@row("j61", right={"1.jpg": [("cat", 8, 8, 24, 24)]}, count=8, categories=["cat"])
def traffic_signs(folder):
    """Names with dots are no keys of objects."""
    head = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
    table(folder, head, lambda i: f"{i}.jpg;64;48;8;8;24;24;cat")


@row("j62", right={"1.jpg": [("cat", 8, 8, 24, 24)]}, count=8)
def names_of_the_web_tool_in_a_header(folder):
    head = "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name"
    head += ",image_width,image_height"
    table(folder, head, lambda i: f"cat,8,8,16,16,{i}.jpg,64,48")


@row("j63", CLASSES, ONE, count=8)
def paths_from_the_folder_above(folder):
    table(folder, "image,label", lambda i: f"set/images/{i}.jpg,{pet(i)}", "images")
