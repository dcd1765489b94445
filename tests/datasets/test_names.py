"""Names, lists and texts: what `specc init` finds, the emitted readers read, and both read
what stands in the file."""

from __future__ import annotations

import json
from pathlib import Path

import layouts
import mutations
import pytest
import small_sets
from emitted_jobs import CLASSES, DETECTION, detecting
from readings import labels_of, started
from small_data import native
from small_sets import image, write

from specc.cli import run_cli
from specc.datasets.files import Unreadable
from specc.datasets.parts import reader

WORDS = (
    *("yes", "no", "on", "Off", "true", "1e3", "0777", "0x1f", "1_000", ".nan", "1.50"),
    *("2024-01-01", "12:30:00", "=", "3", "2.5", "-1", "a b"),
)


# ---- YAML ----


def test_words_of_yaml_stay_as_they_are_written(tmp_path):
    """Names stay as written; numbers are numbers only where Python writes them so."""
    write(tmp_path / "x.yaml", f"names: [{', '.join(WORDS)}]\nnothing: ~\n")
    entry = reader().read_yaml(tmp_path / "x.yaml")
    assert tuple(map(str, entry["names"])) == WORDS
    numbers = [word for word in entry["names"] if not isinstance(word, str)]
    assert numbers == [3, 2.5, -1] and entry["nothing"] is None
    assert reader().names_of(tmp_path, entry, "names") == set(WORDS)


@pytest.mark.parametrize(
    "text, said",
    [
        ("a.png: [x]\nb.png: [y]\na.png: [z]\n", "'a.png' stands twice"),
        ("{{a: 1, b: 2}: 3}", "cannot be read"),
        ("!!map [a]", "cannot be read"),
        ("!!int [1]", "cannot be read"),
    ],
)
def test_yaml_that_would_lose_something_is_refused(tmp_path, text, said):
    write(tmp_path / "x.yaml", text)
    with pytest.raises(Unreadable, match=said):
        reader().read_yaml(tmp_path / "x.yaml")


def test_names_of_yolo_that_yaml_takes_for_values(place):
    path = layouts.as_yolo(place) / "data.yaml"
    write(path, "train: images/train\nval: images/val\nnames: [yes, 'no ']\n")
    head, reading = started("object_detection")
    assert head["categories"] == ["yes", "no"]
    assert not reading.fatal and not reading.problems
    found = labels_of(reading.training)
    assert [found[f"{i}.png"][0] for i in range(4)] == [[0], [1], [0], [1]]


@pytest.mark.slow
def test_file_names_and_categories_of_native_annotations_are_text(emitted, tmp_path):
    names = ("0777", "1e3", "no", "2024-01-01")
    folder = native(tmp_path, "")
    for i, name in enumerate(names):
        (folder / "images" / f"{i}.png").rename(folder / "images" / name)
    lines = [f"{name}: [{{category: no, bbox: [1, 2, 30, 2.50e1]}}]" for name in names]
    write(folder / "labels.yaml", "\n".join(lines))
    write(
        folder / "metadata.yaml",
        "task: object detection\ncategories: [yes, no, 1e3]\nannotations: labels.yaml\n",
    )
    head = detecting("yes", "no", "1e3", name="cells")
    samples = emitted(head, validation="val").dataset.read_dataset(folder)
    assert labels_of(samples) == {name: ([1], [[1, 2, 30, 25]]) for name in names}


@pytest.mark.parametrize(
    "names, said",
    [
        ("[a, b, a]", "has 'a' 2 times"),
        ("[a, ' a']", "has 'a' 2 times"),
        ("[a, ~]", "has a name without text"),
        ("{0: a, 2: b}", "numbers them from 0"),
    ],
)
def test_names_that_are_no_names_are_named_with_their_file(place, capsys, names, said):
    path = layouts.as_yolo(place) / "data.yaml"
    write(path, f"train: images/train\nnames: {names}\n")
    assert run_cli(["init", "object_detection", "--data", "."]) == 1
    error = capsys.readouterr().err
    assert "data.yaml: `names`" in error and said in error


# ---- Encodings, spaces, numbers ----


