"""Paths, links, hidden files and folders of specc: one rule, and it is told."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
import small_sets
from emitted_jobs import CLASSES, DETECTION
from readings import labels_of, started
from small_sets import image, write

from specc.cli import run_cli
from specc.datasets.files import Unreadable
from specc.datasets.parts import reader


def test_paths_may_lead_anywhere_below_the_root(emitted, tmp_path):
    """Absolute, through .., with the separators of Windows; not out of it."""
    dataset = emitted(DETECTION, format="coco", validation="val.json").dataset
    path = small_sets.coco(tmp_path / "set" / "annotations")
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
    assert sorted(labels_of(samples)) == sorted(small_sets.IMAGES)
    assert all(len(sample.labels["cells"].boxes) == 2 for sample in samples)
    with pytest.raises(SystemExit, match="problems: 4\n.*leads out of"):
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_job_of_the_folder_that_holds_the_class_folders(place, capsys):
    """It is named as the folder, and built beside the images, not among them."""
    home = place / "flowers"
    for name in ("cat", "dog"):
        for i in range(3):
            write(home / name / f"{i}.png", image(i + 5 * (name == "dog")))
    os.chdir(home)
    head, _ = started("multiclass_classification")
    assert run_cli(["build", "job.json"]) == 0
    assert (
        home / "generated" / "flowers-multiclass-classification" / "train.py"
    ).is_file()
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
        pixels = Image.fromarray(small_sets.picture(30, 40, 0))
        file = small_sets.io.BytesIO()
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
    path = small_sets.folders(tmp_path)
    (path / "a" / "link").symlink_to(path / "no", target_is_directory=True)
    (path / "no" / "back").symlink_to(path / "a", target_is_directory=True)
    with pytest.raises(SystemExit, match="its kind is 'a' and 'no'"):
        dataset.read_dataset(path)
