"""`specc init` chooses the resolution by the sizes of objects, too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from specc.cli import run_cli
from specc.datasets import start
from specc.shapes.text import draw_dataset

SIZE = (400, 300)  # width and height of the images


def draw(folder: Path, lines: str) -> Path:
    """A dataset of YOLO, each image with these objects."""
    for part in ("train", "val"):
        for kind in ("images", "labels"):
            (folder / kind / part).mkdir(parents=True)
        for number in range(4):
            image = Image.new("RGB", SIZE, (number, 80, 120))
            image.save(folder / "images" / part / f"{number}.png")
            (folder / "labels" / part / f"{number}.txt").write_text(lines)
    sets = {"path": str(folder), "train": "images/train", "val": "images/val"}
    (folder / "data.yaml").write_text(json.dumps(sets | {"names": ["thing"]}))
    return folder


def resolution(folder: Path, task: str = "object_detection") -> list[int]:
    """The resolution that `specc init` writes."""
    job = folder / "job.json"
    assert run_cli(["init", task, "--data", str(folder), "-o", str(job)]) == 0
    return json.loads(job.read_text())["data"]["resolution"]


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "things"


def test_large_objects_need_fewer_pixels(folder, capsys):
    """A box of 240 px in an image of 300 has 80 where the image has 100: 128 at least."""
    assert resolution(draw(folder, "0 0.5 0.5 0.8 0.8\n")) == [128, 192]
    said = capsys.readouterr()
    assert (
        "128x192, height and width, in the shape of most images; objects are large"
        in said.out
    )
    assert said.err == ""


@pytest.mark.parametrize(
    "lines",
    [
        "0 0.5 0.5 0.8 0.8\n0 0.2 0.2 0.1 0.1\n",  # one of two is small
        "0 0.5 0.5 0.35 0.35\n",  # 98 px: a fifth less is not worth it
        "0 0.5 0.5 0.8\n",  # the reader refuses it
    ],
)
def test_else_the_resolution_is_that_of_the_images(folder, capsys, lines):
    assert resolution(draw(folder, lines)) == [288, 384]
    assert "objects are large" not in capsys.readouterr().out


def test_a_large_set_is_not_read(folder, monkeypatch):
    monkeypatch.setattr(start, "READ", 3)
    assert resolution(draw(folder, "0 0.5 0.5 0.8 0.8\n")) == [288, 384]


def test_a_few_small_objects_decide_nothing(folder):
    """One of 21 is below the share of the objects that may have fewer pixels."""
    sides = [0.8 + number / 200 for number in range(20)]
    lines = "".join(f"0 0.5 0.5 {side} {side}\n" for side in sides)
    lines += "0 0.2 0.2 0.1 0.1\n"
    assert resolution(draw(folder, lines)) == [128, 192]


@pytest.mark.parametrize(
    "size, expected",
    [
        ((240, 80), [48, 144]),
        ((900, 300), [48, 144]),
        ((120, 40), [40, 120]),  # not enlarged
        ((60, 180), [144, 48]),  # letters below each other
    ],
)
def test_a_text_needs_few_pixels(folder, size, expected):
    draw_dataset(folder, 2, 1)
    for path in folder.rglob("*.png"):
        Image.open(path).resize(size).save(path)
    assert resolution(folder, "scene_text_recognition") == expected


@pytest.mark.parametrize("side, level", [(40, 4), (64, 4), (95, None), (300, None)])
def test_a_head_of_small_images_reads_a_map_of_three_cells_a_side(
    side, level, tmp_path, capsys
):
    """At level 5 an image of 64 pixels has 2x2 cells: level 4 is read, where the backbone
    then ends. Of 96 pixels it has 3x3, and the default is kept."""
    for name in ("a", "b"):
        for number in range(8):
            path = tmp_path / "photos" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (side, side), (30 * number, 80, 120)).save(path)
    job = tmp_path / "job.json"
    words = ["multiclass_classification", "--data", str(tmp_path / "photos")]
    assert run_cli(["init", *words, "-o", str(job)]) == 0
    model = json.loads(job.read_text())["model"]
    assert model["heads"][0].get("level") == level
    ends = {"name": "resnet18", "top_level": level} if level else None
    assert model.get("backbone") == ends
    told = "4: the map of the next one has too few cells"
    assert (told in capsys.readouterr().out) == bool(level)
