"""Rows in which something is blank, or marked as no reader expects it; and arrays in the
place of images: it is told, or refused with a way out."""

from __future__ import annotations

import json

import numpy as np
from rows import CLASSES, DEPTH, NUMBER, POINTS, SEMANTIC, images, row, write
from rows_coco import COUNT, four, item
from rows_maps import beside, stripes
from rows_tables import pet, table

BOXES = "image,xmin,ymin,xmax,ymax,label"
LEFT_OUT = "images left out: a box without a label: 1"
ONE_BOX = {"1.jpg": [("cat", 8, 8, 24, 20)]}

# ---- Boxes without a label ----


@row("n1", right=ONE_BOX, count=7, categories=["cat", "dog"], told=LEFT_OUT)
def a_box_without_a_label(folder):
    """Its image is no negative: an object is in it."""
    table(folder, BOXES, lambda i: f"{i}.jpg,8,8,24,20,{'' if i == 3 else pet(i)}")


@row("n2", right=ONE_BOX, count=7, categories=["cat", "dog"], told=LEFT_OUT)
def a_box_whose_label_is_nan(folder):
    table(folder, BOXES, lambda i: f"{i}.jpg,8,8,24,20,{'nan' if i == 3 else pet(i)}")


@row("n3", right=ONE_BOX, count=7, told=LEFT_OUT)
def a_second_box_without_a_label(folder):
    more = "\n3.jpg,30,30,40,40,"
    table(folder, BOXES, lambda i: f"{i}.jpg,8,8,24,20,{pet(i)}{more * (i == 3)}")


@row("n4", right=ONE_BOX, count=7, categories=["cat", "dog"], told=LEFT_OUT)
def a_listed_box_without_a_label(folder):
    images(folder, *(f"{i}.jpg" for i in range(1, 9)))
    lines = []
    for i in range(1, 9):
        named = {"bbox": [[8, 8, 16, 12]], "categories": ["" if i == 3 else pet(i)]}
        lines.append(json.dumps({"file_name": f"{i}.jpg", "objects": named}))
    write(folder / "metadata.jsonl", "\n".join(lines))


# ---- Keypoints ----


def poses(folder, visibility) -> None:
    person = [{"id": 1, "name": "person", "keypoints": ["a", "b"]}]
    given = [10, 10, visibility, 20, 20, 2]
    four(folder, [item(i, keypoints=given) for i in COUNT], names=person)


@row("n5", POINTS, refused="annotation 1: a visibility of 3, not 0 (absent), 1 or 2")
def keypoints_of_a_visibility_of_3(folder):
    poses(folder, 3)


@row("n6", POINTS, refused="annotation 1: a visibility of 0.83, not 0 (absent)")
def keypoints_with_a_confidence(folder):
    poses(folder, 0.83)


@row("n7", POINTS, {"1.jpg": [(("a", None), ("b", [20, 20]))]}, count=4)
def keypoints_of_a_visibility_of_none(folder):
    poses(folder, None)


# ---- Comments ----


@row("n8", CLASSES, refused="line 1 is a comment, '# exported 2024-01-01'")
def a_comment_above_a_table(folder):
    table(folder, "# exported 2024-01-01\nimage,label", lambda i: f"{i}.jpg,{pet(i)}")


@row("n9", CLASSES, refused="line 1 is a comment, '# by you, and me'")
def a_comment_of_as_many_cells(folder):
    table(folder, "# by you, and me\nimage,label", lambda i: f"{i}.jpg,{pet(i)}")


@row("n10", CLASSES, refused="line 1 is a comment, '# pets, of 2024'")
def a_comment_above_rows_without_a_header(folder):
    table(folder, "# pets, of 2024\n# two", lambda i: f"{i}.jpg,{pet(i)}")


@row("n11", CLASSES, {"1.jpg": "cat"}, count=8)
def a_header_that_begins_as_comments_do(folder):
    table(folder, "#image,label", lambda i: f"{i}.jpg,{pet(i)}")


# ---- Arrays ----


def arrays(folder, place, save) -> None:
    images(folder / "images", *(f"{i}.jpg" for i in range(1, 7)))
    (folder / place).mkdir()
    for i in range(1, 7):
        save(folder / place / str(i))


@row("n12", DEPTH, refused="depths in .npz are not read: write them as TIFF of float32")
def depths_in_npz(folder):
    of = stripes(1, 2, kind=np.float32)
    arrays(folder, "depth", lambda path: np.savez(path, depth=of))


