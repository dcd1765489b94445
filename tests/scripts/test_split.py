"""The held-out part where a job names one dataset: images, groups, or identities."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from emitted_jobs import DETECTION, GENERATED
from PIL import Image
from small_data import picture

from specc.build import analyze, compile_job
from specc.diagnostics import JobError

FACES = {"name": "face", "task": "metric_learning", "identities": list("abcdef")}
KIND = {"name": "kind", "task": "multiclass_classification", "categories": ["a", "b"]}
PREFIX = "([^/_]+)_[^/]*$"


def reader(head: dict, **data) -> ModuleType:
    """A job's dataset.py, without the rest of its folder."""
    job = {"name": "split", "data": {"train": "set"} | data, "model": {"heads": [head]}}
    texts = compile_job(json.dumps(job).encode()).files
    names = ModuleType("model")
    names.IDENTITIES = names.CATEGORIES = tuple(
        head.get("identities") or head.get("categories")
    )
    before = {name: sys.modules.get(name) for name in ("model",)}
    sys.modules["model"] = names
    try:
        for name in ("dataset",):
            module = sys.modules[name] = ModuleType(name)
            exec(compile(texts[f"{name}.py"], f"{name}.py", "exec"), vars(module))
    finally:
        for name in (*before, "dataset"):
            sys.modules.pop(name, None)
        sys.modules.update({name: x for name, x in before.items() if x is not None})
    return module


def folders(root: Path, images: dict[str, int], names: str = "{}.png") -> Path:
    """Saves `images[folder]` images in each folder of a set."""
    for folder, count in images.items():
        (root / "set" / folder).mkdir(parents=True)
        for i in range(count):
            path = root / "set" / folder / names.format(i)
            Image.fromarray(picture(6, 8, i)).save(path)
    return root


def paths(samples: list) -> set[str]:
    return {f"{one.path.parent.name}/{one.path.name}" for one in samples}


# ---- Groups ----


@pytest.fixture(scope="module")
def videos() -> ModuleType:
    return reader(KIND, format="folders", group=PREFIX, validation_fraction=0.3)


@pytest.mark.slow
def test_images_of_a_group_stay_together(videos, tmp_path):
    """Groups cross the categories: each video has frames of both."""
    for i in range(10):
        folders(tmp_path / str(i), {"a": 3, "b": 2}, f"v{i}_{{}}.png")
    for i in range(10):
        for path in (tmp_path / str(i)).rglob("*.png"):
            moved = tmp_path / "set" / path.parent.name / path.name
            moved.parent.mkdir(parents=True, exist_ok=True)
            path.rename(moved)
    training, validation = videos.read_datasets(tmp_path)
    assert (len(training), len(validation)) == (35, 15)
    groups = [
        {one.path.name.split("_")[0] for one in x} for x in (training, validation)
    ]
    assert (len(groups[0]), len(groups[1])) == (7, 3) and not groups[0] & groups[1]
    again = videos.read_datasets(tmp_path)
    assert [paths(part) for part in again] == [paths(training), paths(validation)]


def test_large_groups_leave_both_parts_something(videos, tmp_path):
    folders(tmp_path, {"a": 9, "b": 0}, "x_{}.png")
    Image.fromarray(picture(6, 8)).save(tmp_path / "set" / "b" / "y_0.png")
    training, validation = videos.read_datasets(tmp_path)
    assert len(training) == 9 and paths(validation) == {"b/y_0.png"}


def test_one_group_alone_cannot_be_split(videos, tmp_path):
    folders(tmp_path, {"a": 3, "b": 2}, "x_{}.png")
    with pytest.raises(SystemExit, match=r"cannot hold 1 out of \[.x.\]"):
        videos.read_datasets(tmp_path)


def test_an_image_of_no_group_is_named(videos, tmp_path):
    folders(tmp_path, {"a": 3, "b": 2})
    with pytest.raises(SystemExit, match=r"0\.png: .* finds no group in set/a/0\.png"):
        videos.read_datasets(tmp_path)


