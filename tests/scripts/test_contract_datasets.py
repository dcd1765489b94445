"""The datasets that contracts make: without labels, for conversions, and several of them."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
from contracts import emit
from conversion_jobs import head
from emitted_jobs import load, load_all, write
from layout_jobs import (
    BOXES,
    COLORS,
    LAID_OUT,
    MASKS,
    NAMES,
    PERSON,
    PICTURE,
    PLAIN,
    SEGMENTS,
    TABLES,
    TAGS,
    VIEWS,
    job,
    own,
    whole,
)
from test_contract import hold
from test_contract_faults import FOUND, PADDED, PROCESSES, breach, changed

from specc.build import Compiled, analyze
from specc.emit.render import render
from specc.plan.extras import CONTRACT, Extras
from specc.plan.page import plan

KIND = {"train": "kinds", "validation": "kinds", "format": "folders"}
UNLABELED = {
    "autoencoding": job(PICTURE, channels=1),
    "autoencoding at each image's own size": whole(job(PICTURE)),
    "a held out part": job(PICTURE, validation=None, group="x"),
    "views": job(VIEWS),
    "views with a metric of categories": job(VIEWS | {"categories": NAMES}),
    "autoencoding beside categories": job(
        PICTURE, head("multiclass_classification", NAMES)
    ),
}
CONVERTED = {
    f"{source} to {one['task']}{f' in {form}' * (form != 'native')}": job(
        one, task=source, format=form
    )
    for source, one, form in [
        ("instance_segmentation", BOXES, "native"),
        ("instance_segmentation", BOXES, "coco"),
        ("instance_segmentation", BOXES, "yolo"),
        ("panoptic_segmentation", BOXES, "native"),
        ("panoptic_segmentation", BOXES, "coco"),
        ("quadrilateral_detection", BOXES, "native"),
        ("keypoint_detection", PERSON, "native"),
        ("keypoint_detection", PERSON, "coco"),
        ("panoptic_segmentation", MASKS, "native"),
        (
            "panoptic_segmentation",
            head("semantic_segmentation", NAMES, colors=COLORS),
            "native",
        ),
        (
            "panoptic_segmentation",
            head("semantic_segmentation", NAMES, colors=COLORS),
            "coco",
        ),
        ("object_detection", head("quadrilateral_detection", NAMES), "native"),
        ("object_detection", TAGS, "native"),
        ("object_detection", TAGS, "coco"),
        ("object_detection", TAGS, "voc"),
        ("object_detection", TAGS, "yolo"),
        ("instance_segmentation", TAGS, "native"),
        ("semantic_segmentation", TAGS, "native"),
        ("panoptic_segmentation", TAGS, "native"),
        ("multiclass_classification", TAGS, "native"),
        ("multiclass_classification", TAGS, "csv"),
        (
            "multiclass_classification",
            head("multilabel_classification", PLAIN),
            "folders",
        ),
        ("metric_learning", TAGS, "native"),
        ("multiclass_classification", head("metric_learning", NAMES), "native"),
        ("metric_learning", head("multiclass_classification", NAMES), "native"),
    ]
}
SEVERAL = {
    "two datasets": job(
        BOXES, own(head("multiclass_classification", PLAIN), "kind", **KIND)
    ),
    "parts of two datasets": job(
        BOXES,
        own(TAGS, "tags", train="tags"),
        validation=None,
    ),
    "three datasets": job(
        PICTURE,
        own(BOXES, "boxes", train="x.json", validation="y.json", format="coco"),
        own(TAGS, "tags", train="z.yaml", format="yolo", task="object_detection"),
    ),
}
SHARED = {  # annotations that several heads read
    "boxes and labels": job(
        BOXES, TAGS | {"name": "tags"}, task="object_detection", format="coco"
    ),
    "segments, things and labels": job(
        own(head("object_detection", ["no", "c&d"]), "a", task="panoptic_segmentation"),
        own(TAGS, "b", task="panoptic_segmentation"),
        SEGMENTS,
    ),
    "things and labels": job(
        head("object_detection", ["no"]),
        TAGS | {"name": "tags"},
        task="panoptic_segmentation",
    ),
    "keypoints and boxes": job(
        own(PERSON, "boxes", task="keypoint_detection"),
        head("keypoint_detection", ["left", "right"]),
    ),
    "segments and things in coco": job(
        own(head("object_detection", ["no", "c&d"]), "a", task="panoptic_segmentation"),
        SEGMENTS,
        format="coco",
    ),
    "keypoints and boxes in coco": job(
        own(PERSON, "boxes", task="keypoint_detection"),
        head("keypoint_detection", ["left", "right"]),
        format="coco",
    ),
}
ALL = UNLABELED | CONVERTED | SEVERAL | SHARED | TABLES | LAID_OUT


# ---- The code reads what is made ----


def rendered(of: dict, folder: Path) -> Path:
    """The folder of a job with its contract, without black, which takes most of the
    time of a build."""
    resolved, graph, findings = analyze(json.dumps(of).encode())
    assert not [finding for finding in findings if finding.is_error]
    page = plan(resolved, graph, Extras(tests=True))
    folder.mkdir()
    return write(Compiled(resolved, render(page), (), None, ""), folder)


def samples_of(folder: Path, root: Path) -> tuple[ModuleType, list, list]:
    """The contract of a folder, and what its code reads of the datasets made by it."""
    contract = load(folder / CONTRACT)
    for name, values in contract.SMALL.items():
        contract.set_constants(folder / name, values)
    modules = load_all(folder, "model", "dataset")
    make = contract.data.__wrapped__
    place = type("Factory", (), {"mktemp": lambda self, name: root})()
    make(modules.model, place)
    return contract, *modules.dataset.read_datasets(root)


@pytest.mark.slow
@pytest.mark.sample(
    "autoencoding",
    "instance_segmentation to object_detection",
    "object_detection to multilabel_classification",
    "one box a cell in a table",
    "object_detection in yolo, prefix",
)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if number % 6 == 0 else [pytest.mark.soak])
        for number, name in enumerate(ALL)
    ],
)
def test_the_code_reads_the_datasets_that_its_contract_makes(name, tmp_path):
    (tmp_path / "data").mkdir()
    folder = rendered(ALL[name], tmp_path / "job")
    contract, training, validation = samples_of(folder, tmp_path / "data")
    assert len(validation) % 2 == 1, "two processes can halve them"
    for samples in (training, validation):
        labeled = {head for sample in samples for head in sample.labels}
        assert labeled == set(contract.FOUND)
        assert all(sample.path.suffix == ".png" for sample in samples)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["boxes in fractions in a table", "flags in a table"])
def test_tables_are_made_as_their_layout_says(name, tmp_path):
    test_the_code_reads_the_datasets_that_its_contract_makes(name, tmp_path)


@pytest.mark.slow
def test_labels_are_of_every_kind(tmp_path):
    (tmp_path / "data").mkdir()
    folder = rendered(SHARED["segments, things and labels"], tmp_path / "job")
    _, samples, _ = samples_of(folder, tmp_path / "data")
    labels = [sample.labels for sample in samples]
    assert {kind for of in labels for kind in of["a"].classes.tolist()} == {0, 1}
    assert {kind for of in labels for kind in of["segments"].classes} == {0, 1, 2}
    assert {tuple(of["b"].tolist()) for of in labels} == {
        (1, 1, 0),
        (0, 1, 1),
        (1, 0, 1),
    }


# ---- It holds ----


@pytest.mark.soak
@pytest.mark.parametrize("name", ALL)
def test_the_contract_holds(name, tmp_path):
    hold(emit(ALL[name], tmp_path / "job"))


# ---- It fails where the code is wrong ----

FAULTS = {
    "the size of a picture": (
        UNLABELED["autoencoding"],
        ("model.py", "scaled, (height, width)", "scaled, scaled"),
        FOUND,
    ),
    "a random view": (
        UNLABELED["views"],
        (
            "data.py",
            "default_rng(list(os.fsencode(sample.path.name)))",
            "default_rng()",
        ),
        PROCESSES,
    ),
    "annotations of another task": (
        CONVERTED["keypoint_detection to object_detection"],
        (
            "dataset.py",
            'annotations_for(folder, "keypoint',
            'annotations_for(folder, "',
        ),
        PROCESSES,
    ),
    "duplicates of the last dataset": (
        SEVERAL["two datasets"],
        ("evaluate.py", *PADDED),
        PROCESSES,
    ),
}


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(name, marks=[] if number == 0 else [pytest.mark.soak])
        for number, name in enumerate(FAULTS)
    ],
)
def test_a_fault_breaks_it(fault, tmp_path):
    of, edit, test = FAULTS[fault]
    breach(changed(emit(of, tmp_path / "job"), edit), test)


# ---- What is emitted ----


def contract_plan(of: dict):
    resolved, graph, _ = analyze(json.dumps(of).encode())
    return plan(resolved, graph, Extras(tests=True)).contract


def test_what_predict_finds_follows_the_size_that_the_model_sees():
    """70 x 110, which the tests predict; levels 1 to 3 halve it, in multiples of 8."""
    resized, own_size = (
        contract_plan(one).found["picture"]
        for one in (job(PICTURE), whole(job(PICTURE)))
    )
    assert resized == {"reconstruction": (3, 70, 110), "code": (8, 4, 4)}
    assert own_size == {"reconstruction": (3, 70, 110), "code": (8, 9, 14)}
    views = contract_plan(job(VIEWS)).found["views"]
    assert views == {"representation": (128,)}


def test_boxes_beside_masks_tell_their_points():
    found = contract_plan(job(BOXES, MASKS | {"name": "masks"})).found
    assert found["one"]["points"] == (100,) and "points" not in found["masks"]
