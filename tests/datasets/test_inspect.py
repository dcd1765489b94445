"""`specc data`: what it finds in a dataset, and what it advises."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import layouts
import numpy as np
import pytest
import yaml
from PIL import Image
from small_data import box, native, picture

from specc.cli import run_cli
from specc.datasets import pictures

DETECTION = "object_detection"


def inspect(capsys, *arguments: object) -> tuple[dict, int]:
    """Returns the findings as JSON, and the exit code."""
    code = run_cli(["data", "--format", "json", *map(str, arguments)])
    caught = capsys.readouterr()
    return (json.loads(caught.out) if caught.out else {"error": caught.err}), code


def findings(told: dict) -> dict[str, dict]:
    return {finding["finding"]: finding for finding in told["findings"]}


def write_job(data: dict, head: dict, **model) -> Path:
    job = {"name": "looked-at", "data": data, "model": {"heads": [head]} | model}
    path = Path("job.json")
    path.write_text(json.dumps(job))
    return path


def detector(sets=("set/train", "set/val"), resolution=(128, 160), **head) -> Path:
    data = dict(zip(("train", "validation"), sets)) | {"resolution": resolution}
    return write_job(data, {"task": DETECTION, "categories": ["a", "b", "no"]} | head)


def image(path: Path, height: int, width: int, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(height, width, seed)).save(path)


def dataset(folder: Path, boxes: list, height=120, width=160, count=3) -> None:
    """Two sets of large images, each with the same boxes."""
    for number, name in enumerate(layouts.SETS):
        labels = {f"{i}.png": boxes for i in range(count)}
        native(folder / name, labels)
        for i in range(4):
            path = folder / name / "images" / f"{i}.png"
            image(path, height, width, 10 * number + i)


@pytest.fixture(autouse=True)
def no_histograms(request, monkeypatch):
    """Matplotlib draws longer than all else takes: one test has the histograms drawn."""
    if request.node.originalname != "test_a_dataset_without_a_job":
        monkeypatch.setattr(pictures, "save_histograms", no_pictures)


def no_pictures(looked, path):
    """Saves an empty picture in place of histograms."""
    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))


# ---- What is there ----


@pytest.mark.slow
def test_counts_sizes_and_classes(place, capsys):
    dataset(place / "set", [box(8, 8, 60, 50), box(70, 20, 120, 90, category="b")])
    image(place / "set" / "val" / "images" / "2.png", 100, 50, 99)
    labels = {f"{i}.png": [box(2, 2, 40, 40, category="no")] for i in range(3)}
    (place / "set" / "val" / "labels.yaml").write_text(yaml.safe_dump(labels))
    told, code = inspect(capsys, detector())
    assert code == 0
    assert told["sets"]["training"] == {
        "images": 3,
        "height": [120, 120, 120],
        "width": [160, 160, 160],
        "aspect": [1.333, 1.333, 1.333],
    }
    assert told["sets"]["validation"]["height"] == [100, 120, 120]
    (head,) = told["heads"]
    assert head["counts"] == {"training": {"a": 3, "b": 3}, "validation": {"no": 3}}
    assert findings(told)["absent"]["files"] == ["no"]


@pytest.mark.slow
@pytest.mark.sample(
    "as_coco-instance_segmentation-objects",
    "as_folders-multiclass_classification-images",
)
@pytest.mark.parametrize(
    "lay_out, task, unit",
    [
        (layouts.as_native, DETECTION, "objects"),
        (layouts.as_coco, "instance_segmentation", "objects"),
        (layouts.as_voc, DETECTION, "objects"),
        (layouts.as_yolo, DETECTION, "objects"),
        (layouts.as_folders, "multiclass_classification", "images"),
    ],
)
def test_a_dataset_without_a_job(place, capsys, lay_out, task, unit):
    lay_out(place / "set")
    told, code = inspect(capsys, "set", "-o", "looked")
    assert (code, told["heads"][0]["task"], told["heads"][0]["unit"]) == (0, task, unit)
    assert told["name"] == "set" and sum(
        told["heads"][0]["counts"]["training"].values()
    )
    for path in told["pictures"].values():
        assert Path(path).parent == Path("looked") and cv2.imread(path) is not None


@pytest.mark.slow
def test_columns_are_looked_at_one_by_one(place, capsys):
    layouts.as_csv(place / "set")
    told, code = inspect(capsys, "set")
    assert code == 0
    assert [one["heads"][0]["name"] for one in told] == ["kind", "price"]
    assert told[1]["heads"][0]["numbers"]["training"] == [1.5, 4.5, 6.5]
    assert len({path for one in told for path in one["pictures"].values()}) == 4
    told, _ = inspect(capsys, "set", "--labels", "price", "--task", "regression")
    assert told["heads"][0]["task"] == "regression"


@pytest.mark.slow
@pytest.mark.sample(
    "depth_estimation-None", "keypoint_detection-None", "multilabel_classification-None"
)
@pytest.mark.parametrize(
    "task, labels",
    [
        ("semantic_segmentation", None),
        ("depth_estimation", None),
        ("panoptic_segmentation", None),
        ("keypoint_detection", None),
        ("quadrilateral_detection", None),
        ("multilabel_classification", None),
        ("autoencoding", None),
    ],
)
def test_the_labels_of_a_task(world, place, capsys, task, labels):
    told, code = inspect(capsys, world / "shapes", "--task", task)
    assert code == 0
    assert told["sets"]["training"]["images"] == 16
    sheet = cv2.imread(told["pictures"]["sheet"])
    assert sheet.shape[1] == 1440 and sheet.std() > 30
    (head,) = told["heads"]
    numbers = head["counts"]["training"] or head["numbers"]["training"]
    assert bool(numbers) == (task != "autoencoding")


@pytest.mark.slow
def test_the_text_names_everything(place, capsys):
    dataset(place / "set", [box(8, 8, 10, 10), box(20, 20, 150, 110)])
    assert run_cli(["data", str(detector())]) == 0
    said = capsys.readouterr().out
    assert "training         3     120    160           1.333" in said
    assert re.search(r"level +stride +owns +has a center in\n3 +8 +3 +3\n", said)
    assert "a quarter to an eighth of its longer side" in said
    assert "= edit: set /model/heads/0/bottom_level to 2" in said
    assert f"sheet: {Path('specc-data', 'looked-at', 'sheet.png')}" in said


# ---- What is wrong ----


@pytest.mark.slow
def test_equal_images_in_both_sets(place, capsys):
    dataset(place / "set", [box(8, 8, 60, 50)])
    images = place / "set" / "train" / "images"
    pixels = cv2.imread(str(images / "0.png"))
    other = place / "set" / "val" / "images" / "1.png"
    cv2.imwrite(str(other), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    assert other.read_bytes() != (images / "0.png").read_bytes()
    (images / "2.png").write_bytes((images / "1.png").read_bytes())
    told, code = inspect(capsys, detector())
    found = findings(told)
    assert code == 0
    assert found["leak"]["files"] == ["set/train/images/0.png = set/val/images/1.png"]
    assert "equal pixels" in found["leak"]["message"]
    assert found["doubled"]["files"] == [
        "set/train/images/1.png = set/train/images/2.png"
    ]


@pytest.mark.slow
def test_broken_images_and_annotations_are_all_named(place, capsys):
    dataset(place / "set", [box(8, 8, 60, 50)])
    train = place / "set" / "train"
    labels = {
        "0.png": [box(8, 8, 60, 50)],
        "1.png": [box(60, 8, 8, 50)],
        "2.png": [],
        "3.jpg": [],
        "missing.png": [],
        "../../etc/passwd": [],
        "/etc/passwd": [],
    }
    (train / "labels.yaml").write_text(yaml.safe_dump(labels))
    (train / "images" / "2.png").write_bytes(b"")
    whole = cv2.imencode(".jpg", picture(120, 160))[1].tobytes()
    (train / "images" / "3.jpg").write_bytes(whole[: len(whole) // 2])
    told, code = inspect(capsys, detector())
    found = findings(told)
    assert code == 1
    assert (found["wrong"]["code"], found["wrong"]["severity"]) == ("D103", "error")
    wrong = "\n".join(found["wrong"]["files"])
    for part in (
        "1.png: ",
        "missing.png: no such",
        "leads out",
        "/etc/passwd",
    ):
        assert part in wrong
    assert len(found["wrong"]["files"]) == found["wrong"]["count"] == 4
    # Training does without a few broken images of its own.
    assert found["left out"]["severity"] == "warning"
    first, second = found["left out"]["files"]
    assert ": 2.png: " in first and "3.jpg: " in second
    assert told["sets"]["training"]["images"] == 2


def test_where_nothing_can_be_read_the_problems_alone_are_told(place, capsys):
    dataset(place / "set", [box(9, 9, 4, 4)])
    told, code = inspect(capsys, detector())
    assert code == 1 and told["sets"]["training"]["images"] == 0
    errors = [x["finding"] for x in told["findings"] if x["severity"] == "error"]
    assert errors == ["wrong"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "file, content, said",
    [
        ("labels.yaml", "[", "cannot be read"),
        ("labels.yaml", "a: &a [*a]", "values, the limit is"),
        (
            "metadata.yaml",
            "{task: regression}",
            "no entry with `task: object detection`",
        ),
        ("metadata.yaml", "\x00", "cannot be read"),
        (
            "metadata.yaml",
            "{task: object detection, categories: [a, x], annotations: labels.yaml}",
            "only in the dataset: x",
        ),
        (
            "metadata.yaml",
            "{task: object detection, categories: [a, b, 'no'], annotations: ../../x}",
            "leads out of",
        ),
    ],
)
def test_a_dataset_of_a_stranger(place, capsys, file, content, said):
    dataset(place / "set", [box(8, 8, 60, 50)])
    (place / "set" / "train" / file).write_text(content)
    told, code = inspect(capsys, detector())
    assert code == 1
    assert said in json.dumps(told["findings"])


def test_yaml_bombs_and_image_bombs(place, capsys):
    dataset(place / "set", [box(8, 8, 60, 50)])
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{key}: &{key} [{', '.join(['*' + before] * 9)}]\n"
        for before, key in zip("abcdefgh", "bcdefghi")
    )
    (place / "set" / "val" / "labels.yaml").write_text(bomb)
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60000).to_bytes(4, "big") * 2
    (place / "set" / "train" / "images" / "1.png").write_bytes(header + bytes(13))
    told, code = inspect(capsys, detector())
    assert code == 1
    assert "values, the limit is" in json.dumps(told["findings"])


def test_a_missing_dataset(place, capsys):
    told, code = inspect(capsys, detector(sets=("nowhere", "else")))
    assert code == 1 and "nowhere" in findings(told)["unread"]["message"]
    assert told["sets"]["training"] == {"images": 0} and told["pictures"] == {}
    told, code = inspect(capsys, "nowhere")
    assert code == 1 and "E421" in told["error"]


def test_a_wrong_job_is_told_as_by_check(place, capsys):
    path = detector(resolution=(100, 100))
    told, code = inspect(capsys, path)
    assert code == 1
    assert "error[E207]" in told["error"] and "--> job.json:1:" in told["error"]
    path.write_text("{")
    told, code = inspect(capsys, path)
    assert code == 1 and "error[E102]" in told["error"]
