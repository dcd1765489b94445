"""Labels that hold too little: told with numbers, or refused, for every head."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from emitted_jobs import make_reader
from layouts import as_yolo
from map_data import COLORS, ROOM, STREET, room, street
from PIL import Image
from runs import refusal, run
from small_data import box, native

from specc.datasets.emitted import Emitted, load, read

SETS = {"train": "train", "validation": "val"}
BOXES = {"task": "object_detection", "categories": ["a", "b", "c"]}
POINTS = {"task": "keypoint_detection", "keypoints": ["nose", "tail"]}
CORNERS = {"task": "quadrilateral_detection", "categories": ["a", "b"]}
KINDS = {"task": "multiclass_classification", "categories": ["a", "b", "c"]}
TAGS = {"task": "multilabel_classification", "labels": ["a", "b", "c"]}
NUMBER = {"task": "regression", "range": [0, 9]}
FACES = {"task": "metric_learning", "identities": ["a", "b", "c", "d"]}
TEXTS = {"task": "scene_text_recognition", "tokens": "xyz"}
POSE = {"nose": [4, 4], "tail": None}
QUAD = {"category": "a", "quadrilateral": [[1, 1], [9, 1], [9, 9], [1, 9]]}


def compiled(head: dict, **data) -> Emitted:
    data = SETS | {"resolution": [128, 128], "augmentation": None} | data
    head = {"name": "head"} | head
    job = {"name": "tested", "data": data, "model": {"heads": [head]}}
    return load(json.dumps(job).encode())


def described(folder: Path, head: dict, labels: dict) -> None:
    """A native set of images 0.png and so on, with these labels."""
    options = {key: x for key, x in head.items() if key not in ("task", "categories")}
    options |= {"categories": head.get("categories", [])}
    native(folder, labels, head["task"].replace("_", " "), **options)


def said_of(capsys, root: Path, head: dict, train: list, val: list) -> tuple:
    """Why a run does not begin, and the lines that are told; labels by image."""
    for name, labels in (("train", train), ("val", val)):
        described(root / name, head, {f"{i}.png": x for i, x in enumerate(labels)})
    reading = read(compiled(head), root)
    assert not reading.fatal and not reading.problems
    return reading.hopeless, capsys.readouterr().err.splitlines()


ONE = [box(2, 2, 9, 9)]
EMPTY = "head: too few kinds of labels, 0 (images to {1} on: {0})"


@pytest.mark.parametrize(
    "head, nothing, something",
    [
        (BOXES, [], ONE),
        (POINTS, [], [POSE]),
        (CORNERS, [], [QUAD]),
        (TEXTS, "", "xy"),
    ],
    ids=lambda x: x.get("task") if isinstance(x, dict) else "",
)
def test_a_set_without_any_object_is_refused(
    tmp_path, capsys, head, nothing, something
):
    some, none = [nothing, something], [nothing] * 3
    hopeless, _ = said_of(capsys, tmp_path, head, none, some)
    assert hopeless == [EMPTY.format(3, "train")]
    hopeless, _ = said_of(capsys, tmp_path, head, some, none)
    assert hopeless == [EMPTY.format(3, "validate")]


IMAGES = "images with boxes in the first pixel alone, as if in fractions"
PLACES = "keypoints in the first pixel, as if in fractions of the image"
SMALL = {"category": "a", "quadrilateral": [[0, 0], [0.9, 0], [0.9, 0.9], [0, 0.9]]}


@pytest.mark.parametrize(
    "head, fractions, pixels, told",
    [
        (BOXES, box(0.1, 0.2, 0.5, 1), ONE[0], IMAGES),
        (POINTS, {"nose": [0.1, 1], "tail": None}, POSE, PLACES),
        (CORNERS, SMALL, QUAD, IMAGES),
    ],
    ids=lambda x: x.get("task") if isinstance(x, dict) else "",
)
def test_fractions_for_pixels_are_refused(
    tmp_path, capsys, head, fractions, pixels, told
):
    """All objects lie in the first pixel; beside others they may."""
    hopeless, lines = said_of(capsys, tmp_path, head, [[fractions]] * 3, [[pixels]])
    assert hopeless == [EMPTY.format(3, "train")]
    reading = read(compiled(head), tmp_path)
    assert reading.counts[told] == 3
    both = [fractions, pixels]
    assert said_of(capsys, tmp_path, head, [both], [both])[0] == []


def test_names_that_never_occur_are_told(tmp_path, capsys):
    other = [box(2, 2, 9, 9, category="b")]
    hopeless, lines = said_of(capsys, tmp_path, BOXES, [ONE, []], [ONE, other])
    assert hopeless == []
    assert lines == [
        "head: in no image to train on, 2 of 3: b, c",
        "head: in no image to validate on, 1 of 3: c",
    ]


def test_a_keypoint_that_is_never_there_is_told(tmp_path, capsys):
    poses = [[POSE], [POSE]]
    hopeless, lines = said_of(capsys, tmp_path, POINTS, poses, poses)
    assert hopeless == [] and "head: in no image to train on, 1 of 2: tail" in lines


@pytest.mark.parametrize(
    "head, label, other", [(KINDS, "a", "b"), (NUMBER, 3, 4)], ids=lambda x: str(x)[:9]
)
def test_labels_that_are_all_the_same_teach_nothing(
    tmp_path, capsys, head, label, other
):
    """To be measured by they will do."""
    same, two = [label] * 3, [label, other]
    hopeless, _ = said_of(capsys, tmp_path, head, same, two)
    assert hopeless == ["head: too few kinds of labels, 1 (images to train on: 3)"]
    assert said_of(capsys, tmp_path, head, two, same)[0] == []


def test_a_label_that_every_image_has_is_told(tmp_path, capsys):
    labels = [["a"], ["a", "b"]]
    hopeless, lines = said_of(capsys, tmp_path, TAGS, labels, labels[:1])
    assert hopeless == []
    assert lines == [
        "head: in no image to train on, 1 of 3: c",
        "head: in every image to train on, 1 of 3: a",
        "head: in no image to validate on, 2 of 3: b, c",
        "head: in every image to validate on, 1 of 3: a",
    ]
    hopeless, _ = said_of(capsys, tmp_path, TAGS, [["a"]] * 4, labels)
    assert hopeless == ["head: all 4 images to train on have the same labels"]
    hopeless, _ = said_of(capsys, tmp_path, TAGS, labels, [[], []])
    assert hopeless == [EMPTY.format(2, "validate")]


def test_identities_of_one_image_each_find_nothing(tmp_path, capsys):
    pairs, alone = ["a", "a", "b", "c"], ["a", "b", "c", "d"]
    hopeless, lines = said_of(capsys, tmp_path, FACES, pairs, pairs)
    assert hopeless == []
    assert lines[0] == "head: 2 of 3 identities to train on have one image"
    hopeless, _ = said_of(capsys, tmp_path, FACES, alone, alone)
    assert hopeless == [
        f"head: 4 of 4 identities to {use} on have one image"
        for use in ("train", "validate")
    ]


# ---- Maps ----


def test_maps_of_one_category_and_nothing_else_teach_nothing(tmp_path):
    for name in SETS.values():
        street(tmp_path / name)
        only = np.zeros((30, 40, 3), np.uint8)
        only[:10] = COLORS["sky"]
        for i in range(3):
            Image.fromarray(only).save(tmp_path / name / "maps" / f"{i}.png")
    reading = read(compiled(STREET), tmp_path)
    what = "street: too few kinds of values, 1 in the maps (3) to train on"
    assert reading.hopeless == [what]


@pytest.mark.parametrize("head, draw", [(STREET, street), (ROOM, room)])
def test_maps_without_a_known_pixel_are_refused(tmp_path, head, draw):
    for name in SETS.values():
        draw(tmp_path / name)
    reading = read(compiled(head), tmp_path)
    assert reading.hopeless == []
    black = np.zeros((30, 40), np.uint16 if head is ROOM else np.uint8)
    for i in range(3):
        Image.fromarray(black).save(tmp_path / "val" / "maps" / f"{i}.png")
    reading = read(compiled(head), tmp_path)
    what = f"{head['name']}: too few kinds of values, 0 in the maps (3) to validate on"
    assert reading.hopeless == [what]


def test_why_maps_could_not_be_read_is_told(tmp_path):
    """As a JPEG, whose colors are not those of any category."""
    for name in SETS.values():
        street(tmp_path / name)
    odd = np.full((30, 40, 3), 9, np.uint8)
    for i in range(3):
        Image.fromarray(odd).save(tmp_path / "train" / "maps" / f"{i}.png")
    (said,) = read(compiled(STREET), tmp_path).hopeless
    first, why = said.splitlines()
    assert first == "street: too few kinds of values, 0 in the maps (3) to train on"
    assert why.endswith("2.png: no category has the color [9, 9, 9] at x 0, y 0")


def test_maps_are_read_until_one_says_enough(tmp_path):
    """One that cannot be decoded is told when it is trained on."""
    for name in SETS.values():
        street(tmp_path / name)
    emitted, calls = compiled(STREET), []
    samples = read(emitted, tmp_path).training
    samples[0].labels["street"].path.write_bytes(b"")

    def read_map(label) -> np.ndarray:
        calls.append(label.path.name)
        return emitted.data.read_categories(*label)

    emitted.data.check_maps(samples, "train", "street", read_map, 2)
    assert calls == ["0.png", "1.png"]


# ---- As users meet it ----


@pytest.mark.slow
def test_train_py_refuses_labels_that_were_not_found(tmp_path):
    """The images are found, and their files of labels are not: nothing is left out."""
    as_yolo(tmp_path / "set")
    (tmp_path / "set" / "labels").rename(tmp_path / "set" / "annotations")
    data = {"train": "set/data.yaml", "validation": "set/data.yaml", "format": "yolo"}
    (tmp_path / "job").mkdir()
    head = BOXES | {"name": "head", "categories": ["a", "b"]}
    job = make_reader(tmp_path / "job", (head,), data)
    said = refusal(run(job, "train.py", "--data", tmp_path, code=1))
    assert "images without a file of labels: 6" in said
    assert EMPTY.format(6, "train") in said
