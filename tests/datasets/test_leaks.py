"""Images in both sets: equal, nearly equal, of one video; the group that helps."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from small_data import box, picture

from specc.datasets.gate import near
from specc.datasets.gate.findings import Finding
from specc.datasets.advice import findings_of
from specc.datasets.data import look
from specc.datasets.survey import Images
from specc.resources import install

NEEDS_IMAGEHASH = pytest.mark.skipif(
    not near.can_search(), reason="ImageHash is not installed: pip install imagehash"
)
HEAD = {"task": "object_detection", "categories": ["a"]}
DATA = {"resolution": [128, 160]}


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def annotate(folder: Path) -> None:
    """Gives each image of a folder one object."""
    entry = {"task": "object detection", "categories": ["a"]}
    entry["annotations"] = "labels.yaml"
    (folder / "metadata.yaml").write_text(yaml.safe_dump(entry))
    names = sorted(path.name for path in (folder / "images").iterdir())
    labels = {name: [box(8, 8, 60, 50)] for name in names}
    (folder / "labels.yaml").write_text(yaml.safe_dump(labels))


def frame(scene: int, number: int) -> np.ndarray:
    """A camera that moves by a pixel a frame, with noise, in changing light."""
    whole = picture(140, 200, seed=scene).astype(int)
    noise = np.random.default_rng((scene, number)).normal(0, 3, (120, 160, 3))
    shown = whole[number : number + 120, number : number + 160] * (1 - number / 40)
    return np.clip(shown + noise, 0, 255).astype(np.uint8)


def clips(folder: Path, name: str, scenes=range(8), frames=range(6)) -> None:
    for scene in scenes:
        for number in frames:
            file = name.format(scene=scene, letter="abcdefgh"[scene], number=number)
            save(folder / "images" / file, frame(scene, number))
    annotate(folder)


def findings(data: dict, head: dict = HEAD) -> list[Finding]:
    job = {"name": "clips", "data": DATA | data, "model": {"heads": [head]}}
    return findings_of(look(json.dumps(job).encode(), Path(), Images()))


def found(data: dict, head: dict = HEAD) -> dict:
    return {finding.code: finding for finding in findings(data, head)}


@pytest.mark.sample(
    "clip{scene}_{number:04}.png",
    "{letter}{number}.png",
    quick=("clip{scene}_{number:04}.png",),
)
@NEEDS_IMAGEHASH
@pytest.mark.parametrize(
    "name",
    [
        "clip{scene}_{number:04}.png",
        "{letter}{number}.png",
        "clip-{letter}-{number}_png.rf.0c{number}d{scene}.png",
        "part{scene}{letter}_at_{number}ms.png",
        "{scene:03}4{number}.png",  # numbers that go on
    ],
)
def test_the_group_that_is_proposed_keeps_frames_together(place, name):
    clips(place / "set", name)
    before = found({"train": "set"})["D203"]
    assert before.severity == "warning" and before.count == len(before.files) >= 3
    ((path, expression),) = before.edits
    assert path == "/data/group"
    after = found({"train": "set", "group": expression})
    assert not {"D201", "D202", "D203"} & set(after)


@NEEDS_IMAGEHASH
def test_no_group_is_proposed_where_it_leaves_one_side_empty(place):
    clips(place / "set", "one_{number:04}.png", [3], range(12))
    one = found({"train": "set"})
    assert "D203" not in one and one["D202"].count == 1
    assert one["D202"].edits == () and "group" not in one["D202"].help


@NEEDS_IMAGEHASH
def test_no_group_is_proposed_that_holds_out_whole_categories(place):
    """Folders are categories, not videos."""
    for scene, name in enumerate(("cat", "dog", "owl")):
        for number in range(8):
            save(place / "set" / name / f"{number}.png", frame(scene, number))
    head = {"task": "multiclass_classification", "categories": ["cat", "dog", "owl"]}
    one = found({"train": "set", "format": "folders"}, head=head)
    assert not any(one[code].edits for code in ("D202", "D203") if code in one)


@NEEDS_IMAGEHASH
def test_where_validation_is_a_set_of_its_own_pairs_are_named(place):
    clips(place / "train", "{letter}_{number}.png", frames=range(0, 4))
    clips(place / "val", "{letter}_{number}.png", [1, 2], frames=range(4, 6))
    one = found({"train": "train", "validation": "val"})["D203"]
    assert one.count == 4 and one.edits == () and "one set" in one.help
    assert one.message.endswith("by names and looks: b, c")
    first, second = one.files[0].split(" ~ ")
    assert (first[:-5], second) == ("train/images/b_", "val/images/b_4.png")


@NEEDS_IMAGEHASH
def test_copies_that_are_scaled_compressed_or_darker_are_found(place):
    for number, name in enumerate(("elm", "oak", "ash", "fir", "yew", "box")):
        save(place / "train" / "images" / f"{name}.png", picture(120, 160, number))
    copies = place / "val" / "images"
    save(copies / "pear.png", picture(90, 120, 0))
    save(copies / "plum.jpg", picture(120, 160, 1))
    save(copies / "sloe.png", (picture(120, 160, 2) * 0.6).astype(np.uint8))
    save(copies / "rose.png", picture(120, 160, 99))
    save(copies / "lime.png", picture(120, 160, 3))  # equal pixels: told as such
    for name in ("train", "val"):
        annotate(place / name)
    one = found({"train": "train", "validation": "val"})
    assert one["D202"].files == (
        "train/images/elm.png ~ val/images/pear.png",
        "train/images/oak.png ~ val/images/plum.jpg",
        "train/images/ash.png ~ val/images/sloe.png",
    )
    assert (
        one["D202"].message == "3 of 5 validation images nearly equal training images"
    )
    assert one["D201"].files == ("train/images/fir.png = val/images/lime.png",)


@NEEDS_IMAGEHASH
def test_images_of_the_test_set_are_compared_with_both_others(place):
    for number, name in enumerate(("train/images/elm", "val/images/oak")):
        for copy in range(2):
            save(place / f"{name}{copy}.png", picture(120, 160, 10 * number + copy))
    last = place / "test" / "images"
    save(last / "pear.png", picture(120, 160, 0))  # equals an image to train on
    save(last / "plum.jpg", picture(120, 160, 11))  # is one to validate on, compressed
    save(last / "rose.png", picture(120, 160, 99))
    sets = {"train": "train", "validation": "val", "test": "test"}
    for name in sets.values():
        annotate(place / name)
    told = [x for x in findings(sets) if x.code in ("D201", "D202", "D203")]
    assert [(x.code, x.message, x.files) for x in told] == [
        (
            "D201",
            "1 image is both in training and test (equal pixels)",
            ("test/images/pear.png = train/images/elm0.png",),
        ),
        (
            "D202",
            "1 of 3 test images nearly equals validation images",
            ("val/images/oak1.png ~ test/images/plum.jpg",),
        ),
    ]
    (place / "test" / "labels.yaml").write_text("a: [")
    one = found(sets)["D305"]
    assert "test set were not looked for" in one.message
    assert "test/labels.yaml: cannot be read" in one.files[0]


def test_equal_images_of_one_split_get_the_group_too(place):
    """Two files for each image: pixels are compared, no library is needed."""
    for number in range(20):
        for copy in ("left", "right"):
            path = place / "set" / "images" / f"{number:02}_{copy}.png"
            save(path, picture(60, 80, number))
    annotate(place / "set")
    one = found({"train": "set"})["D201"]
    ((_, expression),) = one.edits
    assert "D201" not in found({"train": "set", "group": expression})


def test_without_the_library_it_is_said(place, monkeypatch):
    clips(place / "set", "{letter}_{number}.png", range(2))
    monkeypatch.setattr(near, "can_search", lambda: False)
    one = found({"train": "set"})
    assert one["D305"].help == install("data")
    assert not {"D202", "D203"} & set(one)


@NEEDS_IMAGEHASH
def test_beyond_a_number_of_images_some_are_compared(place, monkeypatch):
    clips(place / "set", "{letter}_{number}.png")
    monkeypatch.setattr(near, "MOST", 20)
    assert "one of 3 images" in found({"train": "set"})["D305"].message


@NEEDS_IMAGEHASH
def test_thumbnails_are_found_as_by_comparing_all(monkeypatch):
    rng = np.random.default_rng(0)
    training = [rng.integers(0, 255, (32, 32), np.uint8) for _ in range(300)]
    copies = {3: 17, 8: 255, 21: 0}
    validation = [rng.integers(0, 255, (32, 32), np.uint8) for _ in range(30)]
    validation[12] = np.full((32, 32), 7, np.uint8)  # shows nothing
    training[40] = np.full((32, 32), 9, np.uint8)
    for place, other in copies.items():
        noise = rng.normal(0, 8, (32, 32))
        validation[place] = np.clip(training[other] + noise, 0, 255).astype(np.uint8)
    assert near.nearest(training, validation) == copies
    monkeypatch.setattr(near, "BLOCK", 7)  # thumbnails are taken in blocks
    assert near.nearest(training, validation) == copies
    assert near.nearest(training, []) == near.nearest([], validation) == {}
