"""Class folders as people have them: which of them `specc init` takes for sets and
categories, and that the emitted reader does, too."""

from __future__ import annotations

import json
from pathlib import Path

import layouts
import pytest

from specc.cli import run_cli
from specc.datasets.find import search

CLASSES = "multiclass_classification"
PAIRS = {  # folders, of which {} is a category -> training set, validation set
    "one level more": (("data/train/{}", "data/val/{}"), ("data/train", "data/val")),
    "two levels more": (("a/a/train/{}", "a/a/test/{}"), ("a/a/train", "a/a/test")),
    "sets twice": (
        ("seg_train/seg_train/{}", "seg_test/seg_test/{}"),
        ("seg_train/seg_train", "seg_test/seg_test"),
    ),
    "set as a suffix": (
        ("training_set/{}", "test_set/{}"),
        ("training_set", "test_set"),
    ),
    "words": (("Training/{}", "Testing/{}"), ("Training", "Testing")),
    "of images": (("train-images/{}", "val-images/{}"), ("train-images", "val-images")),
    "categories one level more": (("PetImages/{}",), ("PetImages", None)),
    "images one level deeper": (("train/{}/images",), ("train", None)),
    "no sets": (("{}",), (".", None)),
}


def fill(root: Path, folders: tuple[str, ...], names=("cat", "dog"), suffix="png"):
    for number, folder in enumerate(folders):
        for name in names:
            for i in range(4):
                path = root / folder.format(name) / f"{i}.{suffix}"
                layouts.save(path, 100 * number + i)


def init(task: str = CLASSES) -> dict:
    assert run_cli(["init", task, "--data", "set", "--force"]) == 0
    return json.loads(Path("job.json").read_text())


@pytest.mark.sample("no sets", rest="slow")
@pytest.mark.parametrize("name", PAIRS)
def test_sets_and_categories_are_found(place, capsys, name):
    folders, (train, validation) = PAIRS[name]
    fill(Path("set"), folders)
    job = init()
    assert Path(job["data"]["train"]) == Path("set", train)
    assert job["data"].get("validation") == (validation and f"set/{validation}")
    assert job["model"]["heads"][0]["categories"] == ["cat", "dog"]


@pytest.mark.parametrize(
    "home, lists",
    [
        ("images/{}", ("meta/train.txt", "meta/test.json")),
        ("images/{}", ("train_test_split.txt",)),
        ("{}", ("test.csv",)),
    ],
)
def test_lists_of_sets_beside_categories_are_told(place, capsys, home, lists):
    """As Food-101 and CUB have them: which images are in which set."""
    fill(Path("set"), (home,))
    for name in ("classes.txt", *lists):
        Path("set", name).parent.mkdir(exist_ok=True)
        Path("set", name).write_text("1 0\n")
    init()
    names = sorted(Path(name).name for name in lists)
    told = f"lists that are named as sets, and not read: {', '.join(names)}\n"
    assert told in capsys.readouterr().out


@pytest.mark.parametrize("other", ["images", "annotations", "labels"])
def test_a_category_may_have_the_name_of_another_layout(place, capsys, other):
    fill(Path("set"), ("train/{}",), ("cat", "dog"))
    for i in range(4):
        layouts.save(Path(f"set/train/{other}/other{i}.png"), 50 + i)
    assert init()["model"]["heads"][0]["categories"] == sorted(["cat", "dog", other])


@pytest.mark.parametrize("ending", ["", "_mask"])
def test_images_beside_masks_are_no_categories(place, ending):
    for i in range(4):
        layouts.save(Path(f"set/images/{i}.png"), i)
        layouts.save(Path(f"set/masks/{i}{ending}.png"), i)
    assert search(Path("set"), ["folders"]).found == []


@pytest.mark.parametrize("suffix", ["ppm", "pgm"])
def test_images_of_netpbm_are_read(place, capsys, suffix):
    fill(Path("set"), ("{}",), suffix=suffix)
    if suffix == "pgm":
        for path in Path("set").rglob("*.pgm"):
            path.write_bytes(b"P5 4 3 255\n" + bytes(range(12)))
    assert run_cli(["init", CLASSES, "--data", "set"]) == 0
    assert "8 images" in capsys.readouterr().out


def test_a_table_of_texts_beside_categories(place, capsys):
    fill(Path("set"), ("{}",))
    rows = [f"cat/{i}.png,a text of number {i}" for i in range(4)]
    Path("set/captions.csv").write_text("\n".join(["image,caption", *rows]))
    assert init()["data"]["format"] == "folders"


def test_identities_of_a_set_one_level_deeper(place, capsys):
    fill(Path("set"), ("omniglot/train/{}",), ("a", "b"))
    fill(Path("set"), ("omniglot/val/{}",), ("c", "d"))
    job = init("metric_learning")
    assert job["data"]["validation"] == "set/omniglot/val"
    assert job["model"]["heads"][0]["identities"] == ["a", "b"]


@pytest.mark.parametrize("task", [CLASSES, "metric_learning"])
@pytest.mark.parametrize("sets", [("train", "val", "test"), ("training", "testing")])
def test_sets_of_images_are_no_categories(place, capsys, task, sets):
    """Their images lie flat; a table may tell what they show."""
    fill(Path("set"), ("{}",), sets)
    assert run_cli(["init", task, "--data", "set"]) == 1
    said = f"set: {', '.join(sorted(sets))} are names of sets, not of categories"
    assert said in capsys.readouterr().err


def test_a_category_may_have_the_name_of_a_set(place, capsys):
    fill(Path("set"), ("{}",), ("bus", "train"))
    assert init()["model"]["heads"][0]["categories"] == ["bus", "train"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "names, count, why",
    [
        (("drawings", "images"), 8, "`images` is"),
        (("cats", "dogs", "images"), 0, "`images`, where others have images of its"),
    ],
)
def test_a_category_may_look_like_the_images_of_a_dataset(
    place, capsys, names, count, why
):
    """One of three does where its files have the names of another one's."""
    for number, name in enumerate(names):
        for i in range(8):
            path = Path("set", name, f"{count * number + i}.png")
            layouts.save(path, 8 * number + i)
    assert run_cli(["init", CLASSES, "--data", "set"]) == 1
    said = capsys.readouterr().err
    assert f"set: folders of images, {', '.join(names[:-1])} and images: {why}" in said
    assert "if it is a category, rename it" in said
