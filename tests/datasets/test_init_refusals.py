"""`specc init` refuses datasets that do not fit, and says why."""

from __future__ import annotations

import shutil
from pathlib import Path

import layouts
import pytest
from map_data import street
from small_data import native
from test_init import CLASSES, DETECTION

from specc.cli import run_cli
from specc.resources import install


def test_an_unknown_task(place, capsys):
    assert run_cli(["init", "object_detecton", "--data", "."]) == 1
    assert "did you mean `object_detection`?" in capsys.readouterr().err
    layouts.as_native(place / "set")
    assert run_cli(["init", "Object detection", "--data", "set"]) == 0


@pytest.mark.parametrize(
    "task, path, said",
    [
        (DETECTION, "nowhere", "there is no `nowhere`"),
        (DETECTION, "empty", "looked for metadata.yaml beside images/"),
        (DETECTION, ".", "help: name a folder in it: set"),
        ("regression", "set", "it holds object_detection (native: "),
        ("autoencoding", "empty", "looked for images, in this folder or below it"),
    ],
)
def test_no_dataset(place, capsys, task, path, said):
    layouts.as_native(place / "set")
    (place / "empty").mkdir()
    assert run_cli(["init", task, "--data", path]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error[E421]: ") and said in error
    assert not Path("job.json").exists()


def test_several_datasets(world, place, capsys):
    shapes_ = world / "shapes"
    assert run_cli(["init", CLASSES, "--data", str(shapes_)]) == 1
    error = capsys.readouterr().err
    assert "error[E422]: " in error and "2 datasets for" in error
    assert "add --labels backgrounds.yaml or --labels counts.yaml" in error
    layouts.as_coco(place / "set")
    layouts.as_yolo(place / "set")
    assert run_cli(["init", DETECTION, "--data", "set"]) == 1
    assert "add --format coco or --format yolo" in capsys.readouterr().err
    assert run_cli(["init", DETECTION, "--data", "set", "--format", "yolo"]) == 0


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("metadata.yaml", "task: [", "cannot be read"),
        ("metadata.yaml", "{task: object detection}", "lacks categories"),
        ("metadata.yaml", "{task: object detection, categories: a}", "list of names"),
        ("metadata.yaml", "&a [*a, *a]", "values, the limit is"),
        ("metadata.yaml", "\x00", "cannot be read"),
        ("metadata.yaml", "!!python/object/apply:os.system [exit]", "cannot be read"),
        ("metadata.json", "[" * 100_000, "cannot be read"),
        ("metadata.json", "\ufeff{", "cannot be read"),
    ],
)
def test_a_broken_file_is_named(place, capsys, name, content, said):
    layouts.save(place / "set" / "images" / "0.png")
    (place / "set" / name).write_text(content, "utf-8")
    assert run_cli(["init", DETECTION, "--data", "set"]) == 1
    error = capsys.readouterr().err
    assert "error[E421]: " in error and said in error, error


@pytest.mark.parametrize(
    "metadata, said",
    [
        ({"colors": {"road": "#804080"}}, "`colors[0]` must be a list"),
        ({"colors": {"road": [1, 2, 256]}}, "`colors[0][2]` must be from 0 to 255"),
        ({"colors": {}}, "`colors[0]` must be a list, found null"),
        ({"categories": []}, "`categories` must have 1 to 10,000 items, found 0"),
    ],
)
def test_metadata_that_fits_no_job_is_named(place, capsys, metadata, said):
    """Not a place in a job that nobody has seen."""
    street(place / "set", **metadata)
    assert run_cli(["init", "semantic_segmentation", "--data", "set"]) == 1
    error = capsys.readouterr().err
    told = "error[E421]: what `set` tells of semantic segmentation fits no job: "
    assert error.startswith(told + said) and "1 error" in error


def test_tasks_that_are_not_known_are_shown(place, capsys):
    street(place / "set", task="colouring")
    assert run_cli(["init", "semantic_segmentation", "--data", "set"]) == 1
    said = "set: its metadata has no task that is known: colouring"
    assert said in capsys.readouterr().err


def test_files_that_are_called_otherwise_are_shown(place, capsys):
    layouts.as_native(place / "set")
    path = place / "set" / "train" / "metadata.yaml"
    path.rename(path.with_suffix(".yml"))
    assert run_cli(["init", DETECTION, "--data", "set"]) == 1
    said = "metadata.yml: is read where it is called metadata.yaml"
    assert said in capsys.readouterr().err


