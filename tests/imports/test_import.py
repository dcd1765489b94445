"""`specc import` without datumaro: records as its script writes them, and LabelMe."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import layouts
import numpy as np
import pytest
import yaml
from PIL import Image
from readings import labels_of, started

from specc.cli import run_cli
from specc.imports import native

SIZE = 30, 40  # height and width of the images


def record(place: Path, number: int, *annotations: dict, subset="train") -> dict:
    image = layouts.save(place / f"{subset}{number}.png", number)
    given = [{"label": 0, "group": 0, "crowd": False, **one} for one in annotations]
    return {
        "id": f"{subset}/{number}",
        "subset": subset,
        "image": str(image),
        "annotations": given,
    }


def written(form: str, labels: list[str], *records: dict, points=None) -> dict:
    """Writes records as a dataset in the current folder; returns what was left out."""
    images = native.Images(Path("native"), copied=False, made=Path("nowhere"))
    head = {"format": form, "labels": labels, "points": points or {}}
    sets = native.gathered([head, *records], images)
    native.write(sets, Path("native"), (*native.LISTS, *native.MAPS))
    return +sets.counts


@pytest.mark.slow
def test_boxes_and_outlines_become_annotations_that_a_job_reads(place):
    box = {"type": "bbox", "box": [4.5, 4, 24, 20.25], "label": 1}
    first = {"type": "polygon", "points": [2, 2, 10, 2, 10, 10, 2, 10], "group": 3}
    second = {"type": "polygon", "points": [20, 2, 26, 2, 26, 10, 20, 10], "group": 3}
    crowd = {"type": "bbox", "box": [0, 0, 9, 9], "crowd": True}
    line = {"type": "polyline", "points": [0, 0, 9, 9]}
    rows = [record(Path("src"), i, box, first, second, crowd, line) for i in range(4)]
    rows += [record(Path("src"), i, box, subset="val") for i in range(4)]
    counts = written("coco", ["a", "b"], *rows)
    assert counts["polyline"] == 4 and counts["object detection: crowds"] == 4
    head, found = started("object_detection", "--data", "native")
    assert head["categories"] == ["a", "b"]
    assert not found.problems and len(found.training) == len(found.validation) == 4
    parts = [[4.5, 4.0, 24.0, 20.25], [2.0, 2.0, 26.0, 10.0]]
    assert labels_of(found.training)["train_0.png"] == ([1, 0], parts)
    head, found = started("instance_segmentation", "--data", "native")
    (label,) = found.training[0].labels.values()
    assert label.boxes.tolist() == [[2.0, 2.0, 26.0, 10.0]]  # two parts, one object


def test_masks_of_categories_become_maps(place):
    height, width = SIZE
    runs = {"type": "mask", "mask": [0, 600, 600], "size": [30, 40], "label": 1}
    rest = {"type": "mask", "mask": [600, 600], "size": [30, 40], "label": 0}
    written(
        "camvid", ["sky", "road"], *(record(Path("s"), i, runs, rest) for i in (0, 1))
    )
    entry = yaml.safe_load(Path("native/train/metadata.yaml").read_text())
    (entry,) = entry  # no objects: the masks are of categories
    image = np.asarray(Image.open("native/train/categories/train_0.png"))
    assert image[0, 0].tolist() == entry["colors"]["road"]
    assert image[height - 1, width - 1].tolist() == entry["colors"]["sky"]


def test_keypoints_keep_the_names_of_their_category(place):
    cat = {"type": "points", "points": [1, 2, 3, 4], "visibility": [2, 0]}
    dog = {"type": "points", "points": [5, 6], "visibility": [1], "label": 1}
    odd = {"type": "points", "points": [5, 6, 7, 8, 9, 9], "visibility": [2, 2, 2]}
    names = {"0": ["ear", "tail"], "1": ["nose"]}
    counts = written(
        "coco", ["cat", "dog"], record(Path("s"), 0, cat, dog, odd), points=names
    )
    told = json.loads(Path("native/train/keypoint_detection.json").read_text())
    assert told["train_0.png"] == [
        {"ear": [1, 2], "tail": None, "nose": None},
        {"ear": None, "tail": None, "nose": [5, 6]},
    ]
    assert counts["keypoint detection: instances with another number of points"] == 1


def test_labels_texts_and_rotated_boxes(place):
    corners = [4, 4, 24, 8, 22, 20, 2, 16]
    rows = [
        record(
            Path("s"),
            i,
            {"type": "label", "label": i % 2},
            {"type": "caption", "text": f"no {i}"},
            {"type": "rotated_bbox", "points": corners},
        )
        for i in range(4)
    ]
    written("dota", ["ship", "plane"], *rows)
    entries = yaml.safe_load(Path("native/train/metadata.yaml").read_text())
    tasks = {entry["task"]: entry for entry in entries}
    assert tasks["multiclass classification"]["categories"] == ["ship", "plane"]
    assert tasks["scene text recognition"]["tokens"] == " 0123no"
    told = json.loads(Path("native/train/quadrilateral_detection.json").read_text())
    assert np.ravel(told["train_0.png"][0]["quadrilateral"]).tolist() == corners


def test_depth_is_kept_to_a_step_of_its_range(place):
    depth = np.linspace(1, 5, 1200, dtype=np.float32).reshape(SIZE)
    depth[0, :5] = 0, np.nan, np.inf, 1, 1  # the first three are unknown
    np.save("depth.npy", depth)
    row = record(Path("s"), 0, {"type": "depth_annotation", "depth": "depth.npy"})
    written("nyu_depth_v2", [], row)
    code = np.asarray(Image.open("native/train/depths/train_0.png")).astype(float)
    assert code[0, :3].tolist() == [0, 0, 0]
    known = 5 - (code - 1) / 65534 * 4
    assert np.abs(known - depth)[code > 0].max() < 4 / 65534


def test_an_image_that_is_not_there_is_counted(place):
    row = record(Path("s"), 0, {"type": "label"}) | {"image": None}
    other = record(Path("s"), 1, {"type": "label"})
    assert (
        written("coco", ["a"], row, other)[
            "images that are not there, or cannot be read"
        ]
        == 1
    )


def labelme(path: Path, shapes: list[dict], **content) -> None:
    image = layouts.save(path.with_suffix(".png"), len(path.stem))
    given = {"shapes": shapes, "imagePath": image.name, "imageData": None} | content
    path.write_text(json.dumps(given))


@pytest.mark.slow
def test_labelme_is_read_and_proposed_by_init(place, capsys):
    for split in ("train", "val"):
        for name in ("x", "xx", "xxx", "xxxx"):
            box = {
                "label": "cat",
                "points": [[24, 20], [4, 4]],
                "shape_type": "rectangle",
            }
            line = {"label": "edge", "points": [[0, 0], [9, 9]], "shape_type": "line"}
            labelme(Path(f"set/{split}/{name}.json"), [box, line])
    assert run_cli(["init", "object_detection", "--data", "set"]) == 1
    said = capsys.readouterr().err
    assert "specc import set --from labelme -o set-native" in said
    assert run_cli(["import", "set", "-o", "native"]) == 0
    said = capsys.readouterr()
    assert "left out: line: 8" in said.err and "next: specc init" in said.out
    head, found = started("object_detection", "--data", "native")
    assert head["categories"] == ["cat"]
    assert len(found.training) == len(found.validation) == 4
    assert labels_of(found.training)["x.png"] == ([0], [[4.0, 4.0, 24.0, 20.0]])


def test_a_circle_has_its_area_and_images_may_stand_in_the_file(place):
    circle = {"label": "c", "points": [[20, 15], [20, 25]], "shape_type": "circle"}
    path = Path("set/a.json")
    data = layouts.save(Path("a.png"), 1).read_bytes()
    path.parent.mkdir()
    content = {"shapes": [circle], "imagePath": "gone.png"}
    path.write_text(
        json.dumps(content | {"imageData": base64.b64encode(data).decode()})
    )
    assert run_cli(["import", "set", "-o", "native"]) == 0
    mask = np.asarray(Image.open("native/train/masks/a.tif")).any(2)
    assert abs(mask.sum() - np.pi * 100) < 8
    assert Path("native/train/images/a.png").read_bytes() == data


def test_broken_points_are_named_and_nothing_is_written(place, capsys):
    labelme(Path("set/a.json"), [{"label": "c", "points": [[1, "x"]]}])
    assert run_cli(["import", "set", "-o", "native"]) == 1
    said = capsys.readouterr().err
    assert "E427" in said and "a.json: `points` of 'c'" in said
    assert [x.name for x in Path().iterdir()] == ["set"]


def test_a_full_folder_is_left_alone(place, capsys):
    labelme(Path("set/a.json"), [])
    Path("native").mkdir()
    Path("native/mine.txt").write_text("mine")
    assert run_cli(["import", "set", "-o", "native"]) == 1
    assert "E430" in capsys.readouterr().err
    assert Path("native/mine.txt").read_text() == "mine"


def test_a_python_without_datumaro_is_refused(place, capsys):
    Path("set").mkdir()
    call = ["import", "set", "-o", "native", "--python", sys.executable]
    assert run_cli(call) == 1
    said = capsys.readouterr().err
    assert "E425" in said and "-m pip install datumaro" in said


@pytest.mark.parametrize(
    "name, form",
    [
        ("label_2/0.txt", "kitti_detection"),
        ("wider_face_split/x.txt", "wider_face"),
        ("list_attr_celeba.txt", "celeba"),
    ],
)
def test_init_proposes_the_import_of_what_it_recognizes(place, capsys, name, form):
    path = Path("set", name)
    path.parent.mkdir(parents=True)
    path.write_text("")
    assert run_cli(["init", "object_detection", "--data", "set"]) == 1
    assert f"specc import set --from {form} -o set-native" in capsys.readouterr().err
