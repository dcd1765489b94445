"""`specc data` as a gate: exit codes, severities, and sets too small to choose by."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import pytest
import yaml
from emitted_jobs import NAMES, build
from runs import run
from small_data import box, native, picture

from specc.cli import run_cli
from specc.datasets import pictures
from specc.datasets.emitted import load, read
from specc.datasets.gate.findings import FAIL_ON, SEVERITIES, Finding, fails
from specc.datasets.gate.held_out import standard_error
from specc.datasets.gate.integrity import integrity_of
from specc.datasets.gate.looked import Looked
from specc.datasets.survey import Images, decode
from specc.resources import PACKAGE, names

JOB = {
    "name": "gated",
    "data": {"train": "set/train", "validation": "set/val", "resolution": [64, 64]},
    "model": {
        "backbone": {"name": "resnet18"},
        "heads": [
            {"task": "object_detection", "categories": list(NAMES), "top_level": 5}
        ],
    },
    "trainer": {"max_iterations": 1, "batch_size": 2},
}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    for name in ("save_sheet", "save_histograms"):
        monkeypatch.setattr(pictures, name, lambda *_: None)


def gate(capsys, *flags: str, job: dict = JOB) -> tuple[dict[str, dict], int]:
    """Returns the findings by their codes, and the exit code."""
    Path("job.json").write_text(json.dumps(job))
    code = run_cli(["data", "job.json", "--format", "json", *flags])
    told = json.loads(capsys.readouterr().out)
    return {finding["code"]: finding for finding in told["findings"]}, code


def dataset(place: Path, count=3, **more) -> None:
    for number, name in enumerate(("train", "val")):
        labels = {
            f"{i}.png": [box(4, 4, 24, 20, category=NAMES[i])] for i in range(count)
        }
        native(place / "set" / name, labels | more.get(name, {}))
        for i in range(4):
            path = place / "set" / name / "images" / f"{i}.png"
            cv2.imwrite(str(path), picture(30, 40, 10 * number + i))


def cut_short(place: Path, *files: str) -> None:
    """Leaves the header of JPEGs, so that they have a size and no pixels."""
    for file in files:
        whole = cv2.imencode(".jpg", picture(120, 160))[1].tobytes()
        (place / "set" / file).write_bytes(whole[: len(whole) // 2])


# ---- The exit code ----

BROKEN = {"9.jpg": [box(4, 4, 24, 20)]}
BACKWARD = {"3.png": [box(24, 4, 4, 20)]}
CASES = {  # fault -> expected code, whether training refuses
    "nothing": (None, False),
    "a broken training image": ("D206", False),
    "an empty training image": ("D206", False),
    "a broken validation image": ("D104", True),
    "an empty validation image": ("D103", True),
    "a box that ends before it begins": ("D103", True),
    "no labels": ("D102", True),
    "no images": ("D102", True),
    "no folder": ("D101", True),
    "all training images broken": ("D104", True),
}


def spoil(place: Path, what: str) -> None:
    train, val = place / "set" / "train", place / "set" / "val"
    if what == "a broken training image":
        dataset(place, train=BROKEN)
        cut_short(place, "train/images/9.jpg")
    elif what == "an empty training image":
        (train / "images" / "0.png").write_bytes(b"")
    elif what == "a broken validation image":
        dataset(place, val=BROKEN)
        cut_short(place, "val/images/9.jpg")
    elif what == "an empty validation image":
        (val / "images" / "0.png").write_bytes(b"")
    elif what == "a box that ends before it begins":
        dataset(place, train=BACKWARD)
    elif what == "no labels":
        (val / "labels.yaml").write_text("{0.png: [], 1.png: []}")
    elif what == "no images":
        (val / "labels.yaml").write_text("{0.png: null}")
    elif what == "no folder":
        (train / "metadata.yaml").unlink()
    elif what == "all training images broken":
        labels = {f"{i}.jpg": [box(4, 4, 24, 20)] for i in range(3)}
        (train / "labels.yaml").write_text(yaml.safe_dump(labels))
        cut_short(place, *(f"train/images/{i}.jpg" for i in range(3)))


@pytest.mark.sample("no folder", rest="slow")
@pytest.mark.parametrize("what", CASES)
def test_the_exit_code_is_1_where_training_would_refuse(place, capsys, what):
    dataset(place)
    spoil(place, what)
    found, code = gate(capsys)
    expected, refused = CASES[what]
    assert code == refused == any(x["severity"] == "error" for x in found.values())
    assert expected is None or expected in found


@pytest.mark.slow
@pytest.mark.parametrize(
    "what",
    [
        "a broken training image",
        "a broken validation image",
        "all training images broken",
    ],
)
def test_training_refuses_what_the_gate_refuses(place, what):
    dataset(place)
    spoil(place, what)
    Path("job.json").write_text(json.dumps(JOB))
    (place / "out").mkdir()
    flags = ("--device", "cpu", "--workers", 0)
    done = run(build(JOB, place / "out"), "train.py", *flags, code=int(CASES[what][1]))
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_image_that_changes_while_it_is_read_ends_a_run(place, capsys, monkeypatch):
    """Its header tells another size than its pixels have: no other image takes its
    place."""
    dataset(place)
    Path("job.json").write_text(json.dumps(JOB))
    emitted = load(json.dumps(JOB).encode())
    reading = read(emitted, Path())
    reading.training[0] = reading.training[0]._replace(height=17)
    images = Images()
    decode(emitted, reading.training, images)
    looked = Looked(JOB, emitted, Path(), reading, images, {})
    (finding,) = integrity_of(looked)
    assert (finding.code, finding.count) == ("D104", 1)
    assert "changed since" in finding.files[0]


def test_fail_on():
    findings = {code: Finding(f"{code}01", "", "", "") for code in SEVERITIES}
    failed = {
        flag: [code for code, one in findings.items() if fails([one], flag)]
        for flag in FAIL_ON
    }
    assert failed == {"error": ["D1"], "warning": ["D1", "D2"], "never": []}


# ---- Codes ----


def test_each_code_has_one_kind():
    pairs = set()
    for path in (PACKAGE / "datasets").rglob("*.py"):
        pairs |= set(
            re.findall(r'"(D[0-9]{3})",\s+"([a-z ]+)"', path.read_text("utf-8"))
        )
    codes, kinds = zip(*pairs)
    assert len(set(codes)) == len(set(kinds)) == len(pairs)
    pages = {name.removesuffix(".md") for name in names("explain") if name[0] == "D"}
    assert set(codes) == pages


@pytest.mark.slow
def test_the_text_names_codes_and_the_json_counts(place, capsys):
    dataset(place, train=BACKWARD)
    found, _ = gate(capsys)
    one = found["D103"]
    assert (one["severity"], one["count"], len(one["files"])) == ("error", 1, 1)
    assert one["help"].startswith("mend them")
    run_cli(["data", "job.json"])
    said = capsys.readouterr().out
    assert "\nerror[D103]: 1 image is missing, or with wrong annotations\n" in said
    severities = re.findall(r"^(error|warning|note)\[D", said, re.MULTILINE)
    assert severities == sorted(severities, key=("error", "warning", "note").index)


# ---- A small validation set ----


@pytest.mark.slow
def test_a_small_validation_set_is_named_with_counts(place, capsys):
    dataset(place)
    found, code = gate(capsys)
    assert code == 0
    for flag in ("warning", "never"):
        assert gate(capsys, "--fail-on", flag)[1] == (flag == "warning")
    few = found["D204"]
    assert (few["count"], few["severity"]) == (3, "warning")
    assert "object_detection: 3 validation images" in few["message"]
    assert "up to 29 points" in few["message"]  # 50 / sqrt(3)
    assert found["D205"]["files"] == ["a: 1", "b: 1", "no: 1"]
    data = {"train": "set/train", "resolution": [64, 64]}
    found, _ = gate(capsys, job=JOB | {"data": data})
    assert "/data/validation_fraction" in found["D204"]["help"]


def test_standard_errors():
    assert [round(standard_error(n), 1) for n in (25, 100)] == [10, 5]
