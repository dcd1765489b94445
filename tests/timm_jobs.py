"""Jobs whose backbone is a model of timm; where timm is absent, their tests skip."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from emitted_jobs import compile_raw, load, write

from specc.build import Compiled, analyze
from specc.diagnostics import JobError
from specc.graph.cost import summarize
from specc.timm.importing import import_timm

if find_spec("timm") is None:
    pytest.skip("timm is not installed: pip install timm", allow_module_level=True)

timm = import_timm()
SWIN = "swin_tiny_patch4_window7_224"
CLASSES = {"task": "multiclass_classification", "categories": ["a", "b"]}
# Name, resolution, levels of the neck, and (level, channels) of all that it has.
MODELS = {
    "convnext_atto": ((64, 96), (2, 6), [(2, 40), (3, 80), (4, 160), (5, 320)]),
    "resnext26ts": (
        (64, 96),
        (3, 5),
        [(1, 64), (2, 256), (3, 512), (4, 1024), (5, 2048)],
    ),
    "regnety_002": ((64, 96), (1, 5), [(1, 32), (2, 24), (3, 56), (4, 152), (5, 368)]),
    SWIN: ((224, 224), (3, 5), [(2, 96), (3, 192), (4, 384), (5, 768)]),
    "efficientnet_lite0": (
        (64, 96),
        (3, 5),
        [(1, 16), (2, 24), (3, 40), (4, 112), (5, 320)],
    ),
    "hrnet_w18_small": (
        (64, 96),
        (3, 4),
        [(1, 64), (2, 128), (3, 256), (4, 512), (5, 1024)],
    ),
}


def job_of(name, resolution=(64, 96), neck=None, head=None, trainer=None, **options):
    """A detector over the levels of a neck, or else a classifier of level ``head``."""
    data = {"train": "t", "resolution": resolution, "channels": options.pop("gray", 3)}
    model = {"backbone": {"name": f"timm/{name}"} | options}
    if neck:
        levels = {"bottom_level": neck[0], "top_level": neck[1]}
        model["neck"] = {"kind": "fpn", "channels": 32} | levels
        model["heads"] = [
            {"task": "object_detection", "categories": ["a"], "layers": 1} | levels
        ]
    else:
        model["heads"] = [CLASSES | {"level": head}]
    return {"name": "tried", "data": data, "model": model, "trainer": trainer}


def encoded(*arguments, **keywords) -> bytes:
    return json.dumps(job_of(*arguments, **keywords)).encode()


def compiled(*arguments, **keywords) -> Compiled:
    return compile_raw(encoded(*arguments, **keywords))


def summary_of(*arguments, **keywords):
    job, graph, _ = analyze(encoded(*arguments, **keywords))
    return summarize(job, graph)


def refused(*arguments, **keywords):
    """The one error of a job."""
    try:
        _, _, findings = analyze(encoded(*arguments, **keywords))
    except JobError as error:
        findings = error.diagnostics
    errors = [one for one in findings if one.is_error]
    assert len(errors) == 1
    return errors[0]


def emitted(folder: Path, *arguments, **keywords):
    """A job, and the model of its model.py."""
    made = compiled(*arguments, **keywords)
    module = load(write(made, folder) / "model.py")
    torch.manual_seed(0)
    return made, getattr(module, made.model_class)()


def theirs_of(name: str, indices, **options):
    return timm.create_model(name, features_only=True, out_indices=indices, **options)