@row(
    "n13",
    SEMANTIC,
    refused="maps of categories in .npy are not read: write them as PNG",
)
def masks_in_npy(folder):
    beside(folder, stripes(0, 1, 2, 2), name="masks/{}.npy")


@row(
    "n14",
    SEMANTIC,
    refused="maps of categories in .npz are not read: write them as PNG",
)
def masks_in_npz(folder):
    arrays(folder, "masks", lambda path: np.savez(path, stripes(0, 1)))


@row("n15", DEPTH, refused="depths in .mat are not read: write them as TIFF of float32")
def depths_in_mat(folder):
    arrays(folder, "depth", lambda path: write(path.with_suffix(".mat"), b"MATLAB 5.0"))


@row("n16", DEPTH, told="as 0.00390625 for KITTI's 256ths of a meter")
def depths_of_kitti_in_a_folder_that_does_not_say_so(folder):
    beside(folder, stripes(0, 2560, 5120, 20000, kind=np.uint16), name="depth/{}.png")


# ---- Numbers that mean that nothing is known ----


@row("n17", NUMBER, told="`age` is -999 in 2 rows, else 21 to 28: if that means")
def ages_of_minus_999(folder):
    table(folder, "image,age", lambda i: f"{i}.jpg,{-999 if i in (3, 5) else 20 + i}")


@row("n18", NUMBER, told='add "missing": "-1" to `layout`')
def ages_of_minus_1(folder):
    ages = [0, 20, -1, 40, -1, 60, 70, 80]  # less than twice their span away
    table(folder, "image,age", lambda i: f"{i}.jpg,{ages[i - 1]}")


# ---- Tables and labels that are not those to train on ----


@row("n19", CLASSES, {"n01_0.JPEG": "n01", "n02_5.JPEG": "n02"}, count=12)
def folders_of_classes_and_a_table_of_a_set_to_validate_on(folder):
    """As those of Tiny ImageNet."""
    for name in ("n01", "n02"):
        files = [f"{name}_{i}.JPEG" for i in range(6)]
        images(folder / "train" / name / "images", *files)
        boxes = "".join(f"{file}\t0\t0\t62\t62\n" for file in files)
        write(folder / "train" / name / f"{name}_boxes.txt", boxes)
    images(folder / "val/images", *(f"val_{i}.JPEG" for i in range(4)))
    lines = [f"val_{i}.JPEG\tn0{1 + i % 2}\t0\t32\t44\t62\n" for i in range(4)]
    write(folder / "val/val_annotations.txt", "".join(lines))


@row("n20", CLASSES, refused="0.jpg is a pointer of Git LFS, no image")
def pointers_of_git_lfs(folder):
    start = "version https://git-lfs.github.com/spec/v1\noid sha256:"
    for name in ("cat", "dog"):
        for i in range(5):
            write(folder / name / f"{i}.jpg", f"{start}{i:064}\nsize 12345\n")


@row("n21", refused="train.json is in the own format of BDD100K")
def labels_of_bdd100k(folder):
    """They lie where YOLO's would."""
    images(folder / "images", *(f"{i}.jpg" for i in range(1, 9)))
    box = {"category": "car", "box2d": {"x1": 8, "y1": 8, "x2": 24, "y2": 20}}
    labels = [{"name": f"{i}.jpg", "labels": [box]} for i in range(1, 9)]
    write(folder / "labels" / "train.json", labels)


@row("n22", CLASSES, {"1.jpg": "cat"}, count=8)
def six_cells_of_which_the_second_is_a_name(folder):
    """No table of keras-retinanet, whose second cell is the left side of a box."""
    images(folder, *(f"{i}.jpg" for i in range(1, 9)))
    lines = [f"{i}.jpg,{pet(i)},0,{i},44,62\n" for i in range(1, 9)]
    write(folder / "labels.csv", "".join(lines))


@row("n23", CLASSES, {"00000/0_0.png": "00000", "00001/5_0.png": "00001"}, count=12)
def a_table_in_each_folder_of_a_class(folder):
    """As those of GTSRB, whose tables have the boxes and the numbers of the classes."""
    columns = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
    for number in range(2):
        place, files = folder / f"0000{number}", [f"{i}_0.png" for i in range(6)]
        images(place, *files)
        lines = [f"{file};64;48;5;6;24;25;{number}" for file in files]
        write(place / f"GT-{place.name}.csv", "\n".join([columns, *lines]))
