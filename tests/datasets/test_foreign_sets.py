"""Real sets written as tools write theirs: from `init` to a run without an edit, and
the targets are those of the native layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import foreign_boxes as boxes
import foreign_coco as coco
import foreign_maps as maps
import foreign_tables as tables
import numpy as np
import pytest
from foreign import Picture, Sets
from runs import BACKBONE, run
from test_init import NEEDS_REAL, REAL

from specc.cli import run_cli
from specc.datasets import pictures
from specc.datasets.emitted import load, words_of

pytestmark = [pytest.mark.soak, pytest.mark.slow, NEEDS_REAL]

SOME = {"train": 12, "val": 6, "test": 6}  # images of each set
NAMES = ("categories", "labels", "keypoints")


class Case(NamedTuple):
    name: str  # name of the real set
    task: str
    write: Callable[[Path, Sets], None]
    sets: int = 3  # number of sets of the layout
    close: float = 0  # pixels of a box or a point; meters of a depth
    sides: float = 0  # the same as a part of the longer side
    iou: float = 1  # least IoU of a mask with that of the native layout


DETECTION, MASKS = "object_detection", "instance_segmentation"
POINTS, CORNERS = "keypoint_detection", "quadrilateral_detection"
SEMANTIC, PANOPTIC, DEPTH = (
    "semantic_segmentation",
    "panoptic_segmentation",
    "depth_estimation",
)
CLASSES, LABELS = "multiclass_classification", "multilabel_classification"
TEXT, TOKENS = "scene_text_recognition", "autoregressive_text_recognition"
YOLO, VOC = {"sides": 1e-4}, {"close": 0.5}
CASES = [
    Case("bccd", DETECTION, coco.roboflow_coco),
    Case("bccd", DETECTION, coco.unpacked_coco),
    Case("bccd", DETECTION, coco.label_studio_coco, sets=1),
    Case("bccd", DETECTION, boxes.roboflow_yolo, **YOLO),
    Case("bccd", DETECTION, boxes.ultralytics, **YOLO),
    Case("bccd", DETECTION, boxes.cvat_yolo, **YOLO),
    Case("bccd", DETECTION, boxes.label_studio_yolo, sets=1, **YOLO),
    Case("bccd", DETECTION, boxes.labelimg_voc, **VOC),
    Case("bccd", DETECTION, tables.tensorflow_csv),
    Case("bccd", DETECTION, tables.retinanet_csv),
    Case("bccd", DETECTION, tables.hugging_face_objects),
    Case("bccd_voc", DETECTION, boxes.own_voc, **VOC),
    Case("bccd_voc", DETECTION, boxes.labelimg_voc, **VOC),
    Case("bccd_voc", DETECTION, coco.roboflow_coco),
    Case("coco128_yolo", DETECTION, boxes.roboflow_yolo, **YOLO),
    Case("coco128_yolo", DETECTION, coco.unpacked_coco, close=1e-3),
    Case("coco128_yolo", DETECTION, boxes.labelimg_voc, close=1),  # some are tiny
    Case("coco128_yolo", LABELS, tables.flags),
    Case("coco_panoptic", PANOPTIC, coco.coco_panoptic),
    Case("camvid", SEMANTIC, maps.index_masks),
    Case("camvid", SEMANTIC, maps.masks_by_ending),
    Case("camvid", SEMANTIC, maps.coded_masks),
    Case("camvid", SEMANTIC, maps.color_masks),
    Case("camvid", SEMANTIC, maps.voc_masks),
    Case("nuclei", MASKS, coco.roboflow_coco),
    Case("nuclei", MASKS, coco.unpacked_coco),
    Case("nuclei", MASKS, coco.coco_of_polygons, close=1, iou=0.97),
    Case("nuclei", MASKS, boxes.ultralytics, close=1, iou=0.97),
    Case("nuclei", MASKS, maps.numbers),
    Case("nuclei", MASKS, maps.bowl),
    Case("faces", POINTS, coco.coco_keypoints),
    Case("faces", POINTS, boxes.yolo_pose, **YOLO),
    Case("rgbd", DEPTH, maps.millimeters, close=6e-4),
    Case("rgbd", DEPTH, maps.arrays, close=1e-6),
    Case("rgbd", DEPTH, maps.floats, close=1e-6),
    Case("sudoku", CORNERS, boxes.dota, close=0.06),
    Case("sudoku", CORNERS, boxes.ultralytics, **YOLO),
    Case("captcha", TEXT, tables.tabbed_text),
    Case("captcha", TEXT, tables.spaced_text),
    Case("captcha", TOKENS, tables.hugging_face_lines),
    Case("captcha", TEXT, tables.kaggle_csv),
    Case("cifar10", CLASSES, tables.class_folders),
    Case("cifar10", CLASSES, tables.kaggle_csv),
    Case("cifar10", CLASSES, tables.hugging_face),
    Case("cifar10", CLASSES, tables.flags),
    Case("houses", "regression", tables.excel),
    Case("houses", "regression", tables.kaggle_csv),
    Case("omniglot", "metric_learning", tables.class_folders),
    Case("tiles", "anomaly_detection", maps.mvtec, sets=2),
]


def told_of(emitted, samples: list) -> list[Picture]:
    found = []
    for sample in samples:
        [label] = words_of(emitted, sample).values()
        found.append(Picture(sample.path, sample.height, sample.width, label))
    return found


def spread(samples: list, count: int) -> list:
    """Some of them, in pairs that stand side by side, so that identities recur."""
    if len(samples) <= count:
        return samples
    starts = np.linspace(0, len(samples) - 2, count // 2).astype(int)
    return [samples[i] for start in starts for i in (start, start + 1)]


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Callable[[str, str], Sets]:
    """Some images of a real set with the labels that its own layout gives them."""
    made: dict[tuple, Sets] = {}

    def get(name: str, task: str) -> Sets:
        if (name, task) not in made:
            out = tmp_path_factory.mktemp("native") / "job.json"
            given = ["--data", str(REAL.absolute() / name), "-o", str(out)]
            assert run_cli(["init", task, *given]) == 0
            emitted = load(out.read_bytes())
            training, held_out = emitted.dataset.read_datasets(Path())
            held_out = spread(held_out, SOME["val"] + SOME["test"])
            sets = {"train": spread(training, SOME["train"])}
            sets |= {"val": held_out[: SOME["val"]], "test": held_out[SOME["val"] :]}
            told = {key: told_of(emitted, samples) for key, samples in sets.items()}
            [head] = json.loads(out.read_text())["model"]["heads"]
            [names] = [head[key] for key in NAMES if key in head] or [[]]
            made[name, task] = Sets(names, head.get("things", []), told)
        return made[name, task]

    return get


def merged(of: Sets, count: int) -> Sets:
    """The sets that a layout has: without one to test on it validates on both."""
    sets = of.sets
    if count == 1:
        sets = {"train": sets["train"]}
    elif count == 2:
        sets = {"train": sets["train"], "val": sets["val"] + sets["test"]}
    return of._replace(sets=sets)


# ---- Labels that are alike ----


def assert_same_label(found, wanted, case: Case, picture: Picture) -> None:
    close = case.close + case.sides * max(picture.height, picture.width)
    if isinstance(wanted, list):
        left = list(found)
        assert len(left) == len(wanted), picture.path
        for thing in wanted:
            nearest = min(left, key=lambda other: distance(other, thing))
            assert distance(nearest, thing) <= close + 1e-3, (thing, nearest)
            if "mask" in thing:
                assert iou(nearest["mask"], thing["mask"]) >= case.iou, thing
            left.remove(nearest)
    elif isinstance(wanted, np.ndarray):
        assert found == pytest.approx(wanted, abs=close)
    else:
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            if key == "instances":
                assert_same_parts(found[key], value)
            elif isinstance(value, np.ndarray):
                assert np.array_equal(found[key], value), key
            elif isinstance(value, list):
                assert sorted(found[key]) == sorted(value)
            else:
                assert found[key] == value


def assert_same_parts(one: np.ndarray, other: np.ndarray) -> None:
    """Instances are the same pixels, whatever their numbers."""
    pairs = np.unique(np.stack([one, other], 2).reshape(-1, 2), axis=0)
    assert len(pairs) == len(np.unique(one)) == len(np.unique(other))


def distance(one: dict, other: dict) -> float:
    """The farthest that a number of one object is from that of another one; what no file
    names is an `object`."""
    if one.get("category") not in (other.get("category"), "object"):
        return np.inf
    for key in ("quadrilateral", "keypoints", "bbox"):
        if key in one:
            break
    first, second = (x[key] for x in (one, other))
    if key == "keypoints":
        if first.keys() != second.keys():
            return np.inf
        first, second = ([x[name] for name in first] for x in (first, second))
    return float(np.abs(np.subtract(first, second)).max())


def iou(one: dict, other: dict) -> float:
    from faster_coco_eval.core import mask as coco_mask

    return coco_mask.iou([one], [other], [0])[0][0]


def by_value(head: dict, label):
    """A map of categories by the values of its file, which init numbers itself."""
    if head["task"] == SEMANTIC and "values" in head:
        return np.array([*head["values"], -1])[label]
    return label


def read(job: dict, sets: int) -> dict[str, list[Picture]]:
    emitted = load(json.dumps(job).encode())
    training, held_out = emitted.dataset.read_datasets(Path())
    if sets == 1:
        return {"train": told_of(emitted, training + held_out)}
    found = {"train": training, "val": held_out}
    if sets == 3:
        found["test"] = emitted.dataset.read_test_set(Path())
    return {name: told_of(emitted, samples) for name, samples in found.items()}


# ---- From a foreign layout to a run ----


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.name}-{case.write.__name__}"
)
def test_a_foreign_layout_is_learned_from(place, real, monkeypatch, case):
    """Without an edit of what init says of the data; a small backbone is quick to run."""
    for name in ("save_sheet", "save_histograms"):
        monkeypatch.setattr(pictures, name, lambda *_: None)
    of = merged(real(case.name, case.task), case.sets)
    case.write(place / "set", of)
    assert run_cli(["init", case.task, "--data", "set", "-o", "job.json"]) == 0
    job = json.loads((place / "job.json").read_text("utf-8"))
    named = [key for key in ("train", "validation", "test") if key in job["data"]]
    assert len(named) == case.sets
    [head] = job["model"]["heads"]
    for name, found in read(job, case.sets).items():
        wanted = {x.path.name: x for x in of.sets[name]}
        assert sorted(x.path.name for x in found) == sorted(wanted), name
        for picture in found:
            right = wanted[picture.path.name]
            label = by_value(head, picture.label)
            assert_same_label(label, right.label, case, right)
    job["model"]["backbone"] = {**job["model"].get("backbone", {}), **BACKBONE}
    (place / "job.json").write_text(json.dumps(job))
    assert run_cli(["data", "job.json"]) == 0
    assert run_cli(["build", "job.json"]) == 0
    code, output = place / "generated" / job["name"], place / "run"
    flags = ("--data", place, "--output", output, "--workers", 0)
    run(code, "train.py", *flags, "--max-iterations", 3)
    assert (output / "best.pt").exists()
