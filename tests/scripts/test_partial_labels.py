"""Images that are labeled for one head and not for another."""

from __future__ import annotations

import ast
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
import yaml
from emitted_jobs import CLASSES, DETECTION, load_all
from head_jobs import ON_SHAPES, head_of
from runs import (
    DEPTHS,
    PATIENCE,
    REGIONS,
    SCENE,
    SHAPES,
    assert_equal_runs,
    command,
    make,
    one_core,
    train,
)
from small_data import box, native
from torchrun import assert_two_are_one

from specc.shapes.dataset import draw_dataset

# All that the drawn shapes have labels for, on one trunk. Two views of an image are
# another loader, which has a job of its own.
HEADS = [name for name in ON_SHAPES if name != "views"]
RATE = {"name": "rate", "task": "regression", "range": [0, 9]}


def write(folder: Path, file: str, given: dict):
    (folder / file).write_text(yaml.safe_dump(given))


# ---- Reading ----


def several(folder: Path, boxes: dict, kinds: dict) -> Path:
    """A dataset of four images with these labels for two heads."""
    native(folder, boxes)
    names = {"categories": list(CLASSES["categories"])}
    entries = [
        {"task": "object detection", "annotations": "labels.yaml"} | names,
        {"task": "multiclass classification", "annotations": "kinds.yaml"} | names,
    ]
    (folder / "metadata.yaml").write_text(yaml.safe_dump(entries))
    write(folder, "kinds.yaml", kinds)
    return folder


@pytest.mark.slow
def test_absent_and_null_labels_train_other_heads(emitted, tmp_path, capsys):
    dataset = emitted(DETECTION, CLASSES, validation="val").dataset
    boxes = {"0.png": [box(1, 2, 9, 9)], "1.png": None, "2.png": []}
    kinds = {"0.png": "a", "1.png": "b", "2.png": None, "3.png": None}
    samples = dataset.read_dataset(several(tmp_path, boxes, kinds))
    labeled = {sample.path.stem: sorted(sample.labels) for sample in samples}
    assert labeled == {"0": ["cells", "kind"], "1": ["kind"], "2": ["cells"]}
    said = capsys.readouterr().err
    assert "images left out: null: 1" in said
    assert "images without a label for cells: 1" in said
    assert "images without a label for kind: 1" in said


def test_an_image_with_names_of_no_head_is_left_out(emitted, tmp_path, capsys):
    dataset = emitted(DETECTION, CLASSES, validation="val").dataset
    kinds = {"0.png": "a", "1.png": "other", "2.png": "other"}
    folder = several(tmp_path, {"1.png": []}, kinds)
    samples = dataset.read_dataset(folder)
    labeled = {sample.path.stem: sorted(sample.labels) for sample in samples}
    assert labeled == {"0": ["kind"], "1": ["cells"]}
    said = capsys.readouterr().err
    assert "what the job does not name, left out: other: 2" in said


def test_a_head_without_any_label_is_told(emitted, tmp_path):
    dataset = emitted(DETECTION, CLASSES, validation="val").dataset
    folder = several(tmp_path, {"0.png": []}, {"0.png": None})
    with pytest.raises(SystemExit, match="kind: no image has a label"):
        dataset.read_dataset(folder)


def test_a_part_held_out_has_labels_for_each_head(emitted, tmp_path):
    dataset = emitted(DETECTION, CLASSES, validation_fraction=0.25).dataset
    boxes = {f"{i}.png": [] for i in range(4)}
    several(tmp_path / "train", boxes, dict.fromkeys(boxes, "a"))
    _, [held_out] = dataset.read_datasets(tmp_path)
    known = {name: "a" for name in boxes if name != held_out.path.name}
    for kinds, use in ((known, "validate"), ({held_out.path.name: "a"}, "train")):
        write(tmp_path / "train", "kinds.yaml", kinds)
        sets = dict(zip(("train", "validate"), dataset.read_datasets(tmp_path)))
        with pytest.raises(SystemExit, match=rf"kind: .*, 0 \(images to {use} on: 0"):
            dataset.check_labels(sets[use], use, "kind", "ab", lambda x: [x], 1)


