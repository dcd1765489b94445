"""Names, lists and paths: what `specc init` finds, the emitted readers read, and both read
what stands in the file."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import layouts
import mutations
import pytest
import yaml
from emitted_jobs import CLASSES, DETECTION, detecting
from mutations import image, write
from small_data import native

from specc.cli import run_cli
from specc.datasets.emitted import load, read
from specc.datasets.files import Unreadable
from specc.datasets.parts import reader

WORDS = (
    *("yes", "no", "on", "Off", "true", "1e3", "0777", "0x1f", "1_000", ".nan", "1.50"),
    *("2024-01-01", "12:30:00", "=", "3", "2.5", "-1", "a b"),
)


def started(task: str, *arguments: str):
    """The job that init writes, and what its own reader reads, below the current folder."""
    assert run_cli(["init", task, "--data", ".", "--force", *arguments]) == 0
    job = Path("job.json").read_bytes()
    (head,) = json.loads(job)["model"]["heads"]
    return head, read(load(job), Path())


def labels_of(samples: list) -> dict[str, object]:
    """The one label of each image by its name; of objects the classes, and the boxes."""
    found = {}
    for sample in samples:
        (label,) = sample.labels.values()
        if hasattr(label, "boxes"):
            label = label.classes.tolist(), label.boxes.tolist()
        found[sample.path.name] = label
    return found


# ---- YAML ----


def test_words_of_yaml_stay_as_they_are_written(tmp_path):
    """Where names are read; numbers are numbers where Python writes them so."""
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
    make, plain = mutations.DATASETS[form]
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


def test_spaces_in_a_csv_file(place):
    for i in range(4):
        write(place / f"{i}.jpg", image(i))
    rows = [f'{i}.jpg , "{"cat" if i % 2 else "dog"} "' for i in range(4)]
    write(place / "labels.csv", "\n".join(["image, label", *rows, "  "]))
    head, reading = started("multiclass_classification")
    assert (head["name"], head["categories"]) == ("label", ["cat", "dog"])
    found = labels_of([*reading.training, *reading.validation])
    assert found == {"0.jpg": 1, "1.jpg": 0, "2.jpg": 1, "3.jpg": 0}


# ---- Paths ----


def test_paths_may_lead_anywhere_below_the_root(emitted, tmp_path):
    """Absolute, through .., with the separators of Windows; not out of it."""
    dataset = emitted(DETECTION, format="coco", validation="val.json").dataset
    path = mutations.coco(tmp_path / "set" / "annotations")
    (path.parent / "images").rename(tmp_path / "set" / "images")
    content = json.loads(path.read_text())
    for item, name in zip(
        content["images"],
        (
            str(tmp_path / "set" / "images" / "one.png"),
            "../images/two words.png",
            "..\\images\\three.png",
            "..\\images/four.png ",
        ),
    ):
        item["file_name"] = name
    path.write_text(json.dumps(content))
    samples = dataset.read_dataset(path, root=tmp_path)
    assert sorted(labels_of(samples)) == sorted(mutations.IMAGES)
    assert all(len(sample.labels["cells"].boxes) == 2 for sample in samples)
    with pytest.raises(SystemExit, match="4 problems\n.*leads out of"):
        dataset.read_dataset(path, root=tmp_path / "set" / "annotations")


def test_a_backslash_may_be_part_of_a_name(tmp_path):
    """As an archive of Windows leaves it on other systems."""
    if os.name == "nt":
        pytest.skip("on Windows a backslash always separates folders")
    below = reader().below
    write(tmp_path / "a\\b.png", image(0))
    assert below(tmp_path, "a\\b.png") == tmp_path / "a\\b.png"
    assert below(tmp_path, "a\\c.png") == tmp_path / "a" / "c.png"
    for name in ("", " ", "\0", None, 3, "..", "C:\\x.png", "\\x.png", "a/../../x"):
        with pytest.raises(Unreadable, match="leads out of|not a file name"):
            below(tmp_path, name)


# ---- Hidden files, links, folders of specc ----


def test_what_is_not_of_a_dataset_is_left_out_and_counted(place, capsys):
    for number, name in enumerate(("cat", "dog")):
        for i in range(4):
            write(place / name / f"{i}.png", image(10 * number + i))
    write(place / "cat" / "deep" / "9.ppm", b"P6 2 1 255\n" + bytes(6))
    write(place / "cat" / "._0.png", b"\0\5\x16\7")
    write(place / "cat" / "Thumbs.db", b"x")
    write(place / ".ipynb_checkpoints" / "0.png", image(30))
    write(place / "__MACOSX" / "cat" / "0.png", image(31))
    write(place / "runs" / "x" / "metrics.jsonl", "{}")
    write(place / "runs" / "x" / "predictions.png", image(32))
    (place / "dog" / "loop").symlink_to(place / "dog", target_is_directory=True)
    head, reading = started("multiclass_classification")
    assert head["categories"] == ["cat", "dog"]
    samples = reading.training + reading.validation
    by_class = Counter(sample.path.parts[0] for sample in samples)
    assert by_class == {"cat": 5, "dog": 4}
    assert not reading.problems and not reading.fatal
    assert reading.counts == {
        "hidden files left out": 1,
        "hidden folders left out": 2,
        "folders left out: written by specc": 1,
        "folders left out: links to one that they are in": 1,
        "folders left out: without images of a category": 1,
    }


def test_a_job_of_the_folder_that_holds_the_class_folders(place, capsys):
    """It is named as the folder, and built beside the images, not among them."""
    home = place / "flowers"
    for name in ("cat", "dog"):
        for i in range(3):
            write(home / name / f"{i}.png", image(i + 5 * (name == "dog")))
    os.chdir(home)
    head, _ = started("multiclass_classification")
    assert run_cli(["build", "job.json"]) == 0
    assert (home / "generated" / "flowers" / "train.py").is_file()
    again, reading = started("multiclass_classification")
    assert again == head and not reading.problems and not reading.fatal
    assert reading.counts["folders left out: written by specc"] == 1
    assert len(reading.training + reading.validation) == 6


def test_suffixes_are_those_that_are_decoded():
    """Each by a file that Pillow writes: its header and its pixels are read."""
    import cv2
    import numpy as np
    from PIL import Image

    for suffix in reader().SUFFIXES:
        kind = Image.registered_extensions()[suffix]
        path = Path("x").with_suffix(suffix)
        assert reader().is_image(path.name.upper()), suffix
        pixels = Image.fromarray(mutations.picture(30, 40, 0))
        file = mutations.io.BytesIO()
        mode = "1" if suffix == ".pbm" else "L" if suffix == ".pgm" else "RGB"
        pixels.convert(mode).save(file, kind)
        decoded = cv2.imdecode(
            np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_COLOR
        )
        assert decoded is not None and decoded.shape == (30, 40, 3), suffix


def test_what_is_left_out_of_a_folder_of_images_is_told(emitted, tmp_path, capsys):
    head = {"name": "picture", "task": "autoencoding"}
    dataset = emitted(head, validation="val").dataset
    for i, name in enumerate(("0.png", "1.PGM", "deep/2.png", "._0.png", "x.txt")):
        write(tmp_path / "images" / name, image(i))
    samples = dataset.read_dataset(tmp_path)
    assert [sample.path.name for sample in samples] == ["0.png", "1.PGM"]
    told = capsys.readouterr().err
    assert "images: hidden files and folders left out: 1\n" in told
    assert "images: folders in it left out: 1\n" in told


def test_a_link_to_the_folder_of_another_category_contradicts_it(emitted, tmp_path):
    dataset = emitted(CLASSES, format="folders", validation="val").dataset
    path = mutations.folders(tmp_path)
    (path / "a" / "link").symlink_to(path / "no", target_is_directory=True)
    (path / "no" / "back").symlink_to(path / "a", target_is_directory=True)
    with pytest.raises(SystemExit, match="its kind is 'a' and 'no'"):
        dataset.read_dataset(path)


# ---- One file is one image ----


def test_objects_of_one_image_under_two_ids_are_joined(emitted, tmp_path, capsys):
    dataset = emitted(DETECTION, format="coco", validation="val.json").dataset
    path = mutations.coco(tmp_path)
    before = {s.path.name: s.labels["cells"] for s in dataset.read_dataset(path)}
    content = json.loads(path.read_text())
    content["images"][1]["file_name"] = "./one.png"
    content["annotations"].append(content["annotations"][0] | {"id": 99})
    path.write_text(json.dumps(content))
    first, *others = dataset.read_dataset(path)
    told = capsys.readouterr().err
    assert "images named more than once, taken for one: 1\n" in told
    assert "equal objects left out: 1\n" in told and len(others) == 2
    both = [before["one.png"], before["two words.png"]]
    boxes = [box for label in both for box in label.boxes.tolist()]
    assert sorted(first.labels["cells"].boxes.tolist()) == sorted(boxes)
    classes = [kind for label in both for kind in label.classes.tolist()]
    pairs = zip(first.labels["cells"].boxes.tolist(), first.labels["cells"].classes)
    assert sorted(pairs) == sorted(zip(boxes, classes))


def test_links_and_equal_rows_of_yolo_are_one(emitted, tmp_path, capsys):
    path = layouts.as_yolo(tmp_path, "{0} .4 .4 .5 .5\n{0} .4 .4 .5 .5") / "data.yaml"
    for kind in ("images", "labels"):
        (tmp_path / kind / "more").mkdir()
    link = tmp_path / "images" / "more" / "x.png"
    link.symlink_to(tmp_path / "images" / "train" / "0.png")
    write(tmp_path / "labels" / "more" / "x.txt", "1 .5 .5 .2 .2\n")
    entry = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(entry | {"train": ["images/train", "images/more"]}))
    head = detecting("a", "b", name="cells")
    dataset = emitted(head, format="yolo", validation="val").dataset
    samples = dataset.read_dataset(path, "train")
    told = capsys.readouterr().err
    assert "equal objects left out: 6" in told
    assert "images named more than once, taken for one: 1" in told
    found = labels_of(samples)
    assert len(samples) == 6 and found["0.png"][0] == [0, 1]
    assert found["0.png"][1][1] == pytest.approx([16, 12, 24, 18], abs=1e-4)


def test_rows_of_one_image_agree_or_are_named(emitted, tmp_path, capsys):
    dataset = emitted(CLASSES, format="csv", validation="val.csv").dataset
    path = mutations.table(tmp_path)
    path.write_text(path.read_text() + "one.png,a\n./one.png,a\n")
    assert len(dataset.read_dataset(path)) == 4
    assert "images named more than once, taken for one: 2" in capsys.readouterr().err
    path.write_text(path.read_text() + "one.png,no\n")
    with pytest.raises(SystemExit, match="one.png: .* its kind is 'a' and 'no'"):
        dataset.read_dataset(path)


def test_a_row_may_tell_what_another_lacks(emitted, tmp_path):
    price = {"name": "price", "task": "regression", "range": [0, 10]}
    dataset = emitted(CLASSES, price, format="csv", validation="val.csv").dataset
    mutations.save_images(tmp_path)
    rows = "image,kind,price\none.png,a,\none.png,,3\nthree.png,no,4\n"
    write(tmp_path / "labels.csv", rows)
    assert [
        sample.labels for sample in dataset.read_dataset(tmp_path / "labels.csv")
    ] == [
        {"kind": 0, "price": 3.0},
        {"kind": 2, "price": 4.0},
    ]


def test_labels_of_one_image_under_two_names_are_united(emitted, tmp_path):
    head = {
        "name": "tags",
        "task": "multilabel_classification",
        "labels": ["a", "b", "c"],
    }
    task = {"task": "multilabel classification", "labels": ["a", "b", "c"]}
    folder = native(tmp_path, {"0.png": ["a"], "./0.png": ["c"]}, **task)
    (sample,) = emitted(head, validation="val").dataset.read_dataset(folder)
    assert sample.labels["tags"].tolist() == [1, 0, 1]


def test_an_image_in_both_sets_is_validated_on_alone(emitted, tmp_path, capsys):
    dataset = emitted(DETECTION, format="coco", validation="val.json").dataset
    path = mutations.coco(tmp_path)
    content = json.loads(path.read_text())
    content["images"] = content["images"][:2]
    ids = {item["id"] for item in content["images"]}
    kept = [x for x in content["annotations"] if x["image_id"] in ids]
    (tmp_path / "val.json").write_text(json.dumps(content | {"annotations": kept}))
    path.rename(tmp_path / "train")  # as the job of this reader calls it
    training, validation = dataset.read_datasets(tmp_path)
    names = [[sample.path.name for sample in part] for part in (training, validation)]
    assert names == [["three.png", "four.png"], ["one.png", "two words.png"]]
    told = capsys.readouterr().err
    assert "images left out, as they are in the validation set, too: 2" in told
    with pytest.raises(SystemExit, match="train: every image is in the validation set"):
        dataset.without(validation, validation, tmp_path / "train")


def test_a_validation_set_of_the_training_images_is_none(place):
    """As coco128.yaml has it: init then holds a tenth out."""
    path = layouts.as_yolo(place) / "data.yaml"
    write(path, "train: images/train\nval: images/train\nnames: [a, b]\n")
    _, reading = started("object_detection")
    assert "validation" not in json.loads(Path("job.json").read_text())["data"]
    assert (len(reading.training), len(reading.validation)) == (5, 1)


def test_rows_of_one_image_are_on_one_side_of_a_split(emitted, tmp_path):
    dataset = emitted(CLASSES, format="csv").dataset
    rows = []
    for i in range(8):
        write(tmp_path / f"{i}.png", image(i))
        rows += 3 * [f"{i}.png,{'ab'[i % 2]}"]
    write(tmp_path / "train", "\n".join(["image,kind", *rows]))
    training, validation = dataset.read_datasets(tmp_path)
    sides = [{sample.path.name for sample in part} for part in (training, validation)]
    assert len(training) == len(sides[0]) == 7 and len(validation) == 1
    assert not sides[0] & sides[1]


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
    path = mutations.coco(place)
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
    path = mutations.coco(place)
    (place / "images" / "one.png").unlink()
    with pytest.raises(SystemExit) as end:
        dataset.read_dataset(path)
    missing = place / "images" / "one.png"
    assert f"1 problems\n  one.png: no such image: {missing}" in str(end.value)
    content = json.loads(path.read_text())
    content["images"][0]["file_name"] = "/home/someone/one.png"
    path.write_text(json.dumps(content))
    assert run_cli(["init", "object_detection", "--data", "."]) == 1
    error = capsys.readouterr().err
    assert "`file_name` of an image leads out of" in error and "someone" in error


def test_numbers_that_are_none_are_told_with_their_line(place, capsys):
    for i in range(4):
        write(place / f"{i}.jpg", image(i))
    rows = [f"{i}.jpg,{i if i != 2 else 'nan'}" for i in range(4)]
    write(place / "labels.csv", "\n".join(["image,price", *rows]))
    assert run_cli(["init", "regression", "--data", "."]) == 1
    assert "`price` in line 4 is not a number: 'nan'" in capsys.readouterr().err


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
    with pytest.raises(SystemExit, match="11 problems\n  a/0.png: not an image"):
        dataset.read_dataset(tmp_path, training=True)
    for i in range(1, 11):
        write(tmp_path / "ab"[i % 2] / f"{i}.png", image(i))
    with pytest.raises(SystemExit, match="1 problems\n  a/0.png: not an image"):
        dataset.read_dataset(tmp_path)  # metrics would be those of other data
