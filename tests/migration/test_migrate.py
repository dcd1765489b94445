"""`specc migrate`: names that two jobs share keep their outputs at step 0."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from emitted_jobs import build as build_all
from emitted_jobs import compile_raw, load, load_all

from specc.cli import run_cli


def job_of(*heads: dict, channels=3, neck=True, top_level=3) -> dict:
    """A job of a short ResNet."""
    backbone = {"name": "resnet18", "top_level": top_level}
    model = {"backbone": backbone, "heads": list(heads)}
    if neck:
        model["neck"] = {"kind": "fpn", "channels": 32}
    data = {"train": "t", "validation": "v", "resolution": [128, 128]}
    return {
        "version": 1,
        "name": "cells",
        "data": {**data, "channels": channels},
        "model": model,
        "trainer": {"max_iterations": 9, "batch_size": 2},
    }


def build(job: dict, folder: Path):
    """Returns the emitted model with random weights, and the resolved job's text."""
    compiled = compile_raw(json.dumps(job).encode())
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(compiled.files["model.py"])
    model = getattr(load(folder / "model.py"), compiled.model_class)()
    return model.eval(), compiled.files["resolved.json"]


def migrated(old: dict, new: dict, folder: Path, *renames: str):
    """Returns both models, the new one with weights carried over from the old one."""
    before, text = build(old, folder / "old")
    with torch.no_grad():  # a head that starts at zero would prove nothing
        for value in before.parameters():
            value.add_(torch.randn_like(value) * 0.02)
    path = folder / "best.pt"
    torch.save({"format": 1, "job": text, "model": before.state_dict()}, path)
    (folder / "job.json").write_text(json.dumps(new))
    flags = [part for rename in renames for part in ("--rename", rename)]
    output = folder / "start.pt"
    call = ["migrate", str(path), str(folder / "job.json"), "-o", str(output), *flags]
    assert run_cli(call) == 0
    after, text = build(new, folder / "new")
    content = torch.load(output, weights_only=True)
    assert content["job"] == text
    after.load_state_dict(content["model"])
    return before, after


def images(channels: int = 3) -> torch.Tensor:
    torch.manual_seed(3)
    return torch.randint(0, 256, (2, channels, 128, 128), dtype=torch.uint8)


def outputs(model: torch.nn.Module, batch: torch.Tensor):
    with torch.no_grad():
        return model(batch)


OLD, NEW = ["a", "b", "c"], [
    "d",
    "c",
    "A",
    "x",
]  # b is gone, a is called A, d, x are new
PLACES = [(2, 1), (0, 2)]  # index in OLD, index in NEW


def head(task: str, option: str, names: list[str], **options) -> dict:
    return {"name": "found", "task": task, option: names, **options}


def colored(task: str, names: list[str]) -> dict:
    """The colors that tasks with maps of categories need."""
    colors = [[10 * i + 10, 0, 0] for i in range(len(names))]
    return {"colors": colors} if task.endswith("segmentation") else {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "task, option, logits",
    [
        ("object_detection", "categories", lambda x: x.logits),
        pytest.param(
            "multiclass_classification",
            "categories",
            lambda x: x,
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "multilabel_classification", "labels", lambda x: x, marks=pytest.mark.soak
        ),
        pytest.param(
            "semantic_segmentation",
            "categories",
            lambda x: x.movedim(1, -1),
            marks=pytest.mark.soak,
        ),
        ("scene_text_recognition", "tokens", lambda x: x),
        pytest.param(
            "quadrilateral_detection",
            "categories",
            lambda x: x.objects.logits,
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "instance_segmentation",
            "categories",
            lambda x: x.objects.logits,
            marks=pytest.mark.soak,
        ),
    ],
)
def test_kept_names_keep_their_logits(tmp_path, task, option, logits):
    neck = task not in ("multiclass_classification", "multilabel_classification")
    neck = neck and task != "scene_text_recognition"
    old = job_of(head(task, option, OLD, **colored(task, OLD)), neck=neck)
    new = job_of(head(task, option, NEW, **colored(task, NEW)), neck=neck)
    before, after = migrated(old, new, tmp_path, "a=A")
    a, b = (logits(outputs(model, images())) for model in (before, after))
    for source, place in PLACES:
        assert torch.allclose(a[..., source], b[..., place], atol=1e-6)
    if option == "tokens":  # the end of a text is the last of all
        assert torch.allclose(a[..., -1], b[..., -1], atol=1e-6)
    assert not torch.allclose(a[..., 1], b[..., 0], atol=1e-3)


@pytest.mark.slow
def test_keypoints_follow_their_names(tmp_path):
    old = job_of(head("keypoint_detection", "keypoints", OLD))
    new = job_of(head("keypoint_detection", "keypoints", NEW))
    before, after = migrated(old, new, tmp_path, "a=A")
    a, b = (outputs(model, images()).keypoints for model in (before, after))
    for source, place in PLACES:
        assert torch.allclose(a[:, :, source], b[:, :, place], atol=1e-6)


