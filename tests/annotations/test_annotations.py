"""`specc annotations`: what is written is read again, to the same boxes."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from emitted_jobs import compile_raw, load_all, write
from PIL import Image
from small_data import picture

from specc.cli import run_cli

SIZE = {"width": 40, "height": 30}
BOXES = {
    "shots/a.png": [
        {"category": "no", "bbox": [4, 3, 20.5, 12], "score": 0.9},
        {"category": "cat", "bbox": [0, 0, 40, 30], "score": 0.5},
        {"category": "cat", "bbox": [1, 1, 9, 9], "score": 0.25},
    ],
    "shots/b.png": [{"category": "cat", "bbox": [10, 5, 30, 25.5], "score": 0.75}],
    "other/a.png": [],
}
EXPECTED = {  # from a score of 0.5 on, by the names that images get
    "a.png": [("cat", [0, 0, 40, 30]), ("no", [4, 3, 20.5, 12])],
    "b.png": [("cat", [10, 5, 30, 25.5])],
    "a_2.png": [],
}


@pytest.fixture(autouse=True)
def images(place) -> None:
    for number, name in enumerate(BOXES):
        Path(name).parent.mkdir(exist_ok=True)
        Image.fromarray(picture(seed=number)).save(name)


def predictions(found: dict[str, object], head: str = "cells") -> str:
    """A file as predict.py writes it, beside what else it writes."""
    Path("out").mkdir(exist_ok=True)
    content = {name: SIZE | {head: value} for name, value in found.items()}
    Path("out/predictions.json").write_text(json.dumps(content))
    return "out/predictions.json"


def both(items: list[dict], head: str = "cells") -> str:
    """The same objects in two images, as one of a set alone cannot be held out."""
    return predictions({"shots/a.png": items, "shots/b.png": items}, head)


def annotate(path: str, form: str, *more: str) -> int:
    return run_cli(["annotations", path, "--format", form, "-o", "next", *more])


def read_back(task: str) -> tuple[ModuleType, list]:
    """The emitted reader of the job that `specc init` writes for the folder, and what
    it reads, the part that is held out among it."""
    assert run_cli(["init", task, "--data", "next"]) == 0
    built = Path("built").absolute()
    built.mkdir()
    compiled = compile_raw(Path("job.json").read_bytes())
    module = load_all(write(compiled, built), "dataset").dataset
    training, validation = module.read_datasets(Path())
    return module, [*training, *validation]


def boxes_of(module: ModuleType, samples: list) -> dict[str, list]:
    (head,) = samples[0].labels
    found = {}
    for sample in samples:
        label = sample.labels[head]
        names = [module.CATEGORIES[number] for number in label.classes]
        found[sample.path.name] = sorted(zip(names, label.boxes.tolist()))
    return found


def assert_same(found: dict, expected: dict) -> None:
    assert {*found} == {*expected}
    for name, rows in expected.items():
        assert [kind for kind, _ in found[name]] == [kind for kind, _ in rows]
        got, wanted = ([box for _, box in one] for one in (found[name], rows))
        np.testing.assert_allclose(
            np.reshape(got, (-1, 4)), np.reshape(wanted, (-1, 4)), atol=1e-4
        )


# ---- Round trips ----


@pytest.mark.sample("csv", rest="slow")
@pytest.mark.parametrize("form", ["coco", "yolo", "csv"])
def test_boxes_are_read_again_as_they_were(form, capsys):
    assert annotate(predictions(BOXES), form) == 0
    out = capsys.readouterr().out
    assert f"next: 3 images, as {form}\n" in out
    assert "3 objects; 1 below a score of 0.5 left out" in out
    assert_same(boxes_of(*read_back("object_detection")), EXPECTED)
    assert sorted(os.listdir(".")) == sorted(
        ["built", "job.json", "next", "other", "out", "shots"]
    )


@pytest.mark.parametrize("form, told", [("yolo", 1), ("coco", 1), ("csv", 0)])
def test_how_categories_are_numbered_is_told(form, told, capsys):
    """A tool with a list of its own takes a `no`, the second here, for its second."""
    assert annotate(predictions(BOXES), form) == 0
    said = "  categories are numbered as found, cat, no: --job JOB numbers them as the"
    assert capsys.readouterr().out.count(said) == told


def test_where_no_object_is_sure_enough_the_highest_score_is_told(capsys):
    assert annotate(predictions(BOXES), "csv", "--threshold", "1") == 0
    told = "0 objects; 4 below a score of 1 left out; the highest score is 0.9"
    assert f"{told}: --threshold chooses another\n" in capsys.readouterr().out


@pytest.mark.slow
def test_labelme_is_imported_again_as_it_was(capsys):
    assert annotate(predictions(BOXES), "labelme") == 0
    content = json.loads(Path("next/b.json").read_text())
    assert content["imagePath"] == "b.png" and content["imageWidth"] == 40
    (shape,) = content["shapes"]
    assert (shape["label"], shape["shape_type"]) == ("cat", "rectangle")
    assert shape["points"] == [[10, 5], [30, 25.5]]
    os.rename("next", "labeled")
    assert run_cli(["import", "labeled", "-o", "next"]) == 0
    module, samples = read_back("object_detection")
    found = boxes_of(module, samples)
    assert_same(found, EXPECTED)


def square(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[top:bottom, left:right] = True
    return mask


def masked(*masks: np.ndarray) -> list[dict]:
    """Instances whose masks are the pages of a file beside predictions.json."""
    Path("out").mkdir(exist_ok=True)
    pages = [Image.fromarray(x[:, :, None] * np.uint8([9, 90, 200])) for x in masks]
    pages[0].save("out/b.cells.tif", save_all=True, append_images=pages[1:])
    found = []
    for page, mask in enumerate(masks, 1):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        item = {"category": "cat", "bbox": [int(x) for x in box], "score": 0.9}
        found.append(item | {"mask": "b.cells.tif", "page": page})
    return found


@pytest.mark.sample("coco", rest="slow")
@pytest.mark.parametrize("form", ["coco", "yolo"])
def test_masks_are_read_again_to_the_pixel(form):
    ring = square(20, 4, 36, 26) & ~square(30, 10, 36, 20)  # a bay, and no hole
    masks = [square(2, 3, 12, 20), ring]
    assert annotate(both(masked(*masks)), form) == 0
    module, (sample, _) = read_back("instance_segmentation")
    from faster_coco_eval.core import mask as coder

    (label,) = sample.labels.values()
    got = [coder.decode(one).astype(bool) for one in label.masks]
    assert len(got) == 2
    for mask, wanted in zip(got, masks):
        assert (mask != wanted).sum() == 0


@pytest.mark.slow
def test_keypoints_are_read_again(capsys):
    points = {"nose": [10, 12.5], "tail": None, "paw": [30, 20]}
    items = [{"score": 0.9, "keypoints": points, "presence": {"nose": 1}}]
    assert annotate(both(items, "animal"), "coco") == 0
    content = json.loads(Path("next/annotations.json").read_text())
    row, _ = content["annotations"]
    assert row["keypoints"] == [10, 12.5, 2, 0, 0, 0, 30, 20, 2]
    assert row["num_keypoints"] == 2 and row["bbox"] == [10, 12.5, 20, 7.5]
    module, (sample, _) = read_back("keypoint_detection")
    (label,) = sample.labels.values()
    found = dict(zip(module.KEYPOINTS, label.keypoints[0].tolist()))
    assert found["nose"] == [10, 12.5] and found["paw"] == [30, 20]
    assert np.isnan(found["tail"]).all()


@pytest.mark.slow
def test_quadrilaterals_are_polygons_of_yolo():
    corners = [[4, 3], [20, 5], [22, 25], [6, 20]]
    items = [{"category": "page", "quadrilateral": corners, "score": 0.8}]
    assert annotate(both(items), "yolo") == 0
    module, (sample, _) = read_back("quadrilateral_detection")
    (label,) = sample.labels.values()
    got = sorted(label.corners[0].tolist())
    np.testing.assert_allclose(got, sorted(corners), atol=1e-4)


def test_categories_of_images_are_a_table():
    found = {
        "shots/a.png": {"category": "x, y", "score": 0.9, "top5": {}},
        "shots/b.png": {"category": "z", "score": 0.4, "top5": {}},
        "other/a.png": {"category": "z", "score": 0.6, "top5": {}},
    }
    assert annotate(predictions(found, "kind"), "csv") == 0
    with open("next/annotations.csv", newline="") as file:
        assert [*csv.reader(file)] == [
            ["image", "kind"],
            ["a.png", "x, y"],
            ["a_2.png", "z"],
        ]
    assert sorted(os.listdir("next")) == ["a.png", "a_2.png", "annotations.csv"]


def test_labels_of_images_are_flags_of_labelme():
    found = {"shots/a.png": {"labels": ["sun"], "scores": {}}}
    found["shots/b.png"] = {"labels": ["rain", "sun"], "scores": {}}
    assert annotate(predictions(found, "tags"), "labelme") == 0
    flags = json.loads(Path("next/a.json").read_text())["flags"]
    assert flags == {"rain": False, "sun": True}


# ---- Flags ----


def test_the_threshold_and_the_copy(capsys):
    words = ["--threshold", "0.25", "--copy"]
    assert annotate(predictions(BOXES), "coco", *words) == 0
    content = json.loads(Path("next/annotations.json").read_text())
    assert [row["score"] for row in content["annotations"]] == [0.9, 0.5, 0.25, 0.75]
    assert not Path("next/images/b.png").is_symlink()
    assert Path("next/images/b.png").read_bytes() == Path("shots/b.png").read_bytes()


def test_images_are_links_and_paths_may_begin_elsewhere(place, monkeypatch):
    path = str(place / predictions(BOXES))
    (place / "inner").mkdir()
    monkeypatch.chdir("inner")
    assert annotate(path, "coco", "--root", "..") == 0
    assert Path("next/images/b.png").resolve() == place / "shots/b.png"


def test_a_job_gives_the_order_of_its_categories(capsys):
    head = {"name": "cells", "task": "object_detection"}
    head |= {"categories": ["no", "rare", "cat"]}
    job = {"name": "j", "data": {"train": "t", "resolution": [128, 128]}}
    Path("j.json").write_text(json.dumps(job | {"model": {"heads": [head]}}))
    assert annotate(predictions(BOXES), "yolo", "--job", "j.json") == 0
    lines = Path("next/labels/a.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["0", "2"]
    head["categories"] = ["no", "rare"]
    Path("j.json").write_text(json.dumps(job | {"model": {"heads": [head]}}))
    words = ["annotations", "out/predictions.json", "--format", "yolo", "-o", "new"]
    assert run_cli([*words, "--job", "j.json"]) == 1
    assert (
        "error[E451]: the job `j.json` does not name `cat`" in capsys.readouterr().err
    )


# ---- Bad input ----


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "it is no JSON"),
        ("[1]", "it is no object of images"),
        ("{}", "no image is in it"),
        ('{"a.png": {"width": 4, "height": 3}}', "no prediction is in it"),
        (
            '{"a.png": {"width": 4, "height": 3, "x": [{"bbox": [1], "score": 1}]}}',
            "what `a.png` has of `x` cannot be read",
        ),
        (
            '{"a.png": {"width": 4, "height": 3, "x": "a.x.png"}}',
            "holds nothing that annotations can say: `x` gives maps",
        ),
    ],
)
def test_another_file_is_told(text, said, capsys):
    Path("p.json").write_text(text)
    assert annotate("p.json", "coco") == 1
    err = capsys.readouterr().err
    assert err.count("error[E451]") == 1 and said in err and "Traceback" not in err
    assert not Path("next").exists()


def test_what_is_missing_is_told(capsys):
    assert annotate("gone.json", "coco") == 1
    assert "error[E451]" in capsys.readouterr().err
    path = predictions(BOXES)
    Path("shots/b.png").unlink()
    assert annotate(path, "coco") == 1
    assert "error[E451]: there is no image `shots/b.png`" in capsys.readouterr().err
    path = predictions({"shots/a.png": masked(square(1, 1, 5, 5))})
    Path("out/b.cells.tif").unlink()
    assert annotate(path, "coco") == 1
    assert "b.cells.tif` cannot be read: no such file" in capsys.readouterr().err
    assert not Path("next").exists()


def test_a_threshold_of_two_and_a_full_folder(capsys):
    path = predictions(BOXES)
    assert annotate(path, "coco", "--threshold", "2") == 1
    assert "Invalid value for '--threshold': 2" in capsys.readouterr().err
    Path("next").mkdir()
    Path("next/mine.txt").write_text("keep")
    assert annotate(path, "coco") == 1
    assert "error[E430]" in capsys.readouterr().err
    assert os.listdir("next") == ["mine.txt"]


def test_several_heads_and_a_format_that_cannot_hold_one(capsys):
    facts = SIZE | {"cells": BOXES["shots/b.png"], "kind": {"category": "x"}}
    Path("p.json").write_text(json.dumps({"shots/b.png": facts | {"map": "b.png"}}))
    assert annotate("p.json", "coco") == 1
    assert "add --head cells or --head kind" in capsys.readouterr().err
    assert annotate("p.json", "coco", "--head", "kin") == 1
    assert "did you mean `kind`?" in capsys.readouterr().err
    assert annotate("p.json", "coco", "--head", "kind") == 1
    assert "--format csv or --format labelme" in capsys.readouterr().err
    assert annotate("p.json", "coco", "--head", "cells") == 0
