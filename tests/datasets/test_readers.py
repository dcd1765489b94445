"""The emitted dataset.py: readers of every format, and what they say of wrong files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import yaml
from emitted_jobs import CLASSES, DETECTION, NAMES
from PIL import Image
from small_data import box, native, picture

# ---- A native dataset ----


def test_a_native_dataset_is_read(dataset, tmp_path, capsys):
    labels = {
        "2.png": [box(1, 2, 30.5, 20), box(0, 0, 40, 30, category="no")],
        "0.png": [],
        "1.png": None,
    }
    samples = dataset.read_dataset(native(tmp_path, labels))
    assert [sample.path.name for sample in samples] == ["0.png", "2.png"]
    assert all((sample.height, sample.width) == (30, 40) for sample in samples)
    assert samples[0].labels["cells"].boxes.shape == (0, 4)
    assert samples[1].labels["cells"].boxes.tolist() == [
        [1, 2, 30.5, 20],
        [0, 0, 40, 30],
    ]
    assert samples[1].labels["cells"].classes.tolist() == [0, 2]
    assert "images left out: null: 1" in capsys.readouterr().err


def test_boxes_are_clipped_and_counted(dataset, tmp_path, capsys):
    labels = {
        "0.png": [box(-5, 2, 30, 45), box(1, 1, 5, 5)],
        "1.png": [box(4, 4, 4, 9), box(2, 9, 8, 9)],
    }
    first, second = dataset.read_dataset(native(tmp_path, labels))
    assert first.labels["cells"].boxes.tolist() == [[0, 2, 30, 30], [1, 1, 5, 5]]
    assert second.labels["cells"].boxes.shape == (0, 4)
    said = capsys.readouterr().err
    assert "boxes clipped to their image: 1" in said
    assert "boxes without area left out: 2" in said


def test_what_is_outside_by_a_rounding_is_not_counted(dataset, tmp_path, capsys):
    """Six digits of YOLO's fractions put a box at the edge as often beyond it."""
    labels = {
        "0.png": [box(-0.01, 2, 30, 30.02), box(1, -0.4, 5, 5)],
        "1.png": [box(1, 1, 5, 30.6)],
    }
    first, second = dataset.read_dataset(native(tmp_path, labels))
    assert first.labels["cells"].boxes.tolist() == [[0, 2, 30, 30], [1, 0, 5, 5]]
    assert second.labels["cells"].boxes.tolist() == [[1, 1, 5, 30]]
    assert "boxes clipped to their image: 1" in capsys.readouterr().err


WRONG_OBJECTS = {
    "not a list": "a",
    "a mapping": box(1, 2, 3, 4),
    "a number": 3,
    "no category": [{"bbox": [1, 2, 3, 4]}],
    "no box": [{"category": "a"}],
    "a bare name": ["a"],
    "three numbers": [box(1, 2, 3)],
    "five numbers": [box(1, 2, 3, 4, 5)],
    "a word": [box(1, 2, 3, "x")],
    "nothing": [box(1, 2, 3, None)],
    "not a number": [box(1, 2, 3, math.nan)],
    "infinity": [box(1, 2, 3, math.inf)],
    "a huge number": [box(1, 2, 3, 10**400)],
    "lists": [box([1], [2], [3], [4])],
    "right before left": [box(9, 2, 3, 4)],
    "outside, to the right": [box(41, 2, 50, 4)],
    "outside, above": [box(1, -9, 5, -2)],
}


@pytest.mark.parametrize("wrong", WRONG_OBJECTS)
def test_wrong_objects_are_named_with_their_image(dataset, tmp_path, wrong):
    labels = {"0.png": [box(1, 2, 3, 4)], "1.png": WRONG_OBJECTS[wrong]}
    with pytest.raises(SystemExit) as caught:
        dataset.read_dataset(native(tmp_path, labels))
    first, second, *rest = str(caught.value).splitlines()
    assert first == f"{tmp_path}: problems: 1" and not rest
    assert second.startswith("  1.png: ") and len(second) < 400
    if "outside" in wrong:
        assert "outside the 40x30 image" in second


