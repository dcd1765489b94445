"""Heads that learn from datasets of their own."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import torch
from conversion_jobs import coco, save_pictures
from emitted_jobs import CLASSES, DETECTION, NAMES, load_all
from runs import SCENE, SHAPES, make, rows, train
from small_data import box, native

from specc.build import analyze
from specc.diagnostics import JobError
from specc.plan.resolved import as_job
from specc.shapes.dataset import draw_dataset

FOLDERS = {"train": "kinds", "validation": "kinds", "format": "folders"}
TAGS = {"name": "tags", "task": "multilabel_classification", "labels": list(NAMES)}
IN_COCO = {"train": "val.json", "validation": "val.json", "format": "coco"}


def job(*heads: dict, **data) -> dict:
    data = {"train": "train", "resolution": [64, 96]} | data
    return {"version": 1, "name": "a", "data": data, "model": {"heads": heads}}


@pytest.mark.slow
def test_the_union_of_datasets_is_read(emitted, tmp_path):
    native(tmp_path / "cells", {"0.png": [box(1, 2, 9, 9)], "1.png": []})
    for name in NAMES:
        save_pictures(tmp_path / "kinds" / name, "0.png", "1.png")
    data = {"train": "cells", "validation": "cells"}
    kinds = CLASSES | {"data": FOLDERS}
    dataset = emitted(DETECTION, kinds, **data).dataset
    with pytest.raises(SystemExit, match="every image is in the validation set"):
        dataset.read_datasets(tmp_path)
    sets = [dataset.dataset_of_cells(tmp_path / "cells")]
    sets.append(dataset.dataset_of_kind(tmp_path / "kinds", training=True))
    training = dataset.merged(sets)
    heads = [list(sample.labels) for sample in training]
    assert heads == [["cells"]] * 2 + [["kind"]] * 6
    assert [sample.labels["kind"] for sample in training[2:]] == [0, 0, 1, 1, 2, 2]


@pytest.mark.slow
def test_an_image_of_two_datasets_has_the_labels_of_both(emitted, tmp_path):
    """A COCO file beside the folder of the images of a native dataset."""
    tags = TAGS | {"data": IN_COCO | {"task": "object_detection"}}
    data = {"train": ".", "validation": "."}
    dataset = emitted(DETECTION, tags, **data).dataset
    native(tmp_path, {"0.png": [box(1, 2, 9, 9)], "2.png": []})
    coco(tmp_path, [{"category_id": 2, "bbox": [1, 2, 3, 4]}])  # 0.png, 1.png
    boxes = dataset.dataset_of_cells(tmp_path)
    labels = dataset.dataset_of_tags(tmp_path / "val.json", root=tmp_path)
    training = dataset.merged([boxes, labels])
    found = {sample.path.stem: sorted(sample.labels) for sample in training}
    assert found == {"0": ["cells", "tags"], "2": ["cells"], "1": ["tags"]}
    assert training[0].labels["tags"].tolist() == [0, 0, 1]


def test_each_dataset_holds_out_a_part_of_its_own(emitted, tmp_path):
    native(tmp_path / "cells", {f"{i}.png": [] for i in range(4)})
    for name in NAMES:
        save_pictures(tmp_path / "kinds" / name, "0.png", "1.png")
    own = {"train": "kinds", "format": "folders"}
    heads = (DETECTION, CLASSES | {"data": own})
    dataset = emitted(*heads, train="cells", validation_fraction=0.4).dataset
    training, validation = dataset.read_datasets(tmp_path)
    for samples, sizes in ((training, (2, 4)), (validation, (2, 2))):
        counts = Counter(head for sample in samples for head in sample.labels)
        assert (counts["cells"], counts["kind"]) == sizes
    assert not {one.path for one in training} & {one.path for one in validation}


def test_an_epoch_shows_every_image_of_all_datasets_once(emitted, tmp_path):
    modules = emitted(DETECTION, CLASSES | {"data": FOLDERS}, validation="val")
    batches = iter(modules.data.batch_keys(8, 0, 0, 0, 1))  # batches of four
    for epoch in range(3):
        keys = [*next(batches), *next(batches)]
        assert sorted(keys) == [(epoch, index) for index in range(8)]


# ---- Jobs ----


def test_what_a_head_leaves_out_is_that_of_the_job():
    own = {"train": "kinds", "format": "folders"}
    heads = (DETECTION, CLASSES | {"data": own})
    resolved = analyze(json.dumps(job(*heads, validation="val")).encode())[0]
    first, second = resolved.heads
    assert first.data is None
    assert second.data.train == "kinds" and second.data.format == "folders"
    assert second.data.validation is None  # never another dataset's
    again = analyze(json.dumps(as_job(resolved)).encode())[0]
    assert again == resolved


def test_a_fraction_is_of_use_where_some_head_has_no_validation_set():
    own = {"train": "kinds", "format": "folders"}
    options = {"validation": "val", "validation_fraction": 0.3}
    heads = (DETECTION, CLASSES | {"data": own})
    resolved = analyze(json.dumps(job(*heads, **options)).encode())[0]
    assert resolved.data.validation_fraction == 0.3
    assert analyze(json.dumps(as_job(resolved)).encode())[0] == resolved
    with pytest.raises(JobError, match="E305"):
        analyze(json.dumps(job(DETECTION, CLASSES, **options)).encode())


def test_coco_files_of_two_tasks_are_read_by_two_readers():
    boxes = DETECTION | {"data": IN_COCO}
    points = {"task": "keypoint_detection", "keypoints": ["a", "b"]}
    with pytest.raises(JobError, match="E345"):
        analyze(json.dumps(job(CLASSES, boxes, points | {"data": IN_COCO})).encode())
    other = points | {"data": IN_COCO | {"train": "other.json"}}
    analyze(json.dumps(job(CLASSES, boxes, other)).encode())


# ---- Runs ----


@pytest.mark.soak
def test_two_datasets_train_one_model(tmp_path):
    """Shapes with boxes in one dataset, and backgrounds in another."""
    draw_dataset(tmp_path / "shapes", train=8, validation=4)
    draw_dataset(tmp_path / "scenes", train=4, validation=2, seed=1)
    own = {"train": "scenes/train", "validation": "scenes/val"}
    folder = make(
        tmp_path / "two", SHAPES, SCENE | {"data": own}, max_iterations=6, validations=1
    )
    train(folder, tmp_path / "run")
    last = rows(tmp_path / "run")[-1]
    assert last["split"] == "validation"
    modules = load_all(folder, "model", "dataset", "evaluate")
    _, samples = modules.dataset.read_datasets(tmp_path)
    assert len(samples) == 6
    model = modules.evaluate.load_model(tmp_path / "run" / "last.pt", "cpu")
    of_scenes = modules.dataset.dataset_of_scene(tmp_path / "scenes" / "val")
    found = modules.evaluate.predict_samples(
        model, of_scenes, torch.device("cpu"), 0, modules.evaluate.evidence
    )
    assert all(list(words) == ["scene"] for words in found)
    right = [
        sample.labels["scene"] == modules.model.SCENE_CATEGORIES.index(category)
        for sample, words in zip(of_scenes, found)
        for category in [words["scene"]["category"]]
    ]
    assert last["scene/accuracy"] == pytest.approx(sum(right) / 2)