@pytest.mark.slow
def test_identities_follow_their_names(tmp_path):
    old = job_of(head("metric_learning", "identities", OLD), neck=False)
    new = job_of(head("metric_learning", "identities", NEW), neck=False)
    before, after = migrated(old, new, tmp_path, "a=A")
    a, b = (outputs(model, images()) for model in (before, after))
    assert torch.equal(a.embedding, b.embedding)
    for source, place in PLACES:
        assert torch.allclose(a.cosines[:, source], b.cosines[:, place], atol=1e-6)


@pytest.mark.slow
@pytest.mark.soak
def test_stuff_and_things_follow_their_names(tmp_path):
    names = ["road", "car", "sky"], ["sky", "tree", "car", "road"]
    task, things = "panoptic_segmentation", {"things": ["car"]}
    old, new = (
        job_of(head(task, "categories", x, **things, **colored(task, x))) for x in names
    )
    before, after = migrated(old, new, tmp_path)
    a, b = (outputs(model, images()) for model in (before, after))
    for source, place in ((0, 0), (1, 3), (2, 1)):  # thing, road, sky
        assert torch.allclose(a.stuff[:, source], b.stuff[:, place], atol=1e-5)
    assert torch.allclose(
        a.instances.objects.logits, b.instances.objects.logits, atol=1e-6
    )


@pytest.mark.slow
def test_heads_are_matched_by_name_and_others_are_drawn(tmp_path, capsys):
    kind = head("multiclass_classification", "categories", OLD)
    boxes = head("object_detection", "categories", OLD) | {"name": "boxes"}
    before, after = migrated(job_of(kind, boxes), job_of(boxes, kind), tmp_path)
    a, b = (outputs(model, images()) for model in (before, after))
    assert torch.allclose(a["found"], b["found"], atol=1e-6)
    one, two = (job_of(*x, top_level=5) for x in ([kind], [kind, boxes]))
    before, after = migrated(one, two, tmp_path / "more")
    said = capsys.readouterr().out
    assert "fresh     neck.lateral3.weight: the weights have no such" in said
    a, b = outputs(before, images()), outputs(after, images())["found"]
    assert torch.allclose(a, b, atol=1e-6)


@pytest.mark.slow
def test_a_level_more_of_the_neck_is_drawn(tmp_path, capsys):
    one = job_of(head("object_detection", "categories", OLD))
    more = copy.deepcopy(one)
    one["model"]["neck"]["top_level"] = 6
    before, after = migrated(one, more, tmp_path)
    said = capsys.readouterr().out
    assert "fresh     neck.down7.weight: the weights have no such tensor" in said
    a, b = (outputs(model, images()).logits for model in (before, after))
    assert torch.allclose(a, b[:, : a.shape[1]], atol=1e-6)


@pytest.mark.slow
@pytest.mark.sample("3-4", "1-3")
@pytest.mark.parametrize("before, after", [(3, 4), (1, 3), (1, 4)])
def test_channels_of_images_are_converted(tmp_path, before, after):
    one = head("multiclass_classification", "categories", OLD)
    models = migrated(
        job_of(one, channels=before, neck=False),
        job_of(one, channels=after, neck=False),
        tmp_path,
    )
    weights = [model.backbone.conv1.weight for model in models]
    gray = torch.randn(1, 1, 20, 20)
    given = [gray.expand(-1, n, -1, -1).clone() for n in (before, after)]
    if after == 4:
        given[1][:, 3] = 7.0  # the fourth band has no influence at first
    a, b = (torch.conv2d(x, w) for x, w in zip(given, weights))
    assert torch.allclose(a, b, atol=1e-4)


UNCLEAR = {
    "case": ("A b c", "", "`a` of the weights and `A` of the job differ only in case"),
    "old": ("x b c", "y=x", "the weights have no name `y`"),
    "new": ("x b c", "a=y", "the job has no name `y`"),
    "form": ("x b c", "a", "--rename a: there is no new name"),
    "two": ("x y c", "a=x a=y", "`a` cannot become both `x` and `y`"),
    "one": ("x b", "a=x c=x", "`a` and `c` of the weights would both be `x`"),
    "stays": ("b c", "a=b", "`a` and `b` of the weights would both be `b`"),
}


@pytest.mark.sample("new", "stays", rest="slow")
@pytest.mark.parametrize("names, renames, words", UNCLEAR.values(), ids=UNCLEAR)
def test_unclear_names_are_refused(tmp_path, capsys, names, renames, words):
    old = job_of(head("multiclass_classification", "categories", OLD), neck=False)
    model, text = build(old, tmp_path / "old")
    content = {"format": 1, "job": text, "model": model.state_dict()}
    torch.save(content, tmp_path / "a.pt")
    new = job_of(
        head("multiclass_classification", "categories", names.split()), neck=False
    )
    (tmp_path / "job.json").write_text(json.dumps(new))
    flags = [part for rename in renames.split() for part in ("--rename", rename)]
    place = str(tmp_path / "start.pt")
    call = ["migrate", str(tmp_path / "a.pt"), str(tmp_path / "job.json"), "-o", place]
    assert run_cli([*call, *flags]) == 1
    found = capsys.readouterr().err
    assert "E414" in found and words in found
    assert not Path(place).exists()