def test_every_problem_is_told_at_once(dataset, tmp_path):
    folder = native(tmp_path, {})
    (folder / "images" / "3.png").write_text("no image")
    labels = {
        "0.png": "a",
        "3.png": [],
        "absent.png": [],
        "../x.png": [],
        "/etc/passwd": [],
        "2.png": [],
    }
    with pytest.raises(SystemExit) as caught:
        dataset.read_dataset(native_labels(folder, labels))
    said = str(caught.value)
    assert said.startswith(f"{tmp_path}: problems: 5\n")
    for name, reason in {
        "0.png": "not a list of objects: 'a'",
        "3.png": "not an image",
        "absent.png": "no such image",
        "../x.png": "leads out of",
        "/etc/passwd": "leads out of",
    }.items():
        assert f"\n  {name}: {reason}" in said


def native_labels(folder: Path, labels: dict) -> Path:
    (folder / "labels.yaml").write_text(yaml.safe_dump(labels))
    return folder


def test_no_more_than_twenty_problems_are_listed(dataset, tmp_path):
    labels = {f"absent{i}.png": [] for i in range(50)}
    with pytest.raises(SystemExit) as caught:
        dataset.read_dataset(native(tmp_path, labels))
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("problems: 50") and lines[-1] == "  and 30 more"
    assert len(lines) == 22


@pytest.mark.parametrize(
    "metadata, said",
    [
        ({"task": "regression"}, "no entry with `task: object detection`"),
        ({"categories": ["a", "b", "c"]}, "differ from the job's"),
        ({"categories": ["a", "b", "extra"]}, "only in the job: no"),
        ({"categories": ["a", "b", "extra"]}, "only in the dataset: extra"),
        ({"categories": "a"}, "`categories` is not a list of names"),
        ({"annotations": "../labels.yaml"}, "leads out of"),
        ({"annotations": "/etc/passwd"}, "leads out of"),
        ({"annotations": None}, "not a file name"),
        ({"annotations": "absent.yaml"}, "absent.yaml: cannot be read"),
        ({"annotations": "images"}, "images: cannot be read"),
    ],
)
def test_wrong_metadata_is_told(dataset, tmp_path, metadata, said):
    with pytest.raises(SystemExit) as caught:
        dataset.read_dataset(native(tmp_path, {"0.png": []}, **metadata))
    assert said in str(caught.value) and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    "text", ["a: [", "- 1", "a", "", "\t- a", "? [b]\n: c", "'\\x'"]
)
def test_annotations_that_are_none_are_told(dataset, tmp_path, text):
    with pytest.raises(SystemExit, match="labels.yaml: "):
        dataset.read_dataset(native(tmp_path, text))


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "\xff"])
def test_metadata_that_is_none_is_told(dataset, tmp_path, text):
    native(tmp_path, {})
    (tmp_path / "metadata.yaml").write_text(text, "latin-1")
    with pytest.raises(SystemExit, match="metadata.yaml: "):
        dataset.read_dataset(tmp_path)


def test_missing_metadata_and_an_empty_dataset_are_told(dataset, tmp_path):
    with pytest.raises(SystemExit, match="metadata.yaml: cannot be read"):
        dataset.read_dataset(tmp_path)
    with pytest.raises(SystemExit, match="no labeled images"):
        dataset.read_dataset(native(tmp_path, {"0.png": None}))


def test_metadata_may_be_json_and_hold_several_tasks(emitted, tmp_path):
    both = emitted(DETECTION, CLASSES).dataset
    native(tmp_path, {"0.png": [box(1, 2, 3, 4)], "1.png": [], "2.png": None})
    entries = [
        {"task": "object detection", "categories": ["x"], "annotations": "none.yaml"},
        yaml.safe_load((tmp_path / "metadata.yaml").read_text()),
        {
            "task": "multiclass_classification",
            "categories": list(NAMES),
            "annotations": "kinds.yaml",
        },
    ]
    (tmp_path / "metadata.yaml").unlink()
    (tmp_path / "metadata.json").write_text(json.dumps(entries))
    (tmp_path / "kinds.yaml").write_text("0.png: b\n2.png: a\n3.png: a\n")
    sample, *others = both.read_dataset(tmp_path)
    assert sample.labels["kind"] == 1
    assert sample.labels["cells"].boxes.tolist() == [[1, 2, 3, 4]]
    assert [list(one.labels) for one in others] == [["cells"], ["kind"], ["kind"]]


