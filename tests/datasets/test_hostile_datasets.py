"""Datasets of strangers: `specc init` and `specc data` end in words, never in a
traceback, whatever stands in a folder."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import layouts
import layouts_maps
import pytest

from specc.cli import run_cli
from specc.datasets.find import search

JUNK = (
    *(None, 0, "", "x", [], {}, [[]], [None], {"a": None}, {1: 2}, [{"a": 1}], True),
    *("../..", "/etc", "\0", "a\nb", -1, 1e400, ["a", "a"], ["a", 1, None], "\ud800"),
)
TASKS = ("object_detection", "multiclass_classification", "autoencoding", "regression")


def holds_words(*arguments: object) -> int:
    code = run_cli([str(argument) for argument in arguments])
    assert code in (0, 1)  # 2 is a failure of specc itself
    return code


def look(path: str) -> None:
    for task in TASKS:
        holds_words("init", task, "--data", path, "--force")


@pytest.fixture(autouse=True)
def unexpected(monkeypatch):
    monkeypatch.setenv("SPECC_DEBUG", "1")  # an unexpected exception comes through


@pytest.mark.slow
@pytest.mark.sample("categories")
@pytest.mark.parametrize(
    "key", ["task", "categories", "annotations", "colors", "range"]
)
def test_any_value_in_metadata(place, key):
    layouts.as_native(place / "set")
    path = place / "set" / "train" / "metadata.yaml"
    for value in JUNK:
        entry = {"task": "object detection", "categories": ["a"], "annotations": "x"}
        entry |= {"task": "regression"} if key == "range" else {}
        path.unlink(missing_ok=True)
        text = json.dumps(entry | {key: value})
        path.with_suffix(".json").write_text(text)
        look("set")


@pytest.mark.slow
@pytest.mark.sample("categories")
@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_any_value_in_a_coco_file(place, key):
    layouts.as_coco(place / "set")
    path = place / "set" / "train.json"
    content = json.loads(path.read_text())
    for value in JUNK:
        path.write_text(json.dumps(content | {key: value}))
        look("set")
        inner = content[key][0]
        for name in inner:
            changed = [inner | {name: value}, *content[key][1:]]
            path.write_text(json.dumps(content | {key: changed}))
            search(Path("set"))


@pytest.mark.slow
@pytest.mark.sample("names")
@pytest.mark.parametrize("key", ["train", "val", "names", "path"])
def test_any_value_in_a_yolo_file(place, key):
    layouts.as_yolo(place / "set")
    for value in JUNK:
        entry = {"train": "images/train", "val": "images/val", "names": ["a", "b"]}
        text = json.dumps(entry | {key: value})
        (place / "set" / "data.yaml").write_text(text)
        look("set")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "image",
        "image\n",
        "image,kind\n../x,a\n/etc/passwd,b\n",
        "image,kind\na.png\nb.png,a,b,c\n",
        'image,kind\n"a.png,a\n',
        "image,image,,kind\na,b,c,d\n",
        "image,kind\n" + "a.png," + "x" * 200_000 + "\n",
        "image,price\na.png,nan\nb.png,inf\nc.png,1e999\n",
        "image,price\na.png,-1e308\nb.png,1e308\n",
        "image,price\na.png,0\nb.png,5e-324\n",
        "image,A b\nimages/0.png,x\nimages/1.png,x\nimages/2.png,y\n",
    ],
)
def test_any_csv_file(place, text):
    layouts.save(place / "set" / "images" / "0.png")
    (place / "set" / "all.csv").write_text(text)
    look("set")
    look("set/all.csv")


@pytest.mark.slow
def test_odd_folders(place):
    (place / "file").write_bytes(bytes(100))
    (place / "empty").mkdir()
    (place / "loop").mkdir()
    (place / "loop" / "train").symlink_to(place / "loop", target_is_directory=True)
    (place / "dangling").symlink_to(place / "nowhere")
    for name in (
        "images",
        "metadata.yaml",
        "ImageSets",
        "data.yaml",
        "x.json",
        "x.csv",
    ):
        (place / "folders" / name).mkdir(parents=True)
    for name in ("images", "ImageSets", "train", "val"):
        (place / "files").mkdir(exist_ok=True)
        (place / "files" / name).write_bytes(b"\xff\xfe")
    for name in (
        "file",
        "empty",
        "loop",
        "dangling",
        "folders",
        "files",
        "\udcff",
        ".",
    ):
        look(name)
        assert holds_words("data", name) == 1


def test_odd_names_of_categories(place):
    """They come as they are into the job, or the job's rules refuse them."""
    for name in ("a'b", '"""', "{{ x }}", "a\nb", "x" * 230, "漢"):
        for category in (name, "other"):
            layouts.save(place / "set" / category / "0.png")
            layouts.save(place / "set" / category / "1.png", 1)
    init = ("init", "multiclass_classification", "--data", "set")
    assert holds_words(*init) == 1  # the line break and the long word
    shutil.rmtree(place / "set" / "a\nb")
    shutil.rmtree(place / "set" / ("x" * 230))
    assert holds_words(*init) == 0
    (head,) = json.loads(Path("job.json").read_text("utf-8"))["model"]["heads"]
    assert head["categories"] == sorted(['"""', "a'b", "other", "{{ x }}", "漢"])


