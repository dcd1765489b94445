"""Trained weights as one ONNX file: three heads, images of any size, no PyTorch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from emitted_jobs import build
from processes import python
from runs import (
    REGIONS,
    SCENE,
    SHAPES,
    checkpoint,
    images,
    make,
    one_core,
    refusal,
    run,
    train,
)

from specc.shapes.dataset import draw_dataset

pytestmark = pytest.mark.slow

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `export`")
NAME = "sealed"


def with_export(folder: Path) -> Path:
    """The folder of a job, built again with `export`."""
    job = json.loads((folder / "job.json").read_text()) | {"export": True}
    (folder / "job.json").write_text(json.dumps(job))
    return build(job, folder)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    draw_dataset(folder / "shapes", train=24, validation=6)
    return folder


@pytest.fixture(scope="module")
def folder(world) -> Path:
    """A job with boxes, a map and a category, and its best.pt beside it."""
    job = make(world / NAME, SHAPES, REGIONS, SCENE, max_iterations=60, validations=1)
    with_export(job)
    train(job, world / "run")
    found = checkpoint(world / "run" / "best.pt")
    # It has hardly found any yet: scores that differ from cell to cell.
    weight = found["model"]["heads.shapes.class_logits.weight"]
    weight.normal_(std=0.2, generator=torch.Generator().manual_seed(0))
    torch.save(found, world / "best.pt")
    return job


@pytest.fixture(scope="module")
def sealed(world, folder) -> Path:
    """The file of export.py."""
    flags = ("--weights", world / "best.pt", "-o", world / f"{NAME}.onnx")
    export(folder, *flags, *images(world))
    return world / f"{NAME}.onnx"


def export(folder: Path, *arguments: object, code=0):
    """Runs export.py in a process of its own: a conversion takes half a minute."""
    words = (str(folder / "export.py"), "--threads", "1", *map(str, arguments))
    done = python(*words, **one_core())
    assert done.returncode == code, done.stderr[-3000:]
    return done


def outputs_of(file: Path, batch: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(file)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": batch})))


def test_the_report_holds_each_stage_within_its_limit(sealed):
    report = json.loads(sealed.with_suffix(".parity.json").read_text())
    assert {"700.png", "210.png"} < report.keys() and len(report) == 6
    for found in report.values():
        assert found["canvas"] <= 1 and found["share"] <= 2e-3
        assert found["raw"] <= 1e-4 and found["pixels"] <= 0.02
        assert found["values"] <= 1e-4 and found["labels"] <= 1e-4


def test_the_golden_outputs_are_those_of_the_file(sealed):
    golden = np.load(sealed.with_suffix(".golden.npz"))
    titles = {name.split("/")[0] for name in golden}
    assert len(titles) == 4
    for title in titles:
        found = outputs_of(sealed, golden[f"{title}/images"])
        for name, values in found.items():
            np.testing.assert_array_equal(values, golden[f"{title}/{name}"])
        assert f"{title}/stage.canvas" in golden and f"{title}/stage.raw0" in golden


def test_a_batch_of_any_size_gives_each_image_its_own_results(sealed):
    rng = np.random.default_rng(2)
    coarse = rng.integers(0, 256, (3, 5, 7, 3)).astype(np.float32)
    batch = np.stack([cv2.resize(x, (77, 201)) for x in coarse]).astype(np.uint8)
    batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
    together = outputs_of(sealed, batch)
    assert together["regions.categories"].shape == (3, 201, 77)
    for row in range(3):
        alone = outputs_of(sealed, batch[row : row + 1])
        for name, values in alone.items():
            close = np.isclose(together[name][row], values[0], atol=0.02)
            assert close.mean() > 0.999, name


def test_sides_are_named_and_metadata_tell_the_job(sealed):
    session = onnxruntime.InferenceSession(sealed)
    assert session.get_inputs()[0].shape == ["batch", 3, "height", "width"]
    shapes = {output.name: output.shape for output in session.get_outputs()}
    assert shapes["shapes.boxes"] == ["batch", 100, 4]
    assert shapes["regions.categories"] == ["batch", "height", "width"]
    facts = session.get_modelmeta().custom_metadata_map
    job = json.loads(facts["specc.job"])
    assert [head["name"] for head in job["model"]["heads"]] == [
        "shapes",
        "regions",
        "scene",
    ]
    assert list(json.loads(facts["names"]).values()) == SHAPES["categories"]
    assert facts["task"] == "object_detection" and json.loads(facts["imgsz"]) == [
        64,
        96,
    ]


RUNS = """
import sys
for name in ("torch", "specc", "model", "evaluate"):
    sys.modules[name] = None