@pytest.mark.slow
def test_empty_cells_train_other_heads(emitted, tmp_path, capsys):
    dataset = emitted(CLASSES, RATE, format="csv", validation="val.csv").dataset
    native(tmp_path, {})
    lines = ["image,kind,rate", "images/0.png,a,", "images/1.png,,3", "images/2.png,,"]
    (tmp_path / "val.csv").write_text("\n".join(lines))
    first, second = dataset.read_dataset(tmp_path / "val.csv")
    assert (first.labels, second.labels) == ({"kind": 0}, {"rate": 3.0})
    assert "rows left out: no label: 1" in capsys.readouterr().err


# ---- Losses and metrics of all heads ----


@pytest.fixture(scope="module")
def all_heads(world, one_thread) -> SimpleNamespace:
    """The modules of a job with all heads, its samples, and what its model gives."""
    heads = [head_of(name) for name in HEADS]
    folder = make(world / "all-heads", *heads, data={"augmentation": False})
    modules = load_all(folder, "model", "dataset", "data", "evaluate", "draw")
    torch.manual_seed(0)
    modules.net = modules.model.Network().eval()
    modules.samples = modules.dataset.read_dataset(world / "shapes" / "val")
    return modules


def without(sample, *heads: str):
    labels = {head: x for head, x in sample.labels.items() if head not in heads}
    return sample._replace(labels=labels)


def terms_of(modules, samples: list) -> dict[str, torch.Tensor]:
    views = modules.data.TrainingSet(samples, 0)
    batch = [views[0, index] for index in range(len(samples))]
    images, targets, _ = modules.data.collate(batch)
    return modules.model.loss_terms(modules.net(images), targets)


def of_head(terms: dict, head: str) -> dict:
    return {name: x for name, x in terms.items() if name.split("/")[0] == head}


@pytest.mark.slow
def test_a_loss_is_that_of_the_labeled_images(all_heads):
    """Two images have labels for all heads, two others lack them."""
    one, two, three, four = all_heads.samples
    labeled = [head for head in HEADS if head != "picture"]  # needs no labels
    mixed = [without(one, *labeled), two, without(three, *labeled), four]
    found, wanted = (terms_of(all_heads, batch) for batch in (mixed, [two, four]))
    assert found.keys() == wanted.keys()
    for head in labeled:
        for name, value in of_head(wanted, head).items():
            torch.testing.assert_close(found[name], value, msg=name)
    assert any(value > 0 for value in of_head(found, "objects").values())


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["some", "all"])
def test_a_head_without_labels_has_no_loss_and_a_whole_graph(all_heads, missing):
    heads = [head for head in HEADS if head != "picture"]
    heads = heads[::2] if missing == "some" else heads
    samples = [without(sample, *heads) for sample in all_heads.samples]
    all_heads.net.zero_grad()
    terms = terms_of(all_heads, samples)
    sum(terms.values()).backward()
    for head in HEADS:
        values = of_head(terms, head).values()
        assert all(value.isfinite() for value in values)
        assert all(value == 0 for value in values) == (head in heads), head
    for name, parameter in all_heads.net.named_parameters():
        gradient = parameter.grad
        if name.startswith("heads."):
            assert gradient is not None and gradient.isfinite().all(), name
            if name.split(".")[1] in heads:
                assert not gradient.any(), name