def test_annotations_may_be_json_which_is_read_as_json(emitted, tmp_path):
    """YAML 1.1 takes 1e1 for a text; `{0.png: []}` is YAML alone."""
    dataset = emitted(DETECTION, validation="val").dataset
    folder = native(tmp_path, "", annotations="labels.json")
    path = folder / "labels.json"
    given = '{"0.png": [{"category": "a", "bbox": [1e0, 2, 1e1, 4]}], "1.png": []}'
    path.write_text(given, "utf-8-sig")
    first, second = dataset.read_dataset(folder)
    assert first.labels["cells"].boxes.tolist() == [[1, 2, 10, 4]]
    assert second.labels["cells"].boxes.shape == (0, 4)
    path.write_text("{0.png: []}")
    with pytest.raises(SystemExit, match="labels.json: cannot be read: Expecting"):
        dataset.read_dataset(folder)
    path.write_text("[" * 100000)
    with pytest.raises(SystemExit, match="labels.json: cannot be read: "):
        dataset.read_dataset(folder)


@pytest.mark.slow
def test_categories_of_images_are_read(emitted, tmp_path):
    dataset = emitted(CLASSES, validation="val").dataset
    task = "multiclass classification"
    folder = native(tmp_path, "0.png: 'no'\n1.png: b\n2.png: null\n", task)
    assert [sample.labels["kind"] for sample in dataset.read_dataset(folder)] == [2, 1]


# ---- Class folders ----


def test_class_folders_are_read(emitted, tmp_path):
    dataset = emitted(CLASSES, format="folders", validation="val").dataset
    for number, name in enumerate(NAMES):
        (tmp_path / name).mkdir()
        Image.fromarray(picture()).save(tmp_path / name / f"{number}.PNG")
    (tmp_path / "a" / "notes.txt").write_text("no image")
    samples = dataset.read_dataset(tmp_path)
    assert [sample.path.name for sample in samples] == ["0.PNG", "1.PNG", "2.PNG"]
    assert [sample.labels["kind"] for sample in samples] == [0, 1, 2]
    (tmp_path / "b" / "broken.jpg").write_text("no image")
    with pytest.raises(SystemExit, match="problems: 1\n  b/broken.jpg: not an image"):
        dataset.read_dataset(tmp_path)
    Image.fromarray(picture()).save(tmp_path / "b" / "broken.jpg")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("no image")
    assert len(dataset.read_dataset(tmp_path)) == 4  # no category
    (tmp_path / "b").rename(tmp_path / "extra")
    with pytest.raises(SystemExit, match="dataset: extra\n  only in the job: b"):
        dataset.read_dataset(tmp_path)
    with pytest.raises(SystemExit, match="absent: no such folder"):
        dataset.read_dataset(tmp_path / "absent")


# ---- A COCO file ----


