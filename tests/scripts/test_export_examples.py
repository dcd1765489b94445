"""All examples, in both settings of `resize_input`, as ONNX files: images of any size
and number, each stage as model.py has it, in ONNX Runtime and in OpenVINO."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from emitted_jobs import GENERATED, build
from processes import python
from runs import one_core

pytestmark = pytest.mark.soak

pytest.importorskip("onnxruntime", reason="the extra `export`")
EXAMPLES = sorted(path.parent.name for path in GENERATED.glob("*/job.json"))

# Random weights under which norms let signals pass, and detectors find objects; then
# the largest difference by measure, of images of odd sizes and of a batch of three.
MEASURES = """
import json
import sys
from collections import defaultdict
from pathlib import Path

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
shape = whole.session.get_inputs()[0].shape
report = {"worst": worst, "nodes": len(onnx.graph.node), "shape": shape}
np.savez("batches.npz", *batches[:4])
Path("staged.onnx").write_bytes(onnx.SerializeToString())
print(json.dumps(report | {"limits": export.LIMITS, "names": whole.outputs}))
"""

# OpenVINO reads the file that ONNX Runtime reads.
COMPARES = """
import json
from pathlib import Path

import numpy as np
import onnxruntime
import openvino

session = onnxruntime.InferenceSession("staged.onnx")
compiled = openvino.compile_model("staged.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
names = [output.name for output in session.get_outputs()]
worst = {}
for batch in np.load("batches.npz").values():
    wanted = dict(zip(names, session.run(names, {"images": batch})))
    found = compiled({"images": batch})
    for name in names:
        if name.startswith("stage."):
            off = np.abs(wanted[name].astype(float) - found[name].astype(float))
            scale = max(1, np.abs(wanted[name]).max())
            worst[name] = max(worst.get(name, 0), off.max() / scale)
print(json.dumps(worst))
"""


def script(text: str, folder: Path, *words: str) -> dict:
    """Returns what a script prints that imports the modules of a folder."""
    (folder / "runs.py").write_text(text)
    done = python(str(folder / "runs.py"), *words, cwd=folder, **one_core())
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def exported(folder: Path, name: str, resize_input: bool) -> dict:
    """Returns the report of an example, built with `export` and this setting."""
    job = json.loads((GENERATED / name / "job.json").read_text()) | {"export": True}
    job["model"].setdefault("backbone", {})["resize_input"] = resize_input
    build(job, folder)
    text = (folder / "evaluate.py").read_text()
    model = text.split("def load_model")[1].split(" -> ")[1].split(":")[0]
    return script(MEASURES, folder, model)


@pytest.mark.parametrize("resize_input", [True, False], ids=["resized", "whole"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_exports_in_both_settings(name, resize_input, tmp_path):
    report = exported(tmp_path, name, resize_input)
    print(name, resize_input, report["nodes"], report["worst"])  # with -s, for a table
    assert report["worst"].keys() <= report["limits"].keys()
    assert {"canvas", "share", "raw"} < report["worst"].keys()
    for measure, size in report["worst"].items():
        assert size <= report["limits"][measure], measure
    assert report["shape"][0] == "batch" and report["shape"][2:] == ["height", "width"]
    assert 20 < report["nodes"] < 5000


@pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="openvino is not installed"
)
@pytest.mark.parametrize("name", ["blood-cells", "nuclei", "photos", "rooms"])
def test_openvino_gives_the_same_stages(name, tmp_path):
    exported(tmp_path, name, resize_input=True)
    for stage, size in script(COMPARES, tmp_path).items():
        assert size <= 2e-3 if stage != "stage.canvas" else size <= 1.5 / 255, stage
