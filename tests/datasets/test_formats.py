"""Readers of the layouts of others: Pascal VOC, YOLO, CSV files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from emitted_jobs import CLASSES, DETECTION, NAMES, load_data, make_reader
from PIL import Image
from small_data import picture

PRICE = {"name": "price", "task": "regression", "range": [0, 10]}


@pytest.fixture
def test_data() -> Path:
    if "SPECC_TEST_DATA" not in os.environ:
        pytest.skip("SPECC_TEST_DATA names no folder of images")
    return Path(os.environ["SPECC_TEST_DATA"])


@pytest.fixture
def reader(tmp_path) -> Callable:
    """The dataset.py of a job with these heads and this format."""

    def make(*heads: dict, format: str):
        folder = tmp_path / "code"
        folder.mkdir()
        return load_data(make_reader(folder, heads, {"format": format})).dataset

    return make


def draw(path: Path, **size):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(**size)).save(path)


# ---- Pascal VOC ----

XML = """<annotation><size><width>9</width></size>{}</annotation>"""
OBJECT = """<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{}</xmin>
<ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""


def voc(folder: Path, **annotations: str) -> Path:
    """A split of images 40x30, each with this text as its annotation."""
    for name, text in annotations.items():
        draw(folder / "JPEGImages" / f"{name}.jpg")
        (folder / "Annotations").mkdir(exist_ok=True)
        (folder / "Annotations" / f"{name}.xml").write_text(text)
    split = folder / "ImageSets" / "Main" / "train.txt"
    split.parent.mkdir(parents=True)
    split.write_text("".join(f"{name}\n" for name in annotations))
    return split


@pytest.mark.slow
def test_voc_is_read(reader, tmp_path, capsys):
    objects = OBJECT.format("no", 0, 3, 4, 20, 25) + OBJECT.format("a", 1, 1, 1, 2, 2)
    split = voc(tmp_path, one=XML.format(objects), two=XML.format(""))
    first, second = reader(DETECTION, format="voc").read_dataset(split)
    labels = first.labels["cells"]
    assert labels.boxes.tolist() == [[3, 4, 20, 25], [1, 1, 2, 2]]
    assert labels.classes.tolist() == [NAMES.index("no"), NAMES.index("a")]
    assert labels.ignored.tolist() == [False, True]
    assert (first.height, first.width) == (30, 40)
    assert len(second.labels["cells"].boxes) == 0
    told = "difficult objects, ignored in training and in metrics: 1"
    assert told in capsys.readouterr().err


BOMB = """<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>
<annotation><object><name>&b;</name></object></annotation>"""


TWO_BOXES = f"<object><name>a</name>{2 * '<bndbox></bndbox>'}</object>"


@pytest.mark.parametrize("word, ignored", [("True", True), ("0", False), ("?", False)])
def test_difficult_is_a_flag(reader, tmp_path, word, ignored):
    objects = OBJECT.format("a", word, 1, 1, 2, 2) + OBJECT.format(
        "a", "", 3, 4, 20, 25
    )
    split = voc(tmp_path, one=XML.format(objects))
    (sample,) = reader(DETECTION, format="voc").read_dataset(split)
    assert sample.labels["cells"].ignored.tolist() == [ignored, False]


@pytest.mark.parametrize(
    "text, said",
    [
        ("<annotation>", "one.xml is not XML"),
        (BOMB, "one.xml is not XML: EntitiesForbidden"),
        (XML.format(OBJECT.format("", 0, 1, 1, 2, 2)), "an object without a name"),
        (XML.format(OBJECT.format("a", 0, 1, 1, "?", 2)), "a bbox of four numbers"),
        (XML.format("<object><name>a</name></object>"), "a has 0 bndbox, not one"),
        (XML.format(TWO_BOXES), "a has 2 bndbox, not one"),
        (f"<all>{XML}{XML}</all>".format(TWO_BOXES, ""), "holds several annotations"),
        (XML.format(OBJECT.format("a", 0, 50, 1, 60, 2)), "outside the 40x30 image"),
    ],
)
def test_what_is_wrong_in_voc_is_told(reader, tmp_path, text, said):
    split = voc(tmp_path, one=text, two=XML.format(""))
    with pytest.raises(SystemExit) as stop:
        reader(DETECTION, format="voc").read_dataset(split)
    assert "one: " in str(stop.value) and said in str(stop.value)
    assert "problems: 1" in str(stop.value)


def test_names_of_a_split_do_not_leave_it(reader, tmp_path):
    split = voc(tmp_path, one=XML.format(""))
    split.write_text("../one\nmissing\n")
    with pytest.raises(SystemExit) as stop:
        reader(DETECTION, format="voc").read_dataset(split)
    for name in ("../one", "missing"):
        assert f"{name}: no image of this name in " in str(stop.value)