@pytest.mark.parametrize("form", ["native", "coco", "yolo", "csv"])
@pytest.mark.parametrize(
    "change",
    [
        mutations.byte_order_mark,
        mutations.windows_lines,
        mutations.spaces_at_ends,
        mutations.blank_lines,
    ],
)
def test_how_a_text_is_stored_does_not_matter(emitted, tmp_path, capsys, form, change):
    """All files of text are changed, and all labels remain, without a word."""
    make, plain = small_sets.DATASETS[form]
    path = make(tmp_path)
    head = CLASSES if form == "csv" else DETECTION
    dataset = emitted(head, format=form, validation="val").dataset
    use = {"split": "train"} if form == "yolo" else {}
    before = labels_of(dataset.read_dataset(path, **use))
    for file in mutations.texts_in(tmp_path):
        raw = file.read_bytes()
        text = {
            "byte_order_mark": b"\xef\xbb\xbf" + raw,
            "windows_lines": raw.replace(b"\n", b"\r\n"),
            "spaces_at_ends": raw.replace(b"\n", b" \n"),
            "blank_lines": b"\n" + raw.replace(b"\n", b"\n\n"),
        }[change.__name__]
        file.write_bytes(text)
    capsys.readouterr()
    assert labels_of(dataset.read_dataset(path, **use)) == before
    assert len(before) == 4 and capsys.readouterr().err == ""


def test_class_numbers_of_yolo_may_be_written_as_savetxt_does(emitted, tmp_path):
    path = layouts.as_yolo(tmp_path, "{}.000000e+00 .5 .5 .5 .5") / "data.yaml"
    dataset = emitted(
        detecting("a", "b", name="cells"), format="yolo", validation="val"
    ).dataset
    found = labels_of(dataset.read_dataset(path, "train"))
    assert [found[f"{i}.png"][0] for i in range(4)] == [[0], [1], [0], [1]]
    write(tmp_path / "labels" / "train" / "0.txt", "0.5 .5 .5 .5 .5\n")
    with pytest.raises(SystemExit, match="0.txt, line 1: category 0.5 of 2"):
        dataset.read_dataset(path, "train")


def test_names_of_voc(place):
    """An upper-case suffix, spaces in a name and at the end of a category, a split with
    flags."""
    for seed, stem in enumerate(("1", "two words", "3 1")):
        write(place / "JPEGImages" / f"{stem}.JPG", image(seed))
        sides = "<xmin>4</xmin><ymin>4</ymin><xmax>24</xmax><ymax>20</ymax>"
        thing = f"<object><name>cat </name><bndbox>{sides}</bndbox></object>"
        write(
            place / "Annotations" / f"{stem}.xml", f"<annotation>{thing}</annotation>"
        )
    lines = "\ufeff1 -1\r\ntwo words\r\n\r\n3 1\r\n"
    write(place / "ImageSets" / "Main" / "train.txt", lines)
    head, reading = started("object_detection")
    assert head["categories"] == ["cat"]
    found = labels_of([*reading.training, *reading.validation])
    assert found == {
        name: ([0], [[4, 4, 24, 20]]) for name in ("1.JPG", "two words.JPG", "3 1.JPG")
    }


@pytest.mark.slow
def test_spaces_in_a_csv_file(place):
    for i in range(4):
        write(place / f"{i}.jpg", image(i))
    rows = [f'{i}.jpg , "{"cat" if i % 2 else "dog"} "' for i in range(4)]
    write(place / "labels.csv", "\n".join(["image, label", *rows, "  "]))
    head, reading = started("multiclass_classification")
    assert (head["name"], head["categories"]) == ("label", ["cat", "dog"])
    found = labels_of([*reading.training, *reading.validation])
    assert found == {"0.jpg": 1, "1.jpg": 0, "2.jpg": 1, "3.jpg": 0}


# ---- Messages ----


def drop(key: str, name: str):
    def change(content: dict) -> None:
        del content[key][0][name]

    return change


