"""`specc init`: what it recognizes, and what it writes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import layouts
import pytest
from PIL import Image

from specc.build import analyze
from specc.cli import run_cli
from specc.datasets.found import left_and_right, pair
from specc.datasets.tables.columns import nice_range
from specc.datasets.start import name_of
from specc.shapes.dataset import COUNTS
from specc.shapes.scene import BACKGROUNDS, CATEGORIES
from specc.shapes.text import draw_dataset

REAL = Path(os.environ.get("SPECC_TEST_DATA", ""))
NEEDS_REAL = pytest.mark.skipif(
    not os.environ.get("SPECC_TEST_DATA"), reason="SPECC_TEST_DATA is not set"
)
DETECTION = "object_detection"
CLASSES = "multiclass_classification"


def init(*arguments: object) -> tuple[dict, int]:
    """The job that is written, and the exit code."""
    code = run_cli(["init", *map(str, arguments)])
    path = Path("job.json")
    return (json.loads(path.read_text("utf-8")) if path.exists() else {}), code


def head_of(job: dict) -> dict:
    (head,) = job["model"]["heads"]
    return head


def assert_is_right(job: dict) -> None:
    """Nothing is wrong with it, and nothing is warned of."""
    assert analyze(json.dumps(job).encode())[2] == []


# ---- Every task, on the drawn datasets ----


@pytest.mark.parametrize(
    "task, labels, expected",
    [
        (DETECTION, None, {"categories": list(CATEGORIES)}),
        ("multilabel_classification", None, {"labels": list(CATEGORIES)}),
        (
            "multiclass_classification",
            "backgrounds.yaml",
            {"categories": list(BACKGROUNDS)},
        ),
        (
            "multiclass_classification",
            "counts.yaml",
            {"categories": list(COUNTS), "ordered": True},
        ),
        ("regression", None, {"range": [0.0, 1.0]}),
        ("metric_learning", None, {"identities": list(BACKGROUNDS)}),
        ("autoencoding", None, {"level": 3, "code_size": 8}),
        ("view_invariance_learning", None, {}),
    ],
)
def test_a_task_of_the_shapes(world, place, task, labels, expected):
    chosen = ["--labels", labels] if labels else []
    job, code = init(task, "--data", world / "shapes", *chosen)
    assert code == 0
    assert head_of(job) == {"task": task} | expected
    assert job["data"]["train"] == (world / "shapes" / "train").as_posix()
    assert job["data"]["validation"] == (world / "shapes" / "val").as_posix()
    assert "format" not in job["data"]
    assert_is_right(job)


@pytest.mark.parametrize(
    "task, keys",
    [
        ("semantic_segmentation", {"categories", "colors"}),
        ("instance_segmentation", {"categories", "colors"}),
        ("panoptic_segmentation", {"categories", "colors", "things"}),
        ("depth_estimation", {"range"}),
        ("keypoint_detection", {"keypoints", "flip_pairs"}),
        ("quadrilateral_detection", {"categories"}),
    ],
)
def test_what_a_task_needs_is_copied_from_the_metadata(world, place, task, keys):
    job, code = init(task, "--data", world / "shapes")
    assert code == 0
    assert set(head_of(job)) == {"task"} | keys
    assert_is_right(job)


@pytest.mark.parametrize(
    "task", ["scene_text_recognition", "autoregressive_text_recognition"]
)
def test_texts(place, task):
    draw_dataset(place / "strips", 6, 2)
    job, code = init(task, "--data", "strips")
    assert code == 0
    assert head_of(job) == {"task": task, "tokens": "0123456789"}
    assert job["data"]["resolution"] == [32, 96]
    assert job["data"]["train"] == "strips/train"
    assert_is_right(job)  # the levels that it does not read are left out
    longer = place / "strips" / "val" / "texts.yaml"
    longer.write_text(f"strip_00000.png: '{'1' * 20}'")
    job, code = init(task, "--data", "strips", "--force")
    assert head_of(job)["max_tokens"] == 20


# ---- Every format ----


@pytest.mark.parametrize(
    "make, task, labels, data, head",
    [
        (layouts.as_native, DETECTION, "", ("train", "val"), {"categories": ["a"]}),
        (layouts.as_folders, CLASSES, "", ("train", "val"), {}),
        (
            layouts.as_folders,
            "metric_learning",
            "",
            ("train", "val"),
            {"identities": ["a", "b"]},
        ),
        (layouts.as_coco, DETECTION, "", ("train.json", "val.json"), {}),
        (layouts.as_coco, "instance_segmentation", "", ("train.json", "val.json"), {}),
        (
            layouts.as_voc,
            DETECTION,
            "",
            ("ImageSets/Main/train.txt", "ImageSets/Main/val.txt"),
            {},
        ),
        (layouts.as_yolo, DETECTION, "", ("data.yaml", "data.yaml"), {}),
        (layouts.as_csv, CLASSES, "kind", ("train.csv", "val.csv"), {"name": "kind"}),
        (
            layouts.as_csv,
            "regression",
            "",
            ("train.csv", "val.csv"),
            {"name": "price", "range": [1.5, 6.5]},
        ),
    ],
)
def test_a_format(place, make, task, labels, data, head):
    make(place / "set")
    job, code = init(task, "--data", "set", *(["--labels", labels] if labels else []))
    assert code == 0
    named = (
        {}
        if {"range", "identities", "categories"} & set(head)
        else {"categories": ["a", "b"]}
    )
    own = head_of(job)
    own.pop("level", None)  # small images may be judged by another level
    assert own == {"task": task} | named | head
    assert [job["data"][key] for key in ("train", "validation")] == [
        f"set/{path}" for path in data
    ]
    form = make.__name__.removeprefix("as_")
    assert job["data"].get("format", "native") == form
    assert_is_right(job)


@pytest.mark.slow
def test_a_job_reads_what_it_was_made_for(place):
    """The emitted reader, in place of training: that is in the soak."""
    from specc.datasets.data import look
    from specc.datasets.survey import Images

    makers = (layouts.as_folders, layouts.as_coco, layouts.as_voc, layouts.as_yolo)
    for make in makers:
        make(place / make.__name__)
        task = CLASSES if make is layouts.as_folders else DETECTION
        job, _ = init(task, "--data", make.__name__, "--force")
        looked = look(json.dumps(job).encode(), Path(), Images())
        assert not looked.reading.fatal and not looked.reading.problems
        assert looked.reading.training and looked.reading.validation


def test_polygons_of_yolo_are_masks(place):
    layouts.as_yolo(place / "set", "{} .1 .1 .6 .1 .6 .7")
    job, code = init("instance_segmentation", "--data", "set")
    assert code == 0 and job["data"]["format"] == "yolo"
    _, code = init("instance_segmentation", "--data", "set/data.yaml", "--force")
    assert code == 0


def test_one_set_is_split(place, capsys):
    layouts.as_native(place / "set")
    job, code = init(DETECTION, "--data", "set/train")
    assert code == 0
    assert "validation" not in job["data"]
    assert "a tenth of the training set is held out" in capsys.readouterr().out


def test_keypoints_of_coco_are_paired(place, capsys):
    layouts.as_coco(place / "set")
    for name in layouts.SETS:
        path = place / "set" / f"{name}.json"
        content = json.loads(path.read_text())
        points = ["nose", "left_eye", "right_eye"]
        content["categories"] = [{"id": 1, "name": "face", "keypoints": points}]
        content["annotations"] = [
            item | {"category_id": 1} for item in content["annotations"]
        ]
        path.write_text(json.dumps(content))
    job, code = init("keypoint_detection", "--data", "set")
    assert code == 0
    assert head_of(job)["keypoints"] == ["nose", "left_eye", "right_eye"]
    assert head_of(job)["flip_pairs"] == [["left_eye", "right_eye"]]
    assert "  flip pairs   left_eye - right_eye\n" in capsys.readouterr().out


# ---- Parts ----


@pytest.mark.parametrize(
    "names, expected",
    [
        (["val", "train", "test"], ("train", "val")),
        (["Training", "test"], ("Training", "test")),
        (["instances_train2017", "instances_val2017"], ("instances_train2017",) * 1),
        (["trains", "trail"], (None,)),
        ([], (None, None)),
    ],
)
def test_sets_by_their_names(names, expected):
    assert pair(names)[: len(expected)] == expected


def test_ranges_end_at_round_numbers():
    assert nice_range(4.3424, 6.7677) == [4.3, 6.8]
    assert nice_range(0, 1) == [0.0, 1.0]
    low, high = nice_range(-1e-7, 1e9)
    assert low <= -1e-7 and high >= 1e9


@pytest.mark.parametrize(
    "names, expected",
    [
        (["left_eye", "right_eye"], [["left_eye", "right_eye"]]),
        (["LEye", "REye"], None),
        (["eye.L", "eye.R", "nose"], [["eye.L", "eye.R"]]),
        (["leftEye", "rightEye"], [["leftEye", "rightEye"]]),
        (["left_eye", "right_eye", "left_ear"], None),
        (["p00", "p01"], None),
    ],
)
def test_pairs_of_keypoints(names, expected):
    assert left_and_right(names) == expected


def test_a_name_comes_from_the_folder():
    assert name_of(Path("/data/My Cells (2)/train")) == "my-cells-2"
    assert name_of(Path("/9/train")) == "model"


# ---- Real data ----

REAL_TASKS = [
    ("bccd", DETECTION),
    ("bccd_voc", DETECTION),
    ("camvid", "semantic_segmentation"),
    ("captcha", "scene_text_recognition"),
    ("captcha", "autoregressive_text_recognition"),
    ("cifar10", CLASSES),
    ("cifar10", "autoencoding"),
    ("cifar10", "view_invariance_learning"),
    ("coco128_yolo", DETECTION),
    ("coco_panoptic", "panoptic_segmentation"),
    ("faces", "keypoint_detection"),
    ("houses", "regression"),
    ("nuclei", "instance_segmentation"),
    ("omniglot", "metric_learning"),
    ("rgbd", "depth_estimation"),
    ("sudoku", "quadrilateral_detection"),
    ("tiles", "autoencoding"),
]


@pytest.mark.sample(
    "bccd-object_detection",
    "camvid-semantic_segmentation",
    "captcha-scene_text_recognition",
    "coco_panoptic-panoptic_segmentation",
    "houses-regression",
    "omniglot-metric_learning",
    quick=("camvid-semantic_segmentation",),
)
@NEEDS_REAL
@pytest.mark.parametrize("folder, task", REAL_TASKS)
def test_real_data(place, folder, task):
    job, code = init(task, "--data", REAL.absolute() / folder)
    assert code == 0
    assert head_of(job)["task"] == task and job["data"]["validation"]
    assert analyze(json.dumps(job).encode())[2] == []


@pytest.mark.soak
def test_many_identities_are_counted(place):
    """A job that lists a hundred thousand would be too large."""
    for name in (*(f"train/{i}" for i in range(1001)), "val/a", "val/b"):
        (place / name).mkdir(parents=True)
        for number in "01":
            image = place / name / f"{number}.png"
            if name == "train/0" and number == "0":
                Image.new("RGB", (40, 30)).save(image)
            else:
                os.link(place / "train" / "0" / "0.png", image)
    job, code = init("metric_learning", "--data", ".")
    assert code == 0 and head_of(job)["identities"] == 1001
    assert_is_right(job)
    job, _ = init("multiclass_classification", "--data", ".", "--force")
    assert len(head_of(job)["categories"]) == 1001


# ---- Categories that a set lacks, or nobody uses ----


@pytest.mark.parametrize(
    "used, expected", [(False, ["a", "b"]), (True, ["r", "a", "b"])]
)
def test_the_unused_root_of_all_categories_is_left_out(place, used, expected):
    layouts.as_coco(place / "set")
    for name in layouts.SETS:
        path = place / "set" / f"{name}.json"
        content = json.loads(path.read_text())
        content["categories"].insert(0, {"id": 0, "name": "r", "supercategory": "none"})
        if used:
            content["annotations"][0]["category_id"] = 0
        path.write_text(json.dumps(content))
    job, code = init(DETECTION, "--data", "set")
    assert code == 0 and head_of(job)["categories"] == expected