@pytest.mark.slow
def test_real_voc_is_the_native_set(reader, test_data):
    """The slices hold the same photographs, in two layouts."""
    categories = ["RBC", "WBC", "Platelets"]
    head = DETECTION | {"categories": categories}
    split = test_data / "bccd_voc/ImageSets/Main/train.txt"
    samples = reader(head, format="voc").read_dataset(split)
    assert len(samples) == 20
    native = {}
    for part in ("train", "val"):
        text = (test_data / "bccd" / part / "annotations.yaml").read_text()
        native |= yaml.safe_load(text)
    for sample in samples:
        expected = [item["bbox"] for item in native[sample.path.name]]
        assert sample.labels["cells"].boxes.tolist() == expected


# ---- YOLO ----


def yolo(folder: Path, *lines: str, **entry: object) -> Path:
    """A data.yaml with one image 40x30 that has these lines."""
    draw(folder / "images" / "train" / "deep" / "one.png")
    draw(folder / "images" / "train" / "two.png")
    labels = folder / "labels" / "train" / "deep" / "one.txt"
    labels.parent.mkdir(parents=True)
    labels.write_text("\n".join(lines))
    whole = {"path": ".", "train": "images/train", "val": "images/train"}
    whole |= {"names": dict(enumerate(NAMES))} | entry
    (folder / "data.yaml").write_text(yaml.safe_dump(whole))
    return folder / "data.yaml"


def test_yolo_is_read(reader, tmp_path, capsys):
    lines = "2 0.5 0.5 0.5 0.2", "", "0 0.1 0.1 0.3 0.1 0.3 0.5"
    path = yolo(tmp_path, *lines)
    one, two = reader(DETECTION, format="yolo").read_dataset(path, "train")
    expected = [[10, 12, 30, 18], [4, 3, 12, 15]]
    for box, wanted in zip(one.labels["cells"].boxes.tolist(), expected):
        assert box == pytest.approx(wanted, abs=1e-4)
    assert one.labels["cells"].classes.tolist() == [2, 0]
    assert len(two.labels["cells"].boxes) == 0
    assert "images without a file of labels: 1" in capsys.readouterr().err


def test_yolo_takes_lists_of_names_images_and_folders(reader, tmp_path):
    (tmp_path / "list.txt").write_text("images/train/two.png\n\n")
    places = ["images/train/deep", "list.txt"]
    path = yolo(tmp_path, names=list(NAMES), val=places)
    samples = reader(DETECTION, format="yolo").read_dataset(path)
    assert [sample.path.name for sample in samples] == ["one.png", "two.png"]


@pytest.mark.parametrize(
    "line, said",
    [
        ("3 0.5 0.5 0.5 0.2", "one.txt, line 1: category 3 of 3"),
        ("-1 0.5 0.5 0.5 0.2", "one.txt, line 1: category -1 of 3"),
        ("0 0.5 0.5 0.5", "line 1: 3 numbers, neither a box nor a polygon"),
        ("0 0.1 0.1 0.2 0.2 0.3", "line 1: 5 numbers, neither a box nor a polygon"),
        ("a 0.5 0.5 0.5 0.2", "one.txt, line 1: not numbers"),
        ("0 0.5 0.5 -0.5 0.2", "one.txt, line 1: a width or height below 0"),
        ("0 nan 0.5 0.5 0.2", "not left, top, right, bottom"),
        ("0 2.5 0.5 0.5 0.2", "a box outside the 40x30 image"),
    ],
)
def test_what_is_wrong_in_yolo_is_told(reader, tmp_path, line, said):
    with pytest.raises(SystemExit) as stop:
        reader(DETECTION, format="yolo").read_dataset(yolo(tmp_path, line))
    assert "one.png: " in str(stop.value) and said in str(stop.value)


@pytest.mark.parametrize(
    "entry, said",
    [
        ({"names": ["a", "b", "x"]}, "only in the job: no"),
        ({"names": {0: "a", 2: "b"}}, "numbers them from 0"),
        ({"names": 3}, "neither lists names"),
        ({"path": "../elsewhere"}, "leads out of"),
        ({"val": "../elsewhere"}, "leads out of"),
        ({"val": "images/nowhere"}, "No such file"),
        ({"val": "missing.txt"}, "No such file"),
    ],
)
def test_what_is_wrong_in_a_data_yaml_is_told(reader, tmp_path, entry, said):
    with pytest.raises(SystemExit) as stop:
        reader(DETECTION, format="yolo").read_dataset(yolo(tmp_path, **entry))
    assert said in str(stop.value)