@pytest.mark.slow
def test_metrics_are_those_of_the_labeled_images(all_heads):
    """Each head lacks the label of an image of its own."""
    device, samples = torch.device("cpu"), all_heads.samples
    heads = [head for head in HEADS if head != "picture"]
    partial = [
        without(sample, *heads[number::4]) for number, sample in enumerate(samples)
    ]
    found = all_heads.evaluate.evaluate(all_heads.net, partial, device)
    kept = all_heads.evaluate.predict_samples(
        all_heads.net, samples, device, 0, all_heads.evaluate.evidence
    )
    for head in heads:
        rows = [i for i, sample in enumerate(partial) if head in sample.labels]
        assert len(rows) == 3
        wanted = all_heads.evaluate.score(
            [samples[i] for i in rows], [kept[i] for i in rows], device
        )
        of_one = {name: x for name, x in wanted.items() if name.split("/")[0] == head}
        boxes = [getattr(samples[i].labels[head], "boxes", [0]) for i in rows]
        assert of_one or not any(map(len, boxes)), head
        for name, value in of_one.items():
            assert found[name] == pytest.approx(value, nan_ok=True), name


@pytest.mark.slow
def test_the_sheet_shows_the_labels_there_are(all_heads):
    device, heads = torch.device("cpu"), [head for head in HEADS if head != "picture"]
    samples = [without(all_heads.samples[0], *heads), all_heads.samples[1]]
    found = all_heads.evaluate.predict_samples(all_heads.net, samples, device)
    assert all_heads.draw.sheet(samples, found).shape[2] == 3
    assert all_heads.draw.labels_of(samples[0]).keys() == {"picture"}


def test_no_module_defines_a_name_twice(all_heads):
    """The parts of one task must not take a name from those of another."""
    folder = Path(all_heads.model.__file__).parent
    for path in folder.glob("*.py"):
        body = ast.parse(path.read_text("utf-8")).body
        kinds = (ast.FunctionDef, ast.ClassDef)
        names = [one.name for one in body if isinstance(one, kinds)]
        assert sorted(set(names)) == sorted(names), path.name


def test_a_few_images_have_labels_for_each_head(all_heads):
    one, two, three, four = all_heads.samples
    samples = [without(one, "classes"), without(two, "classes"), three, four]
    few = all_heads.dataset.first_of_heads(samples, 1)
    assert [sample.path for sample in few] == [one.path, three.path]
    few = all_heads.dataset.first_of_heads(all_heads.samples, 2)
    assert [sample.path for sample in few] == [one.path, two.path]


# ---- Runs ----


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """The drawn shapes, with a background for every other image alone, without boxes for
    the first, and with a depth map that knows no depth for the second: a process of two
    has a share without any label of a head. Five images to validate cannot be halved.
    """
    folder = tmp_path_factory.mktemp("partial")
    draw_dataset(folder / "shapes", train=7, validation=5)
    empty = folder / "shapes" / "train" / "depths" / "shapes_00001.png"
    known = cv2.imread(str(empty), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(empty), np.zeros_like(known))
    for part in ("train", "val"):
        for file, lacks in (("backgrounds.yaml", 1), ("boxes.yaml", 4)):
            path = folder / "shapes" / part / file
            given = yaml.safe_load(path.read_text())
            names = sorted(given)
            dropped = names[1::2] if lacks == 1 else names[:1]
            write(path.parent, file, {n: given[n] for n in names if n not in dropped})
    return folder


@pytest.mark.slow
def test_two_processes_are_one(place):
    """Gradients of images with unlike numbers of objects, and without some labels."""
    heads = (SHAPES, SCENE, REGIONS, DEPTHS)
    metrics = assert_two_are_one(make(place / "several", *heads))
    assert {name.split("/")[0] for name in metrics} == {x["name"] for x in heads}


@pytest.mark.soak
def test_a_killed_run_goes_on_to_the_same_end(place):
    options = {"max_iterations": 24, "validations": 4}
    job = make(place / "killed", SHAPES, SCENE, **options)
    unbroken, output = place / "unbroken", place / "broken"
    train(job, unbroken)
    flags = ("--data", place, "--output", output, "--workers", 0)
    process = subprocess.Popen(
        command(job, "train.py", *flags), cwd=place, env=one_core()
    )
    late = time.monotonic() + PATIENCE
    while not (output / "last.pt").exists() and time.monotonic() < late:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    train(job, output, "--resume")
    assert_equal_runs(output, unbroken)