@pytest.mark.slow
def test_names_of_files_that_are_no_text(place, capsys):
    layouts.as_folders(place / "set")
    source = place / "set" / "train" / "a" / "0.png"
    os.rename(source, os.fsencode(source.parent) + b"/\xff\xfe.png")
    (place / "set" / "train" / "b" / "$x_{.png").write_bytes(b"")
    code = holds_words("data", "set", "--format", "json")
    told = json.loads(capsys.readouterr().out)
    (broken,) = [x for x in told["findings"] if x["finding"] == "left out"]
    assert code == 0 and "$x_{.png" in broken["files"][0]


@pytest.mark.parametrize(
    "name, text",
    [
        ("labels.csv", "id,label\nimg_1,cat\nimg_2,dog\nimg_3,ox\n"),
        ("classes.csv", "id,name\n0,a\n1\n2,b\n"),
        ("classes.csv", f"name\na\n{'x' * 200_000}\n"),
        ("classes.txt", "0 sky\n1 cat\n1 dog\n2 ox\n"),
        ("label_map.json", '{"\u00b2": "a", "1": "b"}'),
    ],
)
def test_other_files_than_names_of_categories_name_none(place, name, text):
    """Such a file has no number for each name: the names are numbered."""
    layouts_maps.index_masks(place / "set")
    Path("set", name).write_text(text, "utf-8")
    assert holds_words("init", "semantic_segmentation", "--data", "set") == 0
    head = json.loads(Path("job.json").read_text())["model"]["heads"][0]
    assert head["categories"] == ["class_0", "class_1", "class_2"]


@pytest.mark.parametrize(
    "row", ["dog,1,2", "dog,red,2,3", "dog,1,2,256", "dog,1.5,2,3"]
)
def test_what_is_no_color_is_named(place, capsys, row):
    layouts_maps.index_masks(place / "set")
    Path("set", "classes.csv").write_text(f"name,r,g,b\ncat,1,2,3\n{row}\n")
    assert holds_words("init", "semantic_segmentation", "--data", "set") == 1
    assert "classes.csv: dog (" in capsys.readouterr().err


def test_maps_that_are_broken_links(place):
    for number in range(4):
        for path in (f"set/images/{number}.jpg", f"set/masks/{number}.png"):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            os.symlink("nowhere", path)
    holds_words("data", "set")
    look("set")


@pytest.mark.slow
@pytest.mark.sample("1.. 2 3 4", "box4")
@pytest.mark.parametrize(
    "box",
    ["1.. 2 3 4", "[. 2 3 4]", ["1 2 3 4"], [1, 2, 30, 1e400], [1, 2, 30, 10**400]],
)
def test_lists_of_what_are_no_four_numbers(place, box):
    for number in range(4):
        layouts.save(place / "set" / f"{number}.png", number)
    rows = [{"image": f"{i}.png", "bbox": box, "label": "a"} for i in range(4)]
    Path("set", "all.jsonl").write_text("\n".join(map(json.dumps, rows)))
    holds_words("data", "set")
    look("set")


def test_ids_of_segments_that_are_no_numbers(place):
    part = {"id": [1], "category_id": 1}
    item = {"image_id": 0, "file_name": "0.png", "segments_info": [part]}
    content = {"images": [{"id": 0, "file_name": "0.jpg"}], "annotations": [item]}
    content["categories"] = [{"id": 1, "name": "a"}]
    Path("train.json").write_text(json.dumps(content))
    assert holds_words("init", "panoptic_segmentation", "--data", ".") == 1
