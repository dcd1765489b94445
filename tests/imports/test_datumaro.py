"""`specc import` of what datumaro writes, compared with what datumaro itself reads. It
runs where SPECC_DATUMARO names a Python that has datumaro."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, ImageSequence

from specc.cli import run_cli

PYTHON = os.environ.get("SPECC_DATUMARO")
WRITER = Path(__file__).with_name("datumaro_sets.py")
KINDS = {  # format -> annotations
    "cvat": ("boxes", "outlines"),
    "label_me": ("boxes", "outlines"),
    "coco": ("boxes", "outlines"),
    "datumaro": ("boxes", "outlines"),
    "voc": ("boxes",),
    "yolo": ("boxes",),
    "wider_face": ("boxes",),
    "imagenet_txt": ("label",),
    "icdar_word_recognition": ("text",),
    "camvid": ("maps",),
    "coco_person_keypoints": ("points",),
}
pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        not PYTHON, reason="SPECC_DATUMARO names no Python with datumaro"
    ),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("datumaro")
    subprocess.run([PYTHON, str(WRITER), str(folder)], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("form", KINDS)
def test_an_import_says_what_datumaro_reads(home, tmp_path, form):
    expected = json.loads((home / "read.json").read_text())[form]
    output = tmp_path / "native"
    call = ["import", str(home / form), "-o", str(output), "--python", PYTHON]
    assert run_cli([*call, "--from", form]) == 0
    images = {f"{p.parts[-3]}/{p.stem}": p for p in output.glob("*/images/*")}
    assert images.keys() == expected.keys() and len(images) == 8
    for name, rows in expected.items():
        split, stem = name.split("/")
        told = {
            path.stem: json.loads(path.read_text())[images[name].name]
            for path in (output / split).glob("*.json")
        }
        boxes = [(r["name"], r["box"]) for r in rows if r["type"] == "bbox"]
        if "boxes" in KINDS[form]:
            found = [[x["category"], x["bbox"]] for x in told["object_detection"]]
            hulls = [(r["name"], r["box"]) for r in rows if r["type"] == "polygon"]
            assert sorted(found) == sorted(distinct(boxes + hulls))
        if "outlines" in KINDS[form]:
            with Image.open(output / split / "masks" / f"{stem}.tif") as file:
                pages = [np.asarray(x).any(2) for x in ImageSequence.Iterator(file)]
            hulls = [r["box"] for r in rows if r["type"] == "polygon"]
            assert [extent(page) for page in pages] == hulls
        if "label" in KINDS[form]:
            assert told["multiclass_classification"] == rows[0]["name"]
        if "text" in KINDS[form]:
            assert told["scene_text_recognition"] == rows[0]["text"]
        if "points" in KINDS[form]:
            (pose,) = told["keypoint_detection"]
            (row,) = [r for r in rows if r["type"] == "points"]
            places = np.reshape(row["points"], (-1, 2)).tolist()
            seen = [x if kind else None for x, kind in zip(places, row["seen"])]
            assert list(pose.values()) == seen
            assert list(pose) == ["left_ear", "right_ear", "tail"]
        if "maps" in KINDS[form]:
            colors = yaml.safe_load((output / split / "metadata.yaml").read_text())
            colors = colors[0]["colors"]
            image = np.asarray(
                Image.open(output / split / "categories" / f"{stem}.png")
            )
            areas = {n: int((image == c).all(2).sum()) for n, c in colors.items()}
            told = {r["name"]: r["area"] for r in rows}
            assert {n: area for n, area in areas.items() if area} == told


def distinct(boxes: list) -> list:
    """Boxes of polygons that have one of their own are one object."""
    return [json.loads(x) for x in dict.fromkeys(map(json.dumps, boxes))]


def extent(mask: np.ndarray) -> list[float]:
    y, x = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    return [float(v) for v in (x[0], y[0], x[-1] + 1, y[-1] + 1)]


def test_a_layout_that_nobody_knows_is_named(home, tmp_path, capsys):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "note.txt").write_text("nothing")
    call = ["import", str(tmp_path / "set"), "-o", str(tmp_path / "native")]
    assert run_cli([*call, "--python", PYTHON]) == 1
    assert "E426" in capsys.readouterr().err
    assert not (tmp_path / "native").exists()
    assert run_cli([*call, "--python", PYTHON, "--from", "nonsense"]) == 1
    assert "E427" in capsys.readouterr().err
