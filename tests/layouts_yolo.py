"""Small datasets in the layouts of YOLO, Pascal VOC and DOTA as tools write them: sets of
images 40x30 with boxes of the categories cat and dog, all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from layouts import save

WIDTH, HEIGHT = 40, 30
NAMES = ("cat", "dog")
COUNT = {"train": 5, "val": 3, "test": 2}  # images of each set
Box = tuple[str, list[float]]  # category; left, top, right, bottom


def objects(name: str, number: int) -> list[Box]:
    """The objects of an image: as many as its number, up to two."""
    shift = number + 3 * list(COUNT).index(name)
    boxes = [
        ("cat", [2 + shift, 3, 14 + shift, 20]),
        ("dog", [8, 4 + shift, 30, 12 + shift]),
    ]
    return boxes[: min(2, number)]


def stem(name: str, number: int) -> str:
    return f"{name}-{number}"


def truth(name: str) -> dict[str, list[Box]]:
    """The objects of the images of a set, by stem."""
    return {stem(name, i): objects(name, i) for i in range(COUNT[name])}


def images(
    folder: Path, name: str, suffix: str = ".jpg", rename: Callable = lambda stem: stem
) -> Iterable[tuple[Path, list[Box]]]:
    """Saves the images of a set to a folder; yields each with its objects."""
    for number in range(COUNT[name]):
        path = folder / f"{rename(stem(name, number))}{suffix}"
        save(path, 100 * list(COUNT).index(name) + number, HEIGHT, WIDTH)
        yield path, objects(name, number)


def write(path: Path, *lines: str, **how) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), **how)
    return path


# ---- YOLO ----


def row(category: str, box: list[float]) -> str:
    left, top, right, bottom = box
    center = (left + right) / 2 / WIDTH, (top + bottom) / 2 / HEIGHT
    size = (right - left) / WIDTH, (bottom - top) / HEIGHT
    return " ".join(map(str, (NAMES.index(category), *center, *size)))


def yolo_set(folder: Path, labels: Path, name: str) -> list[Path]:
    """Images of a set in a folder, their labels in another one; returns the images."""
    paths = []
    for path, boxes in images(folder, name):
        write(labels / f"{path.stem}.txt", *(row(*box) for box in boxes))
        paths.append(path)
    return paths


def split_folders(folder: Path) -> Path:
    """images/train, labels/train and so on."""
    for name in COUNT:
        yolo_set(folder / "images" / name, folder / "labels" / name, name)
    return folder


def data_yaml(folder: Path, *lines: str) -> Path:
    write(folder / "data.yaml", *lines, "nc: 2", "names: ['cat', 'dog']")
    return folder


def roboflow(folder: Path) -> Path:
    for name, called in zip(COUNT, ("train", "valid", "test")):
        yolo_set(folder / called / "images", folder / called / "labels", name)
    paths = "train: ../train/images", "val: ../valid/images", "test: ../test/images"
    return data_yaml(folder, *paths)


def roboflow_colab(folder: Path) -> Path:
    """As a notebook has rewritten it, for another machine."""
    roboflow(folder)
    start = "/content/things-1"
    return data_yaml(
        folder, f"train: {start}/train/images", f"val: {start}/valid/images"
    )


SPLITS = "train: images/train", "val: images/val", "test: images/test"


def ultralytics(folder: Path) -> Path:
    return data_yaml(split_folders(folder), "path: ../datasets/things", *SPLITS)


def ultralytics_own_path(folder: Path) -> Path:
    return data_yaml(split_folders(folder), f"path: {folder.absolute()}", *SPLITS)


def ultralytics_foreign_path(folder: Path) -> Path:
    return data_yaml(split_folders(folder), "path: C:\\Users\\me\\things", *SPLITS)


def ultralytics_folders(folder: Path) -> Path:
    """A list of folders, below a `path` that is elsewhere."""
    paths = (
        "path: /home/me/things",
        "train:",
        "- images/train",
        "- images/more",
        "val: images/val",
    )
    split_folders(folder)
    (folder / "images" / "more").mkdir()
    for place, suffix in (("images", "jpg"), ("labels", "txt")):
        (folder / place / "more").mkdir(exist_ok=True)
        last = f"train-4.{suffix}"
        (folder / place / "train" / last).rename(folder / place / "more" / last)
    return data_yaml(folder, *paths)


def lists(folder: Path, before: str, **how) -> Path:
    """Text files that list images."""
    for name in COUNT:
        paths = sorted((folder / "images" / name).iterdir())
        listed = [f"{before}{path.relative_to(folder).as_posix()}" for path in paths]
        write(folder / f"{name}.txt", *listed, **how)
    return folder


def ultralytics_lists(folder: Path) -> Path:
    lists(split_folders(folder), "./", newline="\r\n", encoding="utf-8-sig")
    return data_yaml(
        folder, "path: ../datasets/things", "train: train.txt", "val: val.txt"
    )


def ultralytics_foreign_lists(folder: Path) -> Path:
    lists(split_folders(folder), "/home/me/things/")
    return data_yaml(folder, "train: train.txt", "val: val.txt")


def cvat_ultralytics(folder: Path) -> Path:
    lists(split_folders(folder), "data/")
    return data_yaml(
        folder, "path: .", "train: train.txt", "val: val.txt", "test: test.txt"
    )


def cvat_yolo(folder: Path) -> Path:
    """CVAT's YOLO 1.1: images beside their labels, and lists whose paths begin with a
    folder that is not there."""
    for name, called in zip(COUNT, ("train", "valid", "test")):
        place = folder / f"obj_{called}_data"
        paths = yolo_set(place, place, name)
        listed = [f"data/{path.relative_to(folder).as_posix()}" for path in paths]
        write(folder / f"{called}.txt", *listed)
    write(folder / "obj.names", *NAMES)
    pairs = "classes = 2", "train = data/train.txt", "names = data/obj.names"
    write(folder / "obj.data", *pairs, "backup = backup/")
    return folder


def darknet(folder: Path) -> Path:
    """As darknet's own examples: all in `data`, paths from the folder above."""
    for name in COUNT:
        paths = yolo_set(folder / "data" / "obj", folder / "data" / "obj", name)
        listed = [path.relative_to(folder).as_posix() for path in paths]
        write(folder / "data" / f"{name}.txt", *listed)
    write(folder / "data" / "obj.names", *NAMES)
    return folder


