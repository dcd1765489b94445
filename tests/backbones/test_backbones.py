"""Emitted backbones besides their forward: frozen levels, and initial weights."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from emitted_jobs import build, load

CLASSES = {"task": "multiclass_classification", "categories": ["a", "b"]}
REAL = Path(os.environ.get("SPECC_TEST_DATA", ""), "mobilenetv2_035_imagenet_timm.pth")
needs_real = pytest.mark.skipif(
    "SPECC_TEST_DATA" not in os.environ or not REAL.exists(),
    reason="SPECC_TEST_DATA names no folder with MobileNetV2's weights",
)


def job_of(name: str, weights: str | None = "weights.pth", channels=3, **backbone):
    start = {"kind": "imagenet", "weights": weights}
    return {
        "name": "tested",
        "data": {"train": "train", "resolution": [64, 96], "channels": channels},
        "model": {"backbone": {"name": name} | backbone, "heads": [CLASSES]},
        "trainer": {"initialization": start},
    }


def made(job: dict, folder: Path) -> Path:
    """The folder with a job and its code."""
    (folder / "job.json").write_text(json.dumps(job))
    return build(job, folder)


def load_train(folder: Path):
    """The train.py of a folder, which imports its neighbors by name."""
    own = [path.stem for path in folder.glob("*.py")]
    before = {name: sys.modules.pop(name, None) for name in own}
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("train")
    finally:
        sys.path.remove(str(folder))
        for name in own:
            sys.modules.pop(name, None)
            if before[name] is not None:
                sys.modules[name] = before[name]


# ---- Frozen levels ----


@pytest.mark.sample("resnet18-2", "mobilenetv2_035-1", "mobilenetv3_small-4")
@pytest.mark.parametrize("frozen", [1, 2, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_035", "mobilenetv3_small"])
def test_frozen_levels_stay_as_they_are(name, frozen, tmp_path):
    job = job_of(name, frozen_levels=frozen)
    model = load(made(job, tmp_path) / "model.py").Classifier()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    images = torch.randint(0, 256, (4, 3, 64, 96), dtype=torch.uint8)
    model.eval(), model.train()  # an evaluation during training does so
    model(images).square().sum().backward()
    torch.optim.SGD(model.parameters(), 0.1).step()
    changed = {
        k for k, v in model.state_dict().items() if not torch.equal(v, before[k])
    }
    # The keys stand in the order of the levels.
    backbone = [key for key in before if key.startswith("backbone.")]
    weights = dict(model.named_parameters())
    fixed = {key for key, weight in weights.items() if not weight.requires_grad}
    boundary = min(
        backbone.index(k) for k in weights if k in backbone and k not in fixed
    )
    still, trained = backbone[:boundary], backbone[boundary:]
    assert fixed == {key for key in still if is_weight(key)}
    assert not changed & set(still)
    assert all(key in changed for key in trained if "running_" in key)
    assert changed >= {"head.linear.weight", "head.linear.bias"}
    assert {key.removeprefix("backbone.").partition(".")[0] for key in still} <= STARTS
    assert level_of(name, trained[0]) == frozen + 1


STARTS = {"conv1", "bn1", "layer1", "layer2", "layer3", "conv_stem", "blocks"}
FIRST = {  # module -> the level that it begins
    "resnet18": {"layer1": 2, "layer2": 3, "layer4": 5},
    "mobilenetv2_035": {"blocks.1": 2, "blocks.2": 3, "blocks.5": 5},
    "mobilenetv3_small": {"blocks.0": 2, "blocks.1": 3, "blocks.4": 5},
}


def is_weight(key: str) -> bool:
    return not key.endswith(("running_mean", "running_var", "num_batches_tracked"))


def level_of(name: str, key: str) -> int:
    return next(
        level
        for module, level in FIRST[name].items()
        if key.startswith(f"backbone.{module}.")
    )


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("timm") is None, reason="timm is not installed"
)
def test_a_model_of_timm_freezes_too(tmp_path):
    from specc.timm.importing import import_timm

    import_timm()
    job = job_of("timm/test_resnet", frozen_levels=3)
    model = load(made(job, tmp_path) / "model.py").Classifier()
    body = model.backbone.body
    frozen = (body.conv1, body.bn1, body.layer1, body.layer2)
    still = [x for module in frozen for x in module.parameters()]
    assert still and not any(weight.requires_grad for weight in still)
    assert not any(module.training for part in frozen for module in part.modules())
    assert body.layer3.training and body.layer4.training
    assert all(weight.requires_grad for weight in body.layer3.parameters())


# ---- ImageNet weights ----


def weights_of(model) -> dict[str, torch.Tensor]:
    """A backbone's state, with the classifier that timm's files hold."""
    state = {key: torch.randn_like(v) if v.ndim > 1 else v for key, v in model.items()}
    return state | {"classifier.weight": torch.zeros(10, 8)}


@pytest.mark.slow
def test_gray_filters_are_the_sum_over_the_colors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    colored = load(made(job_of("mobilenetv2_035"), tmp_path) / "model.py")
    state = weights_of(colored.Classifier().backbone.state_dict())
    torch.save(state, "weights.pth")
    made(job_of("mobilenetv2_035", channels=1), tmp_path)
    train = load_train(tmp_path)
    model = train.Classifier()
    train.load_imagenet(model.backbone)
    gray, first = model.backbone.state_dict(), "conv_stem.weight"
    assert torch.equal(gray[first], state[first].sum(1, keepdim=True))
    assert all(torch.equal(gray[key], state[key]) for key in gray if key != first)


@pytest.mark.slow
def test_a_fourth_band_starts_as_timm_starts_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    colored = load(made(job_of("mobilenetv2_035"), tmp_path) / "model.py")
    state = weights_of(colored.Classifier().backbone.state_dict())
    torch.save(state, "weights.pth")
    train = load_train(made(job_of("mobilenetv2_035", channels=4), tmp_path))
    model = train.Classifier()
    train.load_imagenet(model.backbone)
    colors = state["conv_stem.weight"]
    wanted = torch.cat([colors, colors[:, :1]], 1) * 0.75
    assert torch.equal(model.backbone.conv_stem.weight, wanted)


@pytest.mark.slow
def test_levels_above_timm_s_need_no_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = load(made(job_of("mobilenetv2_035"), tmp_path) / "model.py")
    state = weights_of(plain.Classifier().backbone.state_dict())
    torch.save(state, "weights.pth")
    job = job_of("mobilenetv2_035", top_level=6)
    job["model"]["heads"] = [CLASSES | {"level": 6}]
    train = load_train(made(job, tmp_path))
    model = train.Classifier()
    train.load_imagenet(model.backbone)
    loaded = model.backbone.state_dict()
    assert any(key.startswith("down6.") for key in loaded)
    assert all(torch.equal(loaded[k], v) for k, v in state.items() if k in loaded)


@pytest.mark.slow
def test_levels_that_the_job_leaves_out_may_be_left_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    deep = load(made(job_of("mobilenetv2_035"), tmp_path) / "model.py")
    torch.save(weights_of(deep.Classifier().backbone.state_dict()), "weights.pth")
    train = load_train(made(job_of("mobilenetv2_035", top_level=3), tmp_path))
    train.load_imagenet(train.Classifier().backbone)


@pytest.mark.slow
def test_weights_of_a_deeper_network_are_refused(tmp_path, monkeypatch):
    """Weights of ResNet-34 have all names and shapes of ResNet-18's."""
    monkeypatch.chdir(tmp_path)
    deep = load(made(job_of("resnet34"), tmp_path) / "model.py")
    torch.save(deep.Classifier().backbone.state_dict(), "weights.pth")
    train = load_train(made(job_of("resnet18"), tmp_path))
    with pytest.raises(SystemExit) as refused:
        train.load_imagenet(train.Classifier().backbone)
    lines = str(refused.value).splitlines()
    assert lines[0] == "weights.pth: not weights of this backbone"
    assert lines[1:3] == ["  missing: none", "  of another shape: none"]
    assert lines[3].startswith("  not of this network: layer1.2.")
    assert len(lines) == 4


def test_without_a_network_the_option_for_a_local_file_is_named(tmp_path, monkeypatch):
    def no_network(*arguments, **options):
        raise URLError("Name or service not known")

    train = load_train(made(job_of("resnet18", weights=None), tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", no_network)
    with pytest.raises(SystemExit) as refused:
        train.load_imagenet(train.Classifier().backbone)
    first, second = str(refused.value).splitlines()
    assert first.endswith("cannot be loaded: <urlopen error Name or service not known>")
    assert second.startswith("offline, name a local file in initialization.weights")


@pytest.mark.slow
@needs_real
def test_real_weights_load(tmp_path):
    job = job_of("mobilenetv2_035", weights=str(REAL.resolve()))
    train = load_train(made(job, tmp_path))
    model = train.Classifier()
    train.load_imagenet(model.backbone)
    state = torch.load(REAL, weights_only=True)
    loaded = model.backbone.state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in loaded)