import json
import numpy as np
from runtime import Model
found = Model(sys.argv[1])(np.load(sys.argv[2]))
found["regions"] = found["regions"].tolist()
print(json.dumps(found))
"""


def test_the_runtime_needs_no_torch_and_agrees_with_predict(world, folder, sealed):
    alone = world / "alone"
    alone.mkdir()
    shutil.copy(folder / "runtime.py", alone)
    (alone / "runs.py").write_text(RUNS)
    pictures = images(world)
    for name, weights in (("torch", "best.pt"), ("onnx", f"{NAME}.onnx")):
        flag = "--onnx" if name == "onnx" else "--weights"
        flags = (flag, world / weights, "--output", world / name)
        run(folder, "predict.py", *flags, *pictures)
    for path in pictures:
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        np.save(alone / "picture.npy", picture)
        words = ("runs.py", str(sealed), "picture.npy")
        done = python(
            *(str(alone / word) if word != str(sealed) else word for word in words)
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        of_torch, of_onnx = (
            json.loads((world / name / "predictions.json").read_text())[str(path)]
            for name in ("torch", "onnx")
        )
        assert found["scene"]["category"] == of_torch["scene"]["category"]
        assert np.shape(found["regions"]) == picture.shape[:2]
        assert found["shapes"], "no object was found"
        assert len(found["shapes"]) == len(of_onnx["shapes"])
        for item, other in zip(found["shapes"], of_onnx["shapes"]):
            assert item["category"] == other["category"]
            np.testing.assert_allclose(item["bbox"], other["bbox"], rtol=1e-5)


def test_evaluate_measures_the_file_itself(world, folder, sealed):
    metrics = []
    for flags in (("--weights", world / "best.pt"), ("--onnx", sealed)):
        done = run(folder, "evaluate.py", *flags, "--data", world)
        metrics.append(json.loads(done.stdout))
    assert metrics[0].keys() == metrics[1].keys()
    for name, value in metrics[0].items():
        assert metrics[1][name] == pytest.approx(value, abs=0.02), name
    assert metrics[0]["regions/mean_iou"] > 0.1


# ---- What the comparison notices ----

FAULTS = """
import sys
import numpy as np
import torch
import export
from evaluate import load_model
from pathlib import Path

model = load_model(Path(sys.argv[1]), torch.device("cpu"))
portable, results_of, fit = export.portable_letterbox, export.results_of, export.fit


def stretched(images, mean):
    scaled = torch.nn.functional.interpolate(images.float(), canvas)
    return scaled.round()


def reversed_classes(outputs, images):
    found = results_of(outputs, images)
    logits = outputs["scene"].flip(1)
    return results_of(outputs | {"scene": logits}, images)


def higher_threshold(outputs, images):
    found = results_of(outputs, images)
    kept = found["shapes.scores"] > found["shapes.scores"].amax() * 0.7
    return found | {"shapes.count": kept.sum(1)}


def without_antialias(images, mean):
    height, width = fit(*images.shape[-2:])
    scaled = torch.nn.functional.interpolate(images.float(), (height, width), mode="bilinear")
    filled = mean.expand(len(images), -1, *canvas).clone()
    filled[..., :height, :width] = scaled.round()
    return filled


canvas = (export.HEIGHT, export.WIDTH)
seeded = {
    "none": {},
    "bgr": {"portable_letterbox": lambda images, mean: portable(images.flip(1), mean)},
    "stretched": {"portable_letterbox": stretched},
    "antialias": {"portable_letterbox": without_antialias},
    "padding": {"portable_letterbox": lambda images, mean: portable(images, 0 * mean)},
    "classes": {"results_of": reversed_classes},
    "threshold": {"results_of": higher_threshold},
}
picture = export.picture(150, 333, np.random.default_rng(0))
images = torch.from_numpy(picture).permute(2, 0, 1)[None]
for title, faults in seeded.items():
    kept = {name: getattr(export, name) for name in faults}
    vars(export).update(faults)
    with torch.inference_mode():
        got = {name: x.numpy() for name, x in export.Sealed(model)(images).items()}
    vars(export).update(kept)
    beyond = [
        one.measure
        for one in export.differences(model, images, got)
        if not one.size <= export.LIMITS[one.measure]
    ]
    print(title, *dict.fromkeys(beyond))
"""


def test_a_fault_in_any_stage_is_noticed_there(world, folder):
    (world / "faults.py").write_text(FAULTS)
    words = (str(world / "faults.py"), str(world / "best.pt"))
    done = python(*words, PYTHONPATH=str(folder), OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    found = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert found.pop("none") == []
    canvas = {"bgr", "stretched", "antialias", "padding"}
    for title, measures in found.items():
        if title in canvas:
            assert measures[0] == "canvas" and set(measures) <= {"canvas", "share"}
        else:
            assert set(measures) <= {"values", "labels"} and measures, title


@pytest.mark.soak  # converts once more
def test_a_file_that_differs_is_not_written(world, folder, sealed):
    """A limit that nothing holds: the element is named, an earlier file stays."""
    strict = world / "strict"
    shutil.copytree(folder, strict)
    text = (strict / "export.py").read_text()
    assert text.count('"raw": 1e-4') == 1
    (strict / "export.py").write_text(text.replace('"raw": 1e-4', '"raw": -1'))
    target = world / "earlier.onnx"
    target.write_bytes(b"an earlier file")
    before = {path.name for path in world.iterdir()}
    flags = ("--weights", world / "best.pt", "-o", target)
    done = export(strict, *flags, code=1)
    assert "raw" in done.stderr and "stage.raw0[" in done.stderr, done.stderr
    assert target.read_bytes() == b"an earlier file"
    assert {path.name for path in world.iterdir()} == before


# ---- Bad input ----


def test_what_cannot_be_exported_is_refused_with_a_line(world, folder):
    weights = ("--weights", world / "best.pt")
    broken = world / "broken.jpg"
    broken.write_bytes(b"no image")
    assert "broken.jpg" in refusal(export(folder, *weights, broken, code=1))
    said = refusal(export(folder, *weights, "--half", code=1))
    assert "--data" in said
    other = world / "other.pt"
    other.write_bytes(b"no weights")
    said = refusal(export(folder, "--weights", other, code=1))
    assert "other.pt" in said


def test_a_library_that_is_missing_is_named(world, folder):
    hidden = world / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name, *more: "
        "None if name == 'onnxscript' else found(name, *more)\n"
    )
    words = (str(folder / "export.py"), "--weights", str(world / "best.pt"))
    done = python(*words, **one_core() | {"PYTHONPATH": str(hidden)})
    assert done.returncode == 1 and "pip install onnxscript" in done.stderr, done.stderr