def coco(folder: Path, **changes) -> Path:
    """A COCO file with two images, the second without objects."""
    (folder / "images").mkdir(exist_ok=True)
    for i in range(2):
        Image.fromarray(picture(seed=i)).save(folder / "images" / f"{i}.png")
    content = {
        "images": [{"id": 7, "file_name": "0.png"}, {"id": 9, "file_name": "1.png"}],
        "annotations": [
            {"image_id": 7, "category_id": 5, "bbox": [1, 2, 10, 20]},
            {"image_id": 7, "category_id": 3, "bbox": [30, 2, 20, 10]},
            {"image_id": 7, "category_id": 3, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        ],
        "categories": [
            {"id": 3, "name": "a"},
            {"id": 5, "name": "b"},
            {"id": 8, "name": "no"},
        ],
    }
    (folder / "train.json").write_text(json.dumps(content | changes))
    return folder / "train.json"


def test_a_coco_file_is_read(emitted, tmp_path, capsys):
    dataset = emitted(DETECTION, format="coco", validation="val.json").dataset
    first, second = dataset.read_dataset(coco(tmp_path))
    assert first.path == tmp_path / "images" / "0.png"
    labels = first.labels["cells"]
    boxes = [[1, 2, 11, 22], [30, 2, 40, 12], [0, 0, 9, 9]]
    assert labels.boxes.tolist() == boxes
    assert labels.classes.tolist() == [1, 0, 0]
    assert labels.ignored.tolist() == [False, False, True]  # a crowd
    assert labels.areas.tolist() == [200, 100, 81]  # the file gives none
    assert second.labels["cells"].boxes.shape == (0, 4)
    assert "boxes clipped to their image: 1" in capsys.readouterr().err
    # A folder named as the file comes before `images`.
    (tmp_path / "images").rename(tmp_path / "train")
    assert dataset.read_dataset(tmp_path / "train.json")[1].path.parent.name == "train"


OF_IMAGE_7 = {"image_id": 7, "category_id": 5}
WRONG_COCO = {
    "no images": {"images": None},
    "no list": {"annotations": 3},
    "an annotation that is a list": {"annotations": [[1, 2]]},
    "an annotation without an image": {"annotations": [{"bbox": [1, 2, 3, 4]}]},
    "an annotation of another image": {"annotations": [OF_IMAGE_7 | {"image_id": 1}]},
    "an unknown category": {
        "annotations": [OF_IMAGE_7 | {"category_id": 1, "bbox": [1, 2, 3, 4]}]
    },
    "no box": {"annotations": [OF_IMAGE_7]},
    "three numbers": {"annotations": [OF_IMAGE_7 | {"bbox": [1, 2, 3]}]},
    "words": {"annotations": [OF_IMAGE_7 | {"bbox": ["a", "b", "c", "d"]}]},
    "outside": {"annotations": [OF_IMAGE_7 | {"bbox": [50, 2, 3, 4]}]},
    "negative": {"annotations": [OF_IMAGE_7 | {"bbox": [20, 2, -3, 4]}]},
    "categories": {"categories": [{"id": 5, "name": "b"}, {"id": 3, "name": "d"}]},
    "a missing image": {"images": [{"id": 7, "file_name": "absent.png"}]},
    "an image outside": {"images": [{"id": 7, "file_name": "../../images/0.png"}]},
    "an image without a name": {"images": [{"id": 7}]},
}


@pytest.mark.parametrize("wrong", WRONG_COCO)
def test_what_is_wrong_in_a_coco_file_is_told(emitted, tmp_path, wrong):
    dataset = emitted(DETECTION, format="coco", validation="val.json").dataset
    with pytest.raises(SystemExit, match="train.json: "):
        dataset.read_dataset(coco(tmp_path, **WRONG_COCO[wrong]))


@pytest.mark.parametrize("text", [None, "{", "[]", "3", "{}"])
def test_a_file_that_is_not_coco_is_told(emitted, tmp_path, text):
    dataset = emitted(DETECTION, format="coco", validation="val.json").dataset
    path = tmp_path / "train.json"
    if text is not None:
        path.write_text(text)
    reason = "cannot be read" if text in (None, "{") else "has no list `images`"
    with pytest.raises(SystemExit, match=f"train.json: {reason}"):
        dataset.read_dataset(path)


# ---- The validation split ----


def test_the_held_out_images_are_always_the_same(emitted, tmp_path):
    dataset = emitted(DETECTION, validation_fraction=0.25).dataset
    folder = tmp_path / "train"
    (folder / "images").mkdir(parents=True)
    for i in range(20):
        Image.fromarray(picture()).save(folder / "images" / f"{i:02}.png")
    labels = {f"{i:02}.png": [] for i in range(20)}
    native(folder, labels)
    training, validation = dataset.read_datasets(tmp_path)
    assert len(training) == 15 and len(validation) == 5
    names = [{sample.path.name for sample in part} for part in (training, validation)]
    assert not names[0] & names[1] and names[0] | names[1] == set(labels)
    again = dataset.read_datasets(tmp_path)
    assert [x.path for x in again[1]] == [x.path for x in validation]
    assert [x.path for x in training] == sorted(x.path for x in training)


def test_one_image_cannot_be_split(emitted, tmp_path):
    dataset = emitted(DETECTION, validation_fraction=0.25).dataset
    native(tmp_path / "train", {"0.png": []})
    with pytest.raises(SystemExit, match="too few images to hold some out"):
        dataset.read_datasets(tmp_path)
    native(tmp_path / "train", {"0.png": [], "1.png": []})
    training, validation = dataset.read_datasets(tmp_path)
    assert len(training) == len(validation) == 1


def test_named_datasets_are_read_below_the_root(dataset, tmp_path):
    native(tmp_path / "train", {"0.png": []})
    native(tmp_path / "val", {"1.png": [], "2.png": []})
    training, validation = dataset.read_datasets(tmp_path)
    assert [len(training), len(validation)] == [1, 2]