@pytest.mark.parametrize(
    "change, said",
    [
        (
            lambda c: c["annotations"][0].update(id=9, image_id=99),
            "none has the `image_id` 99 of annotation 9",
        ),
        (
            lambda c: c["annotations"][0].update(category_id=7),
            "none has the `category_id` 7 of annotation 0",
        ),
        (drop("annotations", "bbox"), "annotations: one has no `bbox`: {'id': 0, "),
        (drop("images", "file_name"), "images: one has no `file_name`: {'id': 10}"),
        (drop("categories", "id"), "categories: one has no `id`: {'name': 'a'}"),
        (lambda c: c.pop("images"), "has no list `images`"),
        (
            lambda c: c["images"][1].update(id=10),
            "images: 'one.png' and 'two words.png' have one `id`, 10",
        ),
        (
            lambda c: c["annotations"][0].update(bbox=[1, 2, "x", 4]),
            "annotation 0: `bbox` is not four numbers: [1, 2, 'x', 4]",
        ),
        (
            lambda c: c["annotations"][0].update(area="much"),
            "annotation 0: `bbox` is not",
        ),
        (
            lambda c: c["annotations"][0].update(image_id=[10]),
            "annotations: one has no `image_id`: {'id': 0, ",
        ),
    ],
)
def test_what_does_not_fit_in_a_coco_file_is_named(
    emitted, place, capsys, change, said
):
    """By the reader, and by init where it looks at it."""
    dataset = emitted(DETECTION, format="coco", validation="val.json").dataset
    path = small_sets.coco(place)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(SystemExit) as end:
        dataset.read_dataset(path)
    assert str(end.value) == f"{path}: {said}" or said in str(end.value)
    code = run_cli(["init", "object_detection", "--data", "."])
    error = capsys.readouterr().err
    if "bbox` is not" not in said and "no list" not in said:
        assert code == 1 and f"train.json: {said}" in error


def test_where_an_image_was_looked_for_is_told(emitted, place, capsys):
    dataset = emitted(DETECTION, format="coco", validation="val.json").dataset
    path = small_sets.coco(place)
    (place / "images" / "one.png").unlink()
    with pytest.raises(SystemExit) as end:
        dataset.read_dataset(path)
    missing = place / "images" / "one.png"
    assert f"problems: 1\n  one.png: no such image: {missing}" in str(end.value)
    content = json.loads(path.read_text())
    content["images"][0]["file_name"] = "/home/someone/one.png"
    path.write_text(json.dumps(content))
    assert run_cli(["init", "object_detection", "--data", "."]) == 0
    said = "1 of 4 images is not in images, as /home/someone/one.png"
    assert said in capsys.readouterr().out


def test_numbers_that_are_none_are_missing_or_told_with_their_line(place, capsys):
    for i in range(4):
        write(place / f"{i}.jpg", image(i))
    for cell in ("nan", "n. a."):
        rows = [f"{i}.jpg,{i if i != 2 else cell}" for i in range(4)]
        write(place / "labels.csv", "\n".join(["image,price", *rows]))
        code = run_cli(["init", "regression", "--data", ".", "--force"])
        assert code == (cell != "nan")
    assert "`price` in line 4 is not a number: 'n. a.'" in capsys.readouterr().err
    assert json.loads(Path("job.json").read_text())["data"]["layout"] == {
        "missing": "nan"
    }


# ---- Broken images ----


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\0\0", b"no image"])
def test_a_few_broken_headers_are_left_out_of_a_training_set(
    emitted, tmp_path, capsys, content
):
    dataset = emitted(CLASSES, format="folders", validation="val").dataset
    for i in range(40):
        write(tmp_path / "ab"[i % 2] / f"{i}.png", image(i))
    write(tmp_path / "no" / "0.png", image(50))
    for i in range(10):
        write(tmp_path / "ab"[i % 2] / f"{i}.png", content)
    samples = dataset.read_dataset(tmp_path, training=True)
    told = capsys.readouterr().err
    assert len(samples) == 31 and told.count("left out: ") == 10
    assert "left out: a/0.png: not an image: " in told
    write(tmp_path / "a" / "10.png", content)
    with pytest.raises(SystemExit, match="problems: 11\n  a/0.png: not an image"):
        dataset.read_dataset(tmp_path, training=True)
    for i in range(1, 11):
        write(tmp_path / "ab"[i % 2] / f"{i}.png", image(i))
    with pytest.raises(SystemExit, match="problems: 1\n  a/0.png: not an image"):
        dataset.read_dataset(tmp_path)  # metrics would be those of other data
