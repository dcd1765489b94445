"""One file is one image, whatever names, ids, rows or links lead to it."""

from __future__ import annotations

import json
from pathlib import Path

import layouts
import pytest
import small_sets
import yaml
from emitted_jobs import CLASSES, DETECTION, detecting
from readings import labels_of, started
from small_data import native
from small_sets import image, write


def test_objects_of_one_image_under_two_ids_are_joined(emitted, tmp_path, capsys):
    dataset = emitted(DETECTION, format="coco", validation="val.json").dataset
    path = small_sets.coco(tmp_path)
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


@pytest.mark.slow
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
    path = small_sets.table(tmp_path)
    path.write_text(path.read_text() + "one.png,a\n./one.png,a\n")
    assert len(dataset.read_dataset(path)) == 4
    assert "images named more than once, taken for one: 2" in capsys.readouterr().err
    path.write_text(path.read_text() + "one.png,no\n")
    with pytest.raises(SystemExit, match="one.png: .* its kind is 'a' and 'no'"):
        dataset.read_dataset(path)


def test_a_row_may_tell_what_another_lacks(emitted, tmp_path):
    price = {"name": "price", "task": "regression", "range": [0, 10]}
    dataset = emitted(CLASSES, price, format="csv", validation="val.csv").dataset
    small_sets.save_images(tmp_path)
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
    path = small_sets.coco(tmp_path)
    content = json.loads(path.read_text())
    content["images"] = content["images"][:2]
    ids = {item["id"] for item in content["images"]}
    kept = [x for x in content["annotations"] if x["image_id"] in ids]
    (tmp_path / "val.json").write_text(json.dumps(content | {"annotations": kept}))
    path.rename(tmp_path / "train")  # the job of this reader calls it so
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


@pytest.mark.slow
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
