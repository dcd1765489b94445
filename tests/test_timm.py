"""The emitted backbones against timm's, with the same random weights."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest
import torch

from specc.build import compile_job

if importlib.util.find_spec("timm") is None:
    pytest.skip("timm is not installed: pip install timm", allow_module_level=True)

# torchvision's wheel may be of another build of torch; timm's models need none of its
# operators, only that their names exist.
if importlib.util.find_spec("torchvision") and not hasattr(
    torch.ops.torchvision, "nms"
):
    LIBRARY = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        LIBRARY.define(
            f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )


def emitted_backbone(name: str, folder):
    """The backbone of a job whose neck reads levels 2..5."""
    head = {"task": "object_detection", "categories": ["a"]}
    levels = {"bottom_level": 2, "top_level": 5}
    job = {
        "name": "tested",
        "data": {"train": "train"},
        "model": {
            "backbone": {"name": name},
            "neck": {"kind": "fpn", **levels},
            "heads": [head | levels],
        },
    }
    path = folder / "emitted_model.py"
    path.write_text(compile_job(json.dumps(job).encode()).files["model.py"])
    spec = importlib.util.spec_from_file_location("emitted_model", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["emitted_model"] = module
    spec.loader.exec_module(module)
    return module.Detector().backbone


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_features_equal_those_of_timm(name, tmp_path):
    import timm

    torch.manual_seed(0)
    theirs = timm.create_model(name, features_only=True, out_indices=(1, 2, 3, 4))
    for key, value in theirs.state_dict().items():
        if "running_mean" in key:
            value.normal_(std=0.1)
        elif "running_var" in key or key.endswith("weight") and value.ndim == 1:
            value.uniform_(0.5, 1.5)
    ours = emitted_backbone(name, tmp_path)
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not missing
    assert all(key.startswith("fc.") for key in unexpected)
    for size in ((64, 64), (96, 160)):
        images = torch.randn(2, 3, *size)
        for mode in (False, True):
            ours.train(mode)
            theirs.train(mode)
            for a, b in zip(ours(images), theirs(images), strict=True):
                assert (a - b).abs().max() <= 1e-5 * b.abs().max()