def test_foreign_weights_are_refused(tmp_path, capsys):
    (tmp_path / "job.json").write_text(
        json.dumps(job_of(head("regression", "range", [0.0, 1.0]), neck=False))
    )
    path, call = tmp_path / "w.pt", ["migrate", str(tmp_path / "w.pt")]
    call += [str(tmp_path / "job.json"), "-o", str(tmp_path / "start.pt")]
    assert run_cli(call) == 1
    torch.save({"weight": torch.zeros(3)}, path)
    assert run_cli(call) == 1
    path.write_bytes(b"nothing")
    assert run_cli(call) == 1
    for wrong in ({"model": {"head.bias": "a"}}, {"format": 2}):
        torch.save({"format": 1, "job": "{}", "model": {}} | wrong, path)
        assert run_cli(call) == 1
    found = capsys.readouterr().err
    assert found.count("E413") == 5 and "has format 2" in found


@pytest.mark.slow
def test_weights_that_diverged_are_refused(tmp_path, capsys):
    job = job_of(head("regression", "range", [0.0, 1.0]), neck=False)
    (tmp_path / "job.json").write_text(json.dumps(job))
    model, text = build(job, tmp_path / "old")
    state = model.state_dict()
    name = [x for x in state if x.endswith("weight")][-1]
    state[name].view(-1)[3] = float("nan")
    torch.save({"format": 1, "job": text, "model": state}, tmp_path / "w.pt")
    call = ["migrate", str(tmp_path / "w.pt"), str(tmp_path / "job.json")]
    assert run_cli([*call, "-o", str(tmp_path / "start.pt")]) == 1
    assert f"`{name}` of `{tmp_path / 'w.pt'}` has values" in capsys.readouterr().err
    assert not (tmp_path / "start.pt").exists()


def test_weights_are_never_written_over_themselves(tmp_path, capsys):
    path = tmp_path / "w.pt"
    path.write_bytes(b"weights")
    (tmp_path / "link.pt").symlink_to(path)
    for output in (path, tmp_path / "link.pt"):
        assert run_cli(["migrate", str(path), "job.json", "-o", str(output)]) == 1
        assert "E420" in capsys.readouterr().err
    assert path.read_bytes() == b"weights"
    job = tmp_path / "job.json"
    job.write_text("{}")
    for place in (job, tmp_path):
        assert run_cli(["migrate", str(path), str(place), "-o", str(job)]) == 1
        assert "is the job itself" in capsys.readouterr().err
    assert job.read_text() == "{}"


@pytest.mark.slow
def test_tensors_of_other_shapes_than_the_job_inside_says_stay_fresh(tmp_path):
    """Rows that are more or fewer than the names would be those of other names."""
    job = job_of(
        head("multiclass_classification", "categories", ["a", "b"]), neck=False
    )
    (tmp_path / "job.json").write_text(json.dumps(job))
    keys = {"backbone.conv1.weight": (9,), "head.linear.weight": (5, 128)}
    state = {key: torch.ones(shape) for key, shape in keys.items()}
    content = {
        "job": json.dumps(job),
        "model": state | {"head.linear.bias": torch.ones(2)},
    }
    torch.save(content, tmp_path / "w.pt")
    call = [str(tmp_path / x) for x in ("w.pt", "job.json", "start.pt")]
    assert run_cli(["migrate", *call[:2], "-o", call[2]]) == 0
    made = torch.load(call[2], weights_only=True)["model"]
    assert made["head.linear.weight"].shape == (2, 128)
    assert not (made["head.linear.weight"] == 1).any()
    assert (made["head.linear.bias"] == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "names, anew", [(["a", "b", "c"], False), (["c", "b", "a"], True)]
)
def test_a_run_never_starts_from_rows_of_other_names(tmp_path, capsys, names, anew):
    """The emitted train.py loads by name and shape, which the order does not change."""
    old = job_of(head("object_detection", "categories", OLD))
    before, text = build(old, tmp_path / "old")
    content = {"format": 1, "job": text, "model": before.state_dict()}
    torch.save(content, tmp_path / "best.pt")
    new = job_of(head("object_detection", "categories", names))
    weights = str(tmp_path / "best.pt")
    new["trainer"]["initialization"] = {"kind": "checkpoint", "weights": weights}
    (tmp_path / "job.json").write_text(json.dumps(new))
    folder = tmp_path / "cells"
    folder.mkdir()
    modules = load_all(build_all(new, folder), "model", "train")
    torch.manual_seed(1)
    model = modules.model.Detector()
    drawn = {key: value.clone() for key, value in model.state_dict().items()}
    modules.train.load_matching(model)
    said = capsys.readouterr().out
    assert (f"specc migrate {weights} job.json" in said) == anew
    for key, value in model.state_dict().items():
        expected = drawn if anew and "class_logits" in key else before.state_dict()
        assert torch.equal(value, expected[key]), key