def test_without_parentheses_the_whole_match_is_the_group(tmp_path):
    module = reader(KIND, format="folders", group="[ab](?=/[0-9]+[.]png)")
    folders(tmp_path, {"a": 2, "b": 3})
    training, validation = module.read_datasets(tmp_path)
    assert {one.path.parent.name for one in training} == {"b"}
    assert {one.path.parent.name for one in validation} == {"a"}


# ---- Identities ----


@pytest.mark.slow
@pytest.mark.sample("0.5-3")
@pytest.mark.parametrize("share, held_out", [(0.01, 2), (0.5, 3), (0.99, 4)])
def test_metric_learning_is_measured_on_identities_never_seen(
    tmp_path, share, held_out
):
    module = reader(FACES, format="folders", validation_fraction=share)
    folders(tmp_path, dict.fromkeys("abcdef", 3))
    training, validation = module.read_datasets(tmp_path)
    seen, unseen = ({x.labels["face"] for x in y} for y in (training, validation))
    assert not seen & unseen and seen | unseen == set("abcdef")
    assert len(unseen) == held_out
    assert len(validation) == 3 * held_out


@pytest.mark.slow
def test_identities_that_a_dataset_lacks_are_not_counted(tmp_path):
    head = {"name": "face", "task": "metric_learning", "identities": list("abcd")}
    module = reader(head, format="folders")
    folders(tmp_path, {"a": 2, "b": 2, "c": 2, "d": 0})
    with pytest.raises(SystemExit, match=r"cannot hold 2 out of \[.a., .b., .c.\]"):
        module.read_datasets(tmp_path)


# ---- The job ----


def codes(data: dict, *heads: dict) -> list[tuple[str, str]]:
    job = {"name": "split", "data": {"train": "set"} | data, "model": {"heads": heads}}
    try:
        _, _, findings = analyze(json.dumps(job).encode())
    except JobError as error:
        findings = error.diagnostics
    return [(finding.code, finding.pointer) for finding in findings]


@pytest.mark.parametrize(
    "group", ["(", "[", "*", "(?P<1>x)", "a{99999999999999}", "\\"]
)
def test_what_is_no_regular_expression_is_refused(group):
    assert codes({"group": group}, KIND) == [("E391", "/data/group")]


def test_a_validation_set_needs_no_rule():
    few = FACES | {"identities": ["a", "b"]}
    assert codes({"validation": "val"}, few, few | {"name": "other"}) == []
    assert codes({"validation": "val", "group": "x"}, KIND) == [
        ("E392", "/data/group"),
    ]


def test_rules_that_contradict_each_other_are_told_together():
    few = FACES | {"identities": ["a", "b"]}
    assert codes({"group": "x"}, few) == [
        ("E394", "/data/group"),
        ("E393", "/model/heads/0/identities"),
    ]
    assert codes({}, KIND, few, FACES | {"name": "other"}) == [
        ("E394", "/model/heads/1/task"),
        ("E393", "/model/heads/1/identities"),
    ]


def test_a_head_with_a_validation_set_of_its_own_needs_no_rule():
    own = {"train": "faces", "validation": "more-faces"}
    assert codes({}, KIND, FACES | {"data": own}) == []
    assert codes({"validation": "val"}, KIND, FACES | {"data": {"train": "faces"}}) == [
        ("E394", "/model/heads/1/task"),
    ]


@pytest.mark.slow
def test_code_for_groups_is_emitted_where_a_job_asks_for_it():
    plain = (GENERATED / "flowers" / "dataset.py").read_text("utf-8")
    assert "hold_out" not in plain and "GROUP" not in plain
    assert "import re\n" not in plain
    job = {"data": {"train": "set", "group": PREFIX}, "model": {"heads": [DETECTION]}}
    files = compile_job(json.dumps({"name": "split"} | job).encode()).files
    assert f'GROUP = "{PREFIX}"' in files["dataset.py"]
    resolved = json.loads(files["resolved.json"])
    assert resolved["data"]["group"] == PREFIX