def test_one_folder_of_images_is_shown(place, capsys):
    layouts.save(place / "set" / "train" / "cat" / "0.png")
    assert run_cli(["init", CLASSES, "--data", "set"]) == 1
    said = "images in one folder, cat, and no other category"
    assert f"note: {Path('set/train')}: {said}; looked for" in capsys.readouterr().err


def test_images_without_labels_are_told_from_no_images(place, capsys):
    for number in range(3):
        layouts.save(place / "set" / f"{number}.png")
    assert run_cli(["init", DETECTION, "--data", "set"]) == 1
    said = "note: its images have no labels that are found; looked for "
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("place_of_train", ["/etc", "../..", "images/../../.."])
def test_yolo_may_not_lead_out_of_its_folder(place, capsys, place_of_train):
    layouts.as_yolo(place / "set")
    text = f"train: {place_of_train}\nnames: [a, b]\n"
    (place / "set" / "data.yaml").write_text(text)
    assert run_cli(["init", DETECTION, "--data", "set"]) == 1
    assert "data.yaml: train: leads out of " in capsys.readouterr().err


def test_coco_whose_images_a_job_would_not_find(place, capsys):
    layouts.as_coco(place / "set")
    (place / "set" / "images").rename(place / "elsewhere")
    said = refused(capsys, DETECTION)
    assert "train.json: none of its 6 images, as `train0.png`, is in set" in said
    assert "mend that file" not in said and "help: put the images into" in said


def test_images_that_cannot_be_read(place, capsys):
    native(place / "set", {"0.png": []}, categories=["a"])
    for path in (place / "set" / "images").iterdir():
        path.write_bytes(b"")
    assert run_cli(["init", DETECTION, "--data", "set"]) == 1
    error = capsys.readouterr().err
    assert "none of 4 images in `set` can be read" in error
    assert f"{Path('set', 'images', '0.png')} cannot be decoded" in error


def test_too_few_identities_to_hold_some_out(place, capsys):
    layouts.as_folders(place / "set")
    assert run_cli(["init", "metric_learning", "--data", "set/train"]) == 1
    assert "error[E393]: " in capsys.readouterr().err


def test_missing_packages_are_told(place, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run_cli(["init", DETECTION, "--data", "."]) == 1
    error = capsys.readouterr().err
    assert "error[E424]: " in error and install("train") in error


# ---- Nothing to learn from ----


def refused(capsys, task: str, *more: str) -> str:
    assert run_cli(["init", task, "--data", "set", *more]) == 1
    assert not Path("job.json").exists()
    return capsys.readouterr().err


def test_images_without_a_file_of_labels(place, capsys):
    layouts.as_yolo(place / "set")
    shutil.rmtree(place / "set" / "labels")
    looked = Path("set/labels/train/0.txt")
    said = refused(capsys, DETECTION)
    assert f"none of 6 images has a label, looked for as {looked}" in said


@pytest.mark.parametrize(
    "text, said",
    [
        ("<annotation></annotation>", "no object with a name in 12 files as {}"),
        ("<annotation><object></annotation>", "{} is not XML: ParseError: mismatched"),
        ('<?xml version="1.0" encoding="gbk"?><a/>', "multi-byte encodings are not"),
        (None, "there is no {}"),
    ],
)
def test_why_no_object_of_voc_was_found(place, capsys, text, said):
    layouts.as_voc(place / "set")
    for path in (place / "set" / "Annotations").iterdir():
        path.write_text(text) if text else path.unlink()
    told = said.format(Path("set/Annotations/train0.xml"))
    error = refused(capsys, DETECTION)
    assert "train.txt: " in error and told in error


def test_a_split_without_names(place, capsys):
    layouts.as_voc(place / "set")
    for path in (place / "set" / "ImageSets" / "Main").iterdir():
        path.write_text("\n")
    assert "train.txt: it lists no image" in refused(capsys, DETECTION)


def test_maps_of_one_category(place, capsys):
    """The rest of each map is black: unknown."""
    names = {"categories": ["road"], "colors": {"road": [128, 64, 128]}}
    street(place / "set" / "train", **names)
    said = refused(capsys, "semantic_segmentation")
    assert "error[E313]: " in said and "pixels of no category are unknown" in said
