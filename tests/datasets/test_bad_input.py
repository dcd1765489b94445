"""Datasets with a fault, in several formats: what was found, what was expected, where,
and what mends it."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from pathlib import Path

import layouts
import layouts_boxes
import layouts_maps
import layouts_tables
import layouts_yolo
import pytest

from specc.cli import run_cli
from specc.datasets.emitted import load, read
from specc.datasets.maps import pairs

CLASSES, DETECTION = "multiclass_classification", "object_detection"
CORNERS, SEMANTIC = "quadrilateral_detection", "semantic_segmentation"
PARTS = "anomaly_detection"


def said_of(capsys, task: str, code: int) -> str:
    assert run_cli(["init", task, "--data", "set"]) == code
    done = capsys.readouterr()
    return done.out + done.err


# ---- What is refused ----


def without_labels(folder: Path) -> None:
    layouts_yolo.roboflow(folder)
    for name in ("train", "valid", "test"):
        shutil.rmtree(folder / name / "labels", ignore_errors=True)


def without_images(folder: Path) -> None:
    layouts_yolo.roboflow(folder)
    shutil.rmtree(folder / "train" / "images")


def xml_alone(folder: Path) -> None:
    layouts.as_voc(folder)
    for name in ("JPEGImages", "ImageSets"):
        shutil.rmtree(folder / name)


def lists_of_nothing(folder: Path) -> None:
    layouts.as_voc(folder)
    for path in list((folder / "JPEGImages").iterdir()):
        path.unlink()


def masks_of_one_kind(folder: Path) -> None:
    layouts_maps.as_mvtec(folder)
    shutil.rmtree(folder / "ground_truth" / "dirt")


def misspelt_side(folder: Path) -> None:
    layouts_boxes.tensorflow(folder)
    for path in folder.glob("*.csv"):
        path.write_text(path.read_text().replace("xmax", "xmx"))


def of_one_value(folder: Path) -> None:
    names = [f"{i}.png" for i in range(6)]
    layouts_tables.images(folder, names)
    rows = [[name, "cat"] for name in names]
    layouts_tables.table(folder / "all.csv", ["image", "kind"], rows)


REFUSED = [
    (
        *(without_labels, DETECTION),
        [
            "has a label, looked for as set/train/labels/",
            "bring the files of labels there",
        ],
    ),
    (
        *(without_images, DETECTION),
        [
            "`train` leads to no images: ../train/images",
            "put the images there, or mend",
        ],
    ),
    (
        *(xml_alone, DETECTION),
        ["set/Annotations: 12 annotations, as train0.xml, and no images in set"],
    ),
    (
        *(lists_of_nothing, DETECTION),
        [
            "Main/train.txt: none of its 6 names, as train0, is an image in set/JPEGImages",
            "help: put the images into set/JPEGImages",
        ],
    ),
    (
        *(masks_of_one_kind, PARTS),
        [
            "set/test/dirt/000.png: no mask of this name in set/ground_truth/dirt",
            "help: bring it there, or take the image out",
        ],
    ),
    (
        *(misspelt_side, DETECTION),
        [
            "has sides of boxes, xmin, ymin, ymax, and no column `xmax`",
            "its columns are filename, width, height, class, xmin, ymin, xmx, ymax",
        ],
    ),
    (
        *(of_one_value, CLASSES),
        ["set/all.csv: `kind` has 'cat' in all rows: nothing to tell apart"],
    ),
]


@pytest.mark.parametrize(
    "make, task, words", REFUSED, ids=lambda x: getattr(x, "__name__", "")
)
def test_what_cannot_be_learned_from_is_refused(place, capsys, make, task, words):
    make(place / "set")
    said = said_of(capsys, task, code=1)
    assert said.startswith("error[E421]: ") and not Path("job.json").exists()
    for text in words:
        assert text in said


def test_a_table_of_one_value_is_refused_by_specc_data_too(place, capsys):
    of_one_value(place / "set")
    assert run_cli(["data", "set", "--task", CLASSES]) == 1
    said = capsys.readouterr().err
    assert "E421" in said and "E313" not in said
    assert "`kind` has 'cat' in all rows: nothing to tell apart" in said


# ---- What is told ----


def named_twice(folder: Path) -> None:
    for number, name in enumerate(("train", "val", "valid")):
        for i in range(6):
            layouts.save(folder / name / "ab"[i % 2] / f"{i}.png", 10 * number + i)


def two_tables_to_train_on(folder: Path) -> None:
    layouts_tables.kaggle_test(folder)
    shutil.copy(folder / "train.csv", folder / "training.csv")


def half_of_dota(folder: Path) -> None:
    layouts_yolo.dota(folder)
    first, *_ = sorted((folder / "train" / "labelTxt").iterdir())
    first.unlink()


def masks_named_twice(folder: Path) -> None:
    layouts_maps.index_masks(folder)
    for name in ("images", "masks"):
        shutil.copytree(folder / name / "val", folder / name / "valid")


TOLD = [
    (named_twice, CLASSES, "also named as a set, and not read: valid"),
    (two_tables_to_train_on, CLASSES, "also named as a set, and not read: training"),
    (half_of_dota, CORNERS, "1 image without labels, as set/train/images/"),
    (masks_named_twice, SEMANTIC, "also named as a set, and not read: images/valid"),
]


@pytest.mark.parametrize(
    "make, task, words", TOLD, ids=lambda x: getattr(x, "__name__", "")
)
def test_what_is_not_read_is_told(place, capsys, make, task, words):
    make(place / "set")
    assert words in said_of(capsys, task, code=0)
    assert json.loads(Path("job.json").read_text())["data"]["train"]


# ---- Images beside maps ----


def job_of(task: str) -> dict:
    assert run_cli(["init", task, "--data", "set"]) == 0
    return json.loads(Path("job.json").read_text("utf-8"))


@pytest.mark.slow
def test_hidden_files_are_counted_where_names_end_alike(place):
    layouts_maps.of_arrays(place / "set")
    job = job_of("depth_estimation")
    (place / "set" / "depth" / "._0.npy").write_bytes(b"\0\5\26\7Mac OS X")
    reading = read(load(json.dumps(job).encode()), Path())
    assert not reading.problems and reading.counts["hidden files left out"] == 1


def test_files_that_are_too_many_to_look_at_are_told(place, capsys, monkeypatch):
    layouts_maps.index_masks(place / "set")
    monkeypatch.setattr(pairs, "MOST_FILES", 10)
    said = said_of(capsys, SEMANTIC, code=1)
    assert "set: of more than 10 images and maps those from set/masks" in said
    assert "were not looked at: name a folder in it" in said


def test_a_map_beyond_the_limit_of_pillow_is_named(place):
    """30000x15000 pixels in a few bytes."""
    layouts_maps.index_masks(place / "set")
    job = job_of(SEMANTIC)
    header = struct.pack(">IIBBBBB", 30_000, 15_000, 8, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(9)))
    data = b"".join(
        struct.pack(">I", len(x)) + kind + x + struct.pack(">I", zlib.crc32(kind + x))
        for kind, x in chunks
    )
    path = place / "set" / "masks" / "train" / "0.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    reading = read(load(json.dumps(job).encode()), Path())
    (problem,) = reading.problems
    assert "masks/train/0.png: more than 200,000,000 pixels" in problem


def test_dota_in_one_folder_is_found_without_a_flag(place):
    layouts_yolo.dota(place / "sets")
    (place / "sets" / "train").rename(place / "set")
    data = job_of(CORNERS)["data"]
    assert (data["format"], data["train"]) == ("dota", "set/images")
    assert "validation" not in data and "layout" not in data