@pytest.mark.parametrize("keys", ["021", (0, 2, 1), ("0", 2, "1")])
def test_names_of_yolo_may_be_numbered_in_text(reader, tmp_path, keys):
    names = dict(zip(keys, (NAMES[0], NAMES[2], NAMES[1])))
    path = yolo(tmp_path, "2 .5 .5 .2 .2", names=names)
    first, _ = reader(DETECTION, format="yolo").read_dataset(path)
    assert first.labels["cells"].classes.tolist() == [2]


def test_a_data_yaml_without_the_split_is_told(reader, tmp_path):
    with pytest.raises(SystemExit, match="has no `test`"):
        reader(DETECTION, format="yolo").read_dataset(yolo(tmp_path), "test")


def test_real_yolo_is_read(reader, test_data):
    path = test_data / "coco128_yolo/data.yaml"
    names = yaml.safe_load(path.read_text())["names"]
    head = DETECTION | {"categories": list(names.values())}
    samples = reader(head, format="yolo").read_dataset(path, "train")
    assert len(samples) == 128
    lines = [
        line
        for file in (path.parent / "labels/train").glob("*.txt")
        for line in file.read_text().splitlines()
        if line.strip()
    ]
    read = sum(len(sample.labels["cells"].boxes) for sample in samples)
    assert read == len(lines) and read > 500


# ---- CSV ----


def csv_file(folder: Path, text: str) -> Path:
    for name in "ab":
        draw(folder / f"{name}.png")
    (folder / "all.csv").write_text(text, "utf-8")
    return folder / "all.csv"


@pytest.mark.slow
def test_csv_is_read(reader, tmp_path, capsys):
    draw(tmp_path / "c.png")
    text = "\ufeffimage,kind,else,price\na.png,no,x,2.5\nb.png,a,,\nc.png,b,,7\n"
    path = csv_file(tmp_path, text)
    samples = reader(CLASSES, PRICE, format="csv").read_dataset(path)
    assert [sample.labels for sample in samples] == [
        {"kind": NAMES.index("no"), "price": 2.5},
        {"kind": NAMES.index("a")},
        {"kind": NAMES.index("b"), "price": 7.0},
    ]
    assert "images without a label for price: 1" in capsys.readouterr().err


def test_rows_without_the_only_label_are_left_out(reader, tmp_path, capsys):
    path = csv_file(tmp_path, "image,price\na.png,2.5\na.png,\nb.png,7\n")
    first, second = reader(PRICE, format="csv").read_dataset(path)
    assert [first.labels["price"], second.labels["price"]] == [2.5, 7.0]
    assert "rows left out: an empty cell: 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, said",
    [
        ("image,price\na.png,x\n", "line 2: a.png: not a number: 'x'"),
        ("image,price\na.png,nan\n", "line 2: a.png: 'nan' lies outside"),
        ("image,price\na.png,11\n", "line 2: a.png: '11' lies outside"),
        ("image,price\n../a.png,1\n", "line 2: ../a.png: leads out of"),
        ("image,price\nc.png,1\n", "all.csv: no labeled images"),
        ("image,cost\na.png,1\n", "has no column price\n  its columns are image, cost"),
        ("", "has no column image or price\n  its columns are none"),
        ("image,price\n", "no labeled images"),
    ],
)
def test_what_is_wrong_in_csv_is_told(reader, tmp_path, text, said):
    with pytest.raises(SystemExit) as stop:
        reader(PRICE, format="csv").read_dataset(csv_file(tmp_path, text))
    assert said in str(stop.value)


def test_rows_of_absent_images_are_counted(reader, tmp_path, capsys):
    path = csv_file(tmp_path, "image,price\na.png,1\ngone.png,2\nfar/b.png,3\n")
    (sample,) = reader(PRICE, format="csv").read_dataset(path)
    assert sample.labels == {"price": 1.0}
    assert "all.csv: rows left out: no such image: 2" in capsys.readouterr().err


def test_short_rows_of_csv_are_left_out(reader, tmp_path):
    path = csv_file(tmp_path, "image,price\na.png\nb.png,1,,\n")
    (sample,) = reader(PRICE, format="csv").read_dataset(path)
    assert sample.path.name == "b.png"


def test_rows_with_more_cells_than_the_header_are_refused(reader, tmp_path):
    """The comma of a decimal: the label would be 3."""
    path = csv_file(tmp_path, "image,price\na.png,1\nb.png,3,5\n")
    with pytest.raises(SystemExit, match="line 3: 3 cells, in the header 2; quote"):
        reader(PRICE, format="csv").read_dataset(path)


@pytest.mark.parametrize(
    "format, head", [("voc", DETECTION), ("yolo", DETECTION), ("csv", PRICE)]
)
def test_a_missing_file_is_told(reader, tmp_path, format, head):
    with pytest.raises(SystemExit, match="cannot be read"):
        reader(head, format=format).read_dataset(tmp_path / "missing")
