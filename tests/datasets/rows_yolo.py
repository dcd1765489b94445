"""Rows in the layouts of YOLO."""

from __future__ import annotations

from pathlib import Path

from rows import CORNERS, MASKS, POINTS, images, row, write

YAML = "train: images/train\nval: images/val\nnames: [cat, dog]\n"
LINE = "1 0.5 0.5 0.25 0.25\n"
BOX = ("dog", 24, 18, 40, 30)  # LINE says this of an image of 64x48
BOTH = {"train/0.jpg": [BOX], "val/3.jpg": [BOX]}
POSE = "0 0.5 0.5 0.25 0.25 0.1 0.1 2 0.9 0.9 2\n"
TURNED = "0 .5 .25 .75 .5 .5 .75 .25 .5\n"
DIAMOND = ("cat", 32, 12, 48, 24, 32, 36, 16, 24)


def yolo(
    folder: Path,
    line: str = LINE,
    yaml: str | dict = YAML,
    names: tuple = ("0", "1", "2", "3"),
    encoding: str = "utf-8",
) -> Path:
    """Two sets of four images with the same labels."""
    for name in ("train", "val"):
        images(folder / "images" / name, *(f"{x}.jpg" for x in names))
        for stem in names:
            write(folder / "labels" / name / f"{stem}.txt", line, encoding)
    write(folder / "data.yaml", yaml)
    return folder


@row("y12", right={"train/0.jpg": [("cat", 24, 18, 40, 30)]}, count=8)
def pose_of_an_even_number_of_columns(folder):
    yolo(folder, POSE, "kpt_shape: [2, 3]\n" + YAML)


@row(
    "y14",
    POINTS,
    {"val/1.jpg": [(("point_0", [6.4, 4.8]), ("point_1", [57.6, 43.2]))]},
    count=8,
)
def pose_for_keypoints(folder):
    yaml = "kpt_shape: [2, 3]\nflip_idx: [1, 0]\n" + YAML
    yolo(folder, POSE, yaml.replace("cat, dog", "cat"))


@row("y19", CORNERS, {"train/0.jpg": [DIAMOND]}, count=8)
def turned_boxes(folder):
    yolo(folder, TURNED)


@row("y15", right={"train/0.jpg": [("cat", 16, 12, 48, 36)]}, count=8)
def hull_of_turned_boxes(folder):
    yolo(folder, TURNED)


def apart(folder: Path, labels: str) -> None:
    for name in "av":
        images(folder / name / "img", "0.jpg", "1.jpg")
        for stem in "01":
            write(folder / labels.format(name, stem), LINE)
    write(folder / "data.yaml", "train: a/img\nval: v/img\nnames: [cat, dog]\n")


@row("y24", right={"a/img/0.jpg": [BOX]}, count=4)
def labels_in_a_folder_of_another_name(folder):
    apart(folder, "{}/lab/{}.txt")


@row("y24b", refused="label")
def no_labels_of_the_names_of_images(folder):
    apart(folder, "{}/lab/label-of-{}.txt")


@row("n01", right={"train/0.jpg": [("no", *BOX[1:])]}, categories=["yes", "no"])
def names_that_yaml_takes_for_booleans(folder):
    yolo(folder, yaml=YAML.replace("cat, dog", "yes, no"))


@row("n01b", refused="numbers them from 0")
def names_from_one(folder):
    yaml = "train: images/train\nval: images/val\nnames: {1: cat, 2: dog}\n"
    yolo(folder, yaml=yaml)


@row("y01", right={"train/images/0_jpg.rf.1.jpg": [BOX]}, count=8)
def roboflow(folder):
    for name in ("train", "valid"):
        stems = [f"{i}_jpg.rf.1" for i in range(4)]
        images(folder / name / "images", *(f"{x}.jpg" for x in stems))
        for stem in stems:
            write(folder / name / "labels" / f"{stem}.txt", LINE)
    paths = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
    write(folder / "data.yaml", paths + "nc: 2\nnames: ['cat', 'dog']\n")


@row("y02", right=BOTH, count=8)
def path_of_ultralytics(folder):
    yolo(folder, yaml="path: ../datasets/x\n" + YAML)


@row("y03", right=BOTH, count=8)
def absolute_path_of_its_own(folder):
    yolo(folder, yaml=f"path: {folder.absolute()}\n" + YAML)


def listed(folder: Path, start: str, encoding: str = "utf-8", end: str = "\n") -> None:
    yaml = "train: train.txt\nval: val.txt\nnames: [cat, dog]\n"
    yolo(folder, yaml=yaml)
    for name in ("train", "val"):
        lines = [f"{start}images/{name}/{i}.jpg{end}" for i in range(4)]
        write(folder / f"{name}.txt", "".join(lines), encoding)