def label_studio(folder: Path) -> Path:
    """One set."""
    yolo_set(folder / "images", folder / "labels", "train")
    write(folder / "classes.txt", *NAMES)
    write(
        folder / "notes.json", '{"categories": [{"id": 0, "name": "cat"}], "info": {}}'
    )
    return folder


def labelimg(folder: Path) -> Path:
    """Labels beside images, and the names in each folder."""
    for name in COUNT:
        yolo_set(folder / name, folder / name, name)
        write(folder / name / "classes.txt", *NAMES)
    return folder


def labelimg_alone(folder: Path) -> Path:
    """One folder, which happens to be called `images`."""
    yolo_set(folder / "images", folder / "images", "train")
    write(folder / "images" / "classes.txt", *NAMES)
    return folder


def roboflow_darknet(folder: Path) -> Path:
    for name, called in zip(COUNT, ("train", "valid", "test")):
        yolo_set(folder / called, folder / called, name)
        write(folder / called / "_darknet.labels", *NAMES)
    return folder


def labels_elsewhere(folder: Path) -> Path:
    for name, called in (("train", "a"), ("val", "v")):
        yolo_set(folder / called / "img", folder / called / "txt", name)
    return data_yaml(folder, "train: a/img", "val: v/img")


def train_and_test(folder: Path) -> Path:
    """No set called for validation: that for tests serves."""
    for name in ("train", "val"):
        called = "test" if name == "val" else name
        yolo_set(folder / called / "images", folder / called / "labels", name)
    return data_yaml(folder, "train: ../train/images", "test: ../test/images")


YOLO = {
    one.__name__: one
    for one in (
        *(roboflow, roboflow_colab, ultralytics, ultralytics_own_path),
        *(ultralytics_foreign_path, ultralytics_folders, ultralytics_lists),
        *(ultralytics_foreign_lists, cvat_ultralytics, cvat_yolo, darknet),
        *(label_studio, labelimg, labelimg_alone, roboflow_darknet, labels_elsewhere),
        train_and_test,
    )
}
ONE_SET = {"label_studio", "labelimg_alone", "voc_one_folder"}  # no set for validation


# ---- Pascal VOC ----

THING = """  <object><name>{}</name><pose>Unspecified</pose><truncated>0</truncated>
  <difficult>0</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>
  <ymax>{}</ymax></bndbox></object>"""


def voc_set(folder: Path, labels: Path, name: str, **how) -> list[Path]:
    """Images of a set in a folder, their XML files in another one."""
    paths = []
    for path, boxes in images(folder, name, **how):
        things = (THING.format(category, *box) for category, box in boxes)
        size = f"  <size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
        begin = "<annotation>", "  <filename>lies.jpg</filename>", size
        write(labels / f"{path.stem}.xml", *begin, *things, "</annotation>")
        paths.append(path)
    return paths


