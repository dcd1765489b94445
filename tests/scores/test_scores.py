"""`specc score`: categories one by one, and what is taken for what."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import seeing
import torch
from emitted_jobs import load_all, make

from specc.cli import run_cli
from specc.scores.counts import match, match_poses, overlaps_of, precisions
from specc.scores.score import score, segments

NAMES = ("a", "b", "c")


# ---- Counting ----


def labeled(boxes: list, kinds: str, ignored: str = "") -> SimpleNamespace:
    classes = np.array([NAMES.index(kind) for kind in kinds], int)
    hidden = np.array([kind == "y" for kind in ignored or "n" * len(kinds)], bool)
    boxes = np.array(boxes, float).reshape(-1, 4)
    return SimpleNamespace(boxes=boxes, classes=classes, ignored=hidden)


def predicted(*rows: tuple) -> list[dict]:
    return [{"category": k, "bbox": list(b), "score": s} for k, b, s in rows]


def counted(truth: list, found: list, module=None):
    return match(truth, found, NAMES, overlaps_of(module, truth[0]))


LEFT, RIGHT, FAR = (0, 0, 10, 10), (20, 0, 30, 10), (50, 50, 60, 60)


def test_a_perfect_prediction_is_on_the_diagonal():
    truth = [labeled([LEFT, RIGHT], "ab"), labeled([], ""), labeled([FAR], "c")]
    found = [
        predicted(("b", RIGHT, 0.7), ("a", LEFT, 0.9)),
        [],
        predicted(("c", FAR, 0.4)),
    ]
    matches = counted(truth, found)
    assert matches.best_score() == 0.4  # the lowest: all are right
    expected = np.diag([1, 1, 1, 0])
    assert matches.confusions().tolist() == expected.tolist()


def test_what_is_taken_for_what():
    """By hand: an `a` found twice, a `b` taken for a `c`, a `c` missed, one in vain. The
    better `c` on the first object does not take it from its own category."""
    truth = [labeled([LEFT, RIGHT, FAR], "abc")]
    found = predicted(
        ("c", LEFT, 0.95),
        ("a", LEFT, 0.9),
        ("a", (0, 0, 10, 9), 0.8),
        ("c", (20, 0, 30, 8), 0.6),
        ("b", (80, 80, 90, 90), 0.5),
    )
    matches = counted(truth, [found])
    assert matches.confusions().tolist() == [
        [1, 0, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
        [1, 1, 1, 0],
    ]
    # F1 from 0.95 on 0, from 0.9 on 2 * 1 / (2 + 3), then less.
    assert matches.best_score() == 0.9
    above = matches.above(0.9).confusions()
    assert above[0].tolist() == [1, 0, 0, 0] and above[1, 3] == above[2, 3] == 1


def test_an_overlap_of_a_half_is_enough_and_less_is_not():
    truth = [labeled([LEFT], "a")]
    half, less = (0, 0, 10, 5), (0, 0, 10, 4.9)
    assert counted(truth, [predicted(("a", half, 0.5))]).confusions()[0, 0] == 1
    assert counted(truth, [predicted(("a", less, 0.5))]).confusions()[0, 3] == 1


def test_ignored_objects_count_neither_way():
    truth = [labeled([LEFT, RIGHT], "ab", "yn")]
    found = predicted(("a", LEFT, 0.9), ("b", LEFT, 0.8), ("b", RIGHT, 0.7))
    matches = counted(truth, [found])
    assert matches.objects.tolist() == [0, 1, 0]
    # The `b` on the ignored `a` is in vain; the `a` there is nothing.
    assert matches.confusions()[:, 0].sum() == 0
    assert matches.confusions()[:, 1].tolist() == [0, 1, 0, 1]


def test_segments_are_counted_by_category(tmp_path):
    """Three of `a` found, of which one in vain, with an IoU of 0.6 and 0.8; one missed."""
    rows = segments(np.array([[1.4, 0, 0], [2, 0, 0], [1, 0, 0], [1, 2, 0]]), NAMES)
    assert rows["a"] == pytest.approx(
        {"objects": 3, "sq": 0.7, "pq": 0.7 * 2 / 3}
        | dict.fromkeys(("precision", "recall", "f1"), 2 / 3)
    )
    assert rows["b"]["recall"] == rows["b"]["pq"] == 0
    assert rows["c"] == dict.fromkeys(rows["c"]) | {"objects": 0}


def test_poses_are_counted_as_they_were_matched(tmp_path):
    head = {
        "name": "poses",
        "task": "keypoint_detection",
        "keypoints": ("left", "right"),
    }
    folder = make(tmp_path, [head | {"flip_pairs": []}])
    module = load_all(folder, "evaluate").evaluate
    places = np.float32([corners(box)[::2] for box in (LEFT, RIGHT, FAR)])
    truth = module.Poses(places, np.float32([LEFT, RIGHT, FAR]))
    names = ("left", "right")
    words = [
        {"score": score, "keypoints": dict(zip(names, corners(box)[::2]))}
        for box, score in ((LEFT, 0.9), ((80, 0, 90, 10), 0.8), (FAR, 0.7))
    ]
    evidence = [module.pose_evidence(truth, words, names, 0.05)]
    confusions = match_poses(evidence * 2).confusions()
    assert confusions.tolist() == [[4, 2], [2, 0]]


# ---- The command ----


def masked(module, box: tuple) -> dict:
    left, top, right, bottom = box
    drawn = np.zeros((64, 64), np.uint8, order="F")
    drawn[top:bottom, left:right] = 1
    return module.coco_mask.encode(drawn)


@pytest.mark.sample("quadrilateral_detection", rest="slow")
@pytest.mark.parametrize("task", ["instance_segmentation", "quadrilateral_detection"])
def test_masks_and_polygons_are_counted_as_their_boxes_are(tmp_path, task):
    head = {"name": "cells", "task": task, "categories": NAMES}
    module = load_all(make(tmp_path, [head]), "evaluate").evaluate
    boxes, classes = np.float32([LEFT, RIGHT, FAR]), np.array([0, 1, 1])
    found = [LEFT, (20, 0, 30, 6), LEFT]
    if task == "instance_segmentation":
        masks = tuple(masked(module, box) for box in (LEFT, RIGHT, FAR))
        truth = module.Instances(boxes, classes, masks)
        words = [{"mask": masked(module, box), "bbox": list(box)} for box in found]
    else:
        places = np.array([corners(box) for box in (LEFT, RIGHT, FAR)])
        truth = module.Quadrilaterals(places, boxes, classes)
        words = [{"quadrilateral": corners(box)} for box in found]
    words = [w | {"category": k, "score": 0.9} for w, k in zip(words, "abb")]
    overlap = overlaps_of(module, truth)(words, truth)
    expected = [[1, 0, 0], [0, 0.6, 0], [1, 0, 0]]
    np.testing.assert_allclose(overlap, expected, atol=1e-6)
    confusions = counted([truth], [words], module).confusions()
    assert confusions.tolist() == [[1, 0, 0, 0], [0, 1, 0, 1], [0] * 4, [0, 1, 0, 0]]
    metrics = precisions(module, [truth], [words[:2]], NAMES)
    assert metrics["a"]["ap"] == pytest.approx(1)
    # One of two, whose IoU of 0.6 is enough for 3 of COCO's 10 thresholds.
    assert metrics["b"]["ap50"] == pytest.approx(51 / 101)
    assert metrics["b"]["ap"] == pytest.approx(0.3 * 51 / 101)
    assert metrics["c"] == {}


def corners(box: tuple) -> list:
    left, top, right, bottom = box
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


@pytest.fixture
def trained(place) -> Path:
    return seeing.write(place, NAMES)


@pytest.mark.slow
def test_the_command_tells_what_is_found(trained, place, capsys):
    arguments = ["score", str(trained), "--weights", "best.pt", "--workers", "0"]
    assert run_cli([*arguments, "--format", "json", "-o", "tables"]) == 0
    told = json.loads(capsys.readouterr().out)["cells"]
    # Of 8 predictions, all `a`: 3 are right, 1 is a `b`, and 4 find nothing.
    assert told["confusions"] == [[3, 0, 0, 0], [1, 0, 0, 0], [0] * 4, [4, 0, 0, 0]]
    assert told["min_score"] == pytest.approx(torch.tensor(2.0).sigmoid().item())
    a, b, c = told["categories"].values()
    assert (a["objects"], b["objects"], c["objects"]) == (3, 1, 0)
    assert a["precision"] == 3 / 8 and a["recall"] == 1
    assert a["f1"] == pytest.approx(6 / 11)
    assert 3 / 8 <= a["ap"] == a["ap50"] <= 1
    assert (b["ap"], b["precision"], b["recall"], b["f1"]) == (0, None, 0, 0)
    assert c == dict.fromkeys(c) | {"objects": 0}
    with open("tables/cells-confusion.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["", *NAMES, "missed"] and rows[2] == ["b", "1", "0", "0", "0"]
    assert run_cli([*arguments, "--min-score", "0.95"]) == 0
    text = capsys.readouterr().out
    assert "cells: predictions from a score of 0.950 on (as asked)" in text
    assert "a           0  0  0       3" in text


def test_a_folder_without_detectors_names_the_command_for_others(monkeypatch, capsys):
    nothing = SimpleNamespace(heads={})
    monkeypatch.setattr("specc.scores.score.find", lambda folder: nothing)
    assert score(Path("prices"), None, "text", None) == 0
    said = "prices has no head that finds objects of categories; specc report RUN tells"
    assert said in capsys.readouterr().out


def test_a_folder_of_something_else_is_told(place, capsys):
    (place / "other").mkdir()
    assert run_cli(["score", "other", "--weights", "best.pt"]) == 1
    assert "name a folder that `specc build` wrote" in capsys.readouterr().err


def test_a_folder_of_an_earlier_specc_is_told(trained, place, capsys):
    path = trained / "evaluate.py"
    path.write_text(path.read_text("utf-8").replace("to_annotations", "in_words"))
    assert run_cli(["score", str(trained), "--weights", "best.pt"]) == 1
    said = capsys.readouterr().err
    assert "has no `to_annotations`" in said and "build the folder again" in said
