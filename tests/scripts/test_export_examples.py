"""All examples, in both settings of `resize_input`, as ONNX files: images of any size
and number, each stage as model.py has it, in ONNX Runtime and in OpenVINO."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from emitted_jobs import GENERATED, build
from processes import python

pytestmark = pytest.mark.soak

pytest.importorskip("onnxruntime", reason="the extra `export`")
EXAMPLES = sorted(path.parent.name for path in GENERATED.glob("*/job.json"))

# Random weights under which norms let signals pass, and detectors find objects; then
# the largest difference by measure, of images of odd sizes and of a batch of three.
MEASURES = """
import json
import sys
from collections import defaultdict

import numpy as np
import torch

import export
import model as emitted

torch.manual_seed(0)
rng = np.random.default_rng(0)
network = getattr(emitted, sys.argv[1])().train()
prepare = getattr(emitted, "letterboxed", getattr(emitted, "padded", None))
with torch.no_grad():
    for _ in range(6):
        images = torch.from_numpy(export.picture(160, 192, rng)).repeat(2, 1, 1, 1)
        network(prepare(images, network.mean) if prepare else images.float())
    for name, values in network.named_parameters():
        if name.endswith("logits.weight"):
            values.normal_(std=0.2)
network.eval()
# the runtime

onnx, _ = export.convert(network)
sizes = ((256, 256), (333, 435), (515, 129), (57, 91), (129, 640), (31, 33))
batches = [export.picture(height, width, rng) for height, width in sizes]
batches.append(np.concatenate([export.picture(201, 77, rng) for _ in range(3)]))
whole, last = export.Runner(onnx), export.Runner(export.last_stage(onnx))
worst = defaultdict(float)
with torch.inference_mode():
    for batch in batches:
        got = {"images": batch} | whole({"images": batch})
        for one in export.differences(network, got, last):
            worst[one.measure] = max(worst[one.measure], one.size)
sides = [side.dim_param for side in onnx.graph.input[0].type.tensor_type.shape.dim]
report = {"worst": worst, "nodes": len(onnx.graph.node), "sides": sides}
print(json.dumps(report | {"limits": export.LIMITS}))
"""

# OpenVINO in the place of ONNX Runtime, in the same comparison.
OPENVINO = """
import onnxruntime
import openvino


class OpenVino:
    def __init__(self, onnx):
        self.inputs = [value.name for value in onnx.graph.input]
        self.outputs = [value.name for value in onnx.graph.output]
        model = openvino.Core().read_model(onnx.SerializeToString())
        precision = {"INFERENCE_PRECISION_HINT": "f32"}
        self.compiled = openvino.compile_model(model, "CPU", precision)

    def __call__(self, given):
        found = self.compiled({name: given[name] for name in self.inputs})
        return {name: np.array(found[name]) for name in self.outputs}


export.Runner = OpenVino
"""
RUNTIMES = {"onnxruntime": "", "openvino": OPENVINO}


def exported(
    folder: Path, name: str, resize_input: bool, runtime: str = "onnxruntime"
) -> dict:
    """Returns the report of an example, built with `export` and this setting."""
    job = json.loads((GENERATED / name / "job.json").read_text()) | {"export": True}
    job["model"].setdefault("backbone", {})["resize_input"] = resize_input
    build(job, folder)
    text = (folder / "evaluate.py").read_text()
    model = text.split("def load_model")[1].split(" -> ")[1].split(":")[0]
    measures = MEASURES.replace("# the runtime", RUNTIMES[runtime])
    (folder / "measures.py").write_text(measures)
    done = python(str(folder / "measures.py"), model, cwd=folder, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    print(name, resize_input, report["nodes"], report["worst"])  # with -s, for a table
    for measure, size in report["worst"].items():
        assert size <= report["limits"][measure], measure
    return report


@pytest.mark.parametrize("resize_input", [True, False], ids=["resized", "whole"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_exports_in_both_settings(name, resize_input, tmp_path):
    report = exported(tmp_path, name, resize_input)
    assert {"canvas", "share", "raw"} < report["worst"].keys()
    assert report["sides"] == ["batch", "", "height", "width"]
    assert 20 < report["nodes"] < 5000


@pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="openvino is not installed"
)
@pytest.mark.parametrize("name", ["blood-cells", "nuclei", "photos", "rooms"])
def test_openvino_passes_the_same_comparison(name, tmp_path):
    exported(tmp_path, name, resize_input=True, runtime="openvino")
