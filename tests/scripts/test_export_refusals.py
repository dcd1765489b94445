"""Jobs, weights and flags that export.py refuses, before a conversion or by it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from export_jobs import CONVERSION, export, trained
from processes import python
from runs import checkpoint, one_core, refusal, warm

from specc.shapes.dataset import draw_dataset

pytestmark = pytest.mark.slow

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `export`")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    draw_dataset(folder / "shapes", train=24, validation=6)
    return folder


@pytest.fixture(scope="module")
def folder(world) -> Path:
    """A job that has been trained a little, and its best.pt beside it."""
    job = trained(world / "sealed", world, iterations=2)
    shutil.copy(world / "run" / "best.pt", world)
    return job


@pytest.mark.soak  # a conversion more
def test_random_weights_are_exported(world, folder):
    words = (folder / "export.py", "--threads", 1, "-o", world / "random.onnx")
    done = python(*map(str, words), **one_core())
    assert done.returncode == 0 and "random" in done.stderr, done.stderr[-3000:]
    facts = onnxruntime.InferenceSession(world / "random.onnx").get_modelmeta()
    assert facts.custom_metadata_map["specc.weights"] == "random"


def other_weights(world: Path) -> Path:
    found = checkpoint(world / "best.pt")
    job = json.loads(found["job"])
    job["model"]["heads"][0]["categories"][0] = "another"
    torch.save(found | {"job": json.dumps(job)}, world / "of-another-job.pt")
    return world / "of-another-job.pt"


def test_what_cannot_be_exported_is_refused_with_a_line(world, folder):
    """Before the conversion, which takes time."""
    (world / "broken.jpg").write_bytes(b"no image")
    (world / "other.pt").write_bytes(b"no weights")
    good = ("--weights", world / "best.pt")
    for flags, said in (
        ((*good, "broken.jpg"), "broken.jpg"),
        ((*good, "--half"), "--data"),
        ((*good, "--int8", "broken.jpg"), "--data"),
        ((*good, "--data", world, "--int8", "broken.jpg"), "broken.jpg"),
        ((*good, "-o", "no/folder/x.onnx"), "no/folder/x.onnx"),
        ((*good, "-o", "x.pb"), "x.pb"),
        ((*good, "--half", "--data", world, "--bound", "nan"), "--bound starts at 0"),
        (("--weights", world / "other.pt"), "other.pt"),
        (("--weights", other_weights(world)), "of another job"),
        (("--weights", world / "missing.pt"), "missing.pt"),
    ):
        before = {path.name for path in world.iterdir()}
        assert said in refusal(export(folder, *flags, code=1))
        assert {path.name for path in world.iterdir()} == before


FOREIGN = """
import torch

import export


class Foreign(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network, self.mean = network, network.mean

    def forward(self, images):
        return self.network(torch.special.bessel_j0(images))


export.convert(Foreign(export.load_model(export.Path("best.pt"), "cpu")))
"""


@pytest.mark.soak  # a conversion more
def test_an_operator_that_onnx_lacks_is_named(world, folder):
    (world / "foreign.py").write_text(FOREIGN)
    done = python("foreign.py", cwd=world, PYTHONPATH=str(folder), OMP_NUM_THREADS="1")
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "cannot be exported" in done.stderr and "bessel_j0" in done.stderr


def test_a_library_that_is_missing_is_named(world, folder):
    (folder / "hidden.py").write_text(
        "import importlib.util as util, runpy, sys\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name, *more: "
        "None if name == 'onnxscript' else found(name, *more)\n"
        "runpy.run_path(sys.argv.pop(1), run_name='__main__')\n"
    )
    words = (folder / "hidden.py", folder / "export.py", "--weights", world / "best.pt")
    done = warm().run([*map(str, words)], world, one_core(), CONVERSION)
    assert done.returncode == 1 and "pip install onnxscript" in done.stderr, done.stderr