def voc_beside(folder: Path) -> Path:
    """LabelImg's, and Roboflow's."""
    for name, called in zip(COUNT, ("train", "valid", "test")):
        voc_set(folder / called, folder / called, name)
    return folder


def voc_two_folders(folder: Path) -> Path:
    for name in COUNT:
        voc_set(folder / name / "images", folder / name / "annotations", name)
    return folder


def voc_split_folders(folder: Path) -> Path:
    for name in COUNT:
        voc_set(folder / "images" / name, folder / "Annotations" / name, name)
    return folder


def voc_one_folder(folder: Path) -> Path:
    voc_set(folder / "images", folder / "annotations" / "xmls", "train")
    return folder


def voc_lists(folder: Path) -> Path:
    """Lists beside folders, of names with suffixes."""
    for name in COUNT:
        paths = voc_set(folder / "images", folder / "xml", name)
        write(folder / f"{name}.txt", *(path.name for path in paths))
    return folder


def main_lists(
    folder: Path, *names: str, called: tuple = (), quote: str = "", **how
) -> Path:
    """VOC's own folders."""
    for name, one in zip(names, called or names):
        paths = voc_set(folder / "JPEGImages", folder / "Annotations", name, **how)
        listed = (f"{quote}{path.stem}{quote}" for path in paths)
        write(folder / "ImageSets" / "Main" / f"{one}.txt", *listed)
    return folder


def cvat_voc(folder: Path) -> Path:
    return main_lists(folder, "train", called=("default",))


def voc_spaces(folder: Path) -> Path:
    """Names with spaces, which datumaro puts in quotes."""
    spaced = {"rename": lambda stem: stem.replace("-", " ")}
    return main_lists(folder, "train", "val", quote='"', **spaced)


def voc_other_names(folder: Path) -> Path:
    called = ("things_train", "things_val")
    return main_lists(folder, "train", "val", called=called, suffix=".JPG")


VOC = {
    one.__name__: one
    for one in (
        *(voc_beside, voc_two_folders, voc_split_folders, voc_one_folder, voc_lists),
        *(cvat_voc, voc_spaces, voc_other_names),
    )
}
ONE_SET |= {"cvat_voc"}


# ---- Keypoints of YOLO ----

POINTS = ("nose", "left eye", "right eye")
Pose = dict[str, list[float] | None]


def pose(name: str, number: int) -> Pose:
    """The keypoints of the one instance of an image; the third is absent in some."""
    x, y = 6 + number, 8 + list(COUNT).index(name)
    return dict(
        zip(POINTS, ([x, y], [x + 20, y + 3], [x + 9, 24] if number % 2 else None))
    )


def yolo_poses(folder: Path, *lines: str, values: int = 3) -> Path:
    """A data.yaml with these lines beside `kpt_shape`."""
    for name in COUNT:
        for number, (path, _) in enumerate(images(folder / "images" / name, name)):
            numbers = [0.5, 0.5, 0.75, 0.8]
            for place in pose(name, number).values():
                x, y = place or (0, 0)
                numbers += [x / WIDTH, y / HEIGHT, 2 if place else 0][:values]
            text = " ".join(map(str, (number % 2, *numbers)))
            write(folder / "labels" / name / f"{path.stem}.txt", text)
    return data_yaml(folder, *SPLITS, f"kpt_shape: [3, {values}]", *lines)


# ---- DOTA ----


def corners(box: list[float]) -> list[list[float]]:
    """A diamond in a box."""
    left, top, right, bottom = box
    x, y = (left + right) / 2, (top + bottom) / 2
    return [[right, y], [x, bottom], [left, y], [x, top]]


def dota(folder: Path, inner: str = "labelTxt", **difficult: int) -> Path:
    """Each set in a folder, where `difficult` tells of the objects of an image."""
    for name in COUNT:
        for path, boxes in images(folder / name / "images", name, ".png"):
            lines = ["imagesource:GoogleEarth", "gsd:0.146343590398"]
            for category, box in boxes:
                sides = [side for corner in corners(box) for side in corner]
                flag = difficult.get(path.stem.replace("-", ""), 0)
                lines.append(" ".join(map(str, (*sides, category, flag))))
            write(folder / name / inner / f"{path.stem}.txt", *lines, newline="\r\n")
    return folder
