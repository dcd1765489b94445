"""From a foreign layout to a run by three commands: one layout of each format here, all
others in test_foreign_sets.py."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import layouts
import layouts_maps
import pytest
from layouts_boxes import tensorflow
from layouts_coco import as_cvat, as_roboflow
from layouts_yolo import (
    dota,
    label_studio,
    roboflow,
    ultralytics_foreign_path,
    voc_beside,
)
from runs import one_core, run, warm

from specc.cli import run_cli

pytestmark = pytest.mark.slow

DETECTION, CLASSES = "object_detection", "multiclass_classification"
LAYOUTS = {  # each format but yolo, which is trained on as it is printed
    "coco": (as_roboflow, DETECTION),
    "voc": (voc_beside, DETECTION),
    "dota": (dota, "quadrilateral_detection"),
    "csv": (tensorflow, DETECTION),
    "folders": (layouts.as_folders, CLASSES),
    "maps": (layouts_maps.index_masks, "semantic_segmentation"),
}
ONE = ("--max-iterations", "1", "--workers", "0")


@pytest.mark.sample("voc", "csv")
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_format_is_learned_from_as_it_is(place, name):
    make, task = LAYOUTS[name]
    make(place / "set")
    assert run_cli(["init", task, "--data", "set"]) == 0
    assert run_cli(["build", "job.json"]) == 0
    job = json.loads(Path("job.json").read_text("utf-8"))
    assert job["data"]["format"] == name
    code, output = place / "generated" / job["name"], place / "run"
    run(code, "train.py", "--data", place, "--output", output, *ONE)
    rows = [json.loads(x) for x in (output / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["split"] == "validation"
    if name == "coco":  # the dataset has three sets
        given = ("--weights", output / "best.pt", "--data", place, "--workers", 0)
        done = run(code, "evaluate.py", *given, "--test")
        told = [key for key in rows[-1] if key.startswith(f"{task}/")]
        assert json.loads(done.stdout).keys() == set(told)


def command(line: str, *more: str) -> str:
    """Runs a line that was printed, in this process or one for a script that has
    imported its libraries; returns what it says."""
    program, *arguments = shlex.split(line)
    if program == "specc":
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            assert run_cli(arguments) == 0
        return said.getvalue()
    script = Path(arguments[0]).absolute()
    assert (program, script.name) == ("python", "train.py")
    done = warm().run([str(script), *arguments[1:], *more], Path.cwd(), one_core(), 120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


TOOLS = {  # name of a tool -> its export, and the format that it is
    "Roboflow": (roboflow, "yolo"),
    "CVAT": (as_cvat, "coco"),
    "Label Studio": (label_studio, "yolo"),
    "LabelImg": (voc_beside, "voc"),
    "Ultralytics": (ultralytics_foreign_path, "yolo"),
}


@pytest.mark.parametrize(
    "tool",
    ["Roboflow", *(pytest.param(x, marks=pytest.mark.soak) for x in [*TOOLS][1:])],
)
def test_what_is_printed_leads_from_a_zip_to_a_run(place, tool):
    """Four commands: unzip, init, build, train; not one edit."""
    make, form = TOOLS[tool]
    make(place / "export")
    packed = shutil.make_archive("things", "zip", place / "export")
    shutil.rmtree(place / "export")
    shutil.unpack_archive(packed, "things")
    said = command(f"specc init {DETECTION} --data things")
    data, build, train = re.findall(r"^(?:next:)? +((?:specc|python) .*)", said, re.M)
    assert data == "specc data job.json"
    assert train in command(build)
    job = json.loads(Path("job.json").read_text("utf-8"))
    assert job["data"]["format"] == form
    command(train, *ONE)
    assert len(list(Path("runs").rglob("best.pt"))) == 1
