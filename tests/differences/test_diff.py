"""`specc diff`: pairs of jobs, each with the class of its change stated beforehand."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from emitted_jobs import load

from specc.build import compile_job
from specc.cli import run_cli
from specc.differences.changes import compare
from specc.differences.classes import NAMED
from specc.differences.fields import NO_FIELDS
from specc.differences.sides import Side, side_of
from specc.folder import record
from specc.language.schema import bundled

DETECTOR = {
    "version": 1,
    "name": "cells",
    "data": {
        "train": "cells/train",
        "validation": "cells/val",
        "resolution": [128, 128],
    },
    "model": {
        "backbone": {"name": "resnet18"},
        "neck": {"kind": "fpn", "channels": 32},
        "heads": [
            {"name": "cells", "task": "object_detection", "categories": ["a", "b", "c"]}
        ],
    },
    "trainer": {"max_iterations": 40, "batch_size": 4},
}
TRAINED = {**DETECTOR, "trainer": {"initialization": {"kind": "imagenet"}}}
CLASSIFIER = {
    **DETECTOR,
    "model": {
        "backbone": {"name": "resnet18"},
        "heads": [
            {
                "name": "kind",
                "task": "multiclass_classification",
                "categories": ["a", "b", "c"],
            }
        ],
    },
}
READER = {
    **DETECTOR,
    "model": {
        "backbone": {"name": "resnet18"},
        "heads": [{"name": "text", "task": "scene_text_recognition", "tokens": "0123"}],
    },
}
POSES = {
    **DETECTOR,
    "model": {
        **DETECTOR["model"],
        "heads": [
            {"name": "pose", "task": "keypoint_detection", "keypoints": ["l", "r"]}
        ],
    },
}
PRICES = {
    **DETECTOR,
    "model": {
        "backbone": {"name": "resnet18"},
        "heads": [{"name": "price", "task": "regression", "range": [0.0, 9.0]}],
    },
}
SECOND = {"name": "kind", "task": "multiclass_classification", "categories": ["x", "y"]}
HEAD, DATA, BACKBONE = "/model/heads/0", "/data", "/model/backbone"
PAIRS = [  # job, pointers with new values, class
    (DETECTOR, {"/name": "other"}, "cosmetic"),
    (DETECTOR, {"/data/cache": "cache"}, "cosmetic"),
    (DETECTOR, {"/data/channels": 3}, "cosmetic"),  # the default, written out
    (DETECTOR, {"/trainer/validations": None}, "cosmetic"),
    (DETECTOR, {"/trainer/slurm": {"hours": 2.0, "gpus_per_node": 1}}, "cosmetic"),
    (DETECTOR, {"/trainer/max_iterations": 80}, "recipe"),
    (DETECTOR, {"/trainer/batch_size": 2}, "recipe"),
    (DETECTOR, {"/trainer/optimizer": {"kind": "sgd"}}, "recipe"),
    (DETECTOR, {"/trainer/ema": 0.99}, "recipe"),
    (DETECTOR, {"/trainer/precision": "fp32"}, "recipe"),
    (DETECTOR, {"/trainer/best": "cells/ap50"}, "recipe"),
    (DETECTOR, {"/trainer/initialization": {"kind": "imagenet"}}, "recipe"),
    (DETECTOR, {"/data/train": "others/train"}, "recipe"),
    (DETECTOR, {"/data/resolution": [128, 256]}, "recipe"),
    (DETECTOR, {"/data/augmentation": False}, "recipe"),
    (DETECTOR, {f"{HEAD}/loss_weight": 2.0}, "recipe"),
    (DETECTOR, {f"{HEAD}/score_threshold": 0.2}, "recipe"),
    (DETECTOR, {f"{HEAD}/iou_threshold": 0.5}, "recipe"),
    (DETECTOR, {f"{HEAD}/merge": {"a": ["x", "y"]}}, "recipe"),
    (TRAINED, {f"{BACKBONE}/frozen_levels": 2}, "recipe"),
    (CLASSIFIER, {f"{HEAD}/label_smoothing": 0.2}, "recipe"),
    (CLASSIFIER, {f"{HEAD}/ordered": True}, "recipe"),
    (POSES, {f"{HEAD}/flip_pairs": [["l", "r"]]}, "recipe"),
    (DETECTOR, {"/model/neck/top_level": 6}, "weight-compatible"),
    (DETECTOR, {"/model/neck/bottom_level": 2}, "recipe"),  # no head reads it
    (DETECTOR, {f"{HEAD}/layers": 1}, "weight-compatible"),
    (DETECTOR, {f"{HEAD}/bottom_level": 4}, "weight-compatible"),
    (DETECTOR, {"/model/neck/channels": 64}, "weight-breaking"),
    (DETECTOR, {"/model/neck/kind": "bifpn"}, "weight-compatible"),
    (DETECTOR, {f"{BACKBONE}/name": "resnet34"}, "weight-breaking"),
    (DETECTOR, {f"{BACKBONE}/name": "mobilenetv2"}, "weight-breaking"),
    (DETECTOR, {f"{HEAD}/categories": ["a", "b", "c", "d"]}, "weight-breaking"),
    (PRICES, {f"{HEAD}/range": [0.0, 5.0]}, "weight-breaking"),
    (DETECTOR, {f"{HEAD}/categories": ["b", "a", "c"]}, "interface-breaking"),
    (DETECTOR, {f"{HEAD}/categories": ["a", "b"]}, "interface-breaking"),
    (CLASSIFIER, {f"{HEAD}/categories": ["a", "b", "z"]}, "interface-breaking"),
    (READER, {f"{HEAD}/tokens": "1023"}, "interface-breaking"),
    (POSES, {f"{HEAD}/keypoints": ["r", "l"]}, "interface-breaking"),
    (DETECTOR, {f"{HEAD}/max_detections": 20}, "interface-breaking"),
    (DETECTOR, {f"{HEAD}/name": "blood"}, "interface-breaking"),
    (DETECTOR, {"/data/channels": 1}, "interface-breaking"),
    (DETECTOR, {"/model/heads/1": SECOND}, "interface-breaking"),
]


def edited(job: dict, changes: dict) -> dict:
    job = copy.deepcopy(job)
    for pointer, value in changes.items():
        *keys, last = pointer.split("/")[1:]
        place = job
        for key in keys:
            place = (
                place[int(key)]
                if isinstance(place, list)
                else place.setdefault(key, {})
            )
        if isinstance(place, list):
            place.insert(int(last), value)
        else:
            place[last] = value
    return job


def side(job: dict) -> Side:
    return side_of("job.json", json.dumps(job).encode())


def model_of(job: dict, folder: Path) -> torch.nn.Module:
    compiled = compile_job(json.dumps(job).encode())
    folder.mkdir()
    (folder / "model.py").write_text(compiled.files["model.py"])
    return getattr(load(folder / "model.py"), compiled.model_class)()


@pytest.mark.parametrize(
    "job, changes, kind", PAIRS, ids=[f"{list(c)[0]}-{k}" for _, c, k in PAIRS]
)
def test_a_change_has_the_class_that_was_stated(job, changes, kind):
    found = compare(side(job), side(edited(job, changes)))
    assert found.effect.kind.title == kind
    assert kind == "cosmetic" or found.changes
    assert max((c.effect.kind for c in found.changes), default=0) <= NAMED[kind]


def test_every_part_of_a_job_has_fields():
    parts = {*bundled()["properties"]} - {*NO_FIELDS}
    assert {pointer.split("/")[1] for pointer in side(DETECTOR).fields} == parts


@pytest.mark.parametrize(
    "before, after, kind, reason",
    [
        (False, True, "cosmetic", "the folder gains export.py and runtime.py"),
        (True, False, "interface-breaking", "the folder loses export.py and"),
        (None, False, "cosmetic", "the jobs are written in other words"),
    ],
)
def test_files_that_come_and_go_are_told(before, after, kind, reason):
    jobs = (DETECTOR | {"export": value} for value in (before, after))
    found = compare(*map(side, jobs))
    assert found.effect.kind.title == kind and reason in found.effect.reasons[0]
    fields = ["/export"] if before != after and before is not None else []
    assert [change.pointer for change in found.changes] == fields


@pytest.mark.sample("12", "28")
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(n, marks=pytest.mark.slow if n % 8 == 4 else pytest.mark.soak)
        for n in range(len(PAIRS))
    ],
)
def test_the_class_is_what_loading_shows(number, tmp_path):
    """Weights load whole, or but for the tensors that are named, or not at all."""
    job, changes, kind = PAIRS[number]
    after = edited(job, changes)
    found = compare(side(job), side(after)).effect
    state = model_of(job, tmp_path / "a").state_dict()
    model = model_of(after, tmp_path / "b")
    own = model.state_dict()
    reshaped = [k for k, v in state.items() if k in own and own[k].shape != v.shape]
    assert {*reshaped} == {*found.reshaped}
    fitting = {key: value for key, value in state.items() if key not in reshaped}
    missing, unexpected = model.load_state_dict(fitting, strict=False)
    # PyTorch lets counts of batches be missing.
    new = {key for key in found.new if not key.endswith("num_batches_tracked")}
    assert {*missing} - {*reshaped} == new
    assert {*unexpected} == {*found.dropped}
    if NAMED[kind] <= NAMED["recipe"]:
        model.load_state_dict(state)


@pytest.mark.slow
def test_a_field_says_where_it_comes_from_and_which_lines_follow(tmp_path, capsys):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(DETECTOR))
    changes = {"/trainer/batch_size": 8, "/model/neck/top_level": 6}
    new.write_text(json.dumps(edited(DETECTOR, changes)))
    assert run_cli(["diff", str(old), str(new), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    fields = {change["pointer"]: change for change in told["changes"]}
    assert told["class"] == "weight-compatible"
    neck = fields["/model/neck/top_level"]
    assert neck["old"]["value"] == 7 and neck["old"]["origin"] != "given"
    assert neck["new"] == {"value": 6, "origin": "given"}
    assert neck["effect"]["dropped"] == ["neck.down7.weight", "neck.down7.bias"]
    assert fields["/model/heads/cells/top_level"]["new"]["origin"] == "derived"
    files = compile_job(new.read_bytes()).files
    lines = fields["/trainer/batch_size"]["lines"]
    assert lines and "model.py" not in lines
    for path, numbers in lines.items():
        text = files[path].splitlines()
        assert all("8" in text[number - 1] for number in numbers)
    assert "level 7, stride 128" in {row["what"] for row in told["model"]}


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_a_report_names_class_field_and_values(tmp_path, capsys, form):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(CLASSIFIER))
    names = ["a|b", "b", "c"]  # is no column of a table
    new.write_text(json.dumps(edited(CLASSIFIER, {f"{HEAD}/categories": names})))
    call = ["diff", str(old), str(new), "--format", form, "--no-lines"]
    assert run_cli(call) == 0
    said = capsys.readouterr().out
    assert "interface-breaking" in said and "/model/heads/kind/categories" in said
    assert ("a\\|b" if form == "markdown" else '"a|b"') in said


def test_fail_on_ends_with_1_from_its_class_on(tmp_path, capsys):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(CLASSIFIER))
    new.write_text(json.dumps(edited(CLASSIFIER, {"/trainer/batch_size": 8})))
    call = ["diff", str(old), str(new), "--no-lines", "--fail-on"]
    assert run_cli([*call, "recipe"]) == 1
    assert run_cli([*call, "weight-compatible"]) == 0


def test_a_job_is_compared_with_the_committed_one(place, capsys):
    def git(*call: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *who, *call], check=True, capture_output=True)

    Path("job.json").write_text(json.dumps(CLASSIFIER))
    assert run_cli(["diff", str(Path("job.json").absolute())]) == 1
    assert "is in no repository of git" in capsys.readouterr().err
    git("init", "-q")
    assert run_cli(["diff"]) == 1
    assert "E412" in capsys.readouterr().err
    Path("binary").write_bytes(b"\xff\0")
    git("add", "job.json", "binary")
    git("commit", "-qm", "job")
    assert run_cli(["diff", "HEAD:binary", "job.json"]) == 1
    assert "E101" in capsys.readouterr().err
    changed = edited(CLASSIFIER, {"/trainer/batch_size": 8})
    Path("job.json").write_text(json.dumps(changed))
    assert run_cli(["diff", "--no-lines"]) == 0
    assert "4 (given) -> 8 (given)" in capsys.readouterr().out
    for folder in ("HEAD:job.json", "HEAD:", "HEAD:./", "HEAD:."):
        assert run_cli(["diff", folder, "HEAD:./job.json"]) == 0
        assert capsys.readouterr().out.strip().endswith(": none")
    Path("inner").mkdir()
    shutil.move("job.json", "inner")
    git("add", "--all")
    git("commit", "-qm", "folder")
    assert run_cli(["diff", "HEAD~1:", "HEAD:inner", "--no-lines"]) == 0
    assert "4 (given) -> 8 (given)" in capsys.readouterr().out
    assert run_cli(["diff", "HEAD:", "HEAD:inner"]) == 1
    assert "git has no `HEAD:job.json`" in capsys.readouterr().err


@pytest.mark.slow
def test_a_folder_is_compared_with_what_would_be_emitted(place, capsys):
    Path("cells.json").write_text(json.dumps(CLASSIFIER))
    assert run_cli(["build", "cells.json", "-o", "cells"]) == 0
    capsys.readouterr()
    assert run_cli(["diff", "cells", "--fail-on", "cosmetic"]) == 0
    assert "nothing would change" in capsys.readouterr().out
    known = record.read(Path("cells"))
    known.job["trainer"]["precision"] = "fp64"
    texts = known.texts | {"train.py": b"# older\n" + known.texts["train.py"]}
    for path, data in record.record_of(texts, known.job).items():
        Path("cells", path).write_bytes(data)
    assert run_cli(["diff", "cells", "--fail-on", "cosmetic"]) == 1
    said = capsys.readouterr().out
    assert '/trainer/precision: "fp64" -> "bf16"' in said and "train.py:" in said
    Path("cells", record.MANIFEST).write_text("{")
    assert run_cli(["diff", "cells"]) == 1
    assert "the record of `cells` is damaged" in capsys.readouterr().err


@pytest.mark.slow
def test_an_edit_of_a_folders_job_is_no_change_of_the_version(place, capsys):
    Path("cells.json").write_text(json.dumps(CLASSIFIER))
    assert run_cli(["build", "cells.json", "-o", "cells"]) == 0
    path = Path("cells/job.json")
    path.write_text(json.dumps(CLASSIFIER, indent=4))
    capsys.readouterr()
    assert run_cli(["diff", "cells", "--fail-on", "cosmetic"]) == 0
    assert "nothing would change in cells" in capsys.readouterr().out
    path.write_text(json.dumps(edited(CLASSIFIER, {"/trainer/batch_size": 8})))
    call = ["diff", "cells", "--no-lines", "--fail-on"]
    assert run_cli([*call, "weight-compatible"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("cells as built -> cells/job.json: recipe\n")
    assert "4 (given) -> 8 (given)" in said and "this version" not in said
    assert run_cli([*call, "recipe"]) == 1


def test_a_broken_job_is_named(tmp_path, capsys):
    path = tmp_path / "job.json"
    path.write_text(json.dumps(edited(CLASSIFIER, {"/trainer/batch_size": 0})))
    right = tmp_path / "right.json"
    right.write_text(json.dumps(CLASSIFIER))
    for call in ([str(path), str(right)], [str(right), str(tmp_path)]):
        assert run_cli(["diff", *call]) == 1
        found = capsys.readouterr().err
        assert "error[E123]" in found and f"--> {path}:1:" in found
        assert "/trainer/batch_size" in found