@row("y04", right=BOTH, count=8)
def lists_of_windows(folder):
    listed(folder, "./", end="\r\n")


@row("y06", right=BOTH, count=8)
def list_with_a_byte_order_mark(folder):
    listed(folder, "./", encoding="utf-8-sig")


@row("y08", right=BOTH, count=8)
def numbers_of_numpy(folder):
    yolo(folder, "1.000000000000000000e+00 5.0e-01 5.0e-01 2.5e-01 2.5e-01\n")


@row("y08b", right=BOTH, count=8)
def labels_with_a_byte_order_mark(folder):
    yolo(folder, encoding="utf-8-sig")


@row("y09", right=BOTH, count=8)
def blanks_of_all_kinds(folder):
    again = "1 0.5 0.5 0.25 0.25\r\n"
    yolo(folder, f"1\t0.5 0.5  0.25 0.25 \r\n\r\n{again}1 0.5 0.5 0 0\r\n")


@row("y10", refused="line 1")
def commas_between_numbers(folder):
    yolo(folder, "1, 0.5, 0.5, 0.25, 0.25\n")


@row("y11", refused="5 numbers")
def a_confidence_in_each_row(folder):
    yolo(folder, "1 0.5 0.5 0.25 0.25 0.9\n")


@row("y16", MASKS, refused="object_detection")
def a_box_before_polygons(folder):
    yolo(folder, "0 .5 .5 .2 .2\n0 .1 .1 .5 .1 .5 .5\n")


@row("y21", MASKS, refused="a box")
def a_box_among_polygons(folder):
    yolo(folder, "0 .1 .1 .5 .1 .5 .5\n0 .1 .1 .9 .1 .9 .5\n0 .5 .5 .2 .2\n")


@row("y17", right=BOTH, count=8)
def a_list_of_folders(folder):
    yaml = "train:\n- images/train\nval: images/val\ntest:\nnames: [cat, dog]\n"
    yolo(folder, yaml=yaml)


@row("y18", refused="outside the 64x48 image")
def pixels_for_fractions(folder):
    yolo(folder, "1 32 24 16 12\n")


@row("y20", right=BOTH, count=8)
def yaml_of_windows(folder):
    yaml = "\ufeff" + YAML.replace("\n", "\r\n") + "nc: 2\r\n"
    yolo(folder, yaml=yaml)


@row("y25", right={"train/0.jpg": [BOX]}, count=4)
def ultralytics_of_cvat(folder):
    yolo(folder, yaml="path: ./\ntrain: train.txt\nnames:\n  0: cat\n  1: dog\n")
    lines = [f"data/images/train/{i}.jpg\n" for i in range(4)]
    write(folder / "train.txt", "".join(lines))


@row("y26", refused="2 times")
def a_name_twice(folder):
    yolo(folder, yaml=YAML.replace("dog", "cat"))


@row("n03", right={"obj_train_data/0.jpg": [BOX]}, count=8, categories=["cat", "dog"])
def darknet_of_cvat(folder):
    for name in ("train", "valid"):
        place = folder / f"obj_{name}_data"
        images(place, *(f"{i}.jpg" for i in range(4)))
        for i in range(4):
            write(place / f"{i}.txt", LINE)
        lines = [f"data/obj_{name}_data/{i}.jpg\n" for i in range(4)]
        write(folder / f"{name}.txt", "".join(lines))
    write(folder / "obj.names", "cat\ndog\n")
    pairs = "classes = 2\ntrain = data/train.txt\nvalid = data/valid.txt\n"
    write(folder / "obj.data", pairs + "names = data/obj.names\nbackup = backup/\n")


@row("f03y", right=BOTH, count=8)
def files_of_macos(folder):
    yolo(folder)
    write(folder / "images" / "train" / "._0.jpg", b"\0\5\26\7Mac OS X" + bytes(40))
    write(folder / "labels" / "train" / "._0.txt", b"\0\5\26\7Mac OS X" + bytes(40))


@row("i06", right={"train/größe #1 100%.JPG": [BOX]}, count=8)
def names_of_all_letters(folder):
    names = ("größe #1 100%", "a b", "日本", "x+y&z")
    for name in ("train", "val"):
        images(folder / "images" / name, *(f"{x}.JPG" for x in names))
        for stem in names:
            write(folder / "labels" / name / f"{stem}.txt", LINE)
    write(folder / "data.yaml", YAML)
