"""The emitted backbones against timm's, with the same random weights."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest
import torch
from emitted_jobs import compile_raw

from specc.backbones import TABLES
from specc.timm.importing import import_timm

if importlib.util.find_spec("timm") is None:
    pytest.skip("timm is not installed: pip install timm", allow_module_level=True)

# Of each family: the others are rows of its table, whose parameters and keys the tests of
# the graph compare.
SLOW = ("resnet50", "efficientnetv2_s", "mobilenetv2", "mobilenetv3_large")
QUICK = ("resnet18", "efficientnet_b0", "mobilenetv2_035", "mobilenetv3_small")
MARKS = dict.fromkeys(QUICK, ()) | dict.fromkeys(SLOW, pytest.mark.slow)
SIZES = ((64, 64), (64, 96))
TOLERANCE = 1e-5  # relative to the largest value of a map


def emitted_backbone(name: str, folder):
    """The backbone of a job whose heads read levels 1..5."""
    heads = [
        {
            "name": f"level{level}",
            "task": "multiclass_classification",
            "categories": ["a", "b"],
            "level": level,
        }
        for level in range(1, 6)
    ]
    job = {
        "name": "tested",
        "data": {"train": "train"},
        "model": {"backbone": {"name": name}, "heads": heads},
    }
    path = folder / "emitted_model.py"
    path.write_text(compile_raw(json.dumps(job).encode()).files["model.py"])
    spec = importlib.util.spec_from_file_location("emitted_model", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["emitted_model"] = module
    spec.loader.exec_module(module)
    return module.Network().backbone


def timm_backbone(name: str):
    """timm's network of levels 1..5, its norms and running statistics random too."""
    timm = import_timm()
    table = TABLES[name]
    ported = {"pad_type": "same", "bn_eps": 1e-3} if "035" in name else {}
    model = timm.create_model(table.timm, features_only=True, **ported)
    for key, value in model.state_dict().items():
        if "running_mean" in key:
            value.normal_(std=0.1)
        elif "running_var" in key or key.endswith("weight") and value.ndim == 1:
            value.uniform_(0.5, 1.5)
    return model


def far(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    return ((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-12)).item()


@pytest.mark.slow
@pytest.mark.sample("resnet18", "efficientnet_b0", "mobilenetv2", "mobilenetv3_small")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=MARKS.get(name, pytest.mark.soak)) for name in TABLES],
)
def test_features_and_gradients_equal_those_of_timm(name, tmp_path):
    torch.manual_seed(0)
    theirs, ours = timm_backbone(name), emitted_backbone(name, tmp_path)
    assert ours.state_dict().keys() == {
        key for key in theirs.state_dict() if not key.startswith("fc.")
    }
    ours.load_state_dict(theirs.state_dict(), strict=False)
    for size in SIZES:
        images = torch.randn(2, 3, *size)
        with torch.no_grad():
            pairs = zip(ours.eval()(images), theirs.eval()(images), strict=True)
            for a, b in pairs:
                assert a.shape == b.shape and far(a, b) < TOLERANCE
        for model in (ours.train(), theirs.train()):
            model.zero_grad()
            torch.manual_seed(1)
            maps = model(images)
            sum((x * torch.randn_like(x)).mean() for x in maps).backward()
        gradients = dict(theirs.named_parameters())
        for key, weight in ours.named_parameters():
            assert far(weight.grad, gradients[key].grad) < TOLERANCE, key
        for (key, a), b in zip(ours.named_buffers(), theirs.buffers()):
            assert far(a.float(), b.float()) < TOLERANCE, key
